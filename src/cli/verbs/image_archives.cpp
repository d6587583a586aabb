// SPDX-License-Identifier: Apache-2.0
// load, save, import, export.
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/file_transfer.h"
#include "cli/json_helpers.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "cli/verb.h"
#include "cli/verbs.h"

namespace pila::cli {

namespace {

std::string platform_json(const std::string& platform) {
    auto parts = split(platform, '/');
    json::object wanted{{"architecture", parts.size() > 1 ? parts[1] : ""}, {"os", parts[0]}};
    if (parts.size() > 2) wanted["variant"] = parts[2];
    return to_json(wanted);
}

Result<void> load_images(Api& api, const std::string& input, bool quiet, const std::string& platform) {
    Fd opened;
    if (!input.empty()) opened = TRY(open_for_reading(input));
    FileBody body(input.empty() ? FdView(STDIN_FILENO) : FdView(opened));
    Call call{.method = "POST", .path = "/images/load"};
    call.query.add("quiet", quiet ? "1" : "0").add_if(!platform.empty(), "platform", platform_json(platform));
    call.content_type = "application/x-tar";
    call.streamed_body = &body;
    auto response = TRY(api.open(call));
    if (!response.body) return {};
    bool json = response.headers.get("Content-Type").starts_with("application/json");
    return json ? show_progress(*response.body, STDOUT_FILENO) : copy_to(*response.body, STDOUT_FILENO);
}

}  // namespace

int load_verb(Invocation& invocation) {
    std::string input, platform;
    bool quiet = false;
    Flags flags(invocation, "[OPTIONS]", "Load images from a tar archive or standard input");
    flags.add({{"input", 'i', &input, "Read from a tar archive instead of STDIN"},
               {"platform", 0, &platform, "Load one platform only", "", "", 48},
               {"quiet", 'q', &quiet, "Suppress the output of loading"}});
    if (auto code = flags.parse({0, 0})) return *code;
    if (input.empty() && is_terminal(STDIN_FILENO)) return fail("requested load from stdin, but stdin is empty");
    if (!input.empty())
        if (auto there = open_for_reading(input); !there) return fail(there.error());
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    auto loaded = load_images(**api, input, quiet || !is_terminal(STDOUT_FILENO), platform);
    return loaded ? 0 : fail(loaded.error());
}

int save_verb(Invocation& invocation) {
    std::string output, platform;
    Flags flags(invocation, "[OPTIONS] IMAGE [IMAGE...]",
                "Save one or more images to a tar archive (to standard output by default)");
    flags.add({{"output", 'o', &output, "Write to a file instead of STDOUT"},
               {"platform", 0, &platform, "Save one platform only", "", "", 48}});
    if (auto code = flags.parse({.least = 1})) return *code;
    if (output.empty() && is_terminal(STDOUT_FILENO))
        return fail("cowardly refusing to save to a terminal. Use the -o flag or redirect");
    if (!output.empty())
        if (auto fits = check_output(output); !fits) return fail("failed to save image: " + fits.error().message());
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    Call call{.path = "/images/get"};
    for (const auto& name : flags.arguments()) call.query.add("names", name);
    call.query.add_if(!platform.empty(), "platform", platform_json(platform));
    auto response = (*api)->open(call);
    if (!response) return fail(response.error());
    auto saved = output.empty() ? copy_to(*response->body, STDOUT_FILENO) : save_to(*response->body, output);
    return saved ? 0 : fail(saved.error());
}

int export_verb(Invocation& invocation) {
    std::string output;
    Flags flags(invocation, "[OPTIONS] CONTAINER", "Export a container's file system as a tar archive");
    flags.add({{"output", 'o', &output, "Write to a file instead of STDOUT"}});
    if (auto code = flags.parse({1, 1})) return *code;
    if (output.empty() && is_terminal(STDOUT_FILENO))
        return fail("cowardly refusing to save to a terminal. Use the -o flag or redirect");
    if (!output.empty())
        if (auto fits = check_output(output); !fits)
            return fail("failed to export container: " + fits.error().message());
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    auto response = (*api)->open({.path = fmt::format("/containers/{}/export", path_part(flags.arguments()[0]))});
    if (!response) return fail(response.error());
    auto saved = output.empty() ? copy_to(*response->body, STDOUT_FILENO) : save_to(*response->body, output);
    return saved ? 0 : fail(saved.error());
}

int import_verb(Invocation& invocation) {
    std::vector<std::string> changes;
    std::string message, platform;
    Flags flags(invocation, "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
                "Create an image from a tar archive of a file system");
    flags.add({{"change", 'c', &changes, "Apply a Dockerfile instruction to the image"},
               {"message", 'm', &message, "Commit message of the image"},
               {"platform", 0, &platform, "Platform of the image", "", "", 32}});
    if (auto code = flags.parse({.least = 1})) return *code;
    const auto& source = flags.arguments()[0];
    std::string repository = flags.arguments().size() > 1 ? flags.arguments()[1] : "";
    bool url = source.starts_with("http://") || source.starts_with("https://");
    Fd opened;
    if (source != "-" && !url) {
        auto file = open_for_reading(source);
        if (!file) return fail(file.error());
        opened = file.take();
    }
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    FileBody body(source == "-" ? FdView(STDIN_FILENO) : FdView(opened));
    Call call{.method = "POST", .path = "/images/create"};
    for (const auto& change : changes) call.query.add("changes", change);
    call.query.add("fromSrc", url ? source : "-")
        .add_if(!message.empty(), "message", message)
        .add_if(!platform.empty(), "platform", to_lower(platform))
        .add_if(!repository.empty(), "repo", repository);
    if (!url) {
        call.content_type = "text/plain";
        call.streamed_body = &body;
    }
    auto response = (*api)->open(call);
    if (!response) return fail(response.error());
    if (!response->body) return 0;
    auto shown = show_progress(*response->body, STDOUT_FILENO);
    return shown ? 0 : fail(shown.error());
}

}  // namespace pila::cli
