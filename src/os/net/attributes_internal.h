// SPDX-License-Identifier: Apache-2.0
#pragma once
// Netlink attributes as a range (the macros of libmnl are C only).

#include <libmnl/libmnl.h>
#include <cstddef>

namespace pila::os::net {

class Attributes {
public:
    // Behind a fixed header of `offset` bytes.
    Attributes(const nlmsghdr* message, std::size_t offset)
        : first_(static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(message, offset))),
          end_(static_cast<const char*>(mnl_nlmsg_get_payload_tail(message))) {}
    explicit Attributes(const nlattr* nest)
        : first_(static_cast<const nlattr*>(mnl_attr_get_payload(nest))),
          end_(static_cast<const char*>(mnl_attr_get_payload(nest)) + mnl_attr_get_payload_len(nest)) {}

    class Iterator {
    public:
        Iterator(const nlattr* at, const char* end) : at_(at), end_(end) {}
        const nlattr* operator*() const { return at_; }
        Iterator& operator++() {
            at_ = mnl_attr_next(at_);
            return *this;
        }
        bool operator!=(const Iterator&) const {
            return mnl_attr_ok(at_, static_cast<int>(end_ - reinterpret_cast<const char*>(at_)));
        }

    private:
        const nlattr* at_;
        const char* end_;
    };
    Iterator begin() const { return {first_, end_}; }
    Iterator end() const { return {nullptr, end_}; }

private:
    const nlattr* first_;
    const char* end_;
};

}  // namespace pila::os::net
