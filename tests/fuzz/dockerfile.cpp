// SPDX-License-Identifier: Apache-2.0
// A Dockerfile as it comes with a build: lines, stages, arguments, mounts, words.
#include <cstdint>
#include <cstdlib>

#include "build/arguments.h"
#include "build/mounts.h"
#include "build/stages.h"
#include "image/instructions.h"
#include "image/platform.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace pila;
    auto recipe = build::parse_recipe({reinterpret_cast<const char*>(data), size});
    if (!recipe) return 0;
    build::Arguments arguments({{"given", "value"}}, image::Platform::parse("").take());
    for (const auto& argument : recipe->arguments)
        static_cast<void>(arguments.declare_global(argument, recipe->escape));
    image::Variables variables = [&](std::string_view name) { return arguments.global(name); };
    for (const auto& stage : recipe->stages) {
        static_cast<void>(image::expand_word(stage.base, variables, recipe->escape));
        static_cast<void>(recipe->find(stage.base));
        image::ImageConfig config;
        for (const auto& step : stage.steps) {
            if (!image::changes_config(step.upper)) {
                for (const auto& [name, value] : step.flags)
                    if (name == "mount" && value) static_cast<void>(build::parse_mount(*value));
                for (const auto& heredoc : step.heredocs)
                    static_cast<void>(image::expand_text(heredoc.text(), variables, recipe->escape));
                continue;
            }
            image::ConfigChange change{config, step, variables, recipe->escape};
            static_cast<void>(image::apply_instruction(change));
        }
        // A trigger that was accepted must be readable in the child.
        for (const auto& trigger : config.on_build)
            if (!image::parse_trigger(trigger, recipe->escape)) std::abort();
    }
    return 0;
}
