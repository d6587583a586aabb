// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite.h"

#include <sqlite3.h>
#include <cerrno>

namespace pila::store {

static Errc code_of(int result, int os_errno) {
    switch (result & 0xff) {
        case SQLITE_FULL:
        case SQLITE_NOMEM:
        case SQLITE_TOOBIG: return Errc::Exhausted;
        case SQLITE_BUSY:
        case SQLITE_LOCKED: return Errc::Conflict;
        case SQLITE_READONLY:
        case SQLITE_PERM:
        case SQLITE_AUTH: return Errc::Denied;
        case SQLITE_IOERR:
            // FULL is only a write that found no room, not a sync, nor quotas and limits.
            return os_errno == ENOSPC || os_errno == EDQUOT || os_errno == EFBIG ? Errc::Exhausted : Errc::Internal;
        default: return Errc::Internal;
    }
}

static Error error_of(sqlite3* connection, std::string_view doing) {
    int last_errno = errno;  // all there is about an error in a commit: SQLite remembers only those of opening files
    int result = connection ? sqlite3_extended_errcode(connection) : SQLITE_NOMEM;
    std::string reason = connection ? sqlite3_errmsg(connection) : "out of memory";
    if ((result & 0xff) == SQLITE_BUSY) reason = "another process has it open";
    int os_errno = connection ? sqlite3_system_errno(connection) : 0;
    if ((result & 0xff) == SQLITE_IOERR && os_errno == 0) os_errno = last_errno;
    return Error(code_of(result, os_errno), std::string(doing) + ": " + reason, os_errno);
}

void Statement::Finalise::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
void Connection::Close::operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }

void Statement::bind(int parameter, std::int64_t value) { sqlite3_bind_int64(statement_.get(), parameter, value); }

void Statement::bind_text(int parameter, std::string_view value) {
    sqlite3_bind_text64(statement_.get(), parameter, value.data(), value.size(), SQLITE_STATIC, SQLITE_UTF8);
}

void Statement::bind_blob(int parameter, std::string_view value) {
    // A null pointer would bind NULL, which is not the empty value.
    const char* bytes = value.data() ? value.data() : "";
    sqlite3_bind_blob64(statement_.get(), parameter, bytes, value.size(), SQLITE_STATIC);
}

Result<bool> Statement::step() {
    errno = 0;
    int result = sqlite3_step(statement_.get());
    if (result == SQLITE_ROW) return true;
    if (result == SQLITE_DONE) return false;
    return error_of(sqlite3_db_handle(statement_.get()), "store");
}

Result<void> Statement::run() {
    StatementUse use(*this);
    while (TRY(step())) {
    }
    return {};
}

void Statement::reset() { sqlite3_reset(statement_.get()); }

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }

std::string Statement::bytes(int column) const {
    const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
    auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column));
    return data ? std::string(data, size) : std::string();
}

Result<Connection> Connection::open(const std::string& path) {
    sqlite3* raw = nullptr;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int result = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
    Connection connection;
    connection.connection_.reset(raw);
    if (result != SQLITE_OK) return error_of(raw, "open");
    return connection;
}

Result<void> Connection::execute(const char* sql) {
    if (sqlite3_exec(connection_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK)
        return error_of(connection_.get(), "store");
    return {};
}

Result<Statement> Connection::prepare(std::string_view sql) {
    sqlite3_stmt* raw = nullptr;
    int result = sqlite3_prepare_v3(connection_.get(), sql.data(), static_cast<int>(sql.size()),
                                    SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
    if (result != SQLITE_OK) return error_of(connection_.get(), "store");
    return Statement(raw);
}

Result<std::int64_t> Connection::integer(std::string_view sql) {
    auto statement = TRY(prepare(sql));
    bool row = TRY(statement.step());
    return row ? statement.integer(0) : 0;
}

}  // namespace pila::store
