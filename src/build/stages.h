// SPDX-License-Identifier: Apache-2.0
#pragma once
// A Dockerfile as stages, checked as far as can be without values of variables.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/dockerfile.h"

namespace pila::build {

struct Stage {
    std::string name, base, platform;  // base and platform as written
    image::Instruction from;
    std::vector<image::Instruction> steps;
};

struct Recipe {
    std::vector<image::Instruction> arguments;  // ARG before the first FROM
    std::vector<Stage> stages;
    char escape = '\\';

    // By number or name (without regard to case) among the first `before`.
    std::optional<std::size_t> find(std::string_view stage, std::size_t before = std::string_view::npos) const;
    std::optional<std::size_t> find_name(std::string_view stage, std::size_t before) const;
};

Result<Recipe> parse_recipe(std::string_view dockerfile);
// A LABEL of the request, as the last step of a stage.
image::Instruction label_instruction(const std::vector<std::pair<std::string, std::string>>& labels);

// Checks one instruction of a stage or trigger. Invalid: what is wrong with it.
Result<void> check_step(const image::Instruction& instruction, char escape);

}  // namespace pila::build
