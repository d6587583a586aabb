// SPDX-License-Identifier: Apache-2.0
// Subnets, addresses, options and stored records from outside: never a crash, and what is accepted is consistent.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/text.h"
#include "network/host_ports.h"
#include "network/record.h"
#include "network/resolv_conf.h"
#include "network/spec.h"

using namespace pila;
using namespace pila::network;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    const auto range = dynamic_port_range(text);
    if (range.first == 0 || range.first > range.last) std::abort();
    if (parse_nameservers(text).size() > 3) std::abort();
    if (const auto record = network_of_record(text))
        if (!network_of_record(to_record(**record))) std::abort();
    if (const auto record = sandbox_of_record(text))
        if (!sandbox_of_record(to_record(*record))) std::abort();

    // One line per field.
    const auto lines = split(text, '\n');
    auto line = [&](std::size_t index) { return std::string(index < lines.size() ? lines[index] : ""); };
    NetworkState state;
    auto& spec = state.info.spec;
    spec.name = line(0);
    spec.enable_ipv6 = line(1) == "6";
    spec.subnets.push_back({line(2), line(3), line(4), {{"a", line(5)}}});
    spec.subnets.push_back({line(6), line(7), line(8), {}});
    spec.options[line(9)] = line(10);
    (void)check_network_name(spec.name).ok();
    (void)apply_options(state).ok();
    if (!complete_subnets(spec, {}, {})) return 0;
    auto pools = make_pools(spec);
    if (!pools) return 0;
    for (auto& pool : *pools) {
        const auto address = pool.take();
        if (!address) continue;
        if (!pool.subnet().contains(*address)) std::abort();
        for (const auto& entry : spec.subnets)
            if (entry.gateway == address->text()) std::abort();
    }
    return 0;
}
