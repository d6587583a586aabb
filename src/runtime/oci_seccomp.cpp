// SPDX-License-Identifier: Apache-2.0
#include <cerrno>

#include "runtime/oci_internal.h"
#include "runtime/oci_json_internal.h"
#include "runtime/seccomp_profile.h"

namespace pila::runtime::oci {

namespace {

Result<std::uint32_t> outcome_of(const std::string& action, std::optional<std::uint32_t> error) {
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
    if (member(section, "listenerPath"))
        return Error(Errc::Unsupported, "config.json: linux.seccomp: listenerPath is not supported");
    const auto* syscalls = TRY(array_member(section, "syscalls"));
    for (const auto& value : *syscalls) {
        const auto* entry = TRY(element(value, "linux.seccomp.syscalls"));
        TRY(add_rules(*entry, profile));
    }
    return profile;
}

}  // namespace pila::runtime::oci
