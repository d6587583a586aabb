// SPDX-License-Identifier: Apache-2.0
#include "build/arguments.h"

#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "base/text.h"
#include "image/image_config.h"

namespace pila::build {

static constexpr std::array proxy_names = {"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "FTP_PROXY",
                                           "ftp_proxy",  "NO_PROXY",   "no_proxy",    "ALL_PROXY",   "all_proxy"};

// containerd's names of machines.
static std::string normal_architecture(std::string text, std::string& variant) {
    text = to_lower(text);
    if (text == "x86_64" || text == "x86-64") return "amd64";
    if (text == "aarch64" || text == "arm64") {
        if (variant == "8" || variant == "v8") variant.clear();
        return "arm64";
    }
    if (text == "i386") return "386";
    if (text == "armhf") {
        variant = "v7";
        return "arm";
    }
    if (text == "armel") {
        variant = "v6";
        return "arm";
    }
    return text;
}

Platform platform_of_this_machine() { return {"linux", std::string(image::machine_architecture()), ""}; }

Result<Platform> parse_platform(std::string_view text) {
    static constexpr std::array architectures = {"amd64", "arm64",   "arm",    "386",      "ppc64le", "ppc64",
                                                 "s390x", "riscv64", "mips64", "mips64le", "loong64"};
    auto known = [&](std::string_view name) {
        return std::find(architectures.begin(), architectures.end(), name) != architectures.end();
    };
    auto wrong = [&](std::string_view why) {
        return Error(Errc::Invalid, fmt::format("failed to parse platform {0}: \"{0}\": {1}", printable(text), why));
    };
    if (text.empty() || text == "local") return platform_of_this_machine();
    auto parts = split(text, '/');
    if (parts.size() > 3) return wrong("too many parts");
    Platform platform = platform_of_this_machine();
    if (parts.size() == 1) {
        std::string variant;
        auto architecture = normal_architecture(std::string(parts[0]), variant);
        if (to_lower(parts[0]) == "linux") return platform;
        if (!known(architecture)) return wrong("unknown operating system or architecture: invalid argument");
        return Platform{"linux", architecture, variant};
    }
    platform.os = to_lower(parts[0]);
    platform.variant = parts.size() > 2 ? to_lower(parts[2]) : "";
    platform.architecture = normal_architecture(std::string(parts[1]), platform.variant);
    if (platform.os != "linux") return wrong("only linux is supported");
    return platform;
}

Arguments::Arguments(GivenArguments given, const Platform& target) : given_(std::move(given)) {
    auto add = [&](const std::string& prefix, const Platform& platform) {
        platform_[prefix + "PLATFORM"] = platform.text();
        platform_[prefix + "OS"] = platform.os;
        platform_[prefix + "ARCH"] = platform.architecture;
        platform_[prefix + "VARIANT"] = platform.variant;
    };
    add("TARGET", target);
    add("BUILD", platform_of_this_machine());
    Lock lock(mutex_);
    consumed_ = {"SOURCE_DATE_EPOCH"};
}

const std::string* Arguments::given(const std::string& name) {
    auto found = given_.find(name);
    if (found == given_.end()) return nullptr;
    Lock lock(mutex_);
    consumed_.insert(name);
    return found->second ? &*found->second : nullptr;
}

Result<void> Arguments::declare_global(const image::Instruction& argument, char escape) {
    image::Variables variables = [&](std::string_view name) { return global(name); };
    for (auto& [name, value] : TRY(parse_arguments(argument, variables, escape))) {
        const auto* own = given(name);
        auto platform = platform_.find(name);
        if (own)
            globals_[name] = *own;
        else if (value || platform == platform_.end())
            globals_[name] = value;
    }
    return {};
}

std::optional<std::string> Arguments::global(std::string_view name) const {
    auto declared = globals_.find(std::string(name));
    if (declared != globals_.end()) return declared->second;
    auto platform = platform_.find(std::string(name));
    if (platform == platform_.end()) return std::nullopt;
    auto own = given_.find(platform->first);
    return own != given_.end() && own->second ? own->second : platform->second;
}

std::optional<std::string> Arguments::value(const std::string& name, const std::optional<std::string>& fallback) {
    if (const auto* own = given(name)) return *own;
    return fallback ? fallback : global(name);
}

bool Arguments::is_proxy(std::string_view name) {
    return std::find(proxy_names.begin(), proxy_names.end(), name) != proxy_names.end();
}

std::vector<std::string> Arguments::proxies() {
    std::vector<std::string> assignments;
    for (const char* name : proxy_names)
        if (const auto* own = given(name)) assignments.push_back(fmt::format("{}={}", name, *own));
    return assignments;
}

std::vector<std::string> Arguments::unused() const {
    std::vector<std::string> names;
    Lock lock(mutex_);
    for (const auto& [name, value] : given_)
        if (!consumed_.contains(name) && !is_proxy(name)) names.push_back(name);
    return names;
}

Result<std::vector<Declared>> parse_arguments(const image::Instruction& argument, const image::Variables& variables,
                                              char escape) {
    std::vector<Declared> declared;
    for (const auto& word : image::parse_words(argument.rest, escape)) {
        auto equals = word.find('=');
        auto name = TRY(image::expand_word(word.substr(0, equals), variables, escape));
        if (name.empty()) return Error(Errc::Invalid, "ARG names can not be blank");
        Declared one{name, std::nullopt};
        if (equals != std::string::npos)
            one.value = TRY(image::expand_word(word.substr(equals + 1), variables, escape));
        declared.push_back(std::move(one));
    }
    return declared;
}

}  // namespace pila::build
