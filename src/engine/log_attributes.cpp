// SPDX-License-Identifier: Apache-2.0
#include "engine/log_attributes.h"

#include <optional>

#include <fmt/core.h>

#include "base/pattern.h"
#include "base/text.h"
#include "engine/log_settings.h"
#include "engine/spec.h"

namespace pila::engine {

namespace {

// Those of `from` that the options NAME (a list) and NAME-regex choose.
Result<void> choose(const ContainerSpec& spec, const std::string& name, const std::map<std::string, std::string>& from,
                    std::map<std::string, std::string>& into) {
    if (auto list = spec.log_options.find(name); list != spec.log_options.end())
        for (auto key : split(list->second, ','))
            if (auto found = from.find(std::string(key)); found != from.end()) into.insert(*found);
    auto expression = spec.log_options.find(name + "-regex");
    if (expression == spec.log_options.end() || expression->second.empty()) return {};
    auto pattern = TRY(Pattern::compile(expression->second));
    for (const auto& item : from)
        if (pattern.matches(item.first)) into.insert(item);
    return {};
}

std::string short_form(std::string_view id) {
    if (auto colon = id.find(':'); colon != std::string_view::npos) id.remove_prefix(colon + 1);
    return std::string(id.substr(0, 12));
}

std::optional<std::string> tag_field(std::string_view field, const ContainerSpec& spec, const LogSubject& subject) {
    if (field == ".ID") return short_form(subject.id);
    if (field == ".FullID") return subject.id;
    if (field == ".Name") return subject.name;
    if (field == ".ImageID") return short_form(subject.image_id);
    if (field == ".ImageFullID") return subject.image_id;
    if (field == ".ImageName") return spec.image;
    if (field == ".Command") return join(spec.full_command(), " ");
    if (field == ".DaemonName") return "docker";
    return std::nullopt;
}

}  // namespace

Result<std::string> expand_log_tag(const std::string& tag, const ContainerSpec& spec, const LogSubject& subject) {
    std::string expanded;
    for (std::size_t at = 0;;) {
        auto open = tag.find("{{", at);
        expanded.append(tag, at, open == std::string::npos ? open : open - at);
        if (open == std::string::npos) return expanded;
        auto close = tag.find("}}", open);
        if (close == std::string::npos) return Error(Errc::Invalid, "template: log-tag:1: unclosed action");
        auto field = trim(std::string_view(tag).substr(open + 2, close - open - 2));
        auto value = tag_field(field, spec, subject);
        if (!value)
            return Error(
                Errc::Invalid,
                fmt::format("template: log-tag:1:{}: executing \"log-tag\" at <{}>: can't evaluate field {} in "
                            "type *logger.Info",
                            open + 2, field, field.substr(field.starts_with('.') ? 1 : 0)));
        expanded += *value;
        at = close + 2;
    }
}

Result<std::map<std::string, std::string>> log_attributes(const ContainerSpec& spec, const LogSubject& subject) {
    std::map<std::string, std::string> attributes, variables;
    for (const auto& variable : spec.environment)
        if (auto equals = variable.find('='); equals != std::string::npos)
            variables.insert_or_assign(variable.substr(0, equals), variable.substr(equals + 1));
    TRY(choose(spec, "labels", spec.labels, attributes));
    TRY(choose(spec, "env", variables, attributes));
    if (auto tag = spec.log_options.find("tag"); tag != spec.log_options.end() && !tag->second.empty())
        attributes["tag"] = TRY(expand_log_tag(tag->second, spec, subject));
    return attributes;
}

}  // namespace pila::engine
