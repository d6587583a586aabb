// SPDX-License-Identifier: Apache-2.0
#pragma once
// ARG: what was given with the request, what the Dockerfile declares before its first stage, what a stage declares.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "image/dockerfile.h"
#include "image/platform.h"

namespace pila::build {

using GivenArguments = std::map<std::string, std::optional<std::string>>;  // null: declared, without a value

using image::Platform;
// "linux/arm64/v8", "arm64"; "" and "local": this machine's. In BuildKit's words, and stricter than the engine's.
Result<Platform> parse_platform(std::string_view text);
Platform platform_of_this_machine();

// Of a whole build. Stages run beside each other: threads: any.
class Arguments {
public:
    Arguments(GivenArguments given, const Platform& target);

    Result<void> declare_global(const image::Instruction& argument, char escape);
    std::optional<std::string> global(std::string_view name) const;  // as FROM sees it
    // The value that ARG name[=fallback] has in a stage.
    std::optional<std::string> value(const std::string& name, const std::optional<std::string>& fallback);
    const std::string* given(const std::string& name);  // with a value; counts as consumed
    // HTTP_PROXY and the like, in both cases: known to every RUN, in no history and no cache key.
    std::vector<std::string> proxies();
    static bool is_proxy(std::string_view name);
    std::vector<std::string> unused() const;

private:
    const GivenArguments given_;
    std::map<std::string, std::string> platform_;
    std::map<std::string, std::optional<std::string>> globals_;  // changed before the first stage only
    mutable Mutex mutex_;
    std::set<std::string> consumed_ GUARDED_BY(mutex_);
};

// NAME[=VALUE] words of ARG, expanded.
struct Declared {
    std::string name;
    std::optional<std::string> value;
};
Result<std::vector<Declared>> parse_arguments(const image::Instruction& argument, const image::Variables& variables,
                                              char escape);

}  // namespace pila::build
