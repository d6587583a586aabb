// SPDX-License-Identifier: Apache-2.0
// A file of its own: the kernel's headers and netinet/in.h exclude each other.
#include "os/net/legacy_iptables.h"

#include <linux/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <sys/socket.h>
#include <algorithm>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "os/file.h"

namespace pila::os::net {

static constexpr char filter_table[] = "filter";
static constexpr std::size_t max_table_bytes = 64U << 20;

bool legacy_forward_drops() {
    auto tables = os::read_file("/proc/net/ip_tables_names", 4096).value_or("");
    auto names = split(tables, '\n');
    if (std::find(names.begin(), names.end(), std::string_view(filter_table)) == names.end()) return false;
    Fd socket(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
    ipt_getinfo info{};
    std::strcpy(info.name, filter_table);
    socklen_t size = sizeof info;
    if (!socket || ::getsockopt(socket.get(), IPPROTO_IP, IPT_SO_GET_INFO, &info, &size) < 0) return false;
    if (info.size > max_table_bytes) return false;
    std::vector<char> entries(sizeof(ipt_get_entries) + info.size);
    auto* request = reinterpret_cast<ipt_get_entries*>(entries.data());
    std::strcpy(request->name, filter_table);
    request->size = info.size;
    size = static_cast<socklen_t>(entries.size());
    if (::getsockopt(socket.get(), IPPROTO_IP, IPT_SO_GET_ENTRIES, entries.data(), &size) < 0) return false;
    // The last rule of a built-in chain is its policy.
    std::size_t at = sizeof(ipt_get_entries) + info.underflow[NF_INET_FORWARD];
    if (at + sizeof(ipt_entry) > entries.size()) return false;
    ipt_entry entry;
    std::memcpy(&entry, entries.data() + at, sizeof entry);
    if (at + entry.target_offset + sizeof(xt_standard_target) > entries.size()) return false;
    xt_standard_target target;
    std::memcpy(&target, entries.data() + at + entry.target_offset, sizeof target);
    return target.verdict == -NF_DROP - 1;
}

}  // namespace pila::os::net
