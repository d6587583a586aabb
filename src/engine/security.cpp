// SPDX-License-Identifier: Apache-2.0
#include "engine/security.h"

#include <algorithm>
#include <optional>

#include <fmt/core.h>

#include "base/text.h"
#include "os/capability.h"
#include "os/file.h"
#include "runtime/defaults.h"
#include "runtime/seccomp_profile.h"

namespace pila::engine {

static constexpr std::size_t max_profile = 1U << 20;

Result<std::uint64_t> capabilities_of(const ContainerSpec& spec) {
    if (spec.privileged) return os::all_capabilities();
    auto set = runtime::default_capabilities();
    auto apply = [&](const std::string& name, bool add) -> Result<void> {
        if (to_lower(name) == "all") {
            set = add ? os::all_capabilities() : 0;
            return {};
        }
        auto number = os::capability_by_name(name);
        if (!number) return Error(Errc::Invalid, fmt::format("invalid capability: \"{}\"", name));
        auto bit = std::uint64_t{1} << *number;
        set = add ? set | bit : set & ~bit;
        return {};
    };
    // "ALL" first, whichever list it is in: --cap-drop ALL --cap-add X means X alone, --cap-add ALL --cap-drop X all
    // but X.
    for (const auto& name : spec.cap_add)
        if (to_lower(name) == "all") TRY(apply(name, true));
    for (const auto& name : spec.cap_drop)
        if (to_lower(name) == "all") TRY(apply(name, false));
    for (const auto& name : spec.cap_add)
        if (to_lower(name) != "all") TRY(apply(name, true));
    for (const auto& name : spec.cap_drop)
        if (to_lower(name) != "all") TRY(apply(name, false));
    return set;
}

// As Go's strconv.ParseBool has it.
static std::optional<bool> parse_switch(std::string_view text) {
    for (auto word : {"1", "t", "T", "TRUE", "true", "True"})
        if (text == word) return true;
    for (auto word : {"0", "f", "F", "FALSE", "false", "False"})
        if (text == word) return false;
    return std::nullopt;
}

Result<SecuritySettings> read_security_options(const std::vector<std::string>& options) {
    SecuritySettings settings;
    for (const auto& option : options) {
        if (option == "no-new-privileges" || option == "disable" || option == "writable-cgroups") {
            settings.no_new_privileges |= option == "no-new-privileges";
            settings.writable_cgroups |= option == "writable-cgroups";
            continue;
        }
        auto separator = option.find('=');
        if (separator == std::string::npos) separator = option.find(':');
        if (separator == std::string::npos)
            return Error(Errc::Invalid, fmt::format("invalid --security-opt 1: {}", json_quote(option)));
        auto key = option.substr(0, separator), value = option.substr(separator + 1);
        auto chosen = parse_switch(value);
        if (key == "label")
            continue;  // SELinux: nothing to label with on a machine without it
        else if (key == "apparmor")
            settings.apparmor = value;
        else if (key == "seccomp")
            settings.seccomp = value;
        else if (key == "no-new-privileges" && chosen)
            settings.no_new_privileges = *chosen;
        else if (key == "writable-cgroups" && chosen)
            settings.writable_cgroups = *chosen;
        else
            return Error(Errc::Invalid, fmt::format("invalid --security-opt 2: {}", json_quote(option)));
    }
    return settings;
}

std::string apparmor_profile_of(const ContainerSpec& spec, const std::string& default_profile) {
    if (default_profile.empty()) return {};
    auto settings = read_security_options(spec.security_options).value_or({});
    if (!settings.apparmor.empty()) return settings.apparmor == "unconfined" ? std::string() : settings.apparmor;
    return spec.privileged ? std::string() : default_profile;
}

// "": none.
static Result<std::string> seccomp_filter(const ContainerSpec& spec, const std::string& own, std::uint64_t capabilities,
                                          const SecurityDefaults& defaults) {
    if (own == "unconfined" || (own.empty() && spec.privileged)) return std::string();
    if (own == "builtin") return runtime::compile_default_seccomp(capabilities);
    if (!own.empty()) return runtime::seccomp::compile_profile(own, capabilities);
    if (!defaults.seccomp_profile.empty())
        return runtime::seccomp::compile_profile(defaults.seccomp_profile, capabilities);
    return defaults.seccomp_name == "unconfined" ? std::string() : runtime::compile_default_seccomp(capabilities);
}

Result<void> apply_security(const ContainerSpec& spec, std::uint64_t capabilities, const SecurityDefaults& defaults,
                            runtime::ProcessPlan& process) {
    auto settings = TRY(read_security_options(spec.security_options));
    process.no_new_privileges = settings.no_new_privileges;
    process.apparmor_profile = apparmor_profile_of(spec, defaults.apparmor_profile);
    process.seccomp_bpf = TRY(seccomp_filter(spec, settings.seccomp, capabilities, defaults));
    return {};
}

Result<void> check_security(const ContainerSpec& spec) {
    auto settings = TRY(read_security_options(spec.security_options));
    if (settings.seccomp.empty() || settings.seccomp == "unconfined" || settings.seccomp == "builtin") return {};
    auto capabilities = TRY(capabilities_of(spec));
    TRY(runtime::seccomp::compile_profile(settings.seccomp, capabilities));
    return {};
}

Result<void> set_default_seccomp(const std::string& setting, SecurityDefaults& defaults) {
    if (setting.empty() || setting == "default" || setting == "builtin") return {};
    defaults.seccomp_name = setting;
    if (setting == "unconfined") return {};
    auto text = TRY(os::read_file(setting, max_profile));
    TRY(runtime::seccomp::compile_profile(text, runtime::default_capabilities()).in(setting));
    defaults.seccomp_profile = std::move(text);
    return {};
}

}  // namespace pila::engine
