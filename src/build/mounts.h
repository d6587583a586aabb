// SPDX-License-Identifier: Apache-2.0
#pragma once
// RUN --mount, as BuildKit's reference has it.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pila::build {

struct RunMount {
    enum class Type : std::uint8_t { Bind, Cache, Tmpfs, Secret } type = Type::Bind;
    std::string id, target, source, from, sharing = "shared", variable;
    bool read_only = false, required = false;
    std::optional<std::uint32_t> mode;
    std::uint32_t uid = 0, gid = 0;
    std::uint64_t size = 0;  // of a tmpfs
};

// "type=cache,target=/root/.cache". Invalid: what is wrong.
Result<RunMount> parse_mount(std::string_view text);

}  // namespace pila::build
