// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>
#include <algorithm>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/text.h"
#include "cli/template_internal.h"
#include "cli/units.h"

namespace pila::cli {

using namespace template_detail;

namespace {

// What Go prints for a nil field of docker's structs; lists are the common case.
std::string_view nil_text(std::string_view field) {
    static constexpr std::string_view maps[] = {
        "Labels",     "Volumes",    "ExposedPorts", "Ports",       "PortBindings",      "Options",
        "DriverOpts", "Sysctls",    "Tmpfs",        "Networks",    "StorageOpt",        "Annotations",
        "Config",     "Containers", "Data",         "GraphDriver", "AuxiliaryAddresses"};
    static constexpr std::string_view pointers[] = {
        "Init",        "OomKillDisable", "PidsLimit",       "MemorySwappiness", "Health",
        "Healthcheck", "IPAMConfig",     "StopTimeout",     "SizeRw",           "SizeRootFs",
        "ConfigFrom",  "UsageData",      "ContainerConfig", "ClusterVolume"};
    if (std::find(std::begin(maps), std::end(maps), field) != std::end(maps)) return "map[]";
    if (std::find(std::begin(pointers), std::end(pointers), field) != std::end(pointers)) return "<nil>";
    return "[]";
}

// Fields that the API leaves out when they are empty, and what they read as then.
const json::value* omitted_field(std::string_view field) {
    static const json::value none, text("");
    static constexpr std::string_view nothing[] = {
        "Health",   "Healthcheck", "Init",           "Annotations",  "Mounts",          "Tmpfs",
        "Sysctls",  "StorageOpt",  "StopTimeout",    "ExposedPorts", "SizeRw",          "SizeRootFs",
        "ExecIDs",  "OnBuild",     "DeviceRequests", "Shell",        "ContainerConfig", "UsageData",
        "RepoTags", "RepoDigests", "ArgsEscaped",    "Options",      "Status",          "AuxiliaryAddresses"};
    static constexpr std::string_view texts[] = {"StopSignal", "MacAddress", "Variant", "OsVersion",
                                                 "Gateway",    "IPRange",    "Comment", "Author",
                                                 "Runtime",    "CreatedAt",  "Parent"};
    if (std::find(std::begin(nothing), std::end(nothing), field) != std::end(nothing)) return &none;
    if (std::find(std::begin(texts), std::end(texts), field) != std::end(texts)) return &text;
    return nullptr;
}

class Evaluator {
public:
    Evaluator(const json::value& data, std::string& out, const TemplateOptions& options)
        : root_(Value::borrowed(data)), out_(out), options_(options) {
        variables_.emplace_back("$", root_);
    }

    Result<void> run(const Node& node) { return list(node.children, root_); }

private:
    enum class Flow : std::uint8_t { Next, Break, Continue };

    Result<void> list(const std::vector<std::unique_ptr<Node>>& nodes, const Value& dot) {
        auto scope = variables_.size();
        for (const auto& node : nodes) {
            TRY(one(*node, dot));
            if (flow_ != Flow::Next) break;
        }
        variables_.resize(scope);
        return {};
    }

    Result<void> step() {
        if (++steps_ > 1'000'000 || out_.size() > (64U << 20))
            return Error(Errc::Exhausted, "template: takes too long or writes too much");
        return {};
    }

    Result<void> one(const Node& node, const Value& dot) {
        TRY(step());
        switch (node.kind) {
            case Node::Kind::List: return list(node.children, dot);
            case Node::Kind::Text: out_ += node.text; return {};
            case Node::Kind::Break: flow_ = Flow::Break; return {};
            case Node::Kind::Continue: flow_ = Flow::Continue; return {};
            case Node::Kind::Action: {
                auto value = TRY(pipeline(node.pipeline, dot));
                if (node.pipeline.variables.empty()) out_ += printed(*value, value.null_text);
                return {};
            }
            case Node::Kind::Range: return range(node, dot);
            case Node::Kind::If:
            case Node::Kind::With: {
                auto scope = variables_.size();
                auto value = TRY(pipeline(node.pipeline, dot));
                auto& branch = truth(*value) ? node.children : node.otherwise;
                bool moves = node.kind == Node::Kind::With && truth(*value);
                TRY(list(branch, moves ? value : dot));
                variables_.resize(scope);
                return {};
            }
        }
        return {};
    }

    Result<void> range(const Node& node, const Value& dot) {
        auto scope = variables_.size();
        Pipeline plain;  // the names belong to the elements
        auto value = TRY(commands(node.pipeline, dot));
        bool any = false;
        auto element = [&](Value index, Value item) -> Result<bool> {
            any = true;
            const auto& names = node.pipeline.variables;
            if (names.size() == 1) variables_.emplace_back(names[0], item);
            if (names.size() == 2) {
                variables_.emplace_back(names[0], index);
                variables_.emplace_back(names[1], item);
            }
            TRY(step());
            TRY(list(node.children, item));
            variables_.resize(scope);
            bool leave = flow_ == Flow::Break;
            flow_ = Flow::Next;
            return !leave;
        };
        if (const auto* items = value->if_array()) {
            std::int64_t index = 0;
            for (const auto& item : *items)
                if (!TRY(element(Value::of(index++), share(value, item)))) break;
        } else if (const auto* object = value->if_object()) {
            std::vector<const json::key_value_pair*> sorted;
            for (const auto& pair : *object) sorted.push_back(&pair);
            std::sort(sorted.begin(), sorted.end(), [](auto* one, auto* other) { return one->key() < other->key(); });
            for (const auto* pair : sorted)
                if (!TRY(element(Value::of(json::value(pair->key())), share(value, pair->value())))) break;
        } else if (!value->is_null()) {
            return Error(Errc::Invalid, fmt::format("template: range can't iterate over {}", printed(*value)));
        }
        if (!any) TRY(list(node.otherwise, dot));
        return {};
    }

    static Value share(const Value& parent, const json::value& child) { return {&child, parent.owned, "<no value>"}; }

    Result<Value> pipeline(const Pipeline& pipeline, const Value& dot) {
        auto value = TRY(commands(pipeline, dot));
        for (const auto& name : pipeline.variables) {
            if (pipeline.declares) {
                variables_.emplace_back(name, value);
                continue;
            }
            auto found = std::find_if(variables_.rbegin(), variables_.rend(), [&](auto& v) { return v.first == name; });
            if (found == variables_.rend()) return undefined(name);
            found->second = value;
        }
        return value;
    }

    static Error undefined(std::string_view name) {
        return Error(Errc::Invalid, fmt::format("template: undefined variable {}", go_quote(name)));
    }

    Result<Value> commands(const Pipeline& pipeline, const Value& dot) {
        std::optional<Value> previous;
        for (const auto& command : pipeline.commands) previous = TRY(this->command(command, dot, previous));
        return *previous;
    }

    Result<Value> command(const Command& command, const Value& dot, const std::optional<Value>& piped) {
        TRY(step());
        const auto& first = command.operands.front();
        std::vector<Value> arguments;
        bool is_call = first.kind == Operand::Kind::Function;
        bool lazy = is_call && (first.name == "and" || first.name == "or");
        for (std::size_t i = 1; i < command.operands.size(); ++i) {
            arguments.push_back(TRY(operand(command.operands[i], dot)));
            if (lazy && truth(*arguments.back()) == (first.name == "or")) return arguments.back();
        }
        if (piped) arguments.push_back(*piped);
        if (is_call) {
            auto result = call_function(first.name, arguments, options_.header);
            if (!result) return at(first, fmt::format("error calling {}: {}", first.name, result.error().message()));
            return follow(result.take(), first);
        }
        if (!arguments.empty()) return method(first, dot, arguments);
        return operand(first, dot);
    }

    // {{.Label "x"}}: only what the top level offers.
    Result<Value> method(const Operand& operand, const Value& dot, const std::vector<Value>& arguments) {
        bool plain = operand.kind == Operand::Kind::Dot && operand.fields.size() == 1;
        if (plain && dot.at == root_.at && options_.header) return Value::of("");
        if (plain && options_.methods && dot.at == root_.at) {
            json::array values;
            for (const auto& argument : arguments) values.push_back(*argument);
            json::value result;
            if (options_.methods->call(operand.fields[0], values, result)) return Value::of(std::move(result));
        }
        return at(operand, fmt::format("{} has arguments but cannot be invoked as function", operand.text));
    }

    static Error at(const Operand& operand, std::string_view message) {
        return Error(Errc::Invalid,
                     fmt::format("template: :1:{}: executing \"\" at <{}>: {}", operand.at, operand.text, message));
    }

    Result<Value> operand(const Operand& operand, const Value& dot) {
        switch (operand.kind) {
            case Operand::Kind::Dot: return follow(dot, operand);
            case Operand::Kind::Literal: return follow(Value::borrowed(operand.literal), operand);
            case Operand::Kind::Nested: return follow(TRY(pipeline(*operand.nested, dot)), operand);
            case Operand::Kind::Function: {
                auto result = call_function(operand.name, {}, options_.header);
                if (!result)
                    return at(operand, fmt::format("error calling {}: {}", operand.name, result.error().message()));
                return follow(result.take(), operand);
            }
            case Operand::Kind::Variable: {
                auto found = std::find_if(variables_.rbegin(), variables_.rend(),
                                          [&](auto& variable) { return variable.first == operand.name; });
                if (found == variables_.rend()) return undefined(operand.name);
                return follow(found->second, operand);
            }
        }
        return dot;
    }

    Result<Value> follow(Value value, const Operand& operand) {
        std::string_view outer;
        for (const auto& field : operand.fields) {
            TRY(step());
            bool any_key = !options_.open_map.empty() && std::exchange(outer, field) == options_.open_map;
            if (value->is_null()) {
                if (!options_.typed) return at(operand, fmt::format("nil data; no entry for key {}", go_quote(field)));
                return at(operand, fmt::format("nil pointer evaluating {}.{}", "interface {}", field));
            }
            const auto* object = value->if_object();
            if (!object) return at(operand, fmt::format("can't evaluate field {} in type {}", field, kind_of(*value)));
            const json::value* found = object->if_contains(field);
            if (!found && options_.typed && !any_key) found = similar(*object, field);
            if (!found && options_.typed && !any_key) found = omitted_field(field);
            if (!found) {
                static const json::value nothing;
                if (options_.typed && !any_key)
                    return at(operand, fmt::format("map has no entry for key {}", go_quote(field)));
                if (options_.methods)
                    return at(operand, fmt::format("can't evaluate field {} in type {}", field, options_.type_name));
                found = &nothing;
            }
            value = share(value, *found);
            if (options_.typed) value.null_text = any_key ? "<no value>" : nil_text(field);
        }
        return value;
    }

    // docker's structs spell some names differently from their JSON: ID and Id, DNS and Dns.
    static const json::value* similar(const json::object& object, std::string_view field) {
        auto lower = to_lower(field);
        for (const auto& pair : object)
            if (to_lower(pair.key()) == lower) return &pair.value();
        return nullptr;
    }

    static std::string_view kind_of(const json::value& value) {
        if (value.is_string()) return "string";
        if (value.is_bool()) return "bool";
        if (value.is_array()) return "[]interface {}";
        return "float64";
    }

    Value root_;
    std::string& out_;
    const TemplateOptions& options_;
    std::vector<std::pair<std::string, Value>> variables_;
    Flow flow_ = Flow::Next;
    std::size_t steps_ = 0;
};

}  // namespace

namespace template_detail {

Value Value::of(json::value value) {
    auto owned = std::make_shared<const json::value>(std::move(value));
    return {owned.get(), owned, "<no value>"};
}

bool truth(const json::value& value) {
    switch (value.kind()) {
        case json::kind::null: return false;
        case json::kind::bool_: return value.get_bool();
        case json::kind::int64: return value.get_int64() != 0;
        case json::kind::uint64: return value.get_uint64() != 0;
        case json::kind::double_: return value.get_double() != 0;
        case json::kind::string: return !value.get_string().empty();
        case json::kind::array: return !value.get_array().empty();
        case json::kind::object: return !value.get_object().empty();
    }
    return false;
}

std::string printed(const json::value& value, std::string_view null_text) {
    switch (value.kind()) {
        case json::kind::null: return std::string(null_text);
        case json::kind::bool_: return value.get_bool() ? "true" : "false";
        case json::kind::int64: return std::to_string(value.get_int64());
        case json::kind::uint64: return std::to_string(value.get_uint64());
        case json::kind::double_: return go_float(value.get_double());
        case json::kind::string: return std::string(value.get_string());
        case json::kind::array: {
            std::string text = "[";
            for (const auto& item : value.get_array()) {
                if (text.size() > 1) text += ' ';
                text += printed(item, "<nil>");
            }
            return text + "]";
        }
        case json::kind::object: {
            std::vector<const json::key_value_pair*> sorted;
            for (const auto& pair : value.get_object()) sorted.push_back(&pair);
            std::sort(sorted.begin(), sorted.end(), [](auto* one, auto* other) { return one->key() < other->key(); });
            std::string text = "map[";
            for (const auto* pair : sorted) {
                if (text.size() > 4) text += ' ';
                text += std::string(pair->key()) + ":" + printed(pair->value(), "<nil>");
            }
            return text + "]";
        }
    }
    return {};
}

}  // namespace template_detail

Result<void> Template::execute(const json::value& data, std::string& out, const TemplateOptions& options) const {
    return Evaluator(data, out, options).run(*root_);
}

}  // namespace pila::cli
