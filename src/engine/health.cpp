// SPDX-License-Identifier: Apache-2.0
#include "engine/health.h"

#include <fmt/core.h>

#include "base/json_reader.h"

namespace pila::engine {

using std::chrono::nanoseconds;

static constexpr std::size_t kept_results = 5;

static Result<void> read_duration(JsonReader& in, const char* field, nanoseconds& into) {
    auto value = in.integer(field);
    if (value == 0) return {};
    if (value < 1'000'000) return Error(Errc::Invalid, fmt::format("{} in Healthcheck cannot be less than 1ms", field));
    into = nanoseconds(value);
    return {};
}

Result<HealthSettings> read_health(const json::object& config) {
    HealthSettings settings;
    JsonReader outer(config);
    const auto* check = outer.object("Healthcheck");
    auto shell = outer.strings("Shell");
    TRY(outer.check());
    if (!check) return settings;
    JsonReader in(*check, "Healthcheck");
    auto test = in.strings("Test");
    TRY(read_duration(in, "Interval", settings.interval));
    TRY(read_duration(in, "Timeout", settings.timeout));
    TRY(read_duration(in, "StartPeriod", settings.start_period));
    TRY(read_duration(in, "StartInterval", settings.start_interval));
    auto retries = in.integer("Retries");
    TRY(in.check());
    if (retries < 0) return Error(Errc::Invalid, "Retries in Healthcheck cannot be negative");
    if (retries > 0) settings.retries = static_cast<int>(std::min<std::int64_t>(retries, 1'000'000));
    if (test.size() < 2) return settings;
    if (test[0] == "CMD") {
        settings.command.assign(test.begin() + 1, test.end());
    } else if (test[0] == "CMD-SHELL") {
        settings.command = shell.empty() ? std::vector<std::string>{"/bin/sh", "-c"} : shell;
        settings.command.push_back(test[1]);
    }
    return settings;
}

json::object merge_health(const json::object& own, const json::object& of_image) {
    auto says_something = [](const json::value* value) {
        if (!value || value->is_null()) return false;
        const auto* list = value->if_array();
        return list ? !list->empty() : *value != 0;
    };
    auto merged = own;
    for (const auto& [key, value] : of_image)
        if (!says_something(own.if_contains(key))) merged[key] = value;
    return merged;
}

std::string_view name_of(HealthStatus status) {
    switch (status) {
        case HealthStatus::None: return "none";
        case HealthStatus::Starting: return "starting";
        case HealthStatus::Healthy: return "healthy";
        case HealthStatus::Unhealthy: return "unhealthy";
    }
    return "none";
}

bool note_probe(Health& health, ProbeResult result, const HealthSettings& settings, nanoseconds begun_after) {
    auto old = health.status;
    bool passed = result.exit_code == 0;
    if (health.log.size() >= kept_results) health.log.erase(health.log.begin());
    health.log.push_back(std::move(result));
    if (passed) {
        health.failing_streak = 0;
        health.status = HealthStatus::Healthy;
    } else {
        // A container that has never been healthy may fail for as long as its start may take.
        bool excused = health.status == HealthStatus::Starting && begun_after < settings.start_period;
        if (!excused && ++health.failing_streak >= settings.retries) health.status = HealthStatus::Unhealthy;
    }
    return health.status != old;
}

nanoseconds next_probe_after(const HealthSettings& settings, HealthStatus status, nanoseconds ran_for) {
    bool in_start_period = ran_for < settings.start_period;
    return in_start_period && status == HealthStatus::Starting ? settings.start_interval : settings.interval;
}

}  // namespace pila::engine
