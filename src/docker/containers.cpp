// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <optional>

#include <fmt/core.h>

#include "base/text.h"
#include "docker/reply.h"

namespace pila::docker {

using engine::ContainerPointer;
using engine::Status;

// Everything that `docker ps -f` can ask of one container.
static Result<bool> passes(Api& api, const Filters& filters, const ContainerPointer& container) {
    auto state = container->state();
    auto spec = container->spec();
    const auto& names = filters.get("name");
    bool named = names.empty() || std::any_of(names.begin(), names.end(), [&](std::string_view wanted) {
                     // dockerd matches a regular expression; anchors are what people use of it.
                     bool from_start = wanted.starts_with('^');
                     if (from_start) wanted.remove_prefix(1);
                     bool to_end = wanted.ends_with('$');
                     if (to_end) wanted.remove_suffix(1);
                     auto name = container->name();
                     std::string_view subject = name;
                     if (wanted.starts_with('/')) wanted.remove_prefix(1);
                     if (from_start && to_end) return subject == wanted;
                     if (from_start) return subject.starts_with(wanted);
                     if (to_end) return subject.ends_with(wanted);
                     return subject.find(wanted) != std::string_view::npos;
                 });
    if (!named || !filters.exact("health", engine::name_of(state.health.status)) ||
        !filters.prefix("id", container->id()) || !filters.exact("status", engine::name_of(state.status)) ||
        !filters.labels(spec->labels))
        return false;
    if (filters.has("exited") &&
        (state.status != Status::Exited || !filters.exact("exited", std::to_string(state.exit_code))))
        return false;
    for (auto key : {"before", "since"}) {
        for (const auto& other_name : filters.get(key)) {
            auto other = TRY(api.engine().find(other_name));
            auto own = container->identity().created, theirs = other->identity().created;
            if (std::string_view(key) == "before" ? own >= theirs : own <= theirs) return false;
        }
    }
    if (filters.has("ancestor")) {
        const auto& wanted = filters.get("ancestor");
        bool found = std::any_of(wanted.begin(), wanted.end(), [&](const std::string& name) {
            auto image = api.engine().parts().images.find(name);
            if (!image) return false;
            if ((*image)->id == container->identity().image_id) return true;
            auto own = api.engine().parts().images.find(container->identity().image_id.text());
            return own && (*own)->layers.size() > (*image)->layers.size() &&
                   std::equal((*image)->layers.begin(), (*image)->layers.end(), (*own)->layers.begin());
        });
        if (!found) return false;
    }
    auto any_of = [&](std::string_view key, auto test) {
        const auto& wanted = filters.get(key);
        return wanted.empty() || std::any_of(wanted.begin(), wanted.end(), test);
    };
    return any_of("volume",
                  [&](const std::string& wanted) {
                      return std::any_of(
                          container->volumes().begin(), container->volumes().end(), [&](const auto& volume) {
                              return volume.name == wanted || volume.destination == wanted || volume.source == wanted;
                          });
                  }) &&
           any_of("network",
                  [&](const std::string& wanted) {
                      if (state.endpoints.empty()) return spec->network_mode == wanted;
                      return std::any_of(state.endpoints.begin(), state.endpoints.end(), [&](const auto& endpoint) {
                          return endpoint.network_name == wanted || endpoint.network_id.starts_with(wanted);
                      });
                  }) &&
           any_of("publish",
                  [&](const std::string& wanted) {
                      return std::any_of(state.ports.begin(), state.ports.end(), [&](const auto& port) {
                          auto number = std::to_string(port.host_port);
                          return wanted == number || wanted == number + "/" + port.protocol;
                      });
                  }) &&
           any_of("expose", [&](const std::string& wanted) {
               return std::any_of(spec->exposed_ports.begin(), spec->exposed_ports.end(),
                                  [&](const std::string& port) { return port == wanted || port == wanted + "/tcp"; });
           });
}

static Reply list(Api& api, http::Request& request) {
    auto filters =
        TRY(Filters::parse(request, {"ancestor", "before", "expose", "exited", "health", "id", "is-task", "label",
                                     "name", "network", "publish", "since", "status", "volume", "isolation"}));
    for (const auto& value : filters.get("health"))
        if (value != "none" && value != "starting" && value != "healthy" && value != "unhealthy")
            return Error(Errc::Invalid, "Unrecognised filter value for health: " + value);
    auto limit = TRY(query_integer(request, "limit")).value_or(-1);
    bool all = request.query.flag("all") || limit > 0 || filters.has("status") || filters.has("exited");
    bool with_size = request.query.flag("size");
    json::array found;
    for (const auto& container : api.engine().containers().list()) {
        auto state = container->state();
        if (!all && !state.is_running() && state.status != Status::Restarting) continue;
        if (!TRY(passes(api, filters, container))) continue;
        found.push_back(list_container(api, *container, with_size));
        if (limit > 0 && found.size() >= static_cast<std::size_t>(limit)) break;
    }
    return json_response(200, found);
}

static Reply inspect(Api& api, http::Request& request) {
    auto container = TRY(api.engine().find(request.parameters[0]));
    return json_response(200, inspect_container(api, *container, request.query.flag("size")));
}

static Reply create(Api& api, http::Request& request) {
    auto body = TRY(read_object(request));
    auto created = TRY(api.engine().create_container(request.context, request.query.get("name"), body));
    return json_response(201, json::object{{"Id", created.id}, {"Warnings", array_of(created.warnings)}});
}

static http::Response changed(engine::Changed change) {
    return http::Response::empty(change == engine::Changed::Yes ? 204 : 304);
}

static Reply start(Api& api, http::Request& request) {
    return changed(TRY(api.engine().start(request.context, request.parameters[0])));
}

static Reply stop(Api& api, http::Request& request) {
    auto timeout = TRY(query_integer(request, "t"));
    return changed(TRY(
        api.engine().stop(request.context, request.parameters[0], timeout, std::string(request.query.get("signal")))));
}

static Reply restart(Api& api, http::Request& request) {
    auto timeout = TRY(query_integer(request, "t"));
    TRY(api.engine().restart(request.context, request.parameters[0], timeout,
                             std::string(request.query.get("signal"))));
    return http::Response::empty(204);
}

static Reply kill(Api& api, http::Request& request) {
    TRY(api.engine().kill(request.context, request.parameters[0], std::string(request.query.get("signal"))));
    return http::Response::empty(204);
}

static Reply pause(Api& api, http::Request& request) {
    TRY(api.engine().pause(request.context, request.parameters[0], true));
    return http::Response::empty(204);
}

static Reply unpause(Api& api, http::Request& request) {
    TRY(api.engine().pause(request.context, request.parameters[0], false));
    return http::Response::empty(204);
}

static Reply rename(Api& api, http::Request& request) {
    TRY(api.engine().rename(request.context, request.parameters[0], request.query.get("name")));
    return http::Response::empty(204);
}

static Reply remove(Api& api, http::Request& request) {
    engine::RemoveOptions options{request.query.flag("force"), request.query.flag("v")};
    TRY(api.engine().remove(request.context, request.parameters[0], options));
    return http::Response::empty(204);
}

static Reply resize(Api& api, http::Request& request) {
    auto rows = TRY(query_integer(request, "h")), columns = TRY(query_integer(request, "w"));
    if (!rows || !columns || *rows < 0 || *columns < 0 || *rows > 65535 || *columns > 65535)
        return Error(Errc::Invalid, "invalid terminal size");
    TRY(api.engine().resize(request.parameters[0], static_cast<std::uint16_t>(*rows),
                            static_cast<std::uint16_t>(*columns)));
    return http::Response::empty(200);
}

namespace {

// Between a container's end and a client's stream, whichever comes first.
class WaitAnswer {
public:
    WaitAnswer(ContainerPointer container, engine::WaitCondition condition) : container_(std::move(container)) {
        outcome_ = std::make_shared<Outcome>();
        key_ = container_->wait_for(condition,
                                    [outcome = outcome_](const engine::WaitResult& result) { outcome->ended(result); });
    }
    ~WaitAnswer() { container_->cancel_wait(key_); }
    WaitAnswer(const WaitAnswer&) = delete;
    WaitAnswer& operator=(const WaitAnswer&) = delete;

    void send_to(std::shared_ptr<http::Stream> stream) { outcome_->send_to(std::move(stream)); }

private:
    struct Outcome {
        void ended(const engine::WaitResult& now) {
            Lock lock(mutex);
            if (stream)
                send(*std::exchange(stream, nullptr), now);
            else
                result = now;
        }
        void send_to(std::shared_ptr<http::Stream> to) {
            Lock lock(mutex);
            if (result)
                send(*to, *result);
            else
                stream = std::move(to);
        }
        static void send(http::Stream& to, const engine::WaitResult& result) {
            json::object body{{"StatusCode", result.status_code}};
            if (!result.error.empty()) body["Error"] = {{"Message", result.error}};
            to.write(to_json(body) + "\n");
            to.finish();
        }
        Mutex mutex;
        std::shared_ptr<http::Stream> stream GUARDED_BY(mutex);
        std::optional<engine::WaitResult> result GUARDED_BY(mutex);
    };

    ContainerPointer container_;
    std::shared_ptr<Outcome> outcome_;
    std::uint64_t key_;
};

}  // namespace

static Reply wait(Api& api, http::Request& request) {
    auto container = TRY(api.engine().find(request.parameters[0]));
    auto text = request.query.get("condition");
    auto condition = engine::WaitCondition::NotRunning;
    if (text == "next-exit")
        condition = engine::WaitCondition::NextExit;
    else if (text == "removed")
        condition = engine::WaitCondition::Removed;
    else if (!text.empty() && text != "not-running")
        return Error(Errc::Invalid, fmt::format("invalid condition: {}", json_quote(text)));
    // In place before the headers go out: with them the client knows that it may start the container.
    auto answer = std::make_shared<WaitAnswer>(container, condition);
    http::Response response;
    response.headers.set("Content-Type", "application/json");
    response.stream = [answer](std::shared_ptr<http::Stream> stream) {
        // Lives as long as the stream; a client that goes away takes it along.
        stream->on_closed([answer] {});
        answer->send_to(std::move(stream));
    };
    return response;
}

static Reply changes(Api& api, http::Request& request) {
    auto container = TRY(api.engine().find(request.parameters[0]));
    auto& parts = api.engine().parts();
    auto image = TRY(parts.images.find(container->identity().image_id.text()));
    auto layers = TRY(parts.images.layer_directories(*image));
    auto found = TRY(snapshot::changes(parts.snapshots.upper_directory(container->id()), layers));
    if (found.empty()) return json_response(200, nullptr);
    json::array list;
    for (const auto& change : found) list.push_back({{"Path", change.path}, {"Kind", static_cast<int>(change.kind)}});
    return json_response(200, list);
}

static Reply prune(Api& api, http::Request& request) {
    auto filters = TRY(Filters::parse(request, {"until", "label", "label!"}));
    json::array deleted;
    std::uint64_t reclaimed = 0;
    for (const auto& container : api.engine().containers().list()) {
        auto state = container->state();
        if (state.is_running() || state.status == Status::Restarting || !filters.labels(container->spec()->labels))
            continue;
        auto size = snapshot::tree_size(api.engine().parts().snapshots.upper_directory(container->id())).value_or(0);
        if (!api.engine().remove(request.context, container->id(), {})) continue;
        deleted.emplace_back(container->id());
        reclaimed += size;
    }
    return json_response(
        200, json::object{{"ContainersDeleted", deleted.empty() ? json::value(nullptr) : json::value(deleted)},
                          {"SpaceReclaimed", reclaimed}});
}

static constexpr Route routes[] = {
    {"GET", "/containers/json", list},          {"POST", "/containers/create", create},
    {"POST", "/containers/prune", prune},       {"GET", "/containers/*/json", inspect},
    {"POST", "/containers/*/start", start},     {"POST", "/containers/*/stop", stop},
    {"POST", "/containers/*/restart", restart}, {"POST", "/containers/*/kill", kill},
    {"POST", "/containers/*/pause", pause},     {"POST", "/containers/*/unpause", unpause},
    {"POST", "/containers/*/rename", rename},   {"POST", "/containers/*/resize", resize},
    {"POST", "/containers/*/wait", wait},       {"GET", "/containers/*/changes", changes},
    {"DELETE", "/containers/*", remove},
};

std::span<const Route> container_routes() { return routes; }

}  // namespace pila::docker
