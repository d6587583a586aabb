// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/selectors.h"

#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/convert/convert.h"

namespace pila::cluster::api {

namespace {

constexpr std::size_t max_requirements = 1000, max_values = 1000, max_text = 64U << 10;

struct FieldsOfKind {
    std::string_view group, kind;
    std::vector<SelectableField> fields;
};

const std::vector<FieldsOfKind>& fields_of_kinds() {
    static const std::vector<FieldsOfKind> known = {
        {"",
         "Pod",
         {{"spec.nodeName", "spec.nodeName"},
          {"spec.restartPolicy", "spec.restartPolicy"},
          {"spec.schedulerName", "spec.schedulerName"},
          {"spec.serviceAccountName", "spec.serviceAccountName"},
          {"spec.hostNetwork", "spec.hostNetwork"},
          {"status.phase", "status.phase"},
          {"status.podIP", "status.podIP"},
          {"status.podIPs", "status.podIP"},
          {"status.nominatedNodeName", "status.nominatedNodeName"}}},
        {"", "Node", {{"spec.unschedulable", "spec.unschedulable"}}},
        {"",
         "Event",
         {{"involvedObject.kind", "involvedObject.kind"},
          {"involvedObject.namespace", "involvedObject.namespace"},
          {"involvedObject.name", "involvedObject.name"},
          {"involvedObject.uid", "involvedObject.uid"},
          {"involvedObject.apiVersion", "involvedObject.apiVersion"},
          {"involvedObject.resourceVersion", "involvedObject.resourceVersion"},
          {"involvedObject.fieldPath", "involvedObject.fieldPath"},
          {"reason", "reason"},
          {"reportingComponent", "reportingComponent"},
          {"source", "source.component"},
          {"type", "type"}}},
        {"events.k8s.io",
         "Event",
         {{"regarding.kind", "regarding.kind"},
          {"regarding.namespace", "regarding.namespace"},
          {"regarding.name", "regarding.name"},
          {"regarding.uid", "regarding.uid"},
          {"regarding.apiVersion", "regarding.apiVersion"},
          {"regarding.resourceVersion", "regarding.resourceVersion"},
          {"regarding.fieldPath", "regarding.fieldPath"},
          {"reason", "reason"},
          {"reportingController", "reportingController"},
          {"type", "type"}}},
        {"", "Namespace", {{"status.phase", "status.phase"}}},
        {"", "Secret", {{"type", "type"}}},
        {"", "Service", {{"spec.clusterIP", "spec.clusterIP"}, {"spec.type", "spec.type"}}},
        {"", "ReplicationController", {{"status.replicas", "status.replicas"}}},
        {"apps", "ReplicaSet", {{"status.replicas", "status.replicas"}}},
        {"batch", "Job", {{"status.successful", "status.succeeded"}}},
        {"certificates.k8s.io", "CertificateSigningRequest", {{"spec.signerName", "spec.signerName"}}},
    };
    return known;
}

std::string text_of(const json::value* value) {
    if (!value || value->is_null()) return "";
    if (value->is_string()) return std::string(value->get_string());
    if (value->is_bool()) return value->get_bool() ? "true" : "false";
    return value->is_primitive() ? json::serialize(*value) : "";
}

const json::value* find_path(const json::value& object, std::string_view path) {
    const json::value* at = &object;
    for (auto part : split(path, '.')) {
        if (!at->is_object()) return nullptr;
        at = at->get_object().if_contains(part);
        if (!at) return nullptr;
    }
    return at;
}

// What a field reads when it is absent: numbers and switches have a zero.
std::string_view absent(std::string_view label) {
    if (label == "spec.unschedulable" || label == "spec.hostNetwork") return "false";
    return label == "status.replicas" || label == "status.successful" ? "0" : "";
}

void append_pair(std::string& out, std::string_view name, std::string_view value) {
    (out += name) += '\0';
    (out += value) += '\0';
}

// The value of `name` among pairs from `text` on; null: not there.
struct Found {
    bool there = false;
    std::string_view value;
};

Found find_pair(std::string_view pairs, std::string_view name) {
    while (!pairs.empty()) {
        auto end = pairs.find('\0');
        auto key = pairs.substr(0, end);
        pairs.remove_prefix(end + 1);
        end = pairs.find('\0');
        if (key == name) return {true, pairs.substr(0, end)};
        pairs.remove_prefix(end + 1);
    }
    return {};
}

// Labels end with an empty name.
std::pair<std::string_view, std::string_view> halves(std::string_view attributes) {
    std::size_t at = 0;
    while (at < attributes.size() && attributes[at] != '\0') {
        at = attributes.find('\0', at) + 1;
        at = attributes.find('\0', at) + 1;
    }
    return {attributes.substr(0, at), at < attributes.size() ? attributes.substr(at + 1) : std::string_view()};
}

bool is_name_part(std::string_view text, std::size_t most) {
    auto is_alphanumeric = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    };
    if (text.empty() || text.size() > most || !is_alphanumeric(text.front()) || !is_alphanumeric(text.back()))
        return false;
    return std::all_of(text.begin(), text.end(),
                       [&](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

bool is_subdomain(std::string_view text) {
    if (text.empty() || text.size() > 253) return false;
    for (auto part : split(text, '.')) {
        if (part.empty() || part.front() == '-' || part.back() == '-') return false;
        for (char c : part)
            if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
    }
    return true;
}

// "a in (b, c)" and the others, one at a time.
class Words {
public:
    explicit Words(std::string_view text) : text_(text) {}

    std::string_view next() {
        skip_space();
        if (text_.empty()) return {};
        for (std::string_view sign : {"==", "!=", "=", "!", ",", "(", ")", "<", ">"})
            if (text_.starts_with(sign)) return cut(sign.size());
        return cut(std::min(text_.find_first_of(" \t\n\r=!,()<>"), text_.size()));
    }
    std::string_view peek() {
        auto before = text_;
        auto word = next();
        text_ = before;
        return word;
    }
    bool done() {
        skip_space();
        return text_.empty();
    }

private:
    void skip_space() { text_.remove_prefix(std::min(text_.find_first_not_of(" \t\n\r"), text_.size())); }
    std::string_view cut(std::size_t size) {
        auto word = text_.substr(0, size);
        text_.remove_prefix(size);
        return word;
    }

    std::string_view text_;
};

bool is_sign(std::string_view word) { return word.empty() || word.find_first_of("=!,()<>") != word.npos; }

Error unexpected(std::string_view word, std::string_view wanted) {
    return {Errc::Invalid, fmt::format("unable to parse requirement: found '{}', expected: {}", word, wanted)};
}

}  // namespace

std::vector<SelectableField> selectable_fields(const schema::Kind& kind) {
    if (kind.custom) {
        std::vector<SelectableField> fields;
        for (const auto& path : kind.custom->selectable) fields.push_back({path, path});
        return fields;
    }
    for (const auto& known : fields_of_kinds())
        if (known.kind == kind.name && known.group == kind.group_version.group) return known.fields;
    return {};
}

std::string attributes_of(const json::value& object, const schema::Kind& kind) {
    std::string out;
    if (const auto* labels = find_path(object, "metadata.labels"); labels && labels->is_object())
        for (const auto& [key, value] : labels->get_object())
            if (!key.empty()) append_pair(out, key, text_of(&value));
    out += '\0';
    append_pair(out, "metadata.name", text_of(find_path(object, "metadata.name")));
    append_pair(out, "metadata.namespace", text_of(find_path(object, "metadata.namespace")));
    if (kind.custom)
        for (const auto& path : kind.custom->all_selectable) append_pair(out, path, text_of(find_path(object, path)));
    else
        for (const auto& field : selectable_fields(kind)) {
            auto value = text_of(find_path(object, field.path));
            append_pair(out, field.label, value.empty() ? absent(field.label) : value);
        }
    return out;
}

bool is_label_key(std::string_view key) {
    auto slash = key.find('/');
    if (slash == key.npos) return is_name_part(key, 63);
    return is_subdomain(key.substr(0, slash)) && is_name_part(key.substr(slash + 1), 63);
}

bool is_label_value(std::string_view value) { return value.empty() || is_name_part(value, 63); }

Result<void> LabelSelector::check(const Requirement& requirement) {
    if (!is_label_key(requirement.key))
        return Error(Errc::Invalid, fmt::format("unable to parse requirement: key: Invalid value: {}: must be a label "
                                                "key: [prefix/]name of letters, digits, '-', '_', '.'",
                                                json_quote(requirement.key)));
    for (const auto& value : requirement.values)
        if (!is_label_value(value))
            return Error(Errc::Invalid,
                         fmt::format("unable to parse requirement: values[0][{}]: Invalid value: {}: must be a label "
                                     "value: at most 63 letters, digits, '-', '_', '.', alphanumeric at both ends",
                                     requirement.key, json_quote(value)));
    return {};
}

Result<LabelSelector> LabelSelector::parse(std::string_view text) {
    if (text.size() > max_text) return Error(Errc::Invalid, "the selector is longer than 64 KiB");
    LabelSelector selector;
    Words words(text);
    while (!words.done()) {
        Requirement made;
        bool absent_wanted = words.peek() == "!";
        if (absent_wanted) words.next();
        auto key = words.next();
        if (is_sign(key)) return unexpected(key, "identifier");
        made.key = key;
        auto sign = words.peek();
        if (absent_wanted || sign.empty() || sign == ",") {
            made.operation = absent_wanted ? Operator::Absent : Operator::Exists;
        } else {
            words.next();
            if (sign == "=" || sign == "==" || sign == "!=" || sign == "<" || sign == ">") {
                made.operation = sign == "!=" ? Operator::NotIn : Operator::In;
                if (sign == "<") made.operation = Operator::Below;
                if (sign == ">") made.operation = Operator::Above;
                auto value = words.peek();
                if (!is_sign(value)) words.next();
                if (is_sign(value) && !value.empty() && value != ",") return unexpected(value, "identifier");
                made.values.emplace_back(is_sign(value) ? std::string_view() : value);
                if (sign == "<" || sign == ">")
                    if (!parse_int(made.values[0])) return unexpected(made.values[0], "an integer");
            } else if (sign == "in" || sign == "notin") {
                made.operation = sign == "in" ? Operator::In : Operator::NotIn;
                if (auto open = words.next(); open != "(") return unexpected(open, "'('");
                for (;;) {
                    auto value = words.peek();
                    if (value == "," || value == ")") {
                        made.values.emplace_back();
                    } else {
                        words.next();
                        if (is_sign(value)) return unexpected(value, "',' or ')'");
                        made.values.emplace_back(value);
                    }
                    if (made.values.size() > max_values) return Error(Errc::Invalid, "more than 1000 values");
                    auto after = words.next();
                    if (after == ")") break;
                    if (after != ",") return unexpected(after, "',' or ')'");
                }
            } else {
                return unexpected(sign, "in, notin, =, ==, !=, gt, lt");
            }
        }
        std::sort(made.values.begin(), made.values.end());
        TRY(check(made));
        selector.requirements_.push_back(std::move(made));
        if (selector.requirements_.size() > max_requirements)
            return Error(Errc::Invalid, "more than 1000 requirements");
        if (words.done()) break;
        if (auto comma = words.next(); comma != ",") return unexpected(comma, "',' or 'end of string'");
        if (words.done()) return unexpected("", "identifier after ','");
    }
    return selector;
}

Result<LabelSelector> LabelSelector::read(const json::value& value) {
    LabelSelector selector;
    if (!value.is_object()) return selector;
    if (const auto* labels = value.get_object().if_contains("matchLabels"); labels && labels->is_object())
        for (const auto& [key, wanted] : labels->get_object()) {
            Requirement made{std::string(key), Operator::In, {text_of(&wanted)}};
            TRY(check(made));
            selector.requirements_.push_back(std::move(made));
        }
    const auto* expressions = value.get_object().if_contains("matchExpressions");
    if (!expressions || !expressions->is_array()) return selector;
    for (const auto& expression : expressions->get_array()) {
        Requirement made;
        made.key = text_of(find_path(expression, "key"));
        auto operation = text_of(find_path(expression, "operator"));
        if (operation == "In")
            made.operation = Operator::In;
        else if (operation == "NotIn")
            made.operation = Operator::NotIn;
        else if (operation == "DoesNotExist")
            made.operation = Operator::Absent;
        else if (operation != "Exists")
            return Error(Errc::Invalid, fmt::format("\"{}\" is not a valid label selector operator", operation));
        if (const auto* values = find_path(expression, "values"); values && values->is_array())
            for (const auto& one : values->get_array()) made.values.push_back(text_of(&one));
        bool wants = made.operation == Operator::In || made.operation == Operator::NotIn;
        if (wants == made.values.empty())
            return Error(Errc::Invalid, wants ? "values must be specified when `operator` is 'In' or 'NotIn'"
                                              : "values may not be specified when `operator` is 'Exists' or "
                                                "'DoesNotExist'");
        std::sort(made.values.begin(), made.values.end());
        TRY(check(made));
        selector.requirements_.push_back(std::move(made));
    }
    return selector;
}

bool LabelSelector::matches(std::string_view attributes) const {
    if (requirements_.empty()) return true;
    auto labels = halves(attributes).first;
    for (const auto& requirement : requirements_) {
        auto found = find_pair(labels, requirement.key);
        bool listed = found.there && std::binary_search(requirement.values.begin(), requirement.values.end(),
                                                        found.value, std::less<>());
        bool holds = false;
        switch (requirement.operation) {
            case Operator::In: holds = listed; break;
            case Operator::NotIn: holds = !listed; break;
            case Operator::Exists: holds = found.there; break;
            case Operator::Absent: holds = !found.there; break;
            case Operator::Above:
            case Operator::Below: {
                auto number = parse_int(found.value);
                auto border = parse_int(requirement.values[0]);
                holds = number && (requirement.operation == Operator::Above ? *number > *border : *number < *border);
                break;
            }
        }
        if (!holds) return false;
    }
    return true;
}

Result<FieldSelector> FieldSelector::parse(std::string_view text, const schema::Kind& kind) {
    FieldSelector selector;
    if (text.size() > max_text) return Error(Errc::Invalid, "the selector is longer than 64 KiB");
    if (trim(text).empty()) return selector;
    auto fields = selectable_fields(kind);
    for (auto part : split(text, ',')) {
        if (part.empty()) continue;
        Requirement made;
        auto sign = part.find('=');
        if (sign == part.npos || sign == 0)
            return Error(Errc::Invalid, fmt::format("invalid selector: '{}'; can't understand '{}'", text, part));
        made.equal = part[sign - 1] != '!';
        made.field = trim(part.substr(0, made.equal ? sign : sign - 1));
        auto value = part.substr(sign + 1);
        if (value.starts_with('=')) value.remove_prefix(1);
        made.value = trim(value);
        bool known = made.field == "metadata.name" || (made.field == "metadata.namespace" && kind.is_namespaced);
        for (const auto& field : fields) known = known || field.label == made.field;
        if (!known) return Error(Errc::Invalid, "field label not supported: " + made.field);
        made.field = std::string(convert::stored_field(kind, made.field));
        selector.requirements_.push_back(std::move(made));
        if (selector.requirements_.size() > max_requirements)
            return Error(Errc::Invalid, "more than 1000 requirements");
    }
    return selector;
}

bool FieldSelector::matches(std::string_view attributes) const {
    if (requirements_.empty()) return true;
    auto fields = halves(attributes).second;
    return std::all_of(requirements_.begin(), requirements_.end(), [&](const Requirement& requirement) {
        return (find_pair(fields, requirement.field).value == requirement.value) == requirement.equal;
    });
}

std::string_view FieldSelector::wanted_name() const {
    for (const auto& requirement : requirements_)
        if (requirement.equal && requirement.field == "metadata.name") return requirement.value;
    return {};
}

}  // namespace pila::cluster::api
