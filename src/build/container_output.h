// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a container of a build says, and its end; both as long as somebody waits for the build.

#include <functional>
#include <string>

#include "base/context.h"
#include "base/fd.h"
#include "engine/container.h"

namespace pila::build {

// Takes Docker's frames apart to the end of the stream. Standard error is red, as dockerd has it; what is cut in the
// middle of a character waits for the rest.
Result<void> copy_output(const Context& context, FdView stream, const std::function<void(std::string)>& say);

Result<int> wait_for_end(const Context& context, const engine::ContainerPointer& container);

}  // namespace pila::build
