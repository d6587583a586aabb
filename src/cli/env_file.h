// SPDX-License-Identifier: Apache-2.0
#pragma once
// --env-file and --label-file: a line each, NAME=VALUE; '#' starts a comment line.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pila::cli {

enum class BareNames : unsigned char { FromEnvironment, Drop };  // lines without '='

Result<std::vector<std::string>> parse_env_text(std::string_view text, const std::string& file, BareNames bare);
Result<std::vector<std::string>> read_env_file(const std::string& path, BareNames bare);

}  // namespace pila::cli
