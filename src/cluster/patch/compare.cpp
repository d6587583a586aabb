// SPDX-License-Identifier: Apache-2.0
#include "cluster/patch/compare.h"

#include <algorithm>

namespace pila::cluster::patch {

namespace {

using Value = const json::value*;

std::string_view text_of(json::string_view text) { return {text.data(), text.size()}; }

std::string field_step(std::string_view name) {
    std::string step = "f:";
    return step += name;
}

const json::value& empty_object() {
    static const json::value value = json::object();
    return value;
}

const json::value& null() {
    static const json::value value;
    return value;
}

class Comparison {
public:
    void compare(Value before, Value after, const Place& place, std::size_t depth, FieldSet& changed,
                 FieldSet& removed) {
        auto shape = depth < max_depth ? shape_of(place, before, after) : Shape::Leaf;
        bool both_empty = (!before || is_empty(*before)) && (!after || is_empty(*after));
        if (shape == Shape::Leaf || both_empty) return leaf(before, after, place, depth, changed, removed);
        if (shape == Shape::Map)
            members(before, after, place, depth, changed, removed);
        else
            items(before, after, place, depth, changed, removed);
        if (!before) changed.set_member();
        if (!after) removed.set_member();
    }

private:
    void leaf(Value before, Value after, const Place& place, std::size_t depth, FieldSet& changed, FieldSet& removed) {
        if (before && after) {
            if (equal(*before, *after)) return;
            changed.set_member();
            if (depth >= max_depth) return;
            // Where the forms differ, members come and go with them (custom resources).
            if (shape_of(place, before) != shape_of(place, after)) {
                compare(nullptr, after, place, depth, changed, removed);
                compare(before, nullptr, place, depth, changed, removed);
                removed.set_member(false);
            }
            return;
        }
        (before ? removed : changed).set_member();
    }

    void descend(std::string step, Value before, Value after, const Place& place, std::size_t depth, FieldSet& changed,
                 FieldSet& removed) {
        FieldSet inner_changed, inner_removed;
        compare(before, after, place, depth + 1, inner_changed, inner_removed);
        if (!inner_removed.empty()) removed.add(step, std::move(inner_removed));
        if (!inner_changed.empty()) changed.add(std::move(step), std::move(inner_changed));
    }

    // What Go has where JSON has nothing: structs are always there, required lists and maps as null.
    static Value absent(Value parent, const Place& place) {
        if (!parent || !parent->is_object() || !place.field) return nullptr;
        if (place.is_always_there()) return &empty_object();
        auto form = place.node->form;
        bool may_be_null = form == schema::Form::List || form == schema::Form::Map || form == schema::Form::Message;
        return place.field->required && may_be_null ? &null() : nullptr;
    }

    void members(Value before, Value after, const Place& place, std::size_t depth, FieldSet& changed,
                 FieldSet& removed) {
        static const json::object none;
        const auto& old_members = before && before->is_object() ? before->get_object() : none;
        const auto& new_members = after && after->is_object() ? after->get_object() : none;
        for (const auto& member : old_members) {
            auto inner = place.member(text_of(member.key()));
            Value now = new_members.if_contains(member.key());
            if (!now) now = absent(after, inner);
            if (now && is_worth_asking(member.value(), inner, depth) && equal(member.value(), *now)) continue;
            descend(field_step(text_of(member.key())), &member.value(), now, inner, depth, changed, removed);
        }
        for (const auto& member : new_members) {
            if (old_members.contains(member.key())) continue;
            auto inner = place.member(text_of(member.key()));
            descend(field_step(text_of(member.key())), absent(before, inner), &member.value(), inner, depth, changed,
                    removed);
        }
        changed.finish();
        removed.finish();
    }

    // Mostly little changes: whole sections and lists are compared before their steps are made.
    static bool is_worth_asking(const json::value& before, const Place& place, std::size_t depth) {
        bool is_list = place.node && place.node->form == schema::Form::List;
        return depth == 0 || is_list || is_scalar(before);
    }

    struct Item {
        std::string step;
        Value value;
    };

    static std::vector<Item> items_of(Value list, const Place& place) {
        std::vector<Item> found;
        if (!list || !list->is_array()) return found;
        const auto& array = list->get_array();
        found.reserve(array.size());
        for (std::size_t index = 0; index < array.size(); ++index)
            found.push_back({item_step(place, array[index], index), &array[index]});
        std::stable_sort(found.begin(), found.end(),
                         [](const Item& left, const Item& right) { return compare_steps(left.step, right.step) < 0; });
        return found;
    }

    using Position = std::vector<Item>::iterator;

    static Position end_of_step(Position position, Position end) {
        auto first = position;
        while (position != end && position->step == first->step) ++position;
        return position;
    }

    void items(Value before, Value after, const Place& place, std::size_t depth, FieldSet& changed, FieldSet& removed) {
        auto old_items = items_of(before, place), new_items = items_of(after, place);
        auto inner = place.item();
        auto old_item = old_items.begin(), new_item = new_items.begin();
        while (old_item != old_items.end() || new_item != new_items.end()) {
            int order = old_item == old_items.end()   ? 1
                        : new_item == new_items.end() ? -1
                                                      : compare_steps(old_item->step, new_item->step);
            auto old_end = order <= 0 ? end_of_step(old_item, old_items.end()) : old_item;
            auto new_end = order >= 0 ? end_of_step(new_item, new_items.end()) : new_item;
            if (old_end - old_item > 1 || new_end - new_item > 1)
                duplicates(old_item, old_end, new_item, new_end, inner, depth, changed, removed);
            else
                descend(order <= 0 ? old_item->step : new_item->step, order <= 0 ? old_item->value : nullptr,
                        order >= 0 ? new_item->value : nullptr, inner, depth, changed, removed);
            old_item = old_end;
            new_item = new_end;
        }
        changed.finish();
        removed.finish();
    }

    // Items with one key are one leaf together.
    void duplicates(Position before, Position before_end, Position after, Position after_end, const Place& inner,
                    std::size_t depth, FieldSet& changed, FieldSet& removed) {
        auto step = before != before_end ? before->step : after->step;
        FieldSet member;
        member.set_member();
        auto many_before = before_end - before > 1, many_after = after_end - after > 1;
        if (many_before && many_after) {
            auto same = [](const Item& left, const Item& right) { return equal(*left.value, *right.value); };
            if (!std::equal(before, before_end, after, after_end, same)) changed.add(step, std::move(member));
        } else if (many_before) {
            if (after != after_end) descend(step, nullptr, after->value, inner, depth, changed, removed);
            if (after == after_end) removed.add(step, std::move(member));
        } else {
            if (before != before_end) descend(step, before->value, nullptr, inner, depth, changed, removed);
            changed.add(step, std::move(member));
        }
    }
};

// Names of metadata that nobody owns: given by the path, or kept by the server.
constexpr std::string_view unowned_metadata[] = {"name",         "namespace",   "uid",        "resourceVersion",
                                                 "selfLink",     "clusterName", "generation", "creationTimestamp",
                                                 "managedFields"};

FieldSet unowned() {
    FieldSet member;
    member.set_member();
    FieldSet metadata = member;
    for (auto name : unowned_metadata) metadata.add(field_step(name), member);
    metadata.finish();
    FieldSet all;
    all.add("f:apiVersion", member);
    all.add("f:kind", member);
    all.add("f:metadata", std::move(metadata));
    return all;
}

// FieldSet::of
class Reader {
public:
    // The set of `value`, to be entered into its parent's.
    Result<FieldSet> read(const json::value& value, const Place& place, std::size_t depth) {
        FieldSet set;
        if (depth > max_depth)
            return Error(Errc::Invalid, "the configuration is nested more than " + std::to_string(max_depth) + " deep");
        auto shape = shape_of(place, &value);
        if (shape == Shape::Leaf || is_empty(value)) {
            set.set_member();
            return set;
        }
        if (shape == Shape::List)
            TRY(items(value.get_array(), place, depth, set));
        else
            for (const auto& member : value.get_object()) {
                auto inner = place.member(text_of(member.key()));
                auto found = TRY(read(member.value(), inner, depth + 1));
                if (!inner.is_declared()) found.set_member();
                set.add(field_step(text_of(member.key())), std::move(found));
            }
        set.finish();
        return set;
    }

private:
    Result<void> items(const json::array& array, const Place& place, std::size_t depth, FieldSet& set) {
        std::vector<std::string> steps;
        for (const auto& item : array) {
            auto step = item_step(place, item);
            if (!step) return Error(Errc::Invalid, "." + place.field->name + ": " + no_step(*place.field));
            auto found = TRY(read(item, place.item(), depth + 1));
            found.set_member();
            steps.push_back(*step);
            set.add(std::move(*step), std::move(found));
        }
        std::sort(steps.begin(), steps.end());
        auto twice = std::adjacent_find(steps.begin(), steps.end());
        if (twice == steps.end()) return {};
        std::string text = "." + place.field->name + ": duplicate entries for key ";
        append_readable(text, *twice);
        return Error(Errc::Invalid, text);
    }

    static std::string no_step(const schema::Field& list) {
        if (list.list == schema::ListKind::Set) return "an item of a set is no scalar";
        std::string text = "associative list with keys has an element that omits key field";
        for (const auto& key : list.list_keys) text += " \"" + key + "\"";
        return text;
    }
};

}  // namespace

Difference compare(const json::value& before, const json::value& after, const schema::Node& node) {
    Difference found;
    const auto& start = before.is_null() ? empty_object() : before;
    Comparison().compare(&start, &after, {&node, nullptr}, 0, found.changed, found.removed);
    strip_unowned(found.changed);
    strip_unowned(found.removed);
    return found;
}

void strip_unowned(FieldSet& set) {
    static const FieldSet paths = unowned();
    set.discard(paths);
}

Result<FieldSet> whole_set_of(const json::value& object, const schema::Node& node) {
    auto found = TRY(Reader().read(object, {&node, nullptr}, 0));
    found.set_member(false);
    return found;
}

Result<FieldSet> FieldSet::of(const json::value& object, const schema::Node& node) {
    auto found = TRY(whole_set_of(object, node));
    strip_unowned(found);
    return found;
}

}  // namespace pila::cluster::patch
