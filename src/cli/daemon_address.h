// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which daemon a verb speaks to, and with what certificates: docker's flags, environment and defaults.

#include <optional>
#include <string>

#include "cli/cli.h"

namespace pila::cli {

// As given before the verb; "not given" has its meaning.
struct TlsFlags {
    bool tls = false, verify = false, verify_given = false;
    std::optional<std::string> ca, certificate, key;
};

// Fills what was not given: host, the directory of config.json, TLS.
void settle_daemon(GlobalOptions& global, const TlsFlags& flags);

}  // namespace pila::cli
