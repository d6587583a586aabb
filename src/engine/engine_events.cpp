// SPDX-License-Identifier: Apache-2.0
// What `docker events` gets to see of containers and of what they use.
#include "base/text.h"
#include "engine/engine.h"

namespace pila::engine {

void Engine::publish(const Context& context, const Container& container, std::string action,
                     std::map<std::string, std::string> extra) {
    auto spec = container.spec();
    auto attributes = spec->labels;
    attributes["image"] = spec->image;
    attributes["name"] = container.name();
    attributes.merge(extra);
    parts_.journal.publish(context, "container", std::move(action), container.id(), std::move(attributes));
}

// Of the networks there are here all but these two are bridges.
static std::string driver_of(const std::string& network) {
    if (network == "none") return "null";
    return network == "host" ? "host" : "bridge";
}

void Engine::publish_endpoints(const Context& context, const Container& container, const char* action,
                               const std::vector<network::Endpoint>& endpoints) {
    for (const auto& endpoint : endpoints) {
        const auto& name = endpoint.network_name;
        parts_.journal.publish(context, "network", action, endpoint.network_id,
                               {{"name", name}, {"type", driver_of(name)}, {"container", container.id()}});
    }
}

void Engine::publish_networks(const Context& context, const Container& container, const char* action,
                              const std::vector<network::Endpoint>& endpoints) {
    publish_endpoints(context, container, action, endpoints);
    network::Endpoint other;
    other.network_name = container.spec()->network_mode;
    if (other.network_name != "host" && other.network_name != "none") return;
    auto network = parts_.networks.find(other.network_name);
    if (!network) return;
    other.network_id = network->id;
    publish_endpoints(context, container, action, {other});
}

// "exec_create: sh -c true": a program without arguments keeps the space, as dockerd has it.
void Engine::publish_exec(const Context& context, const Container& container, std::string_view action,
                          const std::vector<std::string>& command, const std::string& exec_id) {
    auto text = std::string(action) + ": " + join(command, " ");
    if (command.size() == 1) text += ' ';
    publish(context, container, std::move(text), {{"execID", exec_id}});
}

void Engine::detached(const std::string& container_id, const std::string& exec_id) {
    auto container = table_.by_id(container_id);
    if (!container) return;
    Context context{{}, {}, "client", "the detach keys were typed"};
    if (exec_id.empty())
        publish(context, *container, "detach");
    else
        publish(context, *container, "exec_detach", {{"execID", exec_id}});
}

}  // namespace pila::engine
