// SPDX-License-Identifier: Apache-2.0
#pragma once
// Checks of single flag values of run and create.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/container_options.h"

namespace pila::cli {

FlagSetter stream_name(Texts& target);
FlagSetter label(Texts& target);
FlagSetter extra_host(Texts& target);
FlagSetter dns_server(Texts& target);
FlagSetter dns_domain(Texts& target);
FlagSetter link_name(Texts& target);
FlagSetter sysctl(Texts& target);
FlagSetter device_rule(Texts& target);
FlagSetter ulimit(std::vector<Ulimit>& target);
FlagSetter weight_device(std::vector<DeviceRate>& target);
FlagSetter bytes_rate(std::vector<DeviceRate>& target);
FlagSetter operations_rate(std::vector<DeviceRate>& target);
FlagSetter duration(std::int64_t& nanoseconds);
FlagSetter mount(std::vector<std::string>& target);
FlagSetter network(std::vector<NetworkAttachment>& target);
FlagSetter gpu_request(std::string& json);
FlagSetter swap_size(std::int64_t& target);
FlagSetter unsigned_16(std::uint64_t& target);

}  // namespace pila::cli
