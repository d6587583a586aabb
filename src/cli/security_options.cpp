// SPDX-License-Identifier: Apache-2.0
#include "cli/security_options.h"

#include <fmt/core.h>
#include <cerrno>
#include <set>

#include "base/text.h"
#include "cli/json_helpers.h"
#include "cli/template.h"
#include "cli/units.h"
#include "os/file.h"

namespace pila::cli {

namespace {

std::set<std::string> normalised(const std::vector<std::string>& names) {
    std::set<std::string> all;
    for (const auto& name : names) {
        std::string upper(trim(name));
        for (char& c : upper)
            if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
        bool complete = upper == "ALL" || upper == "RESET" || upper.starts_with("CAP_");
        all.insert(complete ? upper : "CAP_" + upper);
    }
    return all;
}

}  // namespace

json::value capabilities(const std::vector<std::string>& names) {
    auto wanted = normalised(names);
    return list_or_null({wanted.begin(), wanted.end()});
}

Result<Security> security_of(const std::vector<std::string>& options) {
    Security security;
    std::vector<std::string> kept;
    for (const auto& option : options) {
        if (option == "systempaths=unconfined") {
            security.system_paths_unconfined = true;
            continue;
        }
        auto at = option.find_first_of("=:");
        auto equals = option.find('=');
        if (equals != std::string::npos) at = equals;
        if (at == std::string::npos && option != "no-new-privileges" && option != "writable-cgroups")
            return Error(Errc::Invalid, fmt::format("Invalid --security-opt: {}", go_quote(option)));
        auto value = at == std::string::npos ? std::string() : option.substr(at + 1);
        bool profile = option.substr(0, at) == "seccomp" && value != "unconfined" && value != "builtin";
        if (!profile) {
            kept.push_back(option);
            continue;
        }
        auto file = os::read_file(value, 16U << 20);
        if (!file)
            return Error(Errc::NotFound, fmt::format("opening seccomp profile ({}) failed: open {}: {}", value, value,
                                                     file.error().os_errno() == ENOENT ? "no such file or directory"
                                                                                       : file.error().message()));
        auto parsed = parse_json(*file);
        if (!parsed)
            return Error(Errc::Invalid, fmt::format("compacting json for seccomp profile ({}) failed: {}", value,
                                                    parsed.error().message()));
        kept.push_back("seccomp=" + compact_json(*parsed));
    }
    bool emptied = kept.empty() && !options.empty();
    security.options = emptied ? json::value(json::array()) : list_or_null(kept);
    return security;
}

}  // namespace pila::cli
