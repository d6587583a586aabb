// SPDX-License-Identifier: Apache-2.0
#include "cluster/patch/field_set.h"

#include <algorithm>
#include <functional>

#include "cluster/patch/tree.h"

namespace pila::cluster::patch {

FieldSet::FieldSet() = default;
FieldSet::FieldSet(const FieldSet&) = default;
FieldSet::FieldSet(FieldSet&&) noexcept = default;
FieldSet& FieldSet::operator=(const FieldSet&) = default;
FieldSet& FieldSet::operator=(FieldSet&&) noexcept = default;
FieldSet::~FieldSet() = default;

namespace {

int rank_of(std::string_view step) {
    static constexpr std::string_view order = "fkvi";
    return step.empty() ? -1 : static_cast<int>(order.find(step[0]));
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The whole number that text[at] belongs to, if it begins right behind a colon; the text before `at` is the same in
// both steps, so that both see it begin at the same place.
std::string_view number_at(std::string_view text, std::size_t at) {
    auto begin = at;
    while (begin > 0 && is_digit(text[begin - 1])) --begin;
    if (begin > 0 && text[begin - 1] == '-') --begin;
    if (begin == 0 || text[begin - 1] != ':') return {};
    auto end = begin;
    if (end < text.size() && text[end] == '-') ++end;
    auto first_digit = end;
    while (end < text.size() && is_digit(text[end])) ++end;
    return end == first_digit ? std::string_view() : text.substr(begin, end - begin);
}

int compare_numbers(std::string_view left, std::string_view right) {
    bool negative = left[0] == '-';
    if (negative != (right[0] == '-')) return negative ? -1 : 1;
    int order = left.size() != right.size() ? (left.size() < right.size() ? -1 : 1) : left.compare(right);
    return negative ? -order : order;
}

}  // namespace

int compare_steps(std::string_view left, std::string_view right) {
    auto [one, other] = std::mismatch(left.begin(), left.end(), right.begin(), right.end());
    if (one == left.end() && other == right.end()) return 0;
    auto at = static_cast<std::size_t>(one - left.begin());
    if (at == 0) return rank_of(left) - rank_of(right);
    if (left[0] != 'f') {
        auto number = number_at(left, at), counterpart = number_at(right, at);
        if (!number.empty() && !counterpart.empty() && number != counterpart)
            return compare_numbers(number, counterpart);
    }
    return left.compare(right);
}

namespace {

bool precedes(const FieldSet::Child& left, const FieldSet::Child& right) {
    return compare_steps(left.step, right.step) < 0;
}

}  // namespace

const FieldSet* FieldSet::find(std::string_view step) const {
    auto found = std::lower_bound(
        children_.begin(), children_.end(), step,
        [](const Child& child, std::string_view wanted) { return compare_steps(child.step, wanted) < 0; });
    return found != children_.end() && found->step == step ? &found->set : nullptr;
}

const FieldSet* FieldSet::find_parts(std::string_view prefix, std::string_view rest) const {
    // Fields come first and are in the order of their bytes.
    auto found =
        std::lower_bound(children_.begin(), children_.end(), rest, [&](const Child& child, std::string_view wanted) {
            std::string_view step = child.step;
            return step.starts_with(prefix) && step.substr(prefix.size()) < wanted;
        });
    if (found == children_.end()) return nullptr;
    std::string_view step = found->step;
    return step.starts_with(prefix) && step.substr(prefix.size()) == rest ? &found->set : nullptr;
}

void FieldSet::add(std::string step, FieldSet set) {
    if (!set.empty()) children_.push_back({std::move(step), std::move(set)});
}

void FieldSet::finish() {
    if (!std::is_sorted(children_.begin(), children_.end(), precedes))
        std::stable_sort(children_.begin(), children_.end(), precedes);
    auto same = [](const Child& left, const Child& right) { return left.step == right.step; };
    if (std::adjacent_find(children_.begin(), children_.end(), same) == children_.end()) return;
    std::vector<Child> merged;
    for (auto& child : children_) {
        if (!merged.empty() && same(merged.back(), child))
            merged.back().set = merged.back().set.unite(child.set);
        else
            merged.push_back(std::move(child));
    }
    children_ = std::move(merged);
}

bool FieldSet::has(const FieldSet& paths) const {
    if (paths.member_ && !member_) return false;
    return std::all_of(paths.children_.begin(), paths.children_.end(), [&](const Child& child) {
        const auto* own = find(child.step);
        return own && own->has(child.set);
    });
}

FieldSet FieldSet::unite(const FieldSet& other) const {
    FieldSet made;
    made.member_ = member_ || other.member_;
    made.children_.reserve(std::max(children_.size(), other.children_.size()));
    auto one = children_.begin(), another = other.children_.begin();
    while (one != children_.end() || another != other.children_.end()) {
        int order = one == children_.end()             ? 1
                    : another == other.children_.end() ? -1
                                                       : compare_steps(one->step, another->step);
        if (order < 0)
            made.children_.push_back(*one++);
        else if (order > 0)
            made.children_.push_back(*another++);
        else {
            made.children_.push_back({one->step, one->set.unite(another->set)});
            ++one;
            ++another;
        }
    }
    return made;
}

FieldSet FieldSet::intersect(const FieldSet& other) const {
    FieldSet made;
    made.member_ = member_ && other.member_;
    auto one = children_.begin(), another = other.children_.begin();
    while (one != children_.end() && another != other.children_.end()) {
        int order = compare_steps(one->step, another->step);
        if (order == 0) made.add(one->step, one->set.intersect(another->set));
        if (order <= 0) ++one;
        if (order >= 0) ++another;
    }
    return made;
}

FieldSet FieldSet::subtract(const FieldSet& other) const {
    FieldSet made;
    made.member_ = member_ && !other.member_;
    auto another = other.children_.begin();
    for (const auto& child : children_) {
        while (another != other.children_.end() && compare_steps(another->step, child.step) < 0) ++another;
        if (another != other.children_.end() && another->step == child.step)
            made.add(child.step, child.set.subtract(another->set));
        else
            made.children_.push_back(child);
    }
    return made;
}

void FieldSet::discard(const FieldSet& members) {
    member_ = member_ && !members.member_;
    auto other = members.children_.begin();
    bool emptied = false;
    for (auto child = children_.begin(); child != children_.end() && other != members.children_.end(); ++child) {
        while (other != members.children_.end() && compare_steps(other->step, child->step) < 0) ++other;
        if (other == members.children_.end() || other->step != child->step) continue;
        child->set.discard(other->set);
        emptied |= child->set.empty();
    }
    if (emptied) std::erase_if(children_, [](const Child& child) { return child.set.empty(); });
}

bool FieldSet::operator==(const FieldSet& other) const {
    return member_ == other.member_ && std::equal(children_.begin(), children_.end(), other.children_.begin(),
                                                  other.children_.end(), [](const Child& left, const Child& right) {
                                                      return left.step == right.step && left.set == right.set;
                                                  });
}

}  // namespace pila::cluster::patch
