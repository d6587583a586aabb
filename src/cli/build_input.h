// SPDX-License-Identifier: Apache-2.0
#pragma once
// What `pila build` sends: a directory without what its .dockerignore names, an archive from standard input, or a
// Dockerfile alone.

#include <memory>
#include <string>

#include "base/fd.h"
#include "http/message.h"

namespace pila::cli {

struct BuildInput {
    std::unique_ptr<http::BodyReader> body;  // none: `remote` says where the daemon finds it
    std::string dockerfile;                  // its name in there
    std::string remote;
};

// `context`: a directory, a URL, "-"; `dockerfile`: -f, "-" or "" for the usual one.
Result<BuildInput> open_build_input(const std::string& context, const std::string& dockerfile);

}  // namespace pila::cli
