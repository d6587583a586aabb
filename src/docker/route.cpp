// SPDX-License-Identifier: Apache-2.0
#include "docker/route.h"

#include "base/text.h"

namespace pila::docker {

// Segments of `path` against those of `pattern`; "**" takes as many as leave the rest of the pattern matching.
static bool matches(std::span<const std::string_view> pattern, std::span<const std::string_view> path,
                    std::vector<std::string>& parameters) {
    if (pattern.empty()) return path.empty();
    if (path.empty()) return false;
    if (pattern[0] == "**") {
        for (std::size_t taken = path.size() - (pattern.size() - 1); taken >= 1 && taken <= path.size(); --taken) {
            auto before = parameters.size();
            std::string joined(path[0]);
            for (std::size_t i = 1; i < taken; ++i) (joined += '/') += path[i];
            parameters.push_back(std::move(joined));
            if (matches(pattern.subspan(1), path.subspan(taken), parameters)) return true;
            parameters.resize(before);
        }
        return false;
    }
    if (pattern[0] == "*") {
        if (path[0].empty()) return false;
        parameters.emplace_back(path[0]);
        if (matches(pattern.subspan(1), path.subspan(1), parameters)) return true;
        parameters.pop_back();
        return false;
    }
    return pattern[0] == path[0] && matches(pattern.subspan(1), path.subspan(1), parameters);
}

const Route* find_route(http::Request& request, std::string_view path, bool& wrong_method) {
    wrong_method = false;
    auto segments = split(path, '/');
    std::string_view method = request.method == "HEAD" ? "GET" : std::string_view(request.method);
    for (auto table : {system_routes(), container_routes(), archive_routes(), observation_routes(), stats_routes(),
                       stream_routes(), live_edit_routes(), exec_routes(), image_routes(), network_routes(),
                       volume_routes(), registry_routes(), build_routes(), off_routes()}) {
        for (const auto& route : table) {
            request.parameters.clear();
            if (!matches(split(route.pattern, '/'), segments, request.parameters)) continue;
            if (route.method == method || route.method == request.method) return &route;
            wrong_method = true;
        }
    }
    return nullptr;
}

}  // namespace pila::docker
