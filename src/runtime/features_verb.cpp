// SPDX-License-Identifier: Apache-2.0
// `pila-runtime features`: the features structure of the OCI runtime specification 1.2, of this program rather than of
// the kernel that it happens to run on.
#include <cstdio>

#include <boost/json.hpp>

#include "base/json.h"
#include "os/capability.h"
#include "runtime/oci_internal.h"
#include "runtime/verbs_internal.h"

namespace pila::runtime {

static json::array array_of(const std::vector<std::string>& names) { return json::array(names.begin(), names.end()); }

static json::object seccomp_features() {
    json::array actions{"SCMP_ACT_ALLOW",        "SCMP_ACT_ERRNO",       "SCMP_ACT_KILL",
                        "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
                        "SCMP_ACT_TRACE",        "SCMP_ACT_TRAP",        "SCMP_ACT_NOTIFY"};
    json::array operators{"SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT",       "SCMP_CMP_LE",
                          "SCMP_CMP_LT", "SCMP_CMP_NE", "SCMP_CMP_MASKED_EQ"};
    json::array architectures;
    for (const char* name : {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64"})
        architectures.emplace_back(name);
    auto flags = oci::seccomp_flag_names();
    return {{"enabled", true},
            {"actions", std::move(actions)},
            {"operators", std::move(operators)},
            {"archs", std::move(architectures)},
            {"knownFlags", array_of(flags)},
            {"supportedFlags", array_of(flags)}};
}

static json::object linux_features() {
    json::array namespaces{"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"};
    json::array capabilities;
    for (int number = 0; number <= os::last_capability(); ++number)
        if (auto name = os::capability_name(number); !name.empty())
            capabilities.emplace_back(json::string_view(name.data(), name.size()));
    json::object cgroup{{"v1", true}, {"v2", true}, {"systemd", true}, {"systemdUser", false}, {"rdma", true}};
    return {{"namespaces", std::move(namespaces)},
            {"capabilities", std::move(capabilities)},
            {"cgroup", std::move(cgroup)},
            {"seccomp", seccomp_features()},
            {"apparmor", json::object{{"enabled", true}}},
            {"selinux", json::object{{"enabled", true}}},
            {"intelRdt", json::object{{"enabled", false}}},
            {"mountExtensions", json::object{{"idmap", json::object{{"enabled", true}}}}}};
}

Result<int> features_verb(const Invocation&) {
    json::object features{{"ociVersionMin", "1.0.0"},
                          {"ociVersionMax", "1.2.0"},
                          {"hooks", json::array{"prestart", "createRuntime", "createContainer", "startContainer",
                                                "poststart", "poststop"}},
                          {"mountOptions", array_of(oci::mount_option_names())},
                          {"linux", linux_features()},
                          {"annotations", json::object{{"pila.version", PILA_VERSION}}},
                          {"potentiallyUnsafeConfigAnnotations", json::array{}}};
    auto text = to_json(features);
    std::puts(text.c_str());
    return 0;
}

}  // namespace pila::runtime
