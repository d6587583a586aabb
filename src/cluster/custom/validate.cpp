// SPDX-License-Identifier: Apache-2.0
// Values against constraints, in the words of k8s.io/kube-openapi/pkg/validation, which clients show to people.
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/go_values.h"
#include "cluster/codec/codec.h"
#include "cluster/custom/compile_internal.h"

namespace pila::cluster::custom {

namespace {

using schema::Constraints;
using Causes = std::vector<Cause>;

std::string_view type_of(const json::value& value) {
    switch (value.kind()) {
        case json::kind::null: return "null";
        case json::kind::bool_: return "boolean";
        case json::kind::int64:
        case json::kind::uint64: return "integer";
        case json::kind::double_: {
            auto number = value.get_double();
            return std::trunc(number) == number && std::abs(number) < 9.3e18 ? "integer" : "number";
        }
        case json::kind::string: return "string";
        case json::kind::array: return "array";
        case json::kind::object: return "object";
    }
    return "";
}

// 1 and 1.0 are the same.
bool is_equal(const json::value& left, const json::value& right) {
    if (left.is_double() || right.is_double())
        return left.is_number() && right.is_number() && left.to_number<double>() == right.to_number<double>();
    return left == right;
}

std::size_t count_characters(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string number_text(double number) {
    bool is_whole = std::trunc(number) == number && std::abs(number) < 1e15;
    return is_whole ? std::to_string(static_cast<std::int64_t>(number)) : fmt::format("{}", number);
}

class Validator {
public:
    explicit Validator(Causes& causes) : causes_(causes) {}

    void value(const json::value& value, const Constraints& rule, const Path& path) {
        if (causes_.size() >= most_causes) return;
        if (!has_type(value, rule, path) || value.is_null()) return;
        junctors(value, rule, path);
        if (const auto* text = value.if_string())
            string({text->data(), text->size()}, value, rule, path);
        else if (value.is_number())
            number(value, rule, path);
        else if (const auto* list = value.if_array())
            this->list(*list, rule, path);
        allowed(value, rule, path);
        if (const auto* object = value.if_object()) this->object(*object, rule, path);
    }

private:
    void add(Cause cause) { custom::add(causes_, std::move(cause)); }
    void invalid(const Path& path, std::string_view value_text, std::string_view what) {
        auto name = path.text();
        add(kinds::invalid_value(name, value_text, fmt::format("{} in body {}", name, what)));
    }
    void wrong_type(const Path& path, std::string_view wanted, std::string_view found) {
        auto name = path.text();
        auto cause =
            kinds::invalid_value(name, kinds::quoted(found),
                                 fmt::format("{} in body must be of type {}: {}", name, wanted, go_quote(found)));
        cause.reason = "FieldValueTypeInvalid";
        add(std::move(cause));
    }

    bool has_type(const json::value& value, const Constraints& rule, const Path& path) {
        auto found = type_of(value);
        if (found == "null" && rule.is_nullable) return true;
        if (rule.is_int_or_string) {
            if (found == "integer" || found == "string") return true;
            wrong_type(path, "integer,string", found);
            return false;
        }
        if (rule.type.empty() || rule.type == found || (rule.type == "number" && found == "integer")) return true;
        wrong_type(path, rule.type, found);
        return false;
    }

    // What one part of a junctor finds.
    static Causes trial(const json::value& value, const Constraints& rule, const Path& path) {
        Causes found;
        Validator(found).value(value, rule, path);
        return found;
    }

    void junctors(const json::value& value, const Constraints& rule, const Path& path) {
        if (!rule.any_of.empty()) {
            Causes best;
            if (count_valid(value, rule.any_of, path, best) == 0)
                junctor_fails(path, "must validate at least one schema (anyOf)", best);
        }
        if (!rule.one_of.empty()) {
            Causes best;
            auto valid = count_valid(value, rule.one_of, path, best);
            auto words = std::string("must validate one and only one schema (oneOf). ");
            if (valid == 0) junctor_fails(path, words + "Found none valid", best);
            if (valid > 1) junctor_fails(path, words + fmt::format("Found {} valid alternatives", valid), {});
        }
        if (!rule.all_of.empty()) {
            std::size_t valid = 0;
            Causes all;
            for (const auto& part : rule.all_of) {
                auto found = trial(value, part, path);
                if (found.empty()) ++valid;
                all.insert(all.end(), found.begin(), found.end());
            }
            if (valid < rule.all_of.size())
                junctor_fails(
                    path, std::string("must validate all the schemas (allOf)") + (valid == 0 ? ". None validated" : ""),
                    all);
        }
        if (rule.none_of && trial(value, *rule.none_of, path).empty())
            junctor_fails(path, "must not validate the schema (not)", {});
    }

    // `best`: why the part fails that is nearest to what was meant.
    static std::size_t count_valid(const json::value& value, const std::vector<Constraints>& parts, const Path& path,
                                   Causes& best) {
        std::size_t valid = 0;
        for (const auto& part : parts) {
            auto found = trial(value, part, path);
            if (found.empty())
                ++valid;
            else if (best.empty() || found.size() < best.size())
                best = std::move(found);
        }
        return valid;
    }

    void junctor_fails(const Path& path, std::string_view words, const Causes& why) {
        add(kinds::invalid_value("<nil>", "\"\"", fmt::format("{} {}", go_quote(path.text()), words)));
        for (const auto& cause : why) add(cause);
    }

    void string(std::string_view text, const json::value& value, const Constraints& rule, const Path& path) {
        if (rule.min_length || rule.max_length) {
            auto length = static_cast<std::int64_t>(count_characters(text));
            if (rule.max_length && length > *rule.max_length)
                add(kinds::too_long(path.text(),
                                    static_cast<std::size_t>(std::max<std::int64_t>(*rule.max_length, 0))));
            if (rule.min_length && length < *rule.min_length)
                invalid(path, kinds::value_text(value),
                        fmt::format("should be at least {} chars long", *rule.min_length));
        }
        if (rule.pattern && !rule.pattern->matches(text))
            invalid(path, kinds::value_text(value), fmt::format("should match '{}'", rule.pattern_text));
        if (!rule.format.empty() && !is_of_format(rule.format, text)) wrong_type(path, rule.format, text);
    }

    void number(const json::value& value, const Constraints& rule, const Path& path) {
        auto number = value.to_number<double>();
        auto text = kinds::value_text(value);
        if (value.is_double()) text = number_text(number);
        auto limit = [&](const std::optional<double>& bound, bool fails, std::string_view words) {
            if (bound && fails) invalid(path, text, fmt::format("should be {} {}", words, number_text(*bound)));
        };
        bool too_small = rule.minimum && (rule.above_minimum ? number <= *rule.minimum : number < *rule.minimum);
        bool too_large = rule.maximum && (rule.below_maximum ? number >= *rule.maximum : number > *rule.maximum);
        limit(rule.minimum, too_small, rule.above_minimum ? "greater than" : "greater than or equal to");
        limit(rule.maximum, too_large, rule.below_maximum ? "less than" : "less than or equal to");
        if (rule.multiple_of && *rule.multiple_of > 0) {
            auto ratio = number / *rule.multiple_of;
            if (std::abs(ratio - std::round(ratio)) > 1e-9 * std::max(1.0, std::abs(ratio)))
                invalid(path, text, fmt::format("should be a multiple of {}", number_text(*rule.multiple_of)));
        }
        if (rule.format == "int32" &&
            (number < std::numeric_limits<std::int32_t>::min() || number > std::numeric_limits<std::int32_t>::max()))
            invalid(path, text, "must be of type integer with format int32");
    }

    void allowed(const json::value& value, const Constraints& rule, const Path& path) {
        if (rule.allowed.empty()) return;
        if (std::any_of(rule.allowed.begin(), rule.allowed.end(),
                        [&](const json::value& one) { return is_equal(one, value); }))
            return;
        auto text = [](const json::value& one) {
            return one.is_string() ? std::string(one.get_string()) : codec::write_json(one);
        };
        std::vector<std::string> supported;
        for (const auto& one : rule.allowed) supported.push_back(text(one));
        add(kinds::not_supported(path.text(), text(value), supported));
    }

    void list(const json::array& list, const Constraints& rule, const Path& path) {
        auto size = static_cast<std::int64_t>(list.size());
        if (rule.min_items && size < *rule.min_items)
            invalid(path, kinds::value_text(size), fmt::format("should have at least {} items", *rule.min_items));
        if (rule.max_items && size > *rule.max_items)
            add(kinds::too_many(path.text(), list.size(),
                                static_cast<std::size_t>(std::max<std::int64_t>(*rule.max_items, 0))));
        if (rule.items)
            for (std::size_t index = 0; index < list.size(); ++index) value(list[index], *rule.items, path.item(index));
        if (rule.list != schema::ListKind::Atomic) doubles(list, rule, path);
    }

    // Elements of sets, and keys of those of maps, are there once.
    void doubles(const json::array& list, const Constraints& rule, const Path& path) {
        std::set<std::string> seen;
        for (std::size_t index = 0; index < list.size(); ++index) {
            json::value key = list[index];
            if (rule.list == schema::ListKind::Map) {
                const auto* element = list[index].if_object();
                if (!element) continue;
                key.emplace_object();
                for (const auto& name : rule.list_keys)
                    if (const auto* part = element->if_contains(name)) key.get_object()[name] = *part;
            }
            auto text = codec::write_json(key);
            if (!seen.insert(text).second) {
                const Path at = path.item(index);
                add(kinds::duplicate_value(at.text(), text));
            }
        }
    }

    void object(const json::object& object, const Constraints& rule, const Path& path) {
        auto size = static_cast<std::int64_t>(object.size());
        if (rule.min_properties && size < *rule.min_properties)
            invalid(path, kinds::value_text(size),
                    fmt::format("should have at least {} properties", *rule.min_properties));
        if (rule.max_properties && size > *rule.max_properties)
            add(kinds::too_many(path.text(), object.size(),
                                static_cast<std::size_t>(std::max<std::int64_t>(*rule.max_properties, 0))));
        for (const auto& name : rule.required)
            if (!object.contains(name)) add(kinds::required(path.field(name).text()));
        if (rule.is_embedded)
            for (auto name : {"apiVersion", "kind"})
                if (kinds::text_at(object, name).empty())
                    add(kinds::required(path.field(name).text(), "must not be empty"));
        if (rule.properties.empty() && !rule.values) return;
        for (const auto& member : object) {
            std::string_view name(member.key().data(), member.key().size());
            auto found = rule.properties.find(name);
            if (found != rule.properties.end())
                value(member.value(), found->second, path.field(name));
            else if (rule.values)
                value(member.value(), *rule.values, path.field(name));
        }
    }

    Causes& causes_;
};

}  // namespace

void check_value(const json::value& value, const Constraints& constraints, const Path& path, Causes& causes) {
    // Texts say where below the value: a default's path is that of its schema, which is no place in an object.
    Causes found;
    Validator(found).value(value, constraints, Path());
    for (auto& cause : found) {
        if (cause.field != "<nil>")
            cause.field = cause.field.empty() ? path.text() : fmt::format("{}.{}", path.text(), cause.field);
        add(causes, std::move(cause));
    }
}

Causes validate(const json::value& object, const schema::Kind& kind) {
    Causes causes;
    if (kind.custom && kind.custom->constraints) Validator(causes).value(object, *kind.custom->constraints, Path());
    return causes;
}

Causes validate_update(const json::value& object, const json::value& old, const schema::Kind& kind) {
    auto causes = validate(object, kind);
    if (causes.empty()) return causes;
    auto before = validate(old, kind);
    std::erase_if(causes, [&](const Cause& cause) {
        return std::any_of(before.begin(), before.end(), [&](const Cause& known) {
            return known.field == cause.field && known.message == cause.message;
        });
    });
    return causes;
}

}  // namespace pila::cluster::custom
