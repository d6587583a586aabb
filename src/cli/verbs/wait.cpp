// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "cli/json_helpers.h"
#include "cli/verb.h"
#include "cli/verbs.h"

namespace pila::cli {

int wait_verb(Invocation& invocation) {
    Flags flags(invocation, "CONTAINER [CONTAINER...]", "Block until containers stop, then print their exit codes");
    if (auto code = flags.parse({.least = 1})) return *code;
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    std::vector<std::string> problems;
    for (const auto& name : flags.arguments()) {
        auto answer = (*api)->json({.method = "POST", .path = fmt::format("/containers/{}/wait", path_part(name))});
        if (answer)
            fmt::print("{}\n", number(*answer, "StatusCode"));
        else
            problems.push_back(answer.error().message());
        std::fflush(stdout);
    }
    return problems.empty() ? 0 : fail(join(problems, "\n"));
}

}  // namespace pila::cli
