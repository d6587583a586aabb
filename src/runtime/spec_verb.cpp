// SPDX-License-Identifier: Apache-2.0
// `pila-runtime spec` and `seccomp`.
#include <unistd.h>
#include <cstdio>
#include <string_view>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/json.h"
#include "os/file.h"
#include "runtime/defaults.h"
#include "runtime/oci_internal.h"
#include "runtime/options_internal.h"
#include "runtime/seccomp_profile.h"
#include "runtime/verbs_internal.h"

namespace pila::runtime {

namespace oci {

static json::array mounts_of_example(bool rootless) {
    auto mount = [](const char* destination, const char* type, const char* source, json::array options) {
        json::object made{{"destination", destination}, {"type", type}, {"source", source}};
        if (!options.empty()) made["options"] = std::move(options);
        return made;
    };
    json::array terminals{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"};
    if (!rootless) terminals.push_back("gid=5");  // not mapped in a user namespace of one user
    json::array mounts{mount("/proc", "proc", "proc", {}),
                       mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
                       mount("/dev/pts", "devpts", "devpts", std::move(terminals)),
                       mount("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}),
                       mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"})};
    if (rootless) {
        // A new sysfs needs rights over the network namespace's owner.
        mounts.push_back(mount("/sys", "none", "/sys", {"rbind", "nosuid", "noexec", "nodev", "ro"}));
    } else {
        mounts.push_back(mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}));
        mounts.push_back(mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}));
    }
    return mounts;
}

static json::object linux_of_example(bool rootless, unsigned uid, unsigned gid) {
    json::array namespaces;
    for (const char* type : {"pid", "ipc", "uts", "mount", "cgroup"})
        namespaces.push_back(json::object{{"type", type}});
    namespaces.push_back(json::object{{"type", rootless ? "user" : "network"}});
    json::object section{{"namespaces", std::move(namespaces)}};
    if (rootless) {
        section["uidMappings"] = json::array{json::object{{"containerID", 0}, {"hostID", uid}, {"size", 1}}};
        section["gidMappings"] = json::array{json::object{{"containerID", 0}, {"hostID", gid}, {"size", 1}}};
    } else {
        section["resources"] =
            json::object{{"devices", json::array{json::object{{"allow", false}, {"access", "rwm"}}}}};
    }
    auto plan = default_plan();
    json::array masked, readonly;
    for (const auto& path : plan.masked_paths) masked.emplace_back(path);
    for (const auto& path : plan.readonly_paths) readonly.emplace_back(path);
    section["maskedPaths"] = std::move(masked);
    section["readonlyPaths"] = std::move(readonly);
    return section;
}

std::string example_config(bool rootless, unsigned uid, unsigned gid) {
    json::array capabilities{"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"};
    json::object process{
        {"terminal", true},
        {"user", json::object{{"uid", 0}, {"gid", 0}}},
        {"args", json::array{"sh"}},
        {"env", json::array{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"}},
        {"cwd", "/"},
        {"capabilities",
         json::object{{"bounding", capabilities}, {"effective", capabilities}, {"permitted", capabilities}}},
        {"rlimits", json::array{json::object{{"type", "RLIMIT_NOFILE"}, {"hard", 1024}, {"soft", 1024}}}},
        {"noNewPrivileges", true}};
    json::object config{{"ociVersion", "1.2.0"},
                        {"process", std::move(process)},
                        {"root", json::object{{"path", "rootfs"}, {"readonly", true}}},
                        {"hostname", "pila"},
                        {"mounts", mounts_of_example(rootless)},
                        {"linux", linux_of_example(rootless, uid, gid)}};
    return to_json(config) + "\n";
}

}  // namespace oci

Result<int> spec_verb(const Invocation& call) {
    bool rootless = false;
    std::string bundle = ".";
    TRY(Options().flag("rootless", rootless).text("bundle", bundle, 'b').parse_all(call.argc, call.argv));
    auto path = bundle + "/config.json";
    if (os::exists(path)) return Error(Errc::AlreadyExists, path + " exists; remove it first");
    TRY(os::replace_file(path, oci::example_config(rootless, ::geteuid(), ::getegid()), 0644, os::Sync::No));
    return 0;
}

Result<int> seccomp_verb(const Invocation&) {
    std::fputs(seccomp::default_profile_json().c_str(), stdout);
    return 0;
}

}  // namespace pila::runtime
