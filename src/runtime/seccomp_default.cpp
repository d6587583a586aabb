// SPDX-License-Identifier: Apache-2.0
// The table of defaults/seccomp.h as rules and as text.
#include <linux/audit.h>
#include <cerrno>

#include <boost/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "os/capability.h"
#include "runtime/defaults/seccomp.h"
#include "runtime/seccomp_profile.h"

namespace pila::runtime::seccomp {

Profile default_profile(std::uint64_t capabilities) {
    Profile profile;
    auto native = native_architecture();
    profile.architectures = {native};
    if (native == AUDIT_ARCH_X86_64) profile.architectures.push_back(AUDIT_ARCH_I386);
    if (native == AUDIT_ARCH_AARCH64) profile.architectures.push_back(AUDIT_ARCH_ARM);
    for (const auto& group : defaults::syscall_groups) {
        if (group.capabilities != 0 && (group.capabilities & capabilities) == 0) continue;
        if ((group.unless & capabilities) != 0) continue;
        std::vector<ArgumentTest> tests;
        if (const auto* test = group.test) tests.push_back({test->index, test->compare, test->value, test->mask});
        for (auto name : split(group.syscalls, ' '))
            profile.rules.push_back({std::string(name), tests, group.error ? fail_with(group.error) : allow});
    }
    return profile;
}

namespace {

json::array capability_names(std::uint64_t set) {
    json::array names;
    for (int number = 0; number < 64; ++number)
        if ((set >> number & 1) != 0) names.emplace_back(json::string(os::capability_name(number)));
    return names;
}

std::string_view name_of(Compare compare) {
    for (std::string_view name : {"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ", "SCMP_CMP_GE",
                                  "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ"})
        if (comparison_by_name(name) == compare) return name;
    return "";
}

json::object test_json(const defaults::ArgumentRule& test) {
    bool masked = test.compare == Compare::MaskedEqual;
    return {{"index", test.index},
            {"value", masked ? test.mask : test.value},
            {"valueTwo", masked ? test.value : 0},
            {"op", name_of(test.compare)}};
}

// Readable: one rule a line.
std::string indented(const json::array& rules) {
    std::string text;
    for (const auto& rule : rules) text += (text.empty() ? "    " : ",\n    ") + to_json(rule);
    return text;
}

}  // namespace

std::string default_profile_json() {
    json::array rules;
    for (const auto& group : defaults::syscall_groups) {
        json::array names;
        for (auto name : split(group.syscalls, ' ')) names.emplace_back(name);
        json::object rule{{"comment", group.reason},
                          {"names", std::move(names)},
                          {"action", group.error ? "SCMP_ACT_ERRNO" : "SCMP_ACT_ALLOW"}};
        if (group.error) rule["errnoRet"] = group.error;
        if (group.test) rule["args"] = json::array{test_json(*group.test)};
        if (group.capabilities) rule["includes"] = json::object{{"caps", capability_names(group.capabilities)}};
        if (group.unless) rule["excludes"] = json::object{{"caps", capability_names(group.unless)}};
        rules.emplace_back(std::move(rule));
    }
    return "{\n  \"defaultAction\": \"SCMP_ACT_ERRNO\",\n  \"defaultErrnoRet\": " + std::to_string(EPERM) +
           ",\n  \"archMap\": [\n"
           "    {\"architecture\": \"SCMP_ARCH_X86_64\", \"subArchitectures\": [\"SCMP_ARCH_X86\", "
           "\"SCMP_ARCH_X32\"]},\n"
           "    {\"architecture\": \"SCMP_ARCH_AARCH64\", \"subArchitectures\": [\"SCMP_ARCH_ARM\"]},\n"
           "    {\"architecture\": \"SCMP_ARCH_RISCV64\", \"subArchitectures\": null}\n  ],\n  \"syscalls\": [\n" +
           indented(rules) + "\n  ]\n}\n";
}

}  // namespace pila::runtime::seccomp
