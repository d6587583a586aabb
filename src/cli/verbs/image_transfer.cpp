// SPDX-License-Identifier: Apache-2.0
// pull and push.
#include <fcntl.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/json_helpers.h"
#include "cli/new_container.h"
#include "cli/progress.h"
#include "cli/reference.h"
#include "cli/registry_auth.h"
#include "cli/verb.h"
#include "cli/verbs.h"
#include "os/file.h"

namespace pila::cli {

namespace {

Result<void> pull_all_tags(Api& api, const Reference& reference, const std::string& platform) {
    Call call{.method = "POST", .path = "/images/create"};
    call.query.add("fromImage", reference.name()).add_if(!platform.empty(), "platform", platform);
    call.headers.set("X-Registry-Auth", TRY(registry_auth_header(api.global(), reference.domain)));
    auto response = TRY(api.open(call));
    return show_progress(*response.body, STDOUT_FILENO);
}

Result<void> push_image(Api& api, const Reference& reference, const std::string& platform, bool quiet) {
    Call call{.method = "POST", .path = fmt::format("/images/{}/push", path_part(reference.familiar_name()))};
    call.query.add_if(!reference.tag.empty(), "tag", reference.tag);
    if (!platform.empty()) {
        auto parts = split(platform, '/');
        json::object wanted{{"os", parts[0]}};
        if (parts.size() > 1) wanted["architecture"] = parts[1];
        if (parts.size() > 2) wanted["variant"] = parts[2];
        call.query.add("platform", to_json(wanted));
    }
    call.headers.set("X-Registry-Auth", TRY(registry_auth_header(api.global(), reference.domain)));
    auto response = TRY(api.open(call));
    if (!quiet) return show_progress(*response.body, STDOUT_FILENO);
    auto nowhere = TRY(os::open("/dev/null", O_WRONLY));
    return show_progress(*response.body, nowhere.get());
}

}  // namespace

int pull_verb(Invocation& invocation) {
    bool all = false, quiet = false, distrust = true;
    std::string platform = default_platform();
    Flags flags(invocation, "[OPTIONS] NAME[:TAG|@DIGEST]", "Download an image from a registry");
    flags.add({{"all-tags", 'a', &all, "Download every tag of the repository"},
               {"platform", 0, &platform, "Platform of a multi-platform image", "", "", 32},
               {"quiet", 'q', &quiet, "Suppress verbose output"},
               {"disable-content-trust", 0, &distrust, "Skip image verification", "", "true"}});
    if (auto code = flags.parse({1, 1})) return *code;
    auto reference = parse_reference(flags.arguments()[0]);
    if (!reference) return fail(reference.error());
    bool named = !reference->tag.empty() || !reference->digest.empty();
    if (all && named) return fail("tag can't be used with --all-tags/-a");
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    if (all) {
        auto pulled = pull_all_tags(**api, *reference, platform);
        if (!pulled) return fail(pulled.error());
        fmt::print("{}\n", reference->full());
        return 0;
    }
    if (!named) {
        reference->tag = "latest";
        if (!quiet) fmt::print("Using default tag: latest\n");
        std::fflush(stdout);
    }
    auto pulled = pull_image(**api, reference->full(), platform, quiet, STDOUT_FILENO);
    if (!pulled) return fail(pulled.error());
    fmt::print("{}\n", reference->full());
    return 0;
}

int push_verb(Invocation& invocation) {
    bool all = false, quiet = false, distrust = true;
    std::string platform;
    Flags flags(invocation, "[OPTIONS] NAME[:TAG]", "Upload an image to a registry");
    flags.add({{"all-tags", 'a', &all, "Push every tag of the image"},
               {"platform", 0, &platform, "Push one platform of a multi-platform image", "", "", 46},
               {"quiet", 'q', &quiet, "Suppress verbose output"},
               {"disable-content-trust", 0, &distrust, "Skip image signing", "", "true"}});
    if (auto code = flags.parse({1, 1})) return *code;
    auto reference = parse_reference(flags.arguments()[0]);
    if (!reference) return fail(reference.error());
    if (!reference->digest.empty()) return fail("cannot push a digest reference");
    if (all && !reference->tag.empty()) return fail("tag can't be used with --all-tags/-a");
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    if (!all && reference->tag.empty()) {
        reference->tag = "latest";
        if (!quiet) fmt::print("Using default tag: latest\n");
        std::fflush(stdout);
    }
    auto pushed = push_image(**api, *reference, platform, quiet);
    if (!pushed) return fail(pushed.error());
    if (quiet) fmt::print("{}\n", reference->full());
    return 0;
}

}  // namespace pila::cli
