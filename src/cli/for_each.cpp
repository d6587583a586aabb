// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>
#include <atomic>
#include <cstdio>
#include <optional>
#include <thread>

#include "cli/api.h"

namespace pila::cli {

namespace {
constexpr std::size_t at_once = 16;
}

int for_each(Api& api, const std::vector<std::string>& names, ForEach action, const void* options,
             std::optional<Errc> harmless) {
    std::vector<Result<void>> results(names.size());
    if (names.size() == 1) {
        results[0] = action(api, names[0], options);
    } else {
        std::atomic<std::size_t> next = 0;
        auto work = [&] {
            auto own = api.another();
            for (auto i = next++; i < names.size(); i = next++)
                results[i] = own ? action(**own, names[i], options) : Result<void>(own.error());
        };
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < std::min(names.size(), at_once); ++i) threads.emplace_back(work);
    }
    for (std::size_t i = 0; i < names.size(); ++i)
        if (results[i]) fmt::print("{}\n", names[i]);
    std::fflush(stdout);
    int code = 0;
    for (const auto& result : results) {
        if (result) continue;
        int own = fail(result.error());
        if (result.error().code() != harmless) code = own;
    }
    return code;
}

}  // namespace pila::cli
