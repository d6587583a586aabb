// SPDX-License-Identifier: Apache-2.0
#pragma once
// Instructions that change nothing but an image's configuration: CMD, ENV, LABEL, ... For builds and for `commit -c`.

#include <string>
#include <string_view>
#include <vector>

#include "image/dockerfile.h"
#include "image/image_store.h"

namespace pila::image {

struct ConfigChange {
    ImageConfig& config;
    const Instruction& instruction;
    const Variables& variables;
    char escape = '\\';
    bool command_set = false;  // in: by an earlier change; out: or by this one
};

// By its name in capitals.
bool changes_config(std::string_view instruction);
// What is wrong with it that can be told before anything runs.
Result<void> check_instruction(const Instruction& instruction, char escape);
// Returns what the history says of it: "ENV a=b".
Result<std::string> apply_instruction(ConfigChange& change);

// The command of RUN, CMD, ENTRYPOINT: JSON form as it is, anything else is a line for the shell.
Result<std::vector<std::string>> command_line(const ImageConfig& config, std::string_view text);
// Of a list of NAME=VALUE.
std::optional<std::string> variable_in(const std::vector<std::string>& environment, std::string_view name);
void set_variable(std::vector<std::string>& environment, std::string assignment);
// Go's path.Join of absolute paths: "." and ".." resolved, single slashes.
std::string joined_path(std::string_view base, std::string_view path);

}  // namespace pila::image
