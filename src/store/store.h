// SPDX-License-Identifier: Apache-2.0
#pragma once
// Revisioned key/value log on SQLite (WAL). The node store keeps containers, images, networks; writes are atomic and in
// order, and with Durability::Relaxed may be lost with the power (never with the process).
// Threads: any; writes are serialised.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pila::store {

using Revision = std::int64_t;

struct Entry {
    std::string key;
    std::string value;
    Revision revision = 0;  // of its last change
    Revision create_revision = 0;
};

struct Change {
    std::string key;
    std::optional<std::string> value;  // nullopt: delete
    std::optional<Revision> expect;    // fail with Conflict unless the key is at this revision; 0: must not exist
};

enum class Durability : std::uint8_t { Relaxed, Durable };

class Store {
public:
    static Result<std::unique_ptr<Store>> open(const std::string& path, Durability durability);
    virtual ~Store() = default;
    virtual Result<Revision> put(std::string_view key, std::string_view value) = 0;
    virtual Result<Revision> remove(std::string_view key) = 0;                  // a missing key is fine
    virtual Result<Revision> transact(const std::vector<Change>& changes) = 0;  // all or none, one revision
    virtual Result<std::optional<Entry>> get(std::string_view key) = 0;
    virtual Result<std::vector<Entry>> range(std::string_view prefix) = 0;  // in key order
    virtual Revision revision() const = 0;
};

}  // namespace pila::store
