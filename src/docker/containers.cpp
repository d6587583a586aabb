// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <optional>

#include <fmt/core.h>

#include "base/go_values.h"
#include "base/text.h"
#include "docker/reply.h"

namespace pila::docker {

using engine::ContainerPointer;
using engine::Status;

// Everything that `docker ps -f` can ask of one container.
static Result<bool> passes(Api& api, const Filters& filters, const ContainerPointer& container) {
    auto state = container->state();
    auto spec = container->spec();
    bool named =
        TRY(filters.matches("name", container->name())) || TRY(filters.matches("name", "/" + container->name()));
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
                      auto volumes = container->volumes();
                      return std::any_of(volumes.begin(), volumes.end(), [&](const auto& volume) {
                          return volume.name == wanted || volume.destination == wanted || volume.source == wanted;
                      });
                  }) &&
           any_of("network", [&](const std::string& wanted) {
               if (state.endpoints.empty()) return spec->network_mode == wanted;
               return std::any_of(state.endpoints.begin(), state.endpoints.end(), [&](const auto& endpoint) {
                   return endpoint.network_name == wanted || endpoint.network_id.starts_with(wanted);
               });
           });
}

// The ports that it publishes, or those that it exposes.
static Result<bool> passes_ports(const Filters& filters, const ContainerPointer& container) {
    bool published = !filters.has("publish"), exposed = !filters.has("expose");
    for (const auto& port : container->state().ports)
        published |= filters.has("publish") && TRY(filters.port("publish", port.host_port, port.protocol));
    auto expose = [&](std::string_view text) -> Result<bool> {
        auto slash = text.find('/');
        auto number = parse_uint(text.substr(0, slash));
        return number && TRY(filters.port("expose", *number, slash == text.npos ? "tcp" : text.substr(slash + 1)));
    };
    if (!exposed)
        for (const auto& port : container->spec()->exposed_ports) exposed |= TRY(expose(port));
    return published && exposed;
}

// Values that no container could have are the client's mistake.
static Result<void> check_values(const Filters& filters) {
    auto among = [&](std::string_view key, std::initializer_list<std::string_view> known) -> Result<void> {
        for (const auto& value : filters.get(key))
            if (std::find(known.begin(), known.end(), value) == known.end())
                return Error(Errc::Invalid, fmt::format("invalid filter '{}={}'", key, value));
        return {};
    };
    for (const auto& value : filters.get("health"))
        if (value != "none" && value != "starting" && value != "healthy" && value != "unhealthy")
            return Error(Errc::Invalid, "Unrecognised filter value for health: " + value);
    for (const auto& value : filters.get("exited")) TRY(parse_go_int(value, "Atoi"));
    TRY(among("status", {"created", "running", "paused", "restarting", "removing", "exited", "dead"}));
    for (auto key : {"publish", "expose"}) TRY(filters.port(key, 0, ""));
    return {};
}

static Reply list(Api& api, http::Request& request) {
    auto filters =
        TRY(Filters::parse(request, {"ancestor", "before", "expose", "exited", "health", "id", "is-task", "label",
                                     "name", "network", "publish", "since", "status", "volume", "isolation"}));
    TRY(check_values(filters));
    bool tasks = TRY(filters.flag("is-task")).value_or(false);
    auto limit = TRY(query_integer(request, "limit")).value_or(-1);
    bool all = request.query.flag("all") || limit > 0 || filters.has("status");
    bool with_size = request.query.flag("size");
    json::array found;
    for (const auto& container : api.engine().containers().list()) {
        auto state = container->state();
        if (tasks || (!all && !state.is_running() && state.status != Status::Restarting)) continue;
        if (!TRY(passes(api, filters, container)) || !TRY(passes_ports(filters, container))) continue;
        found.push_back(list_container(api, *container, with_size));
        if (limit > 0 && found.size() >= static_cast<std::size_t>(limit)) break;
    }
    return json_response(200, found);
}

static Reply inspect(Api& api, http::Request& request) {
    auto container = TRY(api.engine().find(request.parameters[0]));
    return json_response(200,
                         inspect_container(api, *container, request.query.flag("size"), asked_version(request.path)));
}

static Reply create(Api& api, http::Request& request) {
    auto body = TRY(read_object(request));
    auto created = TRY(api.engine().create_container(request.context, request.query.get("name"), body,
                                                     {.platform = request.query.get("platform")}));
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
    auto until = TRY(filters.until());
    json::array deleted;
    std::uint64_t reclaimed = 0;
    for (const auto& container : api.engine().containers().list()) {
        auto state = container->state();
        if (state.is_running() || state.status == Status::Restarting || !filters.labels(container->spec()->labels) ||
            container->identity().created > until)
            continue;
        auto size = snapshot::tree_size(api.engine().parts().snapshots.upper_directory(container->id())).value_or(0);
        if (!api.engine().remove(request.context, container->id(), {})) continue;
        deleted.emplace_back(container->id());
        reclaimed += size;
    }
    publish_prune(api, request, "container", reclaimed);
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
