// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <csignal>
#include <cstring>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "image/dockerfile.h"
#include "image/image_store.h"
#include "image/instructions.h"

// What instructions do to a configuration; texts of errors are those of Docker 20.10 and later, where they agree.
namespace pila::image {

namespace {

Error invalid(std::string text) { return Error(Errc::Invalid, std::move(text)); }

using Change = ConfigChange;

Result<std::string> one_argument(const Change& change) {
    if (change.instruction.rest.empty()) return invalid(change.instruction.upper + " requires exactly one argument");
    return expand_word(change.instruction.rest, change.variables, change.escape);
}

// Go's %q of a list, and %v.
std::string quoted_list(const std::vector<std::string>& items) {
    std::vector<std::string> quoted;
    for (const auto& item : items) quoted.push_back(json_quote(item));
    return "[" + join(quoted, " ") + "]";
}
std::string plain_list(const std::vector<std::string>& items) { return "[" + join(items, " ") + "]"; }

Result<std::string> change_command(Change& change) {
    change.config.command = TRY(command_line(change.config, change.instruction.rest));
    change.config.has_command = true;
    change.command_set = true;
    return "CMD " + quoted_list(change.config.command);
}

Result<std::string> change_entrypoint(Change& change) {
    auto line = TRY(command_line(change.config, change.instruction.rest));
    bool none = line.empty() || change.instruction.rest.empty();
    change.config.entrypoint = none ? std::vector<std::string>() : std::move(line);
    change.config.has_entrypoint = !none;
    // The image's command belonged to the entry point before.
    if (!change.command_set) {
        change.config.command.clear();
        change.config.has_command = false;
    }
    return "ENTRYPOINT " + quoted_list(change.config.entrypoint);
}

Result<std::string> change_environment(Change& change) {
    auto pairs = TRY(parse_pairs(change.instruction.rest, "ENV", change.escape));
    std::vector<std::string> entries;
    for (const auto& [name, value] : pairs) {
        if (name.empty()) return invalid("ENV names can not be blank");
        auto expanded_name = TRY(expand_word(name, change.variables, change.escape));
        entries.push_back(expanded_name + "=" + TRY(expand_word(value, change.variables, change.escape)));
    }
    auto said = "ENV " + join(entries, " ");
    for (auto& entry : entries) set_variable(change.config.environment, std::move(entry));
    return said;
}

Result<std::string> change_labels(Change& change) {
    std::string said = "LABEL";
    auto pairs = TRY(parse_pairs(change.instruction.rest, "LABEL", change.escape));
    for (const auto& [name, value] : pairs) {
        if (name.empty()) return invalid("LABEL names can not be blank");
        auto expanded_name = TRY(expand_word(name, change.variables, change.escape));
        auto& label = change.config.labels[expanded_name];
        label = TRY(expand_word(value, change.variables, change.escape));
        said += fmt::format(" {}={}", expanded_name, label);
    }
    return said;
}

struct PortRange {
    std::uint64_t first, last;
};
std::optional<PortRange> parse_ports(std::string_view text) {
    auto dash = text.find('-');
    auto first = parse_uint(text.substr(0, dash));
    auto last = dash == std::string_view::npos ? first : parse_uint(text.substr(dash + 1));
    if (!first || !last || *first > 65535 || *last > 65535 || *last < *first) return std::nullopt;
    return PortRange{*first, *last};
}

// [[address:]host-port:]port[-port][/protocol]; only the container's side is kept.
Result<void> expose(ImageConfig& config, std::string_view spec) {
    auto port = spec.substr(spec.rfind(':') == std::string_view::npos ? 0 : spec.rfind(':') + 1);
    auto slash = port.find('/');
    auto protocol = slash == std::string_view::npos ? std::string("tcp") : to_lower(port.substr(slash + 1));
    if (protocol.empty()) protocol = "tcp";
    port = port.substr(0, slash);
    if (port.empty()) return invalid(fmt::format("No port specified: {}<empty>", spec));
    auto range = parse_ports(port);
    if (!range) return invalid(fmt::format("Invalid containerPort: {}", port));
    if (protocol != "tcp" && protocol != "udp" && protocol != "sctp") return invalid("Invalid proto: " + protocol);
    for (auto number = range->first; number <= range->last; ++number) {
        auto name = fmt::format("{}/{}", number, protocol);
        auto& ports = config.exposed_ports;
        auto place = std::lower_bound(ports.begin(), ports.end(), name);
        if (place == ports.end() || *place != name) ports.insert(place, name);
    }
    return {};
}

Result<std::string> change_ports(Change& change) {
    std::vector<std::string> specs;
    for (const auto& word : parse_words(change.instruction.rest, change.escape)) {
        auto expanded = TRY(expand_words(word, change.variables, change.escape));
        specs.insert(specs.end(), expanded.begin(), expanded.end());
    }
    if (specs.empty()) return invalid("EXPOSE requires at least one argument");
    for (const auto& spec : specs) TRY(expose(change.config, spec));
    std::sort(specs.begin(), specs.end());  // as dockerd's history has them
    return "EXPOSE " + join(specs, " ");
}

Result<void> read_health_flags(const Instruction& instruction, json::object& healthcheck) {
    static constexpr std::pair<std::string_view, std::string_view> durations[] = {{"interval", "Interval"},
                                                                                  {"timeout", "Timeout"},
                                                                                  {"start-period", "StartPeriod"},
                                                                                  {"start-interval", "StartInterval"}};
    for (const auto& [name, value] : instruction.flags) {
        auto known = std::find_if(std::begin(durations), std::end(durations),
                                  [&, n = name](const auto& entry) { return entry.first == n; });
        if (known == std::end(durations) && name != "retries") return invalid("Unknown flag: " + name);
        if (!value) return invalid("Missing a value on flag: " + name);
        if (value->empty()) continue;
        if (known != std::end(durations)) {
            auto duration = TRY(parse_duration(*value));
            if (duration < 1'000'000) return invalid(fmt::format("Interval \"{}\" cannot be less than 1ms", name));
            healthcheck[known->second] = duration;
            continue;
        }
        auto retries = parse_int(*value);
        if (!retries || *retries > INT32_MAX)
            return invalid(fmt::format("strconv.ParseInt: parsing {}: invalid syntax", json_quote(*value)));
        if (*retries < 1) return invalid(fmt::format("--retries must be at least 1 (not {})", *retries));
        healthcheck["Retries"] = *retries;
    }
    return {};
}

Result<std::string> change_healthcheck(Change& change) {
    std::string_view rest = change.instruction.rest;
    if (rest.empty()) return invalid("HEALTHCHECK requires at least one argument");
    auto end = std::min(rest.find_first_of(" \t"), rest.size());
    std::string kind(rest.substr(0, end));
    std::transform(kind.begin(), kind.end(), kind.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    auto command = trim(rest.substr(end));
    json::object healthcheck;
    if (kind == "NONE") {
        if (!command.empty()) return invalid("HEALTHCHECK NONE takes no arguments");
        healthcheck["Test"] = json::array({"NONE"});
    } else {
        json::array test;
        healthcheck["Test"] = nullptr;  // first in Docker's order
        TRY(read_health_flags(change.instruction, healthcheck));
        if (kind != "CMD") return invalid(fmt::format("Unknown type {} in HEALTHCHECK (try CMD)", json_quote(kind)));
        auto list = TRY(parse_json_list(command));
        if (command.empty() || (list && list->empty())) return invalid("Missing command after HEALTHCHECK CMD");
        test.emplace_back(list ? "CMD" : "CMD-SHELL");
        if (!list)
            test.emplace_back(command);
        else
            test.insert(test.end(), list->begin(), list->end());
        healthcheck["Test"] = std::move(test);
    }
    change.config.healthcheck_json = json::serialize(healthcheck);
    return change.instruction.original;
}

Result<std::string> change_on_build(Change& change) {
    if (change.instruction.rest.empty()) return invalid("ONBUILD requires at least one argument");
    auto inner = TRY(parse_instructions(change.instruction.rest, change.escape));
    const auto& trigger = inner.front().upper;
    if (trigger == "ONBUILD") return invalid("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    if (trigger == "MAINTAINER" || trigger == "FROM") return invalid(trigger + " isn't allowed as an ONBUILD trigger");
    auto trigger_text = change.instruction.rest;
    for (const auto& heredoc : change.instruction.heredocs) trigger_text += "\n" + heredoc.content + heredoc.name;
    change.config.on_build.push_back(std::move(trigger_text));
    return "ONBUILD " + change.instruction.rest;
}

bool is_signal(std::string_view text) {
    if (auto number = parse_int(text)) return *number > 0 && *number <= 64;
    auto name = std::string(text);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    if (name.starts_with("SIG")) name.erase(0, 3);
    if (name == "CLD" || name == "IOT" || name == "RTMIN" || name == "RTMAX") return true;
    if (name.starts_with("RTMIN+")) return parse_uint(name.substr(6)).value_or(99) <= 15;
    if (name.starts_with("RTMAX-")) return parse_uint(name.substr(6)).value_or(99) <= 14;
    for (int number = 1; number < 32; ++number) {
        const char* known = ::sigabbrev_np(number);
        if (known && name == known) return true;
    }
    return false;
}

Result<std::string> change_stop_signal(Change& change) {
    auto signal = TRY(one_argument(change));
    if (!is_signal(signal)) return invalid("Invalid signal: " + signal);
    change.config.stop_signal = std::move(signal);
    return "STOPSIGNAL " + change.config.stop_signal;
}

Result<std::string> change_user(Change& change) {
    change.config.user = TRY(one_argument(change));
    return "USER " + change.config.user;
}

Result<std::string> change_volumes(Change& change) {
    std::vector<std::string> said;
    auto list = TRY(parse_json_list(change.instruction.rest));
    auto words = list ? std::move(*list) : parse_words(change.instruction.rest, change.escape);
    if (words.empty()) return invalid("VOLUME requires at least one argument");
    for (const auto& word : words) {
        auto expanded = TRY(expand_word(word, change.variables, change.escape));
        std::string path(trim(expanded));
        if (path.empty()) return invalid("VOLUME specified can not be an empty string");
        auto& volumes = change.config.volumes;
        auto place = std::lower_bound(volumes.begin(), volumes.end(), path);
        if (place == volumes.end() || *place != path) volumes.insert(place, path);
        said.push_back(std::move(path));
    }
    return "VOLUME " + plain_list(said);
}

Result<std::string> change_working_directory(Change& change) {
    auto path = TRY(one_argument(change));
    if (path.empty()) return invalid("cannot normalize nothing");
    change.config.working_directory = path.starts_with('/') ? path : joined_path(change.config.working_directory, path);
    return "WORKDIR " + change.config.working_directory;
}

constexpr struct {
    std::string_view name;
    Result<std::string> (*apply)(Change&);
} changes_allowed[] = {
    {"CMD", change_command},      {"ENTRYPOINT", change_entrypoint},     {"ENV", change_environment},
    {"EXPOSE", change_ports},     {"HEALTHCHECK", change_healthcheck},   {"LABEL", change_labels},
    {"ONBUILD", change_on_build}, {"STOPSIGNAL", change_stop_signal},    {"USER", change_user},
    {"VOLUME", change_volumes},   {"WORKDIR", change_working_directory},
};

Result<std::string> change_shell(Change& change) {
    auto list = TRY(parse_json_list(change.instruction.rest));
    if (!list) return invalid("SHELL requires the arguments to be in JSON form");
    if (list->empty()) return invalid("SHELL requires at least one argument");
    change.config.shell = std::move(*list);
    return "SHELL " + plain_list(change.config.shell);
}

using Action = Result<std::string> (*)(Change&);
Action action_of(std::string_view instruction) {
    auto known = std::find_if(std::begin(changes_allowed), std::end(changes_allowed),
                              [&](const auto& entry) { return entry.name == instruction; });
    if (known != std::end(changes_allowed)) return known->apply;
    return instruction == "SHELL" ? change_shell : nullptr;  // not of commit -c
}

}  // namespace

bool changes_config(std::string_view instruction) { return action_of(instruction) != nullptr; }

Result<std::string> apply_instruction(ConfigChange& change) {
    const auto& instruction = change.instruction;
    if (instruction.upper != "HEALTHCHECK" && !instruction.flags.empty())
        return invalid("Unknown flag: " + instruction.flags.front().first);
    return action_of(instruction.upper)(change);
}

// Applied to nothing, each variable standing for itself: only what does not hang on values may fail.
Result<void> check_instruction(const Instruction& instruction, char escape) {
    static constexpr std::string_view one_word[] = {"USER", "WORKDIR", "STOPSIGNAL"};
    if (instruction.upper != "HEALTHCHECK" && !instruction.flags.empty())
        return invalid("Unknown flag: " + instruction.flags.front().first);
    if (std::find(std::begin(one_word), std::end(one_word), instruction.upper) != std::end(one_word))
        return instruction.rest.empty() ? invalid(instruction.upper + " requires exactly one argument")
                                        : Result<void>();
    if (instruction.upper == "ENV" || instruction.upper == "LABEL")
        return [&]() -> Result<void> {
            TRY(parse_pairs(instruction.rest, instruction.upper, escape));
            return {};
        }();
    if (instruction.upper == "EXPOSE" || instruction.upper == "VOLUME")
        return instruction.rest.empty() ? invalid(instruction.upper + " requires at least one argument")
                                        : Result<void>();
    ImageConfig config;
    Variables none = [](std::string_view) { return std::nullopt; };
    ConfigChange change{config, instruction, none, escape};
    TRY(apply_instruction(change));
    return {};
}

Result<std::vector<std::string>> command_line(const ImageConfig& config, std::string_view text) {
    auto list = TRY(parse_json_list(text));
    if (list) return std::move(*list);
    auto line = config.shell;
    if (line.empty()) line = {"/bin/sh", "-c"};
    if (!text.empty()) line.emplace_back(text);
    return line;
}

std::optional<std::string> variable_in(const std::vector<std::string>& environment, std::string_view name) {
    for (const auto& entry : environment)
        if (entry.starts_with(name) && entry.size() > name.size() && entry[name.size()] == '=')
            return entry.substr(name.size() + 1);
    return std::nullopt;
}

void set_variable(std::vector<std::string>& environment, std::string assignment) {
    auto prefix = assignment.substr(0, assignment.find('=') + 1);
    auto known =
        std::find_if(environment.begin(), environment.end(), [&](const auto& old) { return old.starts_with(prefix); });
    if (known == environment.end())
        environment.push_back(std::move(assignment));
    else
        *known = std::move(assignment);
}

std::string joined_path(std::string_view base, std::string_view path) {
    std::vector<std::string> parts;
    for (auto text : {base, path})
        for (auto part : split(text, '/')) {
            if (part.empty() || part == ".") continue;
            if (part != "..")
                parts.emplace_back(part);
            else if (!parts.empty())
                parts.pop_back();
        }
    return "/" + join(parts, "/");
}

Result<void> apply_changes(ImageConfig& config, const std::vector<std::string>& changes) {
    if (changes.empty()) return {};
    for (const auto& change : changes)  // it ends up in the image's JSON
        if (!is_utf8(change)) return invalid("change is not valid UTF-8: " + printable(change.substr(0, 100)));
    auto instructions = TRY(parse_instructions(join(changes, "\n")));
    // All are known before the first is applied.
    for (const auto& instruction : instructions)
        if (!action_of(instruction.upper) || instruction.upper == "SHELL")
            return invalid(fmt::format("{} is not a valid change command", to_lower(instruction.name)));
    ImageConfig changed = config;
    Variables variables = [&](std::string_view name) { return variable_in(changed.environment, name); };
    bool command_set = false;
    for (const auto& instruction : instructions) {
        ConfigChange change{changed, instruction, variables, '\\', command_set};
        TRY(apply_instruction(change));
        command_set = change.command_set;
    }
    config = std::move(changed);
    return {};
}

}  // namespace pila::image
