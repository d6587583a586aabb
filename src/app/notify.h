// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tells the service manager how far this process is: sd_notify(3), whose datagram protocol is stable and documented.

#include <string_view>

#include "base/result.h"

namespace pila::app {

// `state`: "READY=1", "STOPPING=1". Nobody who asked for it (NOTIFY_SOCKET) is fine.
Result<void> notify_service_manager(std::string_view state);

}  // namespace pila::app
