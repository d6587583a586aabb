// SPDX-License-Identifier: Apache-2.0
#pragma once
// Limits as systemd has them. It writes its own idea of every file of a group whenever one of its properties changes,
// its defaults included: what it is not told, it undoes.

#include <sys/types.h>
#include <cstdint>
#include <string_view>
#include <vector>

#include "os/cgroup.h"
#include "runtime/dbus_internal.h"
#include "runtime/plan.h"

namespace pila::runtime::systemd {

// Elements of an a(sv).
class Properties {
public:
    explicit Properties(dbus::Writer& writer) : writer_(writer) {}
    void text(std::string_view name, std::string_view value) { begin(name, "s").text(value); }
    void flag(std::string_view name, bool value) { begin(name, "b").number(value ? 1 : 0); }
    void limit(std::string_view name, std::uint64_t value) { begin(name, "t").long_number(value); }
    void bytes(std::string_view name, const std::vector<std::uint8_t>& values) {
        begin(name, "ay").array(1, [&](dbus::Writer& list) {
            for (auto value : values) list.byte(value);
        });
    }
    void process(pid_t pid) {
        begin("PIDs", "au").array(4, [&](dbus::Writer& list) { list.number(static_cast<std::uint32_t>(pid)); });
    }

private:
    dbus::Writer& begin(std::string_view name, std::string_view type) {
        return writer_.align(8).text(name).signature(type);
    }
    dbus::Writer& writer_;
};

// "0-2,8" as bits, the first byte for 0 to 7. Empty: not such a list.
std::vector<std::uint8_t> bits_of_list(std::string_view list);
void put_limits(Properties& put, const ResourcePlan& limits, os::CgroupMode mode);

}  // namespace pila::runtime::systemd
