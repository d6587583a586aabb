// SPDX-License-Identifier: Apache-2.0
#include <linux/seccomp.h>
#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "runtime/oci_internal.h"
#include "runtime/oci_json_internal.h"
#include "runtime/seccomp_profile.h"

namespace pila::runtime::oci {

namespace {

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV  // Linux 5.19
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

// TSYNC is about other threads, of which there are none here.
constexpr struct {
    std::string_view name;
    std::uint32_t bit;
} filter_flags[] = {{"SECCOMP_FILTER_FLAG_TSYNC", 0},
                    {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
                    {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
                    {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV}};

constexpr std::uint32_t notify = SECCOMP_RET_USER_NOTIF;

Result<std::uint32_t> outcome_of(const std::string& action, std::optional<std::uint32_t> error) {
    if (action == "SCMP_ACT_NOTIFY") return notify;
    if (auto known = seccomp::action_by_name(action, error.value_or(EPERM))) return *known;
    return Error(Errc::Unsupported, "config.json: linux.seccomp: action " + action + " is not supported");
}

Result<seccomp::Compare> compare_of(const std::string& operation) {
    if (auto known = seccomp::comparison_by_name(operation)) return *known;
    return Error(Errc::Invalid, "config.json: linux.seccomp: unknown comparison " + operation);
}

Result<seccomp::ArgumentTest> test_of(const json::object& object) {
    seccomp::ArgumentTest test;
    test.index = TRY(number_member<std::uint32_t>(object, "index")).value_or(0);
    if (test.index > 5) return wrong_type("linux.seccomp.syscalls.args.index", "0 to 5");
    auto operation = TRY(text_member(object, "op"));
    test.compare = TRY(compare_of(operation));
    test.value = TRY(number_member<std::uint64_t>(object, "value")).value_or(0);
    if (test.compare == seccomp::Compare::MaskedEqual) {
        // value is the mask, valueTwo what must be left.
        test.mask = test.value;
        test.value = TRY(number_member<std::uint64_t>(object, "valueTwo")).value_or(0);
    }
    return test;
}

Result<void> add_rules(const json::object& object, seccomp::Profile& profile) {
    auto action = TRY(text_member(object, "action"));
    auto error = TRY(number_member<std::uint32_t>(object, "errnoRet"));
    auto outcome = TRY(outcome_of(action, error));
    std::vector<seccomp::ArgumentTest> tests;
    bool repeated = false;
    const auto* arguments = TRY(array_member(object, "args"));
    for (const auto& value : *arguments) {
        const auto* argument = TRY(element(value, "linux.seccomp.syscalls.args"));
        tests.push_back(TRY(test_of(*argument)));
        for (std::size_t i = 0; i + 1 < tests.size(); ++i) repeated = repeated || tests[i].index == tests.back().index;
    }
    auto names = TRY(texts_member(object, "names"));
    for (const auto& name : names) {
        // As runc has it: several tests of one argument are alternatives, tests of different ones must all hold.
        if (!repeated)
            profile.rules.push_back({name, tests, outcome});
        else
            for (const auto& test : tests) profile.rules.push_back({name, {test}, outcome});
    }
    return {};
}

Result<void> add_architectures(const json::object& section, seccomp::Profile& profile) {
    auto names = TRY(texts_member(section, "architectures"));
    auto native = seccomp::native_architecture();
    profile.architectures.push_back(native);
    // What this machine cannot run needs no rules; x32 is always refused (seccomp_filter.cpp).
    for (const auto& name : names)
        if (auto token = seccomp::architecture_by_name(name); token && *token != native)
            profile.architectures.push_back(*token);
    return {};
}

}  // namespace

Result<seccomp::Profile> seccomp_profile(const json::object& section) {
    seccomp::Profile profile;
    auto action = TRY(text_member(section, "defaultAction"));
    auto error = TRY(number_member<std::uint32_t>(section, "defaultErrnoRet"));
    profile.otherwise = TRY(outcome_of(action, error));
    // Only where unlisted calls fail anyhow: a profile that allows by default means newer calls too.
    profile.unknown_is_enosys = action == "SCMP_ACT_ERRNO" || action.compare(0, 13, "SCMP_ACT_KILL") == 0;
    TRY(add_architectures(section, profile));
    if (profile.otherwise == notify)
        return Error(Errc::Invalid, "config.json: linux.seccomp: SCMP_ACT_NOTIFY cannot be the default action");
    const auto* syscalls = TRY(array_member(section, "syscalls"));
    for (const auto& value : *syscalls) {
        const auto* entry = TRY(element(value, "linux.seccomp.syscalls"));
        TRY(add_rules(*entry, profile));
    }
    return profile;
}

std::vector<std::string> seccomp_flag_names() {
    std::vector<std::string> names;
    for (const auto& [name, bit] : filter_flags) names.emplace_back(name);
    return names;
}

Result<void> read_seccomp_options(const json::object& section, const seccomp::Profile& profile, Plan& plan) {
    auto names = TRY(texts_member(section, "flags"));
    for (const auto& name : names) {
        const auto* known = std::find_if(std::begin(filter_flags), std::end(filter_flags),
                                         [&](const auto& flag) { return flag.name == name; });
        if (known == std::end(filter_flags))
            return Error(Errc::Unsupported, "config.json: linux.seccomp.flags: unknown: " + printable(name));
        plan.process.seccomp_flags |= known->bit;
    }
    for (const auto& rule : profile.rules) {
        if (rule.outcome != notify) continue;
        plan.process.extras.seccomp_listener = true;
        // The listener's number is told by one, with nobody yet to answer.
        if (rule.syscall == "write")
            return Error(Errc::Invalid, "config.json: linux.seccomp: SCMP_ACT_NOTIFY cannot be used for write");
    }
    if (!plan.process.extras.seccomp_listener) {
        plan.process.seccomp_flags &= ~std::uint32_t{SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV};
        return {};
    }
    plan.bundle.seccomp_listener = TRY(text_member(section, "listenerPath"));
    plan.bundle.seccomp_metadata = TRY(text_member(section, "listenerMetadata"));
    if (plan.bundle.seccomp_listener.empty())
        return Error(Errc::Invalid, "config.json: linux.seccomp: SCMP_ACT_NOTIFY needs listenerPath");
    plan.process.seccomp_flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
    return {};
}

}  // namespace pila::runtime::oci
