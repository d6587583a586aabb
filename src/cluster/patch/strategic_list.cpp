// SPDX-License-Identifier: Apache-2.0
// Lists of a strategic merge. Items are known by the text of their merge key, or by their own if they are scalars; all
// of it is linear in the number of items.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include <fmt/core.h>

#include "cluster/patch/strategic.h"

namespace pila::cluster::patch::strategic {

namespace {

using Ranks = std::unordered_map<std::string, std::size_t>;

struct Item {
    std::string key;
    json::value value;
};

class ListMerge {
public:
    ListMerge(json::array& live, const Place& place)
        : live_(live), place_(place), key_name_(place.field ? place.field->merge_key : "") {}

    Result<void> run(const json::array* patch, const json::array* order) {
        static const json::array none;
        TRY(learn_kind(live_, patch ? *patch : none));
        std::vector<std::string> order_keys;
        if (order) order_keys = TRY(keys_of_order(*order));
        TRY(read_live());
        if (patch && place_.field && place_.field->merges)
            TRY(merge(*patch));
        else if (patch)
            TRY(replace(*patch));
        if (order) TRY(check_order(order_keys));
        arrange(order ? order_keys : patched_);
        return {};
    }

private:
    Result<void> learn_kind(const json::array& live, const json::array& patch) {
        std::size_t maps = 0, lists = 0;
        for (const auto* array : {&live, &patch})
            for (const auto& item : *array) {
                maps += item.is_object() ? 1 : 0;
                lists += item.is_array() ? 1 : 0;
            }
        if (lists > 0) return Error(Errc::Invalid, "lists of lists are not supported");
        if (maps > 0 && maps != live.size() + patch.size())
            return Error(Errc::Invalid, "list element types are not identical");
        maps_ = maps > 0;
        if (maps_ && key_name_.empty()) return Error(Errc::Invalid, "cannot merge lists without merge key");
        return {};
    }

    Result<std::string> key_of(const json::value& item) const {
        if (!maps_) return scalar_text(item);
        const auto* key = item.get_object().if_contains(key_name_);
        if (!key || !is_scalar(*key))
            return Error(Errc::Invalid, fmt::format("an item does not contain declared merge key: {}", key_name_));
        return scalar_text(*key);
    }

    Result<std::vector<std::string>> keys_of_order(const json::array& order) const {
        std::vector<std::string> keys;
        for (const auto& item : order) {
            if (item.is_object() != maps_ || item.is_array())
                return Error(Errc::Invalid, "invalid patch format of setElementOrder list");
            keys.push_back(TRY(key_of(item)));
        }
        return keys;
    }

    Result<void> read_live() {
        std::unordered_set<std::string> seen;
        for (auto& item : live_) {
            auto key = TRY(key_of(item));
            ranks_.emplace(key, ranks_.size());
            if (maps_ || seen.insert(key).second) items_.push_back({std::move(key), std::move(item)});
        }
        return {};
    }

    // What a list without merging becomes, if it has an order all the same.
    Result<void> replace(const json::array& patch) {
        items_.clear();
        for (const auto& change : patch)
            if (!change.is_object() || !change.get_object().contains(directive)) TRY(append(change));
        return {};
    }

    Result<void> merge(const json::array& patch) {
        if (!maps_) {
            std::unordered_set<std::string> present;
            for (const auto& item : items_) present.insert(item.key);
            for (const auto& change : patch) {
                auto key = scalar_text(change);
                patched_.push_back(key);
                if (present.insert(key).second)
                    items_.push_back({std::move(key), json::value(change, live_.storage())});
            }
            return {};
        }
        bool replaces = false;
        std::unordered_set<std::string> deleted;
        for (const auto& change : patch) {
            auto wanted = TRY(directive_of(change.get_object()));
            replaces |= wanted == "replace";
            if (wanted == "delete") deleted.insert(TRY(key_of(change)));
        }
        if (replaces) {
            ranks_.clear();
            items_.clear();
            for (const auto& change : patch)
                if (!change.get_object().contains(directive)) TRY(append(change));
            return {};
        }
        if (!deleted.empty()) std::erase_if(items_, [&](const Item& item) { return deleted.contains(item.key); });
        return merge_maps(patch);
    }

    Result<void> append(const json::value& change) {
        auto key = TRY(key_of(change));
        patched_.push_back(key);
        if (auto made = settled(change, live_.storage())) items_.push_back({std::move(key), std::move(*made)});
        return {};
    }

    Result<void> merge_maps(const json::array& patch) {
        std::unordered_map<std::string, std::size_t> index;
        for (std::size_t at = 0; at < items_.size(); ++at) index.emplace(items_[at].key, at);
        for (const auto& change : patch) {
            if (change.get_object().contains(directive) && TRY(directive_of(change.get_object())) == "delete") continue;
            auto key = TRY(key_of(change));
            auto found = index.find(key);
            if (found == index.end()) {
                index.emplace(key, items_.size());
                TRY(append(change));
                continue;
            }
            patched_.push_back(std::move(key));
            TRY(merge_map(items_[found->second].value.get_object(), change.get_object(), place_.item()));
        }
        return {};
    }

    // The items of the patch stand in the order in the same order.
    Result<void> check_order(const std::vector<std::string>& order) const {
        std::size_t at = 0;
        for (const auto& key : order)
            if (at < patched_.size() && patched_[at] == key) ++at;
        if (at == patched_.size() || order.empty()) return {};
        return Error(Errc::Invalid,
                     fmt::format("the order in the patch list does not match $setElementOrder: {}", patched_[at]));
    }

    // The items that `order` names in its order; the others keep theirs. One of the others comes before one of the
    // former if it did so in the live list; where that says nothing, the former come first.
    void arrange(const std::vector<std::string>& order) {
        Ranks wanted;
        for (const auto& key : order) wanted.emplace(key, wanted.size());
        std::vector<Item> first, others;
        for (auto& item : items_) (wanted.contains(item.key) ? first : others).push_back(std::move(item));
        std::stable_sort(first.begin(), first.end(), [&](const Item& left, const Item& right) {
            return wanted.at(left.key) < wanted.at(right.key);
        });
        live_.clear();
        live_.reserve(first.size() + others.size());
        auto next = first.begin();
        for (auto& other : others) {
            for (; next != first.end() && !precedes(other, *next); ++next) live_.push_back(std::move(next->value));
            live_.push_back(std::move(other.value));
        }
        for (; next != first.end(); ++next) live_.push_back(std::move(next->value));
    }

    bool precedes(const Item& left, const Item& right) const {
        auto one = ranks_.find(left.key), other = ranks_.find(right.key);
        return one != ranks_.end() && other != ranks_.end() && one->second < other->second;
    }

    json::array& live_;
    const Place& place_;
    std::string key_name_;
    bool maps_ = false;
    std::vector<Item> items_;
    std::vector<std::string> patched_;  // keys of what the patch sets, in its order
    Ranks ranks_;                       // where keys stood in the live list
};

}  // namespace

Result<void> merge_list(json::array& live, const json::array* patch, const json::array* order, const Place& place) {
    return ListMerge(live, place).run(patch, order);
}

void remove_scalars(json::array& live, const json::array& gone) {
    std::unordered_set<std::string> keys;
    for (const auto& item : gone)
        if (is_scalar(item)) keys.insert(scalar_text(item));
    json::array kept(live.storage());
    kept.reserve(live.size());
    for (auto& item : live)
        if (!is_scalar(item) || !keys.contains(scalar_text(item))) kept.push_back(std::move(item));
    live = std::move(kept);
}

}  // namespace pila::cluster::patch::strategic
