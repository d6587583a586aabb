// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/service_pods.h"

#include <boost/json.hpp>

#include "cluster/controllers/claims.h"
#include "cluster/controllers/fields.h"
#include "cluster/controllers/pods.h"

namespace pila::cluster::controllers {

namespace {

// A target port by name is whatever the pod's containers call so.
std::int64_t target_of(const json::object& port, const json::object& pod) {
    const auto* target = value_in(port, "targetPort");
    if (!target || target->is_int64()) return target ? target->get_int64() : number_in(port, "port");
    auto protocol = text_in(port, "protocol");
    const auto* containers = list_in(pod, "spec.containers");
    for (std::size_t index = 0; containers && index < containers->size(); ++index) {
        const auto* container = (*containers)[index].if_object();
        const auto* ports = container ? list_in(*container, "ports") : nullptr;
        for (std::size_t at = 0; ports && at < ports->size(); ++at) {
            const auto* one = (*ports)[at].if_object();
            if (one && text_in(*one, "name") == text_in(port, "targetPort") && text_in(*one, "protocol") == protocol)
                return number_in(*one, "containerPort");
        }
    }
    return 0;
}

json::array ports_of(const json::object& service, const json::object& pod) {
    json::array made;
    const auto* ports = list_in(service, "spec.ports");
    for (std::size_t index = 0; ports && index < ports->size(); ++index) {
        const auto* port = (*ports)[index].if_object();
        auto number = port ? target_of(*port, pod) : 0;
        if (number == 0) continue;
        json::object one;
        if (auto name = text_in(*port, "name"); !name.empty()) one["name"] = name;
        one["port"] = number;
        one["protocol"] = text_in(*port, "protocol");
        if (auto application = text_in(*port, "appProtocol"); !application.empty()) one["appProtocol"] = application;
        made.push_back(std::move(one));
    }
    return made;
}

}  // namespace

const schema::Kind& service_kind() {
    static const auto& kind = kind_of("", "v1", "services");
    return kind;
}

bool is_headless(const json::object& service) { return text_in(service, "spec.clusterIP") == "None"; }

json::object Backend::reference(std::string_view space) const {
    return {{"kind", "Pod"}, {"namespace", space}, {"name", name}, {"uid", uid}};
}

ServiceFollower::ServiceFollower(const Means& means, std::string name, const schema::Kind& made)
    : Controller(means, std::move(name)) {
    means_.informers.of(service_kind()).add_handler([this](const ObjectPointer& before, const ObjectPointer& now) {
        on_service(before, now);
    });
    means_.informers.of(pod_kind()).add_handler([this](const ObjectPointer& before, const ObjectPointer& now) {
        if (before && (!now || before->attributes != now->attributes)) on_pod(*before);
        if (now) on_pod(*now);
    });
    bool is_slice = made.name == "EndpointSlice";
    means_.informers.of(made).add_handler(
        [this, is_slice, &made](const ObjectPointer& before, const ObjectPointer& now) {
            if (!before) return;  // made just now, by us or by somebody who knows why
            auto key = name_key(made, now ? *now : *before);
            if (!is_slice) return enqueue(key);
            auto tree = seen(now ? *now : *before);
            auto owner = tree ? controller_of(*tree) : std::nullopt;
            if (owner && owner->kind == "Service") enqueue(name_of(key).space + "/" + owner->name);
        });
}

void ServiceFollower::on_service(const ObjectPointer& before, const ObjectPointer& now) {
    auto key = name_key(service_kind(), now ? *now : *before);
    auto name = name_of(key);
    auto tree = now ? seen(*now) : nullptr;
    {
        Lock lock(mutex_);
        auto& selectors = selectors_[name.space];
        selectors.erase(name.name);
        if (tree && has_selector(*tree))
            if (auto selector = selector_of(*tree)) selectors.emplace(name.name, selector.take());
        if (selectors.empty()) selectors_.erase(name.space);
    }
    enqueue(key);
}

void ServiceFollower::on_pod(const state::Object& pod) {
    auto space = name_of(name_key(pod_kind(), pod)).space;
    Lock lock(mutex_);
    auto found = selectors_.find(space);
    if (found == selectors_.end()) return;
    for (const auto& [name, selector] : found->second)
        if (selector.matches(pod.attributes)) enqueue(space + "/" + name);
}

bool ServiceFollower::has_selector(const json::object& service) {
    const auto* selector = object_in(service, "spec.selector");
    return selector && !selector->empty() && text_in(service, "spec.type") != "ExternalName";
}

Outcome<std::vector<Backend>> ServiceFollower::backends_of(const json::object& service) const {
    std::vector<Backend> backends;
    auto selector = TRY(selector_of(service));
    bool publishes_all = flag_in(service, "spec.publishNotReadyAddresses");
    auto objects = TRY(client_.list(pod_kind(), text_in(service, "metadata.namespace")));
    for (const auto& object : objects) {
        if (!selector.matches(object->attributes)) continue;
        Pod pod(TRY(Client::read(*object)));
        auto address = text_in(pod.tree, "status.podIP");
        if (address.empty() || pod.phase == Pod::Phase::Over) continue;
        Backend one;
        one.address = address;
        one.node = pod.node;
        one.name = pod.name;
        one.uid = text_in(pod.tree, "metadata.uid");
        auto hostname = text_in(pod.tree, "spec.hostname");
        if (!hostname.empty() && text_in(pod.tree, "spec.subdomain") == text_in(service, "metadata.name"))
            one.hostname = hostname;
        one.is_serving = pod.is_ready;
        one.is_going = pod.is_going;
        one.is_ready = publishes_all || (pod.is_ready && !pod.is_going);
        one.ports = ports_of(service, pod.tree);
        backends.push_back(std::move(one));
    }
    return backends;
}

}  // namespace pila::cluster::controllers
