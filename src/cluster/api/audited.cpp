// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/audited.h"

#include <atomic>

#include <boost/json.hpp>

#include "base/random.h"
#include "base/time.h"
#include "cluster/api/metadata.h"
#include "cluster/codec/codec.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::api {

namespace {

constexpr std::size_t most_kept = 4U << 20;  // of a body; what is longer is left out

std::string micro_now() { return codec::format_micro_time(now_wall().nanoseconds / 1000); }

json::object user_json(const access::User& user) {
    json::object made;
    if (!user.name.empty()) made["username"] = user.name;
    if (!user.uid.empty()) made["uid"] = user.uid;
    if (!user.groups.empty()) made["groups"] = json::array(user.groups.begin(), user.groups.end());
    return made;
}

// "tcp:127.0.0.1:4711"
std::string address_of(std::string_view peer) {
    if (!peer.starts_with("tcp:")) return "";
    peer.remove_prefix(4);
    auto host = peer.substr(0, peer.rfind(':'));
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    return std::string(host);
}

// JSON, YAML or protobuf of an object; nothing: it is none of them.
std::optional<json::value> object_of(const std::string& text) {
    if (text.empty() || text.size() > most_kept) return std::nullopt;
    bool is_protobuf = text.starts_with(std::string_view("k8s\0", 4));
    auto tree = is_protobuf ? codec::read_protobuf(text, {}) : codec::read_yaml(text, {});
    if (!tree || !(tree->is_object() || tree->is_array())) return std::nullopt;
    return tree.take();
}

void drop_managed_fields(json::value& value) {
    auto* object = value.if_object();
    if (!object) return;
    if (auto* metadata = kinds::object_at(*object, "metadata")) metadata->erase("managedFields");
    if (auto* items = object->if_contains("items"); items && items->is_array())
        for (auto& item : items->get_array()) drop_managed_fields(item);
}

class Collector : public http::BodyWriter {
public:
    Result<void> write(std::string_view bytes) override {
        text.append(bytes);
        return {};
    }
    std::string text;
};

}  // namespace

// What the handler reads of the body, kept.
class Audited::Body : public http::BodyReader {
public:
    explicit Body(http::BodyReader& from) : from_(from) {}
    Result<std::size_t> read(char* buffer, std::size_t size) override {
        auto count = TRY(from_.read(buffer, size));
        if (text.size() <= most_kept) text.append(buffer, count);
        return count;
    }
    std::string text;

private:
    http::BodyReader& from_;
};

struct Audited::Event {
    audit::Log* sink = nullptr;
    audit::Decision decision;
    json::object fields;
    std::atomic<bool> is_complete = false;

    void tell(audit::Stage stage) {
        if (decision.omitted.contains(stage)) return;
        fields["stage"] = audit::text_of(stage);
        fields["stageTimestamp"] = micro_now();
        sink->write(codec::write_json(fields));
    }
    void complete() {
        if (!is_complete.exchange(true)) tell(audit::Stage::ResponseComplete);
    }
    void set_response(int status, std::string_view text) {
        fields["responseStatus"] = json::object{{"metadata", json::object()}, {"code", status}};
        auto object = object_of(std::string(text));
        if (!object) return;
        if (status >= 400 && object->is_object()) {
            auto& said = fields["responseStatus"].get_object();
            for (auto name : {"status", "message", "reason"})
                if (const auto* value = object->get_object().if_contains(name)) said[name] = *value;
        }
        if (decision.level == audit::Level::RequestResponse) set_object("responseObject", std::move(*object));
    }
    void set_object(std::string_view name, json::value object) {
        if (decision.omits_managed_fields) drop_managed_fields(object);
        fields[name] = std::move(object);
    }
};

namespace {

// A watch ends when its stream does, by whichever side.
class AuditedStream : public http::Stream {
public:
    AuditedStream(std::shared_ptr<http::Stream> to, std::function<void()> ended)
        : to_(std::move(to)), ended_(std::move(ended)) {}
    ~AuditedStream() override { ended_(); }  // also if nobody took notice of the client's going
    bool write(std::string_view bytes) override { return to_->write(bytes); }
    void finish() override {
        ended_();
        to_->finish();
    }
    void on_closed(std::function<void()> callback) override {
        to_->on_closed([ended = ended_, callback = std::move(callback)] {
            ended();
            if (callback) callback();
        });
    }
    std::size_t queued_bytes() const override { return to_->queued_bytes(); }
    void on_drained(std::function<void()> callback) override { to_->on_drained(std::move(callback)); }

private:
    const std::shared_ptr<http::Stream> to_;
    const std::function<void()> ended_;
};

}  // namespace

Audited::Audited(const Audit* audit, http::Request& request)
    : request_(request), audit_(audit), original_(request.body) {}

Audited::~Audited() { request_.body = original_; }

void Audited::begin(const RequestInfo& info, const access::User& user, const access::User* real) {
    if (!audit_) return;
    const auto& who = real ? *real : user;
    auto decision = audit_->policy.judge({.user = who.name,
                                          .groups = who.groups,
                                          .verb = info.verb,
                                          .is_resource = info.is_resource,
                                          .group = info.group_version.group,
                                          .resource = info.resource,
                                          .subresource = info.subresource,
                                          .name_space = info.name_space,
                                          .name = info.name,
                                          .path = request_.path});
    if (decision.level == audit::Level::None) return;
    event_ = std::make_shared<Event>();
    event_->sink = audit_->log.get();
    event_->decision = decision;
    auto& fields = event_->fields;
    fields = {{"kind", "Event"}, {"apiVersion", "audit.k8s.io/v1"}, {"level", audit::text_of(decision.level)}};
    fields["auditID"] = random_uuid();
    fields["stage"] = "";
    fields["requestURI"] = request_.target;
    fields["verb"] = info.verb;
    fields["user"] = user_json(who);
    if (real) fields["impersonatedUser"] = user_json(user);
    if (auto address = address_of(request_.peer); !address.empty()) fields["sourceIPs"] = json::array{address};
    if (auto agent = request_.headers.get("User-Agent"); !agent.empty()) fields["userAgent"] = agent;
    if (info.is_resource) {
        json::object about{{"resource", info.resource}};
        if (!info.name_space.empty()) about["namespace"] = info.name_space;
        if (!info.name.empty()) about["name"] = info.name;
        if (!info.group_version.group.empty()) about["apiGroup"] = info.group_version.group;
        about["apiVersion"] = info.group_version.version;
        if (!info.subresource.empty()) about["subresource"] = info.subresource;
        fields["objectRef"] = std::move(about);
    }
    fields["requestReceivedTimestamp"] = micro_now();
    if (decision.level >= audit::Level::Request && request_.body) {
        body_ = std::make_unique<Body>(*request_.body);
        request_.body = body_.get();
    }
    event_->tell(audit::Stage::RequestReceived);
}

void Audited::judged(bool is_allowed, std::string_view reason) {
    if (!event_) return;
    event_->fields["annotations"] = json::object{{"authorization.k8s.io/decision", is_allowed ? "allow" : "forbid"},
                                                 {"authorization.k8s.io/reason", reason}};
}

void Audited::end(http::Response& response) {
    if (!event_) return;
    response.headers.set("Audit-Id", std::string(event_->fields["auditID"].as_string()));
    if (body_)
        if (auto object = object_of(body_->text)) event_->set_object("requestObject", std::move(*object));
    if (response.stream) {
        event_->set_response(response.status, "");
        event_->tell(audit::Stage::ResponseStarted);
        response.stream = [event = event_, go = std::move(response.stream)](std::shared_ptr<http::Stream> to) {
            go(std::make_shared<AuditedStream>(std::move(to), [event] { event->complete(); }));
        };
        return;
    }
    if (response.produce && event_->decision.level == audit::Level::RequestResponse) {
        Collector collected;
        if (response.produce(collected)) response.body = std::move(collected.text);
        response.produce = nullptr;
    }
    event_->set_response(response.status, response.body);
    event_->complete();
}

}  // namespace pila::cluster::api
