// SPDX-License-Identifier: Apache-2.0
#pragma once
// The node store in memory, for tests.

#include <map>

#include "base/mutex.h"
#include "store/store.h"

namespace pila::network::testing {

class FakeStore final : public store::Store {
public:
    Result<store::Revision> put(std::string_view key, std::string_view value) override {
        return transact({{std::string(key), std::string(value), std::nullopt}});
    }
    Result<store::Revision> remove(std::string_view key) override {
        return transact({{std::string(key), std::nullopt, std::nullopt}});
    }
    Result<store::Revision> transact(const std::vector<store::Change>& changes) override {
        Lock lock(mutex_);
        ++revision_;
        for (const auto& change : changes) {
            if (change.value)
                entries_[change.key] = {change.key, *change.value, revision_, revision_};
            else
                entries_.erase(change.key);
        }
        return revision_;
    }
    Result<std::optional<store::Entry>> get(std::string_view key) override {
        Lock lock(mutex_);
        auto found = entries_.find(std::string(key));
        if (found == entries_.end()) return std::optional<store::Entry>();
        return std::optional(found->second);
    }
    Result<std::vector<store::Entry>> range(std::string_view prefix) override {
        Lock lock(mutex_);
        std::vector<store::Entry> result;
        for (auto entry = entries_.lower_bound(std::string(prefix));
             entry != entries_.end() && entry->first.starts_with(prefix); ++entry)
            result.push_back(entry->second);
        return result;
    }
    store::Revision revision() const override { return revision_; }

private:
    Mutex mutex_;
    std::map<std::string, store::Entry> entries_;
    store::Revision revision_ = 0;
};

}  // namespace pila::network::testing
