// SPDX-License-Identifier: Apache-2.0
#pragma once
// The stored form of a container: two JSON documents, versioned.

#include <boost/json/fwd.hpp>

#include "base/json.h"
#include "engine/container.h"

namespace pila::engine {

std::string spec_record(const Container& container);
std::string state_record(const ContainerState& state);

json::array mounts_record(const std::vector<VolumeMount>& mounts);
std::vector<VolumeMount> read_mounts_record(const json::array& list);

Result<ContainerPointer> read_spec_record(const std::string& id, std::string_view text);
Result<ContainerState> read_state_record(std::string_view text);

}  // namespace pila::engine
