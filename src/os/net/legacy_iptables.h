// SPDX-License-Identifier: Apache-2.0
#pragma once
// What can be seen of iptables-legacy (x_tables), which nftables knows nothing of.

namespace pila::os::net {

// The policy of its FORWARD chain is to drop. Does not make the table: without one the answer is no.
bool legacy_forward_drops();

}  // namespace pila::os::net
