// SPDX-License-Identifier: Apache-2.0
#pragma once
// Addresses that traffic may be sent to.

#include <string_view>

#include "cluster/kinds/path.h"
#include "cluster/kinds/report.h"

namespace pila::cluster::kinds {

// An IP address, and not one of loopback, link-local or unspecified ones.
void check_ordinary_address(std::string_view address, const Path& path, Report& report);
// `inner` lies within `outer` and is smaller; both are CIDRs.
bool is_within(std::string_view inner, std::string_view outer);

}  // namespace pila::cluster::kinds
