// SPDX-License-Identifier: Apache-2.0
// pull, push, search, login.
#include <fmt/core.h>

#include "docker/reply.h"

namespace pila::docker {

Reply pull_image(Api& api, http::Request& request) {
    static_cast<void>(api);
    return Error(Errc::Unsupported, fmt::format("pull access to {} is not available yet: load the image with docker load", request.query.get("fromImage")));
}

Reply push_image(Api& api, http::Request& request) {
    static_cast<void>(api);
    static_cast<void>(request);
    return Error(Errc::Unsupported, "push is not available yet");
}

Reply search_images(Api& api, http::Request& request) {
    static_cast<void>(api);
    static_cast<void>(request);
    return Error(Errc::Unsupported, "search is not available yet");
}

Reply check_login(Api& api, http::Request& request) {
    static_cast<void>(api);
    static_cast<void>(request);
    return Error(Errc::Unsupported, "login is not available yet");
}

}  // namespace pila::docker
