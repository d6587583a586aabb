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

// What instructions do to a configuration; texts of errors are those of Docker 20.10 and later, where they agree.
namespace pila::image {

namespace {

Error invalid(std::string text) { return Error(Errc::Invalid, std::move(text)); }

struct Change {
    ImageConfig& config;
    const Instruction& instruction;
    bool& command_set;  // by an earlier change

    Variables variables() const {
        return [this](std::string_view name) -> std::optional<std::string> {
            for (const auto& entry : config.environment)
                if (entry.starts_with(name) && entry.size() > name.size() && entry[name.size()] == '=')
                    return entry.substr(name.size() + 1);
            return std::nullopt;
        };
    }
    Result<std::string> one_argument() const {
        if (instruction.rest.empty()) return invalid(instruction.upper + " requires exactly one argument");
        return expand_word(instruction.rest, variables());
    }
};

// JSON form as it is; anything else is a line for the shell.
Result<std::vector<std::string>> command_line(const Change& change) {
    auto list = TRY(parse_json_list(change.instruction.rest));
    if (list) return std::move(*list);
    auto line = change.config.shell;
    if (line.empty()) line = {"/bin/sh", "-c"};
    if (!change.instruction.rest.empty()) line.push_back(change.instruction.rest);
    return line;
}

Result<void> change_command(const Change& change) {
    change.config.command = TRY(command_line(change));
    change.config.has_command = true;
    change.command_set = true;
    return {};
}

Result<void> change_entrypoint(const Change& change) {
    auto line = TRY(command_line(change));
    bool none = line.empty() || change.instruction.rest.empty();
    change.config.entrypoint = none ? std::vector<std::string>() : std::move(line);
    change.config.has_entrypoint = !none;
    // The image's command belonged to the entry point before.
    if (!change.command_set) {
        change.config.command.clear();
        change.config.has_command = false;
    }
    return {};
}

Result<void> change_environment(const Change& change) {
    auto pairs = TRY(parse_pairs(change.instruction.rest, "ENV"));
    std::vector<std::string> entries;
    for (const auto& [name, value] : pairs) {
        if (name.empty()) return invalid("ENV names can not be blank");
        auto expanded_name = TRY(expand_word(name, change.variables()));
        entries.push_back(expanded_name + "=" + TRY(expand_word(value, change.variables())));
    }
    for (auto& entry : entries) {
        auto prefix = entry.substr(0, entry.find('=') + 1);
        auto& environment = change.config.environment;
        auto known = std::find_if(environment.begin(), environment.end(),
                                  [&](const auto& old) { return old.starts_with(prefix); });
        if (known == environment.end())
            environment.push_back(std::move(entry));
        else
            *known = std::move(entry);
    }
    return {};
}

Result<void> change_labels(const Change& change) {
    auto pairs = TRY(parse_pairs(change.instruction.rest, "LABEL"));
    for (const auto& [name, value] : pairs) {
        if (name.empty()) return invalid("LABEL names can not be blank");
        auto expanded_name = TRY(expand_word(name, change.variables()));
        change.config.labels[expanded_name] = TRY(expand_word(value, change.variables()));
    }
    return {};
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

Result<void> change_ports(const Change& change) {
    std::vector<std::string> specs;
    for (const auto& word : parse_words(change.instruction.rest)) {
        auto expanded = TRY(expand_words(word, change.variables()));
        specs.insert(specs.end(), expanded.begin(), expanded.end());
    }
    if (specs.empty()) return invalid("EXPOSE requires at least one argument");
    for (const auto& spec : specs) TRY(expose(change.config, spec));
    return {};
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

Result<void> change_healthcheck(const Change& change) {
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
    return {};
}

Result<void> change_on_build(const Change& change) {
    if (change.instruction.rest.empty()) return invalid("ONBUILD requires at least one argument");
    auto inner = TRY(parse_instructions(change.instruction.rest));
    const auto& trigger = inner.front().upper;
    if (trigger == "ONBUILD") return invalid("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    if (trigger == "MAINTAINER" || trigger == "FROM") return invalid(trigger + " isn't allowed as an ONBUILD trigger");
    change.config.on_build.push_back(change.instruction.rest);
    return {};
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

Result<void> change_stop_signal(const Change& change) {
    auto signal = TRY(change.one_argument());
    if (!is_signal(signal)) return invalid("Invalid signal: " + signal);
    change.config.stop_signal = std::move(signal);
    return {};
}

Result<void> change_user(const Change& change) {
    change.config.user = TRY(change.one_argument());
    return {};
}

Result<void> change_volumes(const Change& change) {
    auto list = TRY(parse_json_list(change.instruction.rest));
    auto words = list ? std::move(*list) : parse_words(change.instruction.rest);
    if (words.empty()) return invalid("VOLUME requires at least one argument");
    for (const auto& word : words) {
        auto expanded = TRY(expand_word(word, change.variables()));
        std::string path(trim(expanded));
        if (path.empty()) return invalid("VOLUME specified can not be an empty string");
        auto& volumes = change.config.volumes;
        auto place = std::lower_bound(volumes.begin(), volumes.end(), path);
        if (place == volumes.end() || *place != path) volumes.insert(place, path);
    }
    return {};
}

// Go's path.Join: "." and ".." resolved, single slashes.
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

Result<void> change_working_directory(const Change& change) {
    auto path = TRY(change.one_argument());
    if (path.empty()) return invalid("cannot normalize nothing");
    change.config.working_directory = path.starts_with('/') ? path : joined_path(change.config.working_directory, path);
    return {};
}

constexpr struct {
    std::string_view name;
    Result<void> (*apply)(const Change&);
} changes_allowed[] = {
    {"CMD", change_command},      {"ENTRYPOINT", change_entrypoint},     {"ENV", change_environment},
    {"EXPOSE", change_ports},     {"HEALTHCHECK", change_healthcheck},   {"LABEL", change_labels},
    {"ONBUILD", change_on_build}, {"STOPSIGNAL", change_stop_signal},    {"USER", change_user},
    {"VOLUME", change_volumes},   {"WORKDIR", change_working_directory},
};

}  // namespace

Result<void> apply_changes(ImageConfig& config, const std::vector<std::string>& changes) {
    if (changes.empty()) return {};
    for (const auto& change : changes)  // it ends up in the image's JSON
        if (!is_utf8(change)) return invalid("change is not valid UTF-8: " + printable(change.substr(0, 100)));
    auto instructions = TRY(parse_instructions(join(changes, "\n")));
    // All are known before the first is applied.
    std::vector<Result<void> (*)(const Change&)> actions;
    for (const auto& instruction : instructions) {
        auto known = std::find_if(std::begin(changes_allowed), std::end(changes_allowed),
                                  [&](const auto& entry) { return entry.name == instruction.upper; });
        if (known == std::end(changes_allowed))
            return invalid(fmt::format("{} is not a valid change command", to_lower(instruction.name)));
        actions.push_back(known->apply);
    }
    ImageConfig changed = config;
    bool command_set = false;
    for (std::size_t i = 0; i < actions.size(); ++i) {
        const auto& instruction = instructions[i];
        if (instruction.upper != "HEALTHCHECK" && !instruction.flags.empty())
            return invalid("Unknown flag: " + instruction.flags.front().first);
        TRY(actions[i](Change{changed, instruction, command_set}));
    }
    config = std::move(changed);
    return {};
}

}  // namespace pila::image
