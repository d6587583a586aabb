// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include <fmt/core.h>

#include "base/failpoint.h"
#include "base/mutex.h"
#include "os/file.h"
#include "store/sqlite.h"
#include "store/store.h"

namespace pila::store {

namespace {

constexpr int schema_version = 1;
constexpr std::size_t max_key_bytes = 4096;
constexpr std::size_t max_value_bytes = 64U << 20;

// EXCLUSIVE: one daemon a store, and no shared-memory index to keep. The write-ahead log is cut back to its limit after
// a checkpoint, so that one burst does not hold disk for ever.
constexpr const char* settings = R"(
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA journal_mode = WAL;
    PRAGMA journal_size_limit = 16777216;
    PRAGMA temp_store = MEMORY;
)";

// The revision of a deletion is in no row of kv, so the counter has a row of its own.
constexpr const char* schema = R"(
    BEGIN IMMEDIATE;
    CREATE TABLE kv(key TEXT PRIMARY KEY, value BLOB NOT NULL, revision INTEGER NOT NULL,
                    create_revision INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO meta VALUES('schema', 1), ('revision', 0);
    COMMIT;
)";

Result<void> check_key(std::string_view key) {
    if (key.empty()) return Error(Errc::Invalid, "store: empty key");
    if (key.size() > max_key_bytes) return Error(Errc::Invalid, fmt::format("store: key of {} bytes", key.size()));
    if (key.find('\0') != std::string_view::npos) return Error(Errc::Invalid, "store: key with a zero byte");
    return {};
}

Result<void> check_change(const Change& change) {
    TRY(check_key(change.key));
    if (change.value && change.value->size() > max_value_bytes)
        return Error(Errc::Exhausted, fmt::format("store: value of {} bytes for {}", change.value->size(), change.key));
    return {};
}

// The first key after all those that begin with `prefix`; "" if there is no end.
std::string end_of(std::string_view prefix) {
    std::string end(prefix);
    while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
    if (!end.empty()) end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
    return end;
}

class SqliteStore final : public Store {
public:
    static Result<std::unique_ptr<Store>> open(const std::string& path, Durability durability) {
        std::unique_ptr<SqliteStore> store(new SqliteStore());
        TRY(store->prepare(path, durability).in("open store " + path));
        return std::unique_ptr<Store>(std::move(store));
    }

    Result<Revision> put(std::string_view key, std::string_view value) override {
        std::vector<Change> changes(1);
        changes[0].key = key;
        changes[0].value.emplace(value);
        return transact(changes);
    }

    Result<Revision> remove(std::string_view key) override {
        return transact({Change{.key = std::string(key), .value = std::nullopt, .expect = std::nullopt}});
    }

    Result<Revision> transact(const std::vector<Change>& changes) override {
        for (const auto& change : changes) TRY(check_change(change));
        Lock lock(mutex_);
        TRY(begin_.run());
        auto applied = apply(changes);
        if (!applied) {
            ignore(rollback_.run(), "SQLite may have rolled back by itself already (disk full)");
            return applied.take_error();
        }
        revision_ = *applied;
        return revision_;
    }

    Result<std::optional<Entry>> get(std::string_view key) override {
        TRY(check_key(key));
        Lock lock(mutex_);
        StatementUse use(get_);
        use->bind_text(1, key);
        if (!TRY(use->step())) return std::optional<Entry>();
        return std::optional<Entry>(entry_of(get_));
    }

    Result<std::vector<Entry>> range(std::string_view prefix) override {
        auto end = end_of(prefix);
        std::vector<Entry> entries;
        Lock lock(mutex_);
        StatementUse use(end.empty() ? range_open_ : range_);
        use->bind_text(1, prefix.data() ? prefix : std::string_view(""));
        if (!end.empty()) use->bind_text(2, end);
        while (TRY(use->step())) entries.push_back(entry_of(end.empty() ? range_open_ : range_));
        return entries;
    }

    Revision revision() const override {
        Lock lock(mutex_);
        return revision_;
    }

private:
    SqliteStore() = default;

    Result<void> prepare(const std::string& path, Durability durability) {
        Lock lock(mutex_);
        // Values hold secrets (environments of containers): nobody but the owner reads them. SQLite gives its log the
        // same mode.
        if (path != ":memory:") TRY(os::open(path, O_RDWR | O_CREAT, 0600));
        connection_ = TRY(Connection::open(path));
        TRY(connection_.execute(settings));
        // NORMAL syncs at checkpoints only: atomic and in order, the newest commits may go with the power. FULL syncs
        // each.
        TRY(connection_.execute(durability == Durability::Durable ? "PRAGMA synchronous = FULL"
                                                                  : "PRAGMA synchronous = NORMAL"));
        TRY(migrate());
        revision_ = TRY(connection_.integer("SELECT value FROM meta WHERE name = 'revision'"));
        return prepare_statements();
    }

    Result<void> migrate() REQUIRES(mutex_) {
        auto tables = TRY(connection_.integer("SELECT count(*) FROM sqlite_schema"));
        if (tables == 0) return connection_.execute(schema);
        auto ours = TRY(connection_.integer("SELECT count(*) FROM sqlite_schema WHERE name IN ('meta', 'kv')"));
        if (ours != 2) return Error(Errc::Invalid, "this is the database of another program");
        auto version = TRY(connection_.integer("SELECT value FROM meta WHERE name = 'schema'"));
        if (version > schema_version)
            return Error(Errc::Unsupported, fmt::format("written by a newer pila (schema {}, this one knows up to {})",
                                                        version, schema_version));
        if (version < schema_version)
            return Error(Errc::Unsupported, fmt::format("its schema {} is unknown to this pila", version));
        return {};
    }

    Result<void> prepare_statements() REQUIRES(mutex_) {
        begin_ = TRY(connection_.prepare("BEGIN IMMEDIATE"));
        commit_ = TRY(connection_.prepare("COMMIT"));
        rollback_ = TRY(connection_.prepare("ROLLBACK"));
        put_ =
            TRY(connection_.prepare("INSERT INTO kv VALUES(?1, ?2, ?3, ?3) ON CONFLICT(key) DO UPDATE "
                                    "SET value = excluded.value, revision = excluded.revision"));
        remove_ = TRY(connection_.prepare("DELETE FROM kv WHERE key = ?1"));
        revision_of_ = TRY(connection_.prepare("SELECT revision FROM kv WHERE key = ?1"));
        count_up_ = TRY(connection_.prepare("UPDATE meta SET value = ?1 WHERE name = 'revision'"));
        std::string select = "SELECT key, value, revision, create_revision FROM kv WHERE key ";
        get_ = TRY(connection_.prepare(select + "= ?1"));
        range_ = TRY(connection_.prepare(select + ">= ?1 AND key < ?2 ORDER BY key"));
        range_open_ = TRY(connection_.prepare(select + ">= ?1 ORDER BY key"));
        return {};
    }

    static Entry entry_of(const Statement& row) { return {row.bytes(0), row.bytes(1), row.integer(2), row.integer(3)}; }

    Result<Revision> revision_of(std::string_view key) REQUIRES(mutex_) {
        StatementUse use(revision_of_);
        use->bind_text(1, key);
        bool found = TRY(use->step());
        return found ? use->integer(0) : 0;
    }

    // Everything between BEGIN and COMMIT. Expectations are about the state before the transaction.
    Result<Revision> apply(const std::vector<Change>& changes) REQUIRES(mutex_) {
        for (const auto& change : changes) {
            if (!change.expect) continue;
            auto found = TRY(revision_of(change.key));
            if (found == *change.expect) continue;
            return Error(Errc::Conflict,
                         fmt::format("store: {} is at revision {}, not {}", change.key, found, *change.expect));
        }
        Revision next = revision_ + 1;
        for (const auto& change : changes) {
            auto& statement = change.value ? put_ : remove_;
            StatementUse use(statement);
            use->bind_text(1, change.key);
            if (change.value) {
                use->bind_blob(2, *change.value);
                use->bind(3, next);
            }
            TRY(use->step());
        }
        count_up_.bind(1, next);
        TRY(count_up_.run());
        PILA_FAILPOINT("store.before-commit");
        TRY(commit_.run());
        return next;
    }

    mutable Mutex mutex_;
    Connection connection_ GUARDED_BY(mutex_);  // before the statements: it must go last
    Revision revision_ GUARDED_BY(mutex_) = 0;
    Statement begin_, commit_, rollback_, put_, remove_, revision_of_, count_up_, get_, range_, range_open_;
};

}  // namespace

Result<std::unique_ptr<Store>> Store::open(const std::string& path, Durability durability) {
    return SqliteStore::open(path, durability);
}

}  // namespace pila::store
