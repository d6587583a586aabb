// SPDX-License-Identifier: Apache-2.0
#pragma once
// The device nodes of a container: what --device names, and all of the host's for a privileged one.

#include "engine/spec.h"
#include "runtime/plan.h"

namespace pila::engine {

// Adds nodes to plan.devices and what may be done with them to plan.resources.devices. Invalid: no such device.
// A mapping may name a directory of devices ("/dev/snd"), as with Docker.
Result<void> add_devices(const ContainerSpec& spec, runtime::Plan& plan);

}  // namespace pila::engine
