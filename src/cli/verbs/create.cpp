// SPDX-License-Identifier: Apache-2.0
#include "cli/container_options.h"
#include "cli/json_helpers.h"
#include "cli/new_container.h"
#include "cli/verb.h"
#include "cli/verbs.h"

namespace pila::cli {

int create_verb(Invocation& invocation) {
    ContainerOptions options;
    options.platform = default_platform();
    Flags flags(invocation, "[OPTIONS] IMAGE [COMMAND] [ARG...]", "Create a new container",
                Flags::Order::BeforeArguments);
    add_container_flags(flags, options);
    if (auto code = flags.parse({.least = 1})) return *code;
    options.has_init = flags.changed("init");
    if (options.pull != "always" && options.pull != "missing" && options.pull != "never")
        return flags.refuse(fmt::format(
            "invalid pull option: '{}': must be one of \"always\", \"missing\" or \"never\"", options.pull));
    const auto& arguments = flags.arguments();
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    auto body = container_body(options, arguments[0], {arguments.begin() + 1, arguments.end()}, (*api)->minor());
    if (!body)
        return body.error().code() == Errc::Unsupported ? fail(body.error()) : flags.refuse(body.error().message());
    auto created = create_container(**api, options, *body);
    if (!created) return fail(created.error());
    for (const auto& warning : created->warnings) fmt::print(stderr, "WARNING: {}\n", warning);
    fmt::print("{}\n", created->id);
    return 0;
}

}  // namespace pila::cli
