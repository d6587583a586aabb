// SPDX-License-Identifier: Apache-2.0
#include "image/platform.h"

#include <algorithm>
#include <tuple>

#include <fmt/core.h>

#include "base/text.h"
#include "image/image_config.h"

namespace pila::image {

Result<Platform> Platform::parse(std::string_view text) {
    Platform platform{"linux", std::string(machine_architecture()), ""};
    if (text.empty()) return platform;
    auto parts = split(text, '/');
    auto known = [](std::string_view name) -> std::pair<std::string, std::string> {
        if (name == "x86_64" || name == "x86-64") return {"amd64", ""};
        if (name == "aarch64") return {"arm64", ""};
        if (name == "armhf") return {"arm", "v7"};
        if (name == "armel") return {"arm", "v6"};
        if (name == "i386") return {"386", ""};
        return {std::string(name), ""};
    };
    bool valid = parts.size() <= 3;
    for (auto part : parts)
        valid =
            valid && !part.empty() && part.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.-") == part.npos;
    if (!valid)
        return Error(Errc::Invalid, fmt::format("\"{}\" is an invalid component of a platform", printable(text)));
    if (parts.size() == 1) {
        bool is_os = parts[0] == "linux" || parts[0] == "windows" || parts[0] == "darwin" || parts[0] == "freebsd";
        if (is_os)
            platform.os = parts[0];
        else
            std::tie(platform.architecture, platform.variant) = known(parts[0]);
        return platform;
    }
    platform.os = parts[0];
    std::tie(platform.architecture, platform.variant) = known(parts[1]);
    if (parts.size() == 3) platform.variant = parts[2];
    return platform;
}

std::string Platform::text() const {
    return os + "/" + architecture + (variant.empty() ? std::string() : "/" + variant);
}

int Platform::fitness_for(const Platform& wanted) const {
    if (os != wanted.os || architecture != wanted.architecture) return 0;
    if (variant == wanted.variant) return 100;
    auto level = [&](const std::string& of) {
        std::string_view fallback = wanted.architecture == "arm64" ? "v8" : wanted.architecture == "arm" ? "v7" : "v1";
        std::string_view text = of.empty() ? fallback : std::string_view(of);
        auto number = text.substr(0, 1) == "v" ? parse_uint(text.substr(1)) : std::nullopt;
        return static_cast<int>(std::min<std::uint64_t>(number.value_or(99), 99));
    };
    int have = level(variant);
    return have > level(wanted.variant) ? 0 : have;
}

}  // namespace pila::image
