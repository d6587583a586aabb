// SPDX-License-Identifier: Apache-2.0
#include "runtime/systemd_scope_internal.h"

#include <unistd.h>
#include <algorithm>
#include <cstdlib>

#include <fmt/core.h>

#include "base/text.h"
#include "os/file.h"
#include "runtime/dbus_internal.h"
#include "runtime/systemd_limits_internal.h"

namespace pila::runtime {

namespace {

using dbus::Connection;
using dbus::Message;
using dbus::Writer;
using systemd::Properties;
using systemd::put_limits;

constexpr const char* object = "/org/freedesktop/systemd1";
constexpr const char* manager = "org.freedesktop.systemd1.Manager";

// The system's, or that of a user.
Result<Connection> connect(int patience_ms = 30000) {
    const char* directory = ::getenv("XDG_RUNTIME_DIR");
    std::string system = "/run/systemd/private";
    auto path = ::geteuid() != 0 && directory ? std::string(directory) + "/systemd/private" : system;
    if (!os::exists(path))
        return Error(Errc::Unsupported, "--systemd-cgroup: systemd is not running here (there is no " + path + ")");
    return Connection::open(path, patience_ms).in("--systemd-cgroup");
}

// "a-b.slice" is below "a.slice"; "-.slice" is the root.
Result<std::string> path_of_slice(const std::string& slice) {
    if (slice == "-.slice") return std::string();
    auto name = std::string_view(slice).substr(0, slice.size() < 6 ? 0 : slice.size() - 6);
    if (!slice.ends_with(".slice") || name.empty() || name.front() == '-' || name.back() == '-' ||
        slice.find('/') != std::string::npos || name.find("--") != std::string::npos)
        return Error(Errc::Invalid, "linux.cgroupsPath: \"" + printable(slice) + "\" is no name of a slice");
    std::string path;
    for (auto dash = name.find('-'); dash != std::string::npos; dash = name.find('-', dash + 1))
        path += fmt::format("/{}.slice", name.substr(0, dash));
    return path + "/" + slice;
}

Result<void> call_for_job(Connection& connection, Message message) {
    // Signals come without asking over a connection without a bus.
    auto answer = TRY(connection.call(std::move(message)));
    auto job = dbus::texts_of(answer);
    if (job.empty()) return Error(Errc::Internal, "systemd: an answer without a job");
    auto removed = TRY(connection.wait_for_signal("JobRemoved", job[0]));
    auto texts = dbus::texts_of(removed);  // job, unit, result
    if (texts.size() == 3 && texts[2] == "done") return {};
    return Error(Errc::Internal,
                 fmt::format("systemd: the job for {} ended with \"{}\"", texts.size() > 1 ? texts[1] : "the scope",
                             texts.size() == 3 ? texts[2] : "?"));
}

}  // namespace

Result<ScopeName> parse_scope(std::string_view cgroups_path, const std::string& id, bool rootless) {
    ScopeName scope;
    std::string prefix = "pila", name = id;
    if (!cgroups_path.empty()) {
        auto parts = split(cgroups_path, ':');
        if (parts.size() != 3)
            return Error(Errc::Invalid,
                         "linux.cgroupsPath: with --systemd-cgroup it must be SLICE:PREFIX:NAME, not \"" +
                             printable(cgroups_path) + "\"");
        scope.slice = parts[0];
        prefix = parts[1];
        name = parts[2];
    }
    if (scope.slice.empty()) scope.slice = rootless ? "user.slice" : "system.slice";
    if (name.empty() || name.ends_with(".slice") || name.find('/') != std::string::npos)
        return Error(Errc::Invalid, "linux.cgroupsPath: \"" + printable(name) + "\" is no name of a scope");
    scope.unit = prefix.empty() ? name + ".scope" : prefix + "-" + name + ".scope";
    scope.cgroup_path = TRY(path_of_slice(scope.slice)) + "/" + scope.unit;
    return scope;
}

Result<ScopeName> locate_scope(std::string_view cgroups_path, const std::string& id, bool rootless) {
    auto scope = TRY(parse_scope(cgroups_path, id, rootless));
    auto connection = TRY(connect());
    if (::geteuid() == 0) return scope;
    Writer body;
    body.text(manager).text("ControlGroup");
    auto answer = TRY(connection.call({.path = object,
                                       .interface = "org.freedesktop.DBus.Properties",
                                       .member = "Get",
                                       .signature = "ss",
                                       .body = body.bytes()}));
    auto texts = dbus::texts_of(answer);
    if (texts.empty()) return Error(Errc::Internal, "systemd does not tell its own group");
    scope.cgroup_path.insert(0, texts[0] == "/" ? "" : texts[0]);
    return scope;
}

Result<void> start_scope(const ScopeName& scope, const std::string& id, pid_t pid, const ResourcePlan& limits,
                         os::CgroupMode mode) {
    auto connection = TRY(connect());
    Writer body;
    body.text(scope.unit).text("replace");
    body.array(8, [&](Writer& list) {
        Properties put(list);
        put.text("Description", "pila-runtime container " + id);
        put.text("Slice", scope.slice);
        put.process(pid);
        put.flag("Delegate", true);
        put.flag("DefaultDependencies", false);
        for (const char* what : {"CPUAccounting", "MemoryAccounting", "TasksAccounting"}) put.flag(what, true);
        put.flag(mode == os::CgroupMode::V2 ? "IOAccounting" : "BlockIOAccounting", true);
        put_limits(put, limits, mode);
    });
    body.array(8, [](Writer&) {});
    return call_for_job(connection, {.path = object,
                                     .interface = manager,
                                     .member = "StartTransientUnit",
                                     .signature = "ssa(sv)a(sa(sv))",
                                     .body = body.bytes()})
        .in("start scope " + scope.unit);
}

Result<void> update_scope(const std::string& unit, const ResourcePlan& limits, os::CgroupMode mode) {
    auto connection = TRY(connect());
    Writer body;
    constexpr std::uint32_t until_it_ends = 1;
    body.text(unit).number(until_it_ends);
    body.array(8, [&](Writer& list) {
        Properties put(list);
        put_limits(put, limits, mode);
    });
    TRY(connection
            .call({.path = object,
                   .interface = manager,
                   .member = "SetUnitProperties",
                   .signature = "sba(sv)",
                   .body = body.bytes()})
            .in("limit scope " + unit));
    return {};
}

// It is empty and ends by itself, but with cgroup v1 systemd may not notice: only asked for, not waited for.
Result<void> stop_scope(const std::string& unit) {
    auto connection = TRY(connect(1000));
    Writer body;
    body.text(unit).text("replace");
    TRY(connection.call(
        {.path = object, .interface = manager, .member = "StopUnit", .signature = "ss", .body = body.bytes()}));
    return {};
}

}  // namespace pila::runtime
