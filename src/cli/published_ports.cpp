// SPDX-License-Identifier: Apache-2.0
#include "cli/published_ports.h"

#include <fmt/core.h>
#include <algorithm>

#include "base/text.h"
#include "cli/json_helpers.h"

namespace pila::cli {

namespace {

struct Port {
    std::int64_t inner = 0, outer = 0;
    std::string ip, type;
};
struct Group {
    std::string ip, type;
    std::int64_t first = 0, last = 0;

    std::string text() const {
        auto range = first == last ? std::to_string(first) : fmt::format("{}-{}", first, last);
        if (!ip.empty()) range = fmt::format("{}->{}", host_and_port(ip, range), range);
        return range + "/" + type;
    }
};

}  // namespace

std::string host_and_port(const std::string& ip, const std::string& port) {
    return ip.find(':') == std::string::npos ? ip + ":" + port : "[" + ip + "]:" + port;
}

std::string published_ports(const json::array& list) {
    std::vector<Port> ports;
    for (const auto& item : list)
        ports.push_back(
            {number(item, "PrivatePort"), number(item, "PublicPort"), text(item, "IP"), text(item, "Type")});
    std::sort(ports.begin(), ports.end(), [](const Port& a, const Port& b) {
        return std::tie(a.inner, a.ip, a.outer, a.type) < std::tie(b.inner, b.ip, b.outer, b.type);
    });
    std::vector<std::string> closed, moved;
    std::vector<Group> groups;
    for (const auto& port : ports) {
        if (!port.ip.empty() && port.outer != port.inner) {
            moved.push_back(
                fmt::format("{}->{}/{}", host_and_port(port.ip, std::to_string(port.outer)), port.inner, port.type));
            continue;
        }
        auto group = std::find_if(groups.begin(), groups.end(),
                                  [&](auto& known) { return known.ip == port.ip && known.type == port.type; });
        if (group == groups.end()) {
            groups.push_back({port.ip, port.type, port.inner, port.inner});
        } else if (port.inner == group->last + 1) {
            group->last = port.inner;
        } else {
            closed.push_back(group->text());
            group->first = group->last = port.inner;
        }
    }
    for (const auto& group : groups) closed.push_back(group.text());
    closed.insert(closed.end(), moved.begin(), moved.end());
    return join(closed, ", ");
}

}  // namespace pila::cli
