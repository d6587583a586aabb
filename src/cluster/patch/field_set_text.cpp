// SPDX-License-Identifier: Apache-2.0
// FieldsV1 and the paths that people read.
#include <algorithm>

#include <fmt/core.h>

#include "base/json.h"
#include "base/text.h"
#include "cluster/patch/field_set.h"
#include "cluster/patch/step.h"
#include "cluster/patch/tree.h"

namespace pila::cluster::patch {

namespace {

constexpr std::size_t max_steps = 100'000;

// A string or a whole number as scalar_text has it, taken off `text`; "": another thing, or not so plain.
std::string_view take_plain(std::string_view& text) {
    std::size_t end = 0;
    if (text.starts_with('"')) {
        for (end = 1; end < text.size() && text[end] != '"'; ++end)
            if (text[end] < ' ' || text[end] > '~' || text[end] == '\\') return {};
        if (end == text.size()) return {};
        ++end;
    } else {
        while (end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
        if (end == 0 || end > 18 || (end > 1 && text[0] == '0')) return {};
    }
    auto taken = text.substr(0, end);
    text.remove_prefix(end);
    return taken;
}

// `k:{"a":"x","b":1}` and `v:"x"` as they nearly always are: canonical already.
bool is_plainly_canonical(std::string_view step) {
    bool is_value = step[0] == 'v';
    step.remove_prefix(2);
    if (is_value) return !take_plain(step).empty() && step.empty();
    if (!step.starts_with('{')) return false;
    std::string_view last;
    bool has_last = false;
    do {
        step.remove_prefix(1);
        auto name = take_plain(step);
        if (!name.starts_with('"') || !step.starts_with(':')) return false;
        name = name.substr(1, name.size() - 2);
        if (has_last && name <= last) return false;
        step.remove_prefix(1);
        if (take_plain(step).empty()) return false;
        last = name;
        has_last = true;
    } while (step.starts_with(','));
    return step == "}";
}

// The one form of a step that equal steps have.
Result<std::string> canonical(std::string_view step) {
    auto refused = [&] { return Error(Errc::Invalid, fmt::format("{} is no step of a field set", json_quote(step))); };
    if (step.starts_with("f:")) return std::string(step);
    if (step.starts_with("i:")) {
        auto index = parse_int(step.substr(2));
        if (!index) return refused();
        return fmt::format("i:{}", *index);
    }
    if (!step.starts_with("k:") && !step.starts_with("v:")) return refused();
    if (is_plainly_canonical(step)) return std::string(step);
    auto parsed = parse_json(step.substr(2), {.max_bytes = 64U << 10, .max_depth = 4});
    if (!parsed) return refused();
    if (step[0] == 'v') {
        if (!is_scalar(*parsed)) return refused();
        return "v:" + scalar_text(*parsed);
    }
    const auto* keys = parsed->if_object();
    if (!keys || keys->empty()) return refused();
    std::vector<KeyPart> parts;
    for (const auto& key : *keys) {
        if (!is_scalar(key.value())) return refused();
        parts.push_back({std::string_view(key.key().data(), key.key().size()), scalar_text(key.value())});
    }
    return key_step(std::move(parts));
}

Result<FieldSet> read(const json::value& value, std::size_t depth, std::size_t& steps) {
    FieldSet made;
    if (value.is_null()) return made;
    const auto* members = value.if_object();
    if (!members) return Error(Errc::Invalid, "a field set is made of objects");
    if (depth > max_depth) return Error(Errc::Invalid, fmt::format("a field set is deeper than {}", max_depth));
    for (const auto& member : *members) {
        std::string_view step(member.key().data(), member.key().size());
        if (++steps > max_steps) return Error(Errc::Invalid, fmt::format("a field set has over {} steps", max_steps));
        if (step == ".") {
            made.set_member();
            continue;
        }
        auto set = TRY(read(member.value(), depth + 1, steps));
        if (set.empty()) set.set_member();
        made.add(TRY(canonical(step)), std::move(set));
    }
    made.finish();
    return made;
}

}  // namespace

Result<FieldSet> FieldSet::parse(const json::value& fields_v1) {
    std::size_t steps = 0;
    auto made = TRY(read(fields_v1, 0, steps));
    made.set_member(false);  // nobody owns the whole object
    return made;
}

json::value FieldSet::fields_v1(json::storage_ptr memory) const { return write(memory); }

json::value FieldSet::write(const json::storage_ptr& memory) const {
    json::object made(memory);
    made.reserve(children_.size() + 1);
    if (member_ && !children_.empty()) made.emplace(".", json::object(memory));
    for (const auto& child : children_) made.emplace(child.step, child.set.write(memory));
    return json::value(std::move(made), memory);
}

void FieldSet::append_paths(std::string& prefix, std::size_t most, std::vector<std::string>& paths) const {
    if (member_ && paths.size() < most) paths.push_back(prefix);
    auto length = prefix.size();
    for (const auto& child : children_) {
        if (paths.size() >= most) return;
        append_readable(prefix, child.step);
        child.set.append_paths(prefix, most, paths);
        prefix.resize(length);
    }
}

std::vector<std::string> FieldSet::paths(std::size_t most) const {
    std::vector<std::string> found;
    std::string prefix;
    append_paths(prefix, most, found);
    return found;
}

}  // namespace pila::cluster::patch
