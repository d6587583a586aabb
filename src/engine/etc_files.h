// SPDX-License-Identifier: Apache-2.0
#pragma once
// /etc/hosts, /etc/hostname and /etc/resolv.conf of a container: texts, made from the settings and the host's own.

#include <string>
#include <vector>

#include "engine/spec.h"
#include "network/network.h"

namespace pila::engine {

std::string hosts_text(const ContainerSpec& spec, const std::vector<network::Endpoint>& endpoints, const std::string& gateway);
// `host`: the host's resolv.conf. Loopback servers cannot be reached from a container and are left out; if none is
// left, public ones take their place, as in Docker. embedded: names are served on 127.0.0.11.
std::string resolv_conf_text(const ContainerSpec& spec, const std::string& host, bool embedded, bool keep_loopback);
// The host's resolv.conf; that of systemd-resolved behind its 127.0.0.53 stub.
std::string host_resolv_conf();

}  // namespace pila::engine
