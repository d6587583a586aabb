// SPDX-License-Identifier: Apache-2.0
// The body of POST /containers/ID/update over settings from the same input: never a crash, and what is accepted has
// nothing that the next reading refuses.
#include <cstdint>
#include <cstdlib>

#include <boost/json.hpp>

#include "base/json_reader.h"
#include "engine/resources.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace pila;
    using namespace pila::engine;
    auto value = parse_json({reinterpret_cast<const char*>(data), size});
    if (!value || !value->is_object()) return 0;
    HostLimits host;
    host.memory = host.swap = host.reservation = host.pids = host.cpuset = host.cpu_bandwidth = size % 2 == 0;
    host.available_cpus = "0-3";
    auto settings = value->get_object(), changes = settings;
    if (!settle_resources(settings, host, LimitsFor::Creation)) return 0;
    if (!settle_resources(changes, host, LimitsFor::Update) || !check_restart_policy(changes)) return 0;
    if (!merge_update(settings, changes)) return 0;
    JsonReader in(settings);
    auto merged = read_resources(in);
    if (!in.check()) std::abort();
    ignore(plan_update(merged, merged), "a device that is not there");
    return 0;
}
