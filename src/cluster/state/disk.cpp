// SPDX-License-Identifier: Apache-2.0
#include "cluster/state/disk.h"

#include <fcntl.h>

#include <fmt/core.h>

#include "base/failpoint.h"
#include "os/file.h"

namespace pila::cluster::state {

using store::Connection;
using store::Statement;
using store::StatementUse;

namespace {

constexpr std::int64_t schema_version = 1;
constexpr std::uint64_t page_size = 4096;
constexpr std::uint64_t pages_before_checkpoint = 4096;
constexpr std::uint64_t pages_in_a_moment = 256;  // that the writer moves itself
constexpr unsigned max_passes = 4;

// FULL: each commit is synced before it is acknowledged. Checkpoints are tidy()'s. The log keeps its size: overwriting
// syncs faster than appending.
constexpr const char* settings = R"(
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 0;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA temp_store = MEMORY;
)";

// Everything is looked up in memory, so the table needs no index by key: in the order of creation new rows go to its
// end, many to a page. No two objects share a create_revision.
constexpr const char* schema = R"(
    BEGIN IMMEDIATE;
    CREATE TABLE object(create_revision INTEGER PRIMARY KEY, revision INTEGER NOT NULL, revision_at INTEGER NOT NULL,
                        key TEXT NOT NULL, attributes BLOB NOT NULL, bytes BLOB NOT NULL);
    CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO meta VALUES('schema', 1), ('revision', 0);
    COMMIT;
)";

ObjectPointer object_of(const Statement& row) {
    auto object = std::make_shared<Object>();
    object->create_revision = row.integer(0);
    object->revision = row.integer(1);
    object->revision_at = static_cast<std::uint32_t>(row.integer(2));
    object->key = row.bytes(3);
    object->attributes = row.bytes(4);
    object->bytes = row.bytes(5);
    return object;
}

}  // namespace

Result<std::unique_ptr<Disk>> Disk::open(const std::string& path) {
    auto disk = std::make_unique<Disk>();
    TRY(disk->prepare(path).in("open state " + path));
    return disk;
}

Result<void> Disk::prepare(const std::string& path) {
    // SQLite's own exclusive mode would keep the checkpointer out, too.
    lock_ = TRY(os::open(path + "-lock", O_RDWR | O_CREAT, 0600));
    if (auto locked = os::lock_exclusively(lock_); !locked)
        return locked.error().code() == Errc::Conflict ? Error(Errc::Conflict, "another process has it open")
                                                       : locked.take_error();
    // Secrets are in it: nobody but the owner reads it. SQLite gives its log the same mode.
    TRY(os::open(path, O_RDWR | O_CREAT, 0600));
    connection_ = TRY(Connection::open(path));
    TRY(connection_.execute(settings));
    TRY(migrate());
    begin_ = TRY(connection_.prepare("BEGIN IMMEDIATE"));
    commit_ = TRY(connection_.prepare("COMMIT"));
    rollback_ = TRY(connection_.prepare("ROLLBACK"));
    put_ = TRY(connection_.prepare("REPLACE INTO object VALUES(?1, ?2, ?3, ?4, ?5, ?6)"));
    remove_ = TRY(connection_.prepare("DELETE FROM object WHERE create_revision = ?1"));
    count_up_ = TRY(connection_.prepare("UPDATE meta SET value = ?1 WHERE name = 'revision'"));
    checkpoint_ = TRY(connection_.prepare("PRAGMA wal_checkpoint(PASSIVE)"));
    checkpointer_ = TRY(Checkpointer::open(path));
    return {};
}

Result<void> Disk::migrate() {
    auto tables = TRY(connection_.integer("SELECT count(*) FROM sqlite_schema"));
    if (tables == 0) return connection_.execute(schema);
    auto ours = TRY(connection_.integer("SELECT count(*) FROM sqlite_schema WHERE name IN ('meta', 'object')"));
    if (ours != 2) return Error(Errc::Invalid, "this is the database of another program");
    auto version = TRY(connection_.integer("SELECT value FROM meta WHERE name = 'schema'"));
    if (version != schema_version)
        return Error(Errc::Unsupported, fmt::format("its schema is {}, this pila knows {}", version, schema_version));
    return {};
}

Result<Disk::Loaded> Disk::load() {
    Loaded loaded;
    // Only for this one pass: a disk that fails under a mapping kills the process, under a read it is an error.
    TRY(connection_.execute("PRAGMA mmap_size = 1099511627776"));
    loaded.revision = TRY(connection_.integer("SELECT value FROM meta WHERE name = 'revision'"));
    auto rows = TRY(connection_.prepare("SELECT * FROM object"));
    while (TRY(rows.step())) {
        loaded.objects.push_back(object_of(rows));
        loaded.revision = std::max(loaded.revision, loaded.objects.back()->revision);
    }
    rows = Statement();
    TRY(connection_.execute("PRAGMA mmap_size = 0"));
    return loaded;
}

Result<void> Disk::commit(const std::vector<Event>& events, Revision revision) {
    auto applied = attempt(events, revision);
    // The log may hold the very room that is missing.
    if (!applied && applied.error().code() == Errc::Exhausted && !checkpointer_->is_running() &&
        checkpoint(checkpoint_).value_or(false))
        applied = attempt(events, revision);
    if (applied || applied.error().code() == Errc::Exhausted) return applied;
    return applied.take_error().with_code(Errc::Internal);
}

Result<void> Disk::attempt(const std::vector<Event>& events, Revision revision) {
    TRY(begin_.run());
    auto applied = apply(events, revision);
    if (!applied) ignore(rollback_.run(), "SQLite may have rolled back by itself already (disk full)");
    return applied;
}

Result<void> Disk::apply(const std::vector<Event>& events, Revision revision) {
    for (const auto& event : events) {
        const auto& object = *event.object;
        auto& statement = event.type == EventType::Deleted ? remove_ : put_;
        StatementUse use(statement);
        use->bind(1, object.create_revision);
        if (event.type != EventType::Deleted) {
            use->bind(2, object.revision);
            use->bind(3, object.revision_at);
            use->bind_text(4, object.key);
            use->bind_blob(5, object.attributes);
            use->bind_blob(6, object.bytes);
            pages_logged_ += (object.bytes.size() + object.attributes.size()) / page_size;
        }
        TRY(use->step());
        ++pages_logged_;
    }
    // The newest revision is in the row of the last change, unless that took the row away.
    if (events.back().type == EventType::Deleted) {
        count_up_.bind(1, revision);
        TRY(count_up_.run());
        ++pages_logged_;
    }
    PILA_FAILPOINT("state.before-commit");
    TRY(commit_.run());
    PILA_CRASHPOINT("state.after-commit");
    return {};
}

// SQLite begins its log anew only when all of it has been moved, which a pass beside a busy writer never achieves: what
// came meanwhile is the next pass's, until it is so little that the writer moves it itself.
void Disk::tidy() {
    if (checkpointer_->is_running()) return;
    if (passes_ == 0 && pages_logged_ < pages_before_checkpoint) return;
    if (passes_ == max_passes || (passes_ > 0 && pages_logged_ <= pages_in_a_moment)) {
        ignore(checkpoint(checkpoint_), "the next pass, which says why, tries again");
        passes_ = 0;
    } else {
        ++passes_;
        checkpointer_->start();
    }
    pages_logged_ = 0;
}

}  // namespace pila::cluster::state
