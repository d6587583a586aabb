// SPDX-License-Identifier: Apache-2.0
#pragma once
// Networks and attachments as they are in the node store (JSON; unknown fields are ignored).

#include <string>
#include <string_view>

#include "network/sandbox.h"

namespace pila::network {

inline constexpr std::string_view network_prefix = "network/networks/";
inline constexpr std::string_view sandbox_prefix = "network/sandboxes/";
inline constexpr std::string_view doomed_prefix =
    "network/doomed/";  // bridges of networks that are removed, until they are gone

std::string to_record(const NetworkState& network);
Result<std::shared_ptr<NetworkState>> network_of_record(std::string_view text);  // what the record holds, no more
std::string to_record(const SandboxState& sandbox);
Result<SandboxState> sandbox_of_record(std::string_view text);

}  // namespace pila::network
