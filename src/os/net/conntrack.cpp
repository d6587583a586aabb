// SPDX-License-Identifier: Apache-2.0
#include "os/net/conntrack.h"

#include <cerrno>
#include <cstring>
#include <vector>

#include <arpa/inet.h>
#include <fmt/core.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "os/net/attributes_internal.h"

namespace pila::os::net {

// net/netfilter/nf_internals.h; the kernel filters a dump itself since 5.8 and ignores the wish before.
static constexpr std::uint32_t filter_protocol = 1U << 3, filter_destination_port = 1U << 5;

static void begin(Batch& batch, std::uint16_t type, Family family, int tolerated = 0) {
    batch.begin(static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | type), 0, "forget connections", tolerated);
    auto* header = batch.header<nfgenmsg>();
    header->nfgen_family = static_cast<std::uint8_t>(family);
    header->version = NFNETLINK_V0;
}

namespace {

struct Entry {
    std::vector<char> original;  // the CTA_TUPLE_ORIG attribute's payload
    std::uint32_t id = 0;
    bool has_id = false;
};

// What a tuple says about its destination.
struct Destination {
    std::uint8_t protocol = 0;
    std::uint16_t port = 0;
    std::optional<IpAddress> address;
};

Destination destination_of(const nlattr* tuple) {
    Destination result;
    for (const nlattr* part : Attributes(tuple)) {
        for (const nlattr* field : Attributes(part)) {
            auto type = mnl_attr_get_type(field);
            auto size = mnl_attr_get_payload_len(field);
            const void* data = mnl_attr_get_payload(field);
            if (mnl_attr_get_type(part) == CTA_TUPLE_IP) {
                if (type == CTA_IP_V4_DST && size == 4) result.address = IpAddress::from_bytes(Family::V4, data);
                if (type == CTA_IP_V6_DST && size == 16) result.address = IpAddress::from_bytes(Family::V6, data);
            } else if (mnl_attr_get_type(part) == CTA_TUPLE_PROTO) {
                if (type == CTA_PROTO_NUM && size == 1) result.protocol = mnl_attr_get_u8(field);
                if (type == CTA_PROTO_DST_PORT && size == 2) result.port = ntohs(mnl_attr_get_u16(field));
            }
        }
    }
    return result;
}

}  // namespace

static void ask_for(Batch& batch, Family family, std::uint8_t protocol, std::uint16_t port) {
    begin(batch, IPCTNL_MSG_CT_GET, family);
    auto* message = batch.current();
    auto* tuple = mnl_attr_nest_start(message, CTA_TUPLE_ORIG);
    auto* part = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);
    mnl_attr_put_u8(message, CTA_PROTO_NUM, protocol);
    mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, htons(port));
    mnl_attr_nest_end(message, part);
    mnl_attr_nest_end(message, tuple);
    auto* filter = mnl_attr_nest_start(message, CTA_FILTER);
    mnl_attr_put_u32(message, CTA_FILTER_ORIG_FLAGS, filter_protocol | filter_destination_port);
    mnl_attr_put_u32(message, CTA_FILTER_REPLY_FLAGS, 0);
    mnl_attr_nest_end(message, filter);
}

Result<void> forget_connections(NetlinkSocket& netfilter, Family family, std::uint8_t protocol, std::uint16_t port,
                                const std::function<bool(const IpAddress&)>& chosen) {
    std::vector<Entry> doomed;
    Batch listing;
    ask_for(listing, family, protocol, port);
    TRY(netfilter.dump(listing, [&](const nlmsghdr* message) {
        Entry entry;
        Destination destination;
        for (const nlattr* attribute : Attributes(message, sizeof(nfgenmsg))) {
            if (mnl_attr_get_type(attribute) == CTA_ID) {
                entry.id = mnl_attr_get_u32(attribute);
                entry.has_id = true;
            } else if (mnl_attr_get_type(attribute) == CTA_TUPLE_ORIG) {
                destination = destination_of(attribute);
                const auto* data = static_cast<const char*>(mnl_attr_get_payload(attribute));
                entry.original.assign(data, data + mnl_attr_get_payload_len(attribute));
            }
        }
        if (destination.protocol == protocol && destination.port == port && destination.address &&
            chosen(*destination.address))
            doomed.push_back(std::move(entry));
    }));
    Batch batch;
    for (const auto& entry : doomed) {
        begin(batch, IPCTNL_MSG_CT_DELETE, family, ENOENT);
        auto* message = batch.current();
        mnl_attr_put(message, CTA_TUPLE_ORIG | NLA_F_NESTED, entry.original.size(), entry.original.data());
        if (entry.has_id) mnl_attr_put_u32(message, CTA_ID, entry.id);
    }
    return netfilter.run(batch);
}

}  // namespace pila::os::net
