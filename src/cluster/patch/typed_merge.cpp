// SPDX-License-Identifier: Apache-2.0
#include "cluster/patch/typed_merge.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace pila::cluster::patch {

namespace {

std::string_view text_of(json::string_view text) { return {text.data(), text.size()}; }

void merge(json::value& live, const json::value& set, const Place& place);

class ListMerge {
public:
    ListMerge(json::array& live, const json::array& set, const Place& place) : place_(place) {
        for (std::size_t index = 0; index < live.size(); ++index)
            live_.push_back({item_step(place, live[index], index), &live[index]});
        for (std::size_t index = 0; index < set.size(); ++index)
            set_.push_back({item_step(place, set[index], index), &set[index]});
        for (auto& item : live_) by_step_.emplace(item.step, item.value);
        for (const auto& item : set_) wanted_.insert(item.step);
        for (const auto& item : set_)
            if (by_step_.contains(item.step)) shared_.push_back(item.step);
    }

    // Walks both lists. A live item that is set, too, waits for its turn in the order of the set ones.
    json::array run(const json::storage_ptr& memory) {
        json::array made(memory);
        made.reserve(live_.size() + set_.size());
        std::size_t here = 0, there = 0;
        while (here < live_.size() || there < set_.size()) {
            bool is_wanted = here < live_.size() && wanted_.contains(live_[here].step);
            if (here < live_.size() && there < set_.size() && live_[here].step == set_[there].step) {
                take(made, set_[there++]);
                ++here;
            } else if (is_wanted && (there == set_.size() || !is_next(live_[here].step))) {
                ++here;
            } else if (here < live_.size() && !is_wanted) {
                made.push_back(std::move(*live_[here++].value));
            } else {
                take(made, set_[there++]);
            }
        }
        return made;
    }

private:
    template <typename Value>
    struct Item {
        std::string step;
        Value* value;
    };

    bool is_next(const std::string& step) const { return next_ < shared_.size() && shared_[next_] == step; }

    void take(json::array& made, const Item<const json::value>& item) {
        if (is_next(item.step)) ++next_;
        auto found = by_step_.find(item.step);
        if (found == by_step_.end()) {
            made.push_back(*item.value);
            return;
        }
        merge(*found->second, *item.value, place_.item());
        made.push_back(std::move(*found->second));
    }

    const Place& place_;
    std::vector<Item<json::value>> live_;
    std::vector<Item<const json::value>> set_;
    std::unordered_map<std::string_view, json::value*> by_step_;
    std::unordered_set<std::string_view> wanted_;
    std::vector<std::string_view> shared_;  // steps in both, in the order of the set ones
    std::size_t next_ = 0;
};

// Two items of one key; said only where that is plain to see.
bool is_plainly_same(const Place& list, const json::value& left, const json::value& right) {
    if (list.field->list == schema::ListKind::Set) return is_scalar(left) && equal(left, right);
    const auto *one = left.if_object(), *other = right.if_object();
    for (const auto& key : list.field->list_keys) {
        const auto* value = one && other ? one->if_contains(key) : nullptr;
        const auto* counterpart = value ? other->if_contains(key) : nullptr;
        if (!counterpart || !is_scalar(*value) || !equal(*value, *counterpart)) return false;
    }
    return true;
}

void merge(json::value& live, const json::value& set, const Place& place) {
    auto shape = shape_of(place, &live, &set);
    if (shape == Shape::Leaf || is_empty(live)) {
        live = set;
        return;
    }
    if (is_empty(set)) return;
    if (shape == Shape::List) {
        auto& items = live.get_array();
        const auto& set_items = set.get_array();
        auto same = [&](const json::value& one, const json::value& other) {
            return is_plainly_same(place, one, other);
        };
        if (std::equal(items.begin(), items.end(), set_items.begin(), set_items.end(), same)) {
            for (std::size_t index = 0; index < items.size(); ++index)
                merge(items[index], set_items[index], place.item());
            return;
        }
        auto memory = live.storage();
        live = ListMerge(live.get_array(), set.get_array(), place).run(memory);
        return;
    }
    auto& object = live.get_object();
    for (const auto& member : set.get_object()) {
        auto [found, is_new] = object.emplace(member.key(), nullptr);
        if (is_new)
            found->value() = member.value();
        else
            merge(found->value(), member.value(), place.member(text_of(member.key())));
    }
}

// A set as removal sees it: a field of a message counts as a member if anything in it is one.
struct Owned {
    const FieldSet* set = nullptr;

    bool has(const Place& place) const {
        return set && (set->is_member() || (place.is_declared() && !set->children().empty()));
    }
};

class Pruner {
public:
    // `is_former`, `is_free`: something that holds this was in `former`, was in that and not in `owned`.
    // True: the value is to go.
    bool prune(json::value& value, const Place& place, Owned former, Owned owned, bool is_former, bool is_free) {
        is_former |= former.has(place);
        is_free |= is_former && !owned.has(place);
        if (is_free && former.has(place)) return true;
        if (!former.set || former.set->children().empty()) return false;
        auto shape = shape_of(place, &value);
        if (shape == Shape::Leaf || is_empty(value)) return false;
        if (shape == Shape::List)
            items(value.get_array(), place, former, owned, is_former, is_free);
        else
            members(value.get_object(), place, former, owned, is_former, is_free);
        return is_empty(value) && place.is_declared() && !place.is_always_there();
    }

    void members(json::object& object, const Place& place, Owned former, Owned owned, bool is_former, bool is_free) {
        std::vector<std::string> gone;
        for (auto& member : object) {
            auto name = text_of(member.key());
            Owned inner_former{former.set->find_field(name)};
            if (!inner_former.set) continue;
            Owned inner_owned{owned.set ? owned.set->find_field(name) : nullptr};
            if (prune(member.value(), place.member(name), inner_former, inner_owned, is_former, is_free))
                gone.emplace_back(name);
        }
        if (gone.size() > 8) {
            std::unordered_set<std::string_view> names(gone.begin(), gone.end());
            erase_if(object, [&](json::string_view name) { return names.contains(text_of(name)); });
            return;
        }
        for (const auto& name : gone) object.stable_erase(object.find(name));
    }

private:
    void items(json::array& array, const Place& place, Owned former, Owned owned, bool is_former, bool is_free) {
        json::array kept(array.storage());
        kept.reserve(array.size());
        for (std::size_t index = 0; index < array.size(); ++index) {
            auto step = item_step(place, array[index], index);
            Owned inner_former{former.set->find(step)};
            Owned inner_owned{owned.set ? owned.set->find(step) : nullptr};
            bool goes =
                inner_former.set && prune(array[index], place.item(), inner_former, inner_owned, is_former, is_free);
            if (!goes) kept.push_back(std::move(array[index]));
        }
        array = std::move(kept);
    }
};

}  // namespace

void merge_configuration(json::value& live, const json::value& configuration, const schema::Node& node) {
    merge(live, configuration, {&node, nullptr});
}

void prune(json::value& live, const FieldSet& former, const FieldSet& owned, const schema::Node& node) {
    if (live.is_object()) Pruner().members(live.get_object(), {&node, nullptr}, {&former}, {&owned}, false, false);
}

}  // namespace pila::cluster::patch
