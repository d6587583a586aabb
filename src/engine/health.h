// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a health check is, and what has become of it so far. The doing is in health_checks.h.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"

namespace pila::engine {

struct HealthSettings {
    std::vector<std::string> command;  // empty: no health check
    std::chrono::nanoseconds interval{std::chrono::seconds(30)}, timeout{std::chrono::seconds(30)};
    std::chrono::nanoseconds start_period{0}, start_interval{std::chrono::seconds(5)};
    int retries = 3;
};

// From Config (Healthcheck, Shell). Invalid, in Docker's words: a duration under a millisecond, negative retries.
Result<HealthSettings> read_health(const json::object& config);
// Docker's rule: what the container's own leaves open is the image's; ["NONE"] switches it off.
json::object merge_health(const json::object& own, const json::object& of_image);

enum class HealthStatus : std::uint8_t { None, Starting, Healthy, Unhealthy };
std::string_view name_of(HealthStatus status);  // "none", "starting", ...

struct ProbeResult {
    WallTime begun, ended;
    int exit_code = 0;  // -1: could not be started, or took too long
    std::string output;
};

struct Health {
    HealthStatus status = HealthStatus::None;
    int failing_streak = 0;
    std::vector<ProbeResult> log;  // the last few
};

// True: the status has changed.
// begun_after: how long the container had been running then; the wall clock may have been set meanwhile.
bool note_probe(Health& health, ProbeResult result, const HealthSettings& settings,
                std::chrono::nanoseconds begun_after);
// Until the next probe.
std::chrono::nanoseconds next_probe_after(const HealthSettings& settings, HealthStatus status,
                                          std::chrono::nanoseconds ran_for);

}  // namespace pila::engine
