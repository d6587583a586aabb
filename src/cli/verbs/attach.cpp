// SPDX-License-Identifier: Apache-2.0
#include "cli/containers.h"
#include "cli/json_helpers.h"
#include "cli/verb.h"
#include "cli/verbs.h"

namespace pila::cli {

int attach_verb(Invocation& invocation) {
    bool no_input = false, proxy = true;
    std::string detach_keys;
    Flags flags(invocation, "[OPTIONS] CONTAINER", "Attach standard input, output and error to a running container");
    flags.add({{"no-stdin", 0, &no_input, "Do not attach STDIN"},
               {"sig-proxy", 0, &proxy, "Pass signals on to the process", "", "true"},
               {"detach-keys", 0, &detach_keys, "Key sequence that detaches from the container"}});
    if (auto code = flags.parse({1, 1})) return *code;
    const auto& name = flags.arguments()[0];
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    auto keys = detach_keys_of(invocation.global, detach_keys);
    if (!keys) return fail(keys.error());
    auto waiter = Waiter::begin(**api, name, "");
    if (!waiter) return fail(waiter.error());
    auto container = (*api)->json({.path = fmt::format("/containers/{}/json", path_part(name))});
    if (!container) return fail(container.error());
    if (!truthy(*container, "State.Running")) return fail("You cannot attach to a stopped container, start it first");
    if (truthy(*container, "State.Paused")) return fail("You cannot attach to a paused container, unpause it first");
    if (truthy(*container, "State.Restarting"))
        return fail("You cannot attach to a restarting container, wait until it is running");
    AttachRequest request;
    request.terminal = truthy(*container, "Config.Tty");
    request.input = !no_input && truthy(*container, "Config.OpenStdin");
    if (auto fits = check_terminal(!no_input, request.terminal); !fits) return fail(fits.error());
    request.path = fmt::format("/containers/{}/attach", path_part(name));
    request.resize_path = fmt::format("/containers/{}/resize", path_part(name));
    if (proxy && !request.terminal) request.kill_path = fmt::format("/containers/{}/kill", path_part(name));
    request.detach_keys = *keys;
    request.query.add("stderr", "1")
        .add_if(request.input, "stdin", "1")
        .add("stdout", "1")
        .add("stream", "1")
        .add_if(!detach_keys.empty(), "detachKeys", detach_keys);
    auto attachment = Attachment::open(**api, std::move(request));
    if (!attachment) return fail(attachment.error());
    // Programs redraw their screen when its size changes: one size too large first.
    (*attachment)->resize(1);
    (*attachment)->resize();
    auto end = (*attachment)->carry();
    if (!end) return fail(end.error());
    if (*end == StreamEnd::Detached) return fail("read escape sequence");
    auto code = (*waiter)->exit_code();
    return code ? *code : fail(code.error());
}

}  // namespace pila::cli
