// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <optional>

#include <fmt/core.h>

#include "base/log.h"
#include "docker/reply.h"

namespace pila::docker {

static json::object volume_json(const engine::Volume& volume) {
    json::object object;
    object["CreatedAt"] = rfc3339_nano({volume.created.seconds() * 1'000'000'000});
    object["Driver"] = "local";
    auto labels = volume.labels;
    if (volume.anonymous) labels.emplace("com.docker.volume.anonymous", "");
    object["Labels"] = labels.empty() ? json::value(nullptr) : json::value(object_of(labels));
    object["Mountpoint"] = volume.mountpoint;
    object["Name"] = volume.name;
    object["Options"] = volume.options.empty() ? json::value(nullptr) : json::value(object_of(volume.options));
    object["Scope"] = "local";
    return object;
}

static Reply list(Api& api, http::Request& request) {
    auto filters = TRY(Filters::parse(request, {"dangling", "driver", "label", "name"}));
    std::optional<bool> dangling;
    for (const auto& value : filters.get("dangling")) {
        bool yes = value == "true" || value == "1" || value == "t",
             no = value == "false" || value == "0" || value == "f";
        if (!yes && !no) return Error(Errc::Invalid, fmt::format("invalid filter 'dangling=[{}]'", value));
        dangling = yes;
    }
    json::array found;
    for (const auto& volume : api.engine().volumes().list()) {
        if (!filters.fuzzy("name", volume.name) || !filters.labels(volume.labels) || !filters.exact("driver", "local"))
            continue;
        if (dangling && api.engine().volume_user(volume.name).empty() != *dangling) continue;
        found.push_back(volume_json(volume));
    }
    return json_response(200, json::object{{"Volumes", std::move(found)}, {"Warnings", nullptr}});
}

static Reply create(Api& api, http::Request& request) {
    auto body = TRY(read_object(request));
    JsonReader in(body);
    auto name = in.text("Name"), driver = in.text("Driver", "local");
    auto labels = in.string_map("Labels"), options = in.string_map("DriverOpts");
    TRY(in.check());
    if (driver != "local" && !driver.empty())
        return Error(
            Errc::NotFound,
            fmt::format("create {0}: error looking up volume plugin {1}: plugin \"{1}\" not found", name, driver));
    auto volume = TRY(api.engine().volumes().create(name, labels, options));
    api.engine().publish_volume(request.context, volume.name, "create");
    return json_response(201, volume_json(volume));
}

static Reply inspect(Api& api, http::Request& request) {
    return json_response(200, volume_json(TRY(api.engine().volumes().find(request.parameters[0]))));
}

static Reply remove(Api& api, http::Request& request) {
    const auto& name = request.parameters[0];
    auto found = api.engine().volumes().find(name);
    if (!found && request.query.flag("force")) return http::Response::empty(204);
    TRY(std::move(found));
    if (auto user = api.engine().volume_user(name); !user.empty())
        return Error(Errc::Conflict, fmt::format("remove {}: volume is in use - [{}]", name, user));
    TRY(api.engine().volumes().remove(name));
    api.engine().publish_volume(request.context, name, "destroy");
    return http::Response::empty(204);
}

static Reply update(Api&, http::Request&) {
    return Error(Errc::Unavailable, "volume update only valid for cluster volumes, but swarm is unavailable");
}

static Reply prune(Api& api, http::Request& request) {
    auto filters = TRY(Filters::parse(request, {"label", "label!", "all"}));
    bool all = filters.has("all") && !filters.get("all").empty() &&
               (filters.get("all")[0] == "true" || filters.get("all")[0] == "1");
    json::array deleted;
    std::uint64_t reclaimed = 0;
    for (const auto& volume : api.engine().volumes().list()) {
        if ((!all && !volume.anonymous) || !filters.labels(volume.labels) ||
            !api.engine().volume_user(volume.name).empty())
            continue;
        auto size = snapshot::tree_size(volume.mountpoint).value_or(0);
        if (auto removed = api.engine().volumes().remove(volume.name); !removed) {
            log::warning("pruning volume {}: {}", volume.name, removed.error().message());
            continue;
        }
        reclaimed += size;
        deleted.emplace_back(volume.name);
        api.engine().publish_volume(request.context, volume.name, "destroy");
    }
    publish_prune(api, request, "volume", reclaimed);
    return json_response(200,
                         json::object{{"VolumesDeleted", deleted.empty() ? json::value(nullptr) : json::value(deleted)},
                                      {"SpaceReclaimed", reclaimed}});
}

static constexpr Route routes[] = {
    {"GET", "/volumes", list},      {"POST", "/volumes/create", create}, {"POST", "/volumes/prune", prune},
    {"GET", "/volumes/*", inspect}, {"DELETE", "/volumes/*", remove},    {"PUT", "/volumes/*", update},
};

std::span<const Route> volume_routes() { return routes; }

}  // namespace pila::docker
