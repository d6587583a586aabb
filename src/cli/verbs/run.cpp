// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "cli/container_options.h"
#include "cli/containers.h"
#include "cli/json_helpers.h"
#include "cli/new_container.h"
#include "cli/verb.h"
#include "cli/verbs.h"

namespace pila::cli {

namespace {

struct RunOptions {
    bool signal_proxy = true;
    std::string detach_keys;
};

// 127: there is no such command. 126: it cannot be run. 125: anything else.
int code_of_start_error(std::string_view message) {
    for (std::string_view sign :
         {"executable file not found", "no such file or directory", "system cannot find the file specified"})
        if (message.find(sign) != std::string_view::npos) return 127;
    for (std::string_view sign : {"permission denied", "is a directory", "not a directory"})
        if (message.find(sign) != std::string_view::npos) return 126;
    return 125;
}

int refuse(const Flags& flags, std::string_view message, int code) {
    std::fflush(stdout);
    flags.refuse(message);
    return code;
}

class Runner {
public:
    Runner(Invocation& invocation, Flags& flags, ContainerOptions& options, RunOptions& run, Api& api)
        : invocation_(invocation), flags_(flags), options_(options), run_(run), api_(api) {}

    int run(const json::object& body) {
        auto keys = detach_keys_of(invocation_.global, run_.detach_keys);
        if (!keys) return refuse(flags_, keys.error().message(), 125);
        input_ = truth(body, "AttachStdin");
        if (auto fits = check_terminal(input_, options_.tty); !fits) return fail(fits.error());
        auto created = create_container(api_, options_, body);
        if (!created) return refuse(flags_, created.error().message(), 125);
        for (const auto& warning : created->warnings) fmt::print(stderr, "WARNING: {}\n", warning);
        if (options_.detach) return detached(created->id);
        return attached(body, created->id, *keys);
    }

private:
    static bool truth(const json::object& body, std::string_view key) {
        const auto* value = body.if_contains(key);
        return value && value->is_bool() && value->get_bool();
    }

    Result<void> start(const std::string& id) {
        return api_.done({.method = "POST", .path = fmt::format("/containers/{}/start", id)});
    }

    int detached(const std::string& id) {
        if (auto started = start(id); !started)
            return refuse(flags_, started.error().message(), code_of_start_error(started.error().message()));
        fmt::print("{}\n", id);
        return 0;
    }

    int attached(const json::object& body, const std::string& id, const std::string& keys) {
        AttachRequest request;
        request.path = fmt::format("/containers/{}/attach", id);
        request.terminal = options_.tty;
        request.input = input_;
        request.output = truth(body, "AttachStdout");
        request.errors = truth(body, "AttachStderr");
        request.detach_keys = keys;
        request.resize_path = fmt::format("/containers/{}/resize", id);
        if (run_.signal_proxy) request.kill_path = fmt::format("/containers/{}/kill", id);
        request.query.add("stream", "1")
            .add_if(request.input, "stdin", "1")
            .add_if(request.output, "stdout", "1")
            .add_if(request.errors, "stderr", "1")
            .add_if(!run_.detach_keys.empty(), "detachKeys", run_.detach_keys);
        auto attachment = Attachment::open(api_, std::move(request));
        if (!attachment) return refuse(flags_, attachment.error().message(), 125);
        auto waiter = Waiter::begin(api_, id, options_.remove ? "removed" : "next-exit");
        if (!waiter) return refuse(flags_, waiter.error().message(), 125);
        if (auto started = start(id); !started) {
            auto message = started.error().message();
            attachment->reset();
            if (options_.remove) ignore((*waiter)->exit_code(), "it is gone either way");
            return refuse(flags_, message, code_of_start_error(message));
        }
        (*attachment)->resize();
        auto end = (*attachment)->carry();
        if (!end) return fail(end.error());
        if (*end == StreamEnd::Detached) return 0;
        auto code = (*waiter)->exit_code();
        if (!code) {
            fail("error waiting for container: " + code.error().message());
            return 125;
        }
        return *code;
    }

    Invocation& invocation_;
    Flags& flags_;
    ContainerOptions& options_;
    RunOptions& run_;
    Api& api_;
    bool input_ = false;
};

}  // namespace

int run_verb(Invocation& invocation) {
    ContainerOptions options;
    options.platform = default_platform();
    RunOptions run;
    Flags flags(invocation, "[OPTIONS] IMAGE [COMMAND] [ARG...]", "Create and run a new container from an image",
                Flags::Order::BeforeArguments);
    add_container_flags(flags, options);
    flags.add({
        {"detach", 'd', &options.detach, "Run in the background and print the container's id"},
        {"sig-proxy", 0, &run.signal_proxy, "Pass signals on to the process", "", "true"},
        {"detach-keys", 0, &run.detach_keys, "Key sequence that detaches from the container"},
    });
    if (auto code = flags.parse({.least = 1})) return *code;
    options.has_init = flags.changed("init");
    if (options.pull != "always" && options.pull != "missing" && options.pull != "never")
        return flags.refuse(fmt::format(
            "invalid pull option: '{}': must be one of \"always\", \"missing\" or \"never\"", options.pull));
    if (options.detach && !options.attach.empty())
        return fail("conflicting options: cannot specify both --attach and --detach");
    const auto& arguments = flags.arguments();
    auto api = connect(invocation, flags);
    if (!api) return refuse(flags, api.error().message(), 125);
    auto body = container_body(options, arguments[0], {arguments.begin() + 1, arguments.end()}, (*api)->minor());
    if (!body) return refuse(flags, body.error().message(), 125);
    return Runner(invocation, flags, options, run, **api).run(*body);
}

}  // namespace pila::cli
