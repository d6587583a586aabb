// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "cli/containers.h"
#include "cli/json_helpers.h"
#include "cli/verb.h"
#include "cli/verbs.h"

namespace pila::cli {

namespace {

struct StartOptions {
    bool attach = false, interactive = false;
    std::string detach_keys, checkpoint, checkpoint_directory;
};

Call start_call(const std::string& name, const StartOptions& options) {
    Call call{.method = "POST", .path = fmt::format("/containers/{}/start", path_part(name))};
    call.query.add_if(!options.checkpoint.empty(), "checkpoint", options.checkpoint)
        .add_if(!options.checkpoint_directory.empty(), "checkpoint-dir", options.checkpoint_directory);
    return call;
}

int start_attached(Api& api, const std::string& name, const StartOptions& options) {
    auto keys = detach_keys_of(api.global(), options.detach_keys);
    if (!keys) return fail(keys.error());
    auto container = api.json({.path = fmt::format("/containers/{}/json", path_part(name))});
    if (!container) return fail(container.error());
    auto id = text(*container, "Id");
    AttachRequest request;
    request.path = fmt::format("/containers/{}/attach", id);
    request.resize_path = fmt::format("/containers/{}/resize", id);
    request.terminal = truthy(*container, "Config.Tty");
    request.input = options.interactive && truthy(*container, "Config.OpenStdin");
    request.detach_keys = *keys;
    if (!request.terminal) request.kill_path = fmt::format("/containers/{}/kill", id);
    request.query.add("stderr", "1")
        .add_if(request.input, "stdin", "1")
        .add("stdout", "1")
        .add("stream", "1")
        .add_if(!options.detach_keys.empty(), "detachKeys", options.detach_keys);
    auto attachment = Attachment::open(api, std::move(request));
    if (!attachment) return fail(attachment.error());
    bool removes = truthy(*container, "HostConfig.AutoRemove");
    auto waiter = Waiter::begin(api, id, removes ? "removed" : "next-exit");
    if (!waiter) return fail(waiter.error());
    if (auto started = api.done(start_call(name, options)); !started) {
        auto message = started.error().message();
        attachment->reset();
        return fail(message);
    }
    (*attachment)->resize();
    auto end = (*attachment)->carry();
    if (!end) return fail(end.error());
    if (*end == StreamEnd::Detached) return 0;
    auto code = (*waiter)->exit_code();
    return code ? *code : fail(code.error());
}

}  // namespace

int start_verb(Invocation& invocation) {
    StartOptions options;
    Flags flags(invocation, "[OPTIONS] CONTAINER [CONTAINER...]", "Start one or more stopped containers");
    flags.add({{"attach", 'a', &options.attach, "Attach STDOUT and STDERR, and forward signals"},
               {"interactive", 'i', &options.interactive, "Attach the container's STDIN"},
               {"detach-keys", 0, &options.detach_keys, "Key sequence that detaches from the container"},
               {"checkpoint", 0, &options.checkpoint, "", "", "", 0, true},
               {"checkpoint-dir", 0, &options.checkpoint_directory, "", "", "", 0, true}});
    if (auto code = flags.parse({.least = 1})) return *code;
    const auto& names = flags.arguments();
    if ((options.attach || options.interactive) && names.size() > 1)
        return fail("you cannot start and attach multiple containers at once");
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    if (options.attach || options.interactive) return start_attached(**api, names[0], options);
    std::vector<std::string> failed;
    for (const auto& name : names) {
        auto started = (*api)->done(start_call(name, options));
        if (started)
            fmt::print("{}\n", name);
        else {
            fail(started.error());
            failed.push_back(name);
        }
    }
    if (failed.empty()) return 0;
    return fail("Error: failed to start containers: " + join(failed, ", "));
}

}  // namespace pila::cli
