// SPDX-License-Identifier: Apache-2.0
#pragma once
// The stored form of a container: two JSON documents, versioned.

#include "engine/container.h"

namespace pila::engine {

std::string spec_record(const Container& container);
std::string state_record(const ContainerState& state);

Result<ContainerPointer> read_spec_record(const std::string& id, std::string_view text);
Result<ContainerState> read_state_record(std::string_view text);

}  // namespace pila::engine
