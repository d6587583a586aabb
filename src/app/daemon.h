// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "app/daemon_options.h"

namespace pila::app {

// Runs until SIGTERM or SIGINT; the composition root.
Result<void> run_daemon(const DaemonOptions& options);

}  // namespace pila::app
