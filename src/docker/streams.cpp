// SPDX-License-Identifier: Apache-2.0
// attach, logs, events: answers that last.
#include <limits>

#include <fmt/core.h>

#include "base/log.h"
#include "base/text.h"
#include "docker/reply.h"

namespace pila::docker {

static constexpr std::string_view raw_stream = "application/vnd.docker.raw-stream";
static constexpr std::string_view multiplexed_stream = "application/vnd.docker.multiplexed-stream";

// 101 for clients that ask for an upgrade, 200 otherwise; from then on the connection is the container's.
http::Response hijack_response(const http::Request& request, bool terminal, std::function<void(http::Hijacked)> take) {
    http::Response response;
    response.status = request.headers.has("Upgrade") ? 101 : 200;
    response.headers.set("Content-Type", std::string(terminal ? raw_stream : multiplexed_stream));
    if (response.status == 101) {
        response.headers.set("Connection", "Upgrade");
        response.headers.set("Upgrade", "tcp");
    }
    response.hijack = std::move(take);
    return response;
}

static Result<engine::AttachOptions> attach_options(const engine::Container& container, const http::Request& request) {
    engine::AttachOptions options;
    options.input = request.query.flag("stdin");
    options.output = request.query.flag("stdout");
    options.error = request.query.flag("stderr");
    options.logs = request.query.flag("logs");
    options.stream = request.query.flag("stream");
    options.detach_keys = request.query.get("detachKeys");
    if (!options.detach_keys.empty()) TRY(engine::parse_detach_keys(options.detach_keys));
    if (container.state().status == engine::Status::Paused)
        return Error(Errc::Conflict,
                     fmt::format("container {} is paused, unpause the container before attach", request.parameters[0]));
    return options;
}

static std::function<void(http::Hijacked)> attaching(Api& api, const engine::ContainerPointer& container,
                                                     const engine::AttachOptions& options, Context context) {
    context.stop = {};  // the request ends here, the stream does not
    auto expected = std::make_shared<engine::Container::Expected>(container);
    return [&api, container, options, expected, context](http::Hijacked connection) {
        auto attached = api.engine().attach(context, container, options, std::move(connection));
        if (!attached) log::warning("attaching to {}: {}", container->name(), attached.error().message());
    };
}

static Reply attach(Api& api, http::Request& request) {
    auto container = TRY(api.engine().find(request.parameters[0]));
    auto options = TRY(attach_options(*container, request));
    return hijack_response(request, container->spec()->tty, attaching(api, container, options, request.context));
}

namespace {

// Takes Docker's framing away again: a WebSocket client gets what the container wrote, both streams as one.
class Unframed {
public:
    std::string operator()(std::string_view bytes) {
        std::string content;
        while (!bytes.empty()) {
            if (left_ > 0) {
                auto part = bytes.substr(0, left_);
                content += part;
                left_ -= static_cast<std::uint32_t>(part.size());
                bytes.remove_prefix(part.size());
                continue;
            }
            auto part = bytes.substr(0, 8 - header_.size());
            header_ += part;
            bytes.remove_prefix(part.size());
            if (header_.size() < 8) continue;
            for (std::size_t i = 4; i < 8; ++i) left_ = left_ << 8 | static_cast<unsigned char>(header_[i]);
            header_.clear();
        }
        return content;
    }

private:
    std::string header_;
    std::uint32_t left_ = 0;
};

}  // namespace

static Reply attach_websocket(Api& api, http::Request& request) {
    auto container = TRY(api.engine().find(request.parameters[0]));
    auto options = TRY(attach_options(*container, request));
    auto version = asked_version(request.path);
    if (version < 42) options.input = options.output = options.error = true;  // as dockerd: older clients cannot choose
    http::WebSocketOptions how;
    how.text = version < 28;
    if (!container->spec()->tty) how.outgoing = Unframed();
    return api.websockets().accept(request, std::move(how), attaching(api, container, options, request.context));
}

static Reply logs(Api& api, http::Request& request) {
    auto container = TRY(api.engine().find(request.parameters[0]));
    engine::LogOptions options;
    options.follow = request.query.flag("follow");
    options.output = request.query.flag("stdout");
    options.error = request.query.flag("stderr");
    options.timestamps = request.query.flag("timestamps");
    options.details = request.query.flag("details");
    if (!options.output && !options.error)
        return Error(Errc::Invalid, "Bad parameters: you must choose at least one stream");
    auto tail = request.query.get("tail");
    // As dockerd: anything that is no number of lines means all of them.
    if (auto lines = parse_int(tail); lines && *lines >= 0) options.tail = *lines;
    for (auto [name, target] : {std::pair{"since", &options.since}, std::pair{"until", &options.until}}) {
        auto time = parse_time_query(request.query.get(name));
        if (!time)
            return Error(Errc::Invalid, fmt::format("invalid value for \"{}\": {}", name, request.query.get(name)));
        *target = *time;
    }
    auto spec = container->spec();
    if (spec->log_driver == "none")
        return Error(Errc::Unsupported, "configured logging driver does not support reading");
    http::Response response;
    response.headers.set("Content-Type", std::string(spec->tty ? raw_stream : multiplexed_stream));
    if (options.follow) {
        response.stream = [&api, container, options](std::shared_ptr<http::Stream> stream) {
            api.engine().follow_logs(container, options, std::move(stream));
        };
        return response;
    }
    response.produce = [&api, container, options](http::BodyWriter& writer) {
        return api.engine().read_logs(*container, options,
                                      [&](std::string_view bytes) { return writer.write(bytes).ok(); });
    };
    return response;
}

static std::string event_line(const journal::Event& event) {
    json::object attributes = object_of(event.attributes);
    json::object line;
    if (event.type == "container" || event.type == "image") {  // the form before API 1.22, still sent
        line["status"] = event.action;
        line["id"] = event.id;
        if (auto image = event.attributes.find("image"); image != event.attributes.end()) line["from"] = image->second;
    }
    line["Type"] = event.type;
    line["Action"] = event.action;
    line["Actor"] = {{"ID", event.id}, {"Attributes", std::move(attributes)}};
    line["scope"] = "local";
    line["time"] = event.time.seconds();
    line["timeNano"] = event.time.nanoseconds;
    return to_json(line) + "\n";
}

static bool wanted(const Filters& filters, const journal::Event& event) {
    auto action = event.action.substr(0, event.action.find(':'));
    auto named = [&](std::string_view key, std::string_view type) {
        if (!filters.has(key)) return true;
        if (event.type != type) return false;
        auto name = event.attributes.find("name");
        const auto& values = filters.get(key);
        for (const auto& value : values)
            if (event.id.starts_with(value) || (name != event.attributes.end() && name->second == value)) return true;
        return false;
    };
    auto image = event.attributes.find(event.type == "container" ? "image" : "name");
    bool image_matches =
        !filters.has("image") || (image != event.attributes.end() && filters.exact("image", image->second));
    if (!filters.exact("scope", "local") || !filters.exact("daemon", event.type == "daemon" ? event.id : ""))
        return false;
    return filters.exact("type", event.type) && filters.exact("event", action) && named("container", "container") &&
           named("network", "network") && named("volume", "volume") && image_matches &&
           filters.labels(event.attributes);
}

static Reply events(Api& api, http::Request& request) {
    auto filters = TRY(Filters::parse(request, {}));  // one that there is not changes nothing, as dockerd has it
    auto since = parse_time_query(request.query.get("since")), until = parse_time_query(request.query.get("until"));
    if (!since || !until) return Error(Errc::Invalid, "invalid time in since or until");
    // Not "now": events from before the clock was set back are later than that.
    auto from = request.query.has("since") ? *since : WallTime{std::numeric_limits<std::int64_t>::max()};
    http::Response response;
    response.headers.set("Content-Type", "application/json");
    response.stream = [&api, filters, from, until = *until](std::shared_ptr<http::Stream> stream) {
        auto& journal = api.engine().parts().journal;
        auto send = [filters, until](http::Stream& to, const journal::Event& event) {
            if (until.nanoseconds != 0 && event.time > until) return;
            if (wanted(filters, event)) to.write(event_line(event));
        };
        std::vector<journal::EventPointer> past;
        // The subscription keeps the stream; the client's leaving, or `until`, ends the subscription.
        auto key = journal.subscribe(from, past,
                                     [send, stream](const journal::EventPointer& event) { send(*stream, *event); });
        for (const auto& event : past) send(*stream, *event);
        auto end = [&journal, key] { journal.unsubscribe(key); };
        if (until.nanoseconds != 0 && until <= now_wall()) {
            end();
            stream->finish();
            return;
        }
        stream->on_closed(end);
        if (until.nanoseconds != 0) {
            auto left = std::chrono::nanoseconds(until.nanoseconds - now_wall().nanoseconds);
            api.engine().timers().post_after(left, [end, stream] {
                end();
                stream->finish();
            });
        }
    };
    return response;
}

static constexpr Route routes[] = {
    {"POST", "/containers/*/attach", attach},
    {"GET", "/containers/*/attach/ws", attach_websocket},
    {"GET", "/containers/*/logs", logs},
    {"GET", "/events", events},
};

std::span<const Route> stream_routes() { return routes; }

}  // namespace pila::docker
