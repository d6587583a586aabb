// SPDX-License-Identifier: Apache-2.0
#pragma once
// The one place that knows SQLite's C interface: statements that own themselves and errors as Result. Threads: the
// owner's mutex guards a connection and everything prepared on it.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace pila::store {

class Statement {
public:
    Statement() = default;
    explicit Statement(sqlite3_stmt* owned) : statement_(owned) {}

    // Parameters count from 1, columns from 0. Bound text must outlive the next reset().
    void bind(int parameter, std::int64_t value);
    void bind_text(int parameter, std::string_view value);
    void bind_blob(int parameter, std::string_view value);
    Result<bool> step();  // false: no more rows
    Result<void> run();   // to the end, then reset()
    void reset();
    std::int64_t integer(int column) const;
    std::string bytes(int column) const;

private:
    struct Finalise {
        void operator()(sqlite3_stmt* statement) const;
    };
    std::unique_ptr<sqlite3_stmt, Finalise> statement_;
};

// Resets a statement on every way out, so that no read transaction outlives its call.
class StatementUse {
public:
    explicit StatementUse(Statement& statement) : statement_(statement) {}
    ~StatementUse() { statement_.reset(); }
    StatementUse(const StatementUse&) = delete;
    StatementUse& operator=(const StatementUse&) = delete;
    Statement* operator->() { return &statement_; }

private:
    Statement& statement_;
};

class Connection {
public:
    static Result<Connection> open(const std::string& path);
    Result<void> execute(const char* sql);
    Result<Statement> prepare(std::string_view sql);
    Result<std::int64_t> integer(std::string_view sql);  // the first column of the first row; 0 without one

private:
    struct Close {
        void operator()(sqlite3* connection) const;
    };
    std::unique_ptr<sqlite3, Close> connection_;
};

}  // namespace pila::store
