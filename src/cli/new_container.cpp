// SPDX-License-Identifier: Apache-2.0
#include "cli/new_container.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>
#include <cstdlib>

#include "base/text.h"
#include "cli/json_helpers.h"
#include "cli/progress.h"
#include "cli/reference.h"
#include "cli/registry_auth.h"
#include "cli/template.h"
#include "os/file.h"

namespace pila::cli {

std::string default_platform() {
    const char* platform = std::getenv("DOCKER_DEFAULT_PLATFORM");
    return platform ? platform : "";
}

Result<void> pull_image(Api& api, const std::string& image, const std::string& platform, bool quiet, int descriptor) {
    auto reference = TRY(parse_reference(image));
    Call call{.method = "POST", .path = "/images/create"};
    call.query.add("fromImage", reference.name());
    auto tag = reference.digest.empty() ? (reference.tag.empty() ? "latest" : reference.tag) : reference.digest;
    call.query.add("tag", tag).add_if(!platform.empty(), "platform", platform);
    call.headers.set("X-Registry-Auth", TRY(registry_auth_header(api.global(), reference.domain)));
    auto response = TRY(api.open(call));
    if (!quiet) return show_progress(*response.body, descriptor);
    auto nowhere = TRY(os::open("/dev/null", O_WRONLY));
    return show_progress(*response.body, nowhere.get());
}

static Result<void> check_platform(const std::string& platform) {
    auto parts = split(platform, '/');
    if (parts.size() > 3)
        return Error(
            Errc::Invalid,
            fmt::format("error parsing specified platform: \"{0}\": cannot parse platform specifier: invalid argument",
                        platform));
    return {};
}

Result<NewContainer> create_container(Api& api, const ContainerOptions& options, const json::object& body) {
    auto image = as_text(body.at("Image"));
    if (!options.cid_file.empty() && os::exists(options.cid_file))
        return Error(Errc::AlreadyExists, fmt::format("container ID file found, make sure the other container isn't "
                                                      "running or delete {}",
                                                      options.cid_file));
    std::string familiar = image;
    if (!is_image_id(image) || !image.starts_with("sha256:")) {
        auto reference = TRY(parse_reference(image));
        if (reference.tag.empty() && reference.digest.empty()) reference.tag = "latest";
        familiar = reference.familiar();
    }
    TRY(check_platform(options.platform));
    Call call{.method = "POST", .path = "/containers/create", .body = compact_json(body)};
    call.query.add_if(!options.name.empty(), "name", options.name)
        .add_if(!options.platform.empty(), "platform", options.platform);
    auto pull = [&] { return pull_image(api, image, options.platform, options.quiet, STDERR_FILENO); };
    if (options.pull == "always") TRY(pull());
    auto created = api.json(call);
    auto is_missing = [&](std::string_view how) {
        return !created && created.error().code() == Errc::NotFound &&
               created.error().message().find(how) != std::string::npos;
    };
    if (options.pull == "missing" && (is_missing("No such image") || is_missing("specified platform"))) {
        if (!options.quiet) fmt::print(stderr, "Unable to find image '{}' locally\n", familiar);
        TRY(pull());
        created = api.json(call);
    }
    if (!created) return created.take_error();
    NewContainer container{text(*created, "Id"), {}};
    for (const auto& warning : items(*created, "Warnings")) container.warnings.push_back(as_text(warning));
    if (!options.cid_file.empty()) {
        auto file = TRY(
            os::open(options.cid_file, O_WRONLY | O_CREAT | O_EXCL, 0644).in("failed to create the container ID file"));
        TRY(os::write_all(file, container.id));
    }
    return container;
}

}  // namespace pila::cli
