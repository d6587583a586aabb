// SPDX-License-Identifier: Apache-2.0
#include "build/stages.h"

#include <algorithm>
#include <array>
#include <map>

#include <fmt/core.h>

#include "base/text.h"
#include "image/instructions.h"

namespace pila::build {

using image::Instruction;

namespace {

Error invalid(std::string text) { return Error(Errc::Invalid, std::move(text)); }

bool is_stage_name(std::string_view name) {
    if (name.empty() || name[0] < 'a' || name[0] > 'z') return false;
    return name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") == std::string_view::npos;
}

Result<void> check_flags(const Instruction& instruction) {
    static const std::map<std::string_view, std::vector<std::string_view>> known = {
        {"RUN", {"mount", "network", "security"}},
        {"COPY", {"from", "chown", "chmod", "link", "parents", "exclude"}},
        {"ADD", {"chown", "chmod", "link", "exclude", "checksum", "keep-git-dir", "unpack"}},
        {"FROM", {"platform"}}};
    auto allowed = known.find(instruction.upper);
    for (const auto& [name, value] : instruction.flags) {
        bool fine = allowed != known.end() &&
                    std::find(allowed->second.begin(), allowed->second.end(), name) != allowed->second.end();
        if (!fine) return invalid("Unknown flag: " + name);
        bool is_switch = name == "link" || name == "parents" || name == "keep-git-dir" || name == "unpack";
        if (!value && !is_switch) return invalid("Missing a value on flag: " + name);
        if (is_switch && value && *value != "true" && *value != "false")
            return invalid(fmt::format("Expecting boolean value for flag {}, not: {}", name, *value));
    }
    return {};
}

Result<Stage> stage_of(const Instruction& from, char escape) {
    TRY(check_flags(from));
    auto words = image::parse_words(from.rest, escape);
    if (words.size() != 1 && words.size() != 3) return invalid("FROM requires either one or three arguments");
    Stage stage;
    stage.base = words[0];
    if (const auto* platform = from.flag("platform")) stage.platform = *platform;
    stage.from = from;
    if (words.size() == 1) return stage;
    if (to_lower(words[1]) != "as") return invalid("second argument to FROM must be \"AS\"");
    stage.name = to_lower(words[2]);
    if (!is_stage_name(stage.name))
        return invalid(fmt::format(
            "invalid name for build stage: \"{}\", name can't start with a number or contain symbols", words[2]));
    return stage;
}

}  // namespace

std::optional<std::size_t> Recipe::find_name(std::string_view stage, std::size_t before) const {
    auto lower = to_lower(stage);
    for (std::size_t i = std::min(before, stages.size()); i-- > 0;)
        if (!stages[i].name.empty() && stages[i].name == lower) return i;
    return std::nullopt;
}

std::optional<std::size_t> Recipe::find(std::string_view stage, std::size_t before) const {
    auto count = std::min(before, stages.size());
    if (auto named = find_name(stage, before)) return named;
    auto number = parse_uint(stage);
    if (number && *number < count) return static_cast<std::size_t>(*number);
    return std::nullopt;
}

Result<void> check_step(const Instruction& instruction, char escape) {
    static constexpr std::array known = {"RUN", "COPY", "ADD", "ARG", "MAINTAINER"};
    const auto& upper = instruction.upper;
    if (image::changes_config(upper)) return image::check_instruction(instruction, escape);
    if (std::find(known.begin(), known.end(), upper) == known.end()) return invalid("unknown instruction: " + upper);
    TRY(check_flags(instruction));
    if (upper == "ARG" && instruction.rest.empty()) return invalid("ARG requires at least one argument");
    if (upper == "MAINTAINER" && instruction.rest.empty()) return invalid("MAINTAINER requires exactly one argument");
    if (upper == "RUN" && instruction.rest.empty()) return invalid("RUN requires at least one argument");
    if (upper == "COPY" || upper == "ADD") {
        auto list = TRY(image::parse_json_list(instruction.rest));
        auto count = list ? list->size() : image::parse_words(instruction.rest, escape).size();
        if (count < 1) return invalid(fmt::format("{} requires at least two arguments", upper));
        if (count < 2)
            return invalid(
                fmt::format("{} requires at least two arguments, but only one was provided. Destination "
                            "could not be determined",
                            upper));
    }
    return {};
}

Result<Recipe> parse_recipe(std::string_view dockerfile) {
    auto file = TRY(image::parse_dockerfile(dockerfile));
    Recipe recipe;
    recipe.escape = file.escape;
    for (auto& instruction : file.instructions) {
        auto here = [&](Error error) {
            return std::move(error).in(fmt::format("dockerfile parse error line {}", instruction.line));
        };
        if (instruction.upper == "FROM") {
            auto stage = stage_of(instruction, file.escape);
            if (!stage) return here(stage.take_error());
            if (!stage->name.empty() && recipe.find_name(stage->name, recipe.stages.size()))
                return here(invalid(stage->name + " stage name already used"));
            recipe.stages.push_back(stage.take());
            continue;
        }
        auto checked = check_step(instruction, file.escape);
        if (!checked) return here(checked.take_error());
        if (!recipe.stages.empty())
            recipe.stages.back().steps.push_back(std::move(instruction));
        else if (instruction.upper == "ARG")
            recipe.arguments.push_back(std::move(instruction));
        else
            return invalid("no build stage in current context");
    }
    if (recipe.stages.empty()) return invalid("no build stage in current context");
    return recipe;
}

Instruction label_instruction(const std::vector<std::pair<std::string, std::string>>& labels) {
    Instruction instruction;
    instruction.name = instruction.upper = "LABEL";
    std::vector<std::string> shown, words;
    for (const auto& [name, value] : labels) {
        shown.push_back(name + "=" + value);
        // Single quotes keep everything but themselves.
        std::string quoted = "'";
        for (char c : value) quoted += c == '\'' ? std::string("'\"'\"'") : std::string(1, c);
        words.push_back(fmt::format("'{}'={}'", name, quoted));
    }
    instruction.rest = join(words, " ");
    instruction.original = "LABEL " + join(shown, " ");
    return instruction;
}

}  // namespace pila::build
