// SPDX-License-Identifier: Apache-2.0
#include "engine/log_settings.h"

#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "base/go_values.h"
#include "base/json_reader.h"
#include "base/text.h"
#include "engine/log_attributes.h"
#include "engine/spec.h"

namespace pila::engine {

namespace {

constexpr std::string_view json_options[] = {"max-size",     "max-file", "compress",  "labels",
                                             "labels-regex", "env",      "env-regex", "tag"};
constexpr std::string_view local_options[] = {"max-size", "max-file", "compress"};
// Of every driver. Files can always be read: there is no cache to configure.
constexpr std::string_view common_options[] = {"mode",           "max-buffer-size", "cache-disabled",
                                               "cache-max-size", "cache-max-file",  "cache-compress"};

std::string value_of(const LogOptionMap& options, const std::string& name) {
    auto found = options.find(name);
    return found == options.end() ? std::string() : found->second;
}

template <std::size_t N>
bool among(const std::string_view (&names)[N], std::string_view name) {
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

Result<void> check_mode(const LogOptionMap& options) {
    auto mode = value_of(options, "mode");
    if (!mode.empty() && mode != "blocking" && mode != "non-blocking")
        return Error(Errc::Invalid, "logger: logging mode not supported: " + mode);
    auto size = options.find("max-buffer-size");
    if (size == options.end()) return {};
    if (mode != "non-blocking")
        return Error(Errc::Invalid, "logger: max-buffer-size option is only supported with 'mode=non-blocking'");
    TRY(parse_ram_size(size->second).in("error parsing option max-buffer-size"));
    return {};
}

json::object to_object(const LogOptionMap& map) {
    json::object object;
    for (const auto& [key, value] : map) object[key] = value;
    return object;
}

struct Bounds {
    std::uint64_t bytes;
    std::int64_t files;
    bool compress;
};

// Logs are bounded unless somebody asks otherwise: a full disk is nobody's default (SCOPE.md).
constexpr Bounds json_defaults{100U << 20, 5, false}, local_defaults{20U << 20, 5, true};

Result<Bounds> json_bounds(const LogOptionMap& options) {
    auto bounds = json_defaults;
    if (auto size = value_of(options, "max-size"); !size.empty()) {
        auto bytes = TRY(parse_ram_size(size));
        if (bytes <= 0) return Error(Errc::Invalid, "max-size must be a positive number");
        bounds = {static_cast<std::uint64_t>(bytes), 1, false};
    }
    if (auto files = value_of(options, "max-file"); !files.empty()) {
        bounds.files = TRY(parse_go_int(files, "Atoi"));
        if (bounds.files < 1) return Error(Errc::Invalid, "max-file cannot be less than 1");
    }
    if (auto compress = value_of(options, "compress"); !compress.empty()) {
        bounds.compress = TRY(parse_go_bool(compress));
        if (bounds.compress && (bounds.files < 2 || value_of(options, "max-size").empty()))
            return Error(Errc::Invalid, "compress cannot be true when max-file is less than 2 or max-size is not set");
    }
    return bounds;
}

Result<Bounds> local_bounds(const LogOptionMap& options) {
    auto bounds = local_defaults;
    if (auto size = value_of(options, "max-size"); !size.empty()) {
        auto bytes = TRY(parse_ram_size(size).in("invalid value for max-size: " + size));
        if (bytes > 0) bounds.bytes = static_cast<std::uint64_t>(bytes);
    }
    if (auto files = value_of(options, "max-file"); !files.empty())
        bounds.files = TRY(parse_go_int(files, "Atoi").in("invalid value for max-file: " + files));
    if (auto compress = value_of(options, "compress"); !compress.empty())
        bounds.compress = TRY(parse_go_bool(compress).in("error reading compress log option"));
    if (bounds.files < 0) return Error(Errc::Invalid, "max file count must be positive");
    if (bounds.compress && bounds.files <= 1)
        return Error(Errc::Invalid, "compression cannot be enabled when max file count is 1");
    bounds.files = std::max<std::int64_t>(bounds.files, 1);
    return bounds;
}

Result<Bounds> bounds_of(const ContainerSpec& spec) {
    return spec.log_driver == "local" ? local_bounds(spec.log_options) : json_bounds(spec.log_options);
}

Result<runtime::LogPlan> plan_from(const ContainerSpec& spec, const LogSubject& subject, const std::string& path) {
    runtime::LogPlan plan;
    plan.path = path;
    plan.format = log_format_of(spec);
    auto bounds = TRY(bounds_of(spec));
    plan.max_bytes = bounds.bytes;
    plan.max_files = static_cast<std::uint32_t>(std::min<std::int64_t>(bounds.files, 10'000));
    plan.tell_rotation = bounds.compress;
    if (plan.format != runtime::LogFormat::Json) return plan;
    auto attributes = TRY(log_attributes(spec, subject));
    if (!attributes.empty()) plan.attributes = "\"attrs\":" + to_json(to_object(attributes)) + ",";
    return plan;
}

}  // namespace

Result<void> check_log_config(const std::string& driver, const LogOptionMap& options) {
    if (driver == "none") return {};
    TRY(check_mode(options));
    bool json = driver == "json-file";
    if (!json && driver != "local")
        return Error(Errc::Invalid, fmt::format("logger: no log driver named '{}' is registered", driver));
    for (const auto& [name, value] : options) {
        if (among(common_options, name) || (json ? among(json_options, name) : among(local_options, name))) continue;
        return Error(Errc::Invalid, json ? fmt::format("unknown log opt '{}' for json-file log driver", name)
                                         : fmt::format("unknown log opt '{}' for log driver local", name));
    }
    return {};
}

Result<void> settle_log_config(json::object& host_config, const LogDefaults& defaults) {
    auto& stored = host_config["LogConfig"];
    if (!stored.is_object()) stored = json::object{};
    auto& config = stored.get_object();
    JsonReader in(config, "HostConfig.LogConfig");
    auto driver = in.text("Type");
    auto options = in.string_map("Config");
    TRY(in.check());
    if (driver.empty()) driver = defaults.driver;
    if (driver == defaults.driver) options.insert(defaults.options.begin(), defaults.options.end());
    TRY(check_log_config(driver, options));
    config["Type"] = driver;
    config["Config"] = to_object(options);
    return {};
}

std::string log_path_of(const ContainerSpec& spec, const std::string& directory) {
    if (spec.log_driver == "none") return "";
    return directory + (spec.log_driver == "local" ? "/log.local" : "/log.json");
}

runtime::LogFormat log_format_of(const ContainerSpec& spec) {
    return spec.log_driver == "local" ? runtime::LogFormat::Local : runtime::LogFormat::Json;
}

bool logs_are_compressed(const ContainerSpec& spec) {
    if (spec.log_driver == "none") return false;
    auto bounds = bounds_of(spec);
    return bounds && bounds->compress;
}

Result<runtime::LogPlan> plan_log(const ContainerSpec& spec, const LogSubject& subject, const std::string& directory) {
    auto path = log_path_of(spec, directory);
    if (path.empty()) return runtime::LogPlan{};
    return plan_from(spec, subject, path).in("failed to initialize logging driver");
}

}  // namespace pila::engine
