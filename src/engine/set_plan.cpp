// SPDX-License-Identifier: Apache-2.0
// What a request to change a container makes of its settings.
#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/json_reader.h"
#include "base/text.h"
#include "engine/resources.h"
#include "engine/set_request.h"
#include "engine/spec_internal.h"

namespace pila::engine {

namespace {

using network::PortRequest;
using network::PublishedPort;

std::string port_key(std::uint16_t port, std::string_view protocol) { return fmt::format("{}/{}", port, protocol); }

json::object& object_in(json::object& parent, const char* key) {
    auto& value = parent[key];
    if (!value.is_object()) value = json::object{};
    return value.get_object();
}

json::array& array_in(json::object& parent, const char* key) {
    auto& value = parent[key];
    if (!value.is_array()) value = json::array{};
    return value.get_array();
}

class Planner {
public:
    Planner(const SetRequest& request, const SetSubject& subject) : request_(request), subject_(subject) {}

    Result<SetPlan> run() {
        config_ = TRY(parse_json(subject_.spec.config_json)).as_object();
        host_ = TRY(parse_json(subject_.spec.host_config_json)).as_object();
        networks_ = TRY(parse_json(subject_.spec.networking_json)).as_object();
        TRY(merge_update(host_, request_.limits));
        for (const auto& removal : request_.remove_ports) TRY(remove_port(removal));
        add_ports();
        TRY(remove_mounts());
        TRY(add_mounts());
        TRY(change_networks());
        plan_.spec =
            std::make_shared<const ContainerSpec>(TRY(load_spec(to_json(config_), to_json(host_), to_json(networks_))));
        return std::move(plan_);
    }

private:
    static bool fits(const PortRemoval& removal, const PublishedPort& port) {
        if (port.protocol != removal.protocol || port.container_port != removal.container_port) return false;
        if (!removal.host_ip.empty() && port.host_ip != removal.host_ip) return false;
        return removal.host_port == 0 ||
               (port.host_port >= removal.host_port && port.host_port <= removal.host_port_end);
    }

    static bool is_of(const PortRequest& binding, const PublishedPort& port) {
        bool on_host = binding.host_ip.empty() || binding.host_ip == port.host_ip;
        auto last = std::max(binding.host_port, binding.host_port_end);
        return on_host && (binding.host_port == 0 || (port.host_port >= binding.host_port && port.host_port <= last));
    }

    // Of a binding with a port of its own by what it says; of one that took any port, or one of many, by what it took.
    bool fits(const PortRemoval& removal, const PortRequest& binding) const {
        if (!removal.host_ip.empty() && removal.host_ip != binding.host_ip) return false;
        if (removal.host_port == 0) return true;
        if (binding.host_port != 0 && binding.host_port == std::max(binding.host_port, binding.host_port_end))
            return binding.host_port >= removal.host_port && binding.host_port <= removal.host_port_end;
        if (binding.host_port == removal.host_port && binding.host_port_end == removal.host_port_end) return true;
        return std::any_of(subject_.published.begin(), subject_.published.end(),
                           [&](const auto& port) { return fits(removal, port) && is_of(binding, port); });
    }

    static PortRequest request_of(const json::value& item) {
        PortRequest request;
        JsonReader in(item.get_object());
        request.host_ip = in.text("HostIp");
        auto range = parse_port_range(in.text("HostPort"));
        if (range) std::tie(request.host_port, request.host_port_end) = *range;
        return request;
    }

    Result<void> remove_port(const PortRemoval& removal) {
        auto key = port_key(removal.container_port, removal.protocol);
        auto& bindings = object_in(host_, "PortBindings");
        bool found = false, is_left = false;
        for (auto& [name, list] : bindings) {
            auto named = parse_container_port(name);
            if (!list.is_array() || !named || port_key(named->port, named->protocol) != key) continue;
            auto& items = list.get_array();
            for (auto item = items.begin(); item != items.end();) {
                auto binding = item->is_object() ? request_of(*item) : PortRequest();
                // Two that took any port cannot be told apart: one goes.
                bool any_gone = removal.host_port != 0 && found && binding.host_port == 0;
                if (!item->is_object() || !fits(removal, binding) || any_gone) {
                    ++item;
                    continue;
                }
                found = true;
                note_gone(removal, binding);
                item = items.erase(item);
            }
            is_left |= !items.empty();
        }
        if (!found)
            return Error(Errc::NotFound,
                         fmt::format("port {}{}{}{} is not published by a binding of its own",
                                     removal.host_ip.empty() ? "" : removal.host_ip + ":",
                                     removal.host_port == 0 ? "" : std::to_string(removal.host_port),
                                     removal.host_port == 0 && removal.host_ip.empty() ? "" : ":", key));
        if (is_left) return {};
        for (auto name : {key, std::to_string(removal.container_port)}) bindings.erase(name);
        const auto& of_image = subject_.ports_of_image;
        bool stays = std::any_of(of_image.begin(), of_image.end(), [&](const auto& exposed) {
            auto port = parse_container_port(exposed);
            return port && port_key(port->port, port->protocol) == key;
        });
        if (!stays && config_["ExposedPorts"].is_object()) config_["ExposedPorts"].get_object().erase(key);
        return {};
    }

    void note_gone(const PortRemoval& removal, const PortRequest& binding) {
        auto key = port_key(removal.container_port, removal.protocol);
        for (const auto& port : subject_.published) {
            if (port_key(port.container_port, port.protocol) != key || !is_of(binding, port)) continue;
            if (binding.host_port == 0 && !is_free_choice(removal, port)) continue;
            plan_.gone_ports.push_back(port);
        }
    }

    // Of a binding that took any port: not one that another binding asked for by number.
    bool is_free_choice(const PortRemoval& removal, const PublishedPort& port) const {
        if (removal.host_port != 0 && !fits(removal, port)) return false;
        return std::none_of(subject_.spec.ports.begin(), subject_.spec.ports.end(), [&](const auto& other) {
            return other.container_port == port.container_port && other.protocol == port.protocol &&
                   other.host_port != 0 && is_of(other, port);
        });
    }

    void add_ports() {
        for (const auto& [name, list] : request_.port_bindings) {
            auto port = parse_container_port(name);
            if (!port || !list.is_array()) continue;
            auto key = port_key(port->port, port->protocol);
            object_in(config_, "ExposedPorts")[key] = json::object{};
            auto& into = array_in(object_in(host_, "PortBindings"), key.c_str());
            for (const auto& item : list.get_array()) into.push_back(item);
        }
    }

    template <typename Keep>
    static void filter(json::value& list, Keep keep) {
        if (!list.is_array()) return;
        auto& items = list.get_array();
        for (auto item = items.begin(); item != items.end();) item = keep(*item) ? item + 1 : items.erase(item);
    }

    Result<void> remove_mounts() {
        plan_.kept_mounts = subject_.mounts;
        for (const auto& text : request_.remove_mounts) {
            auto target = clean_target(text);
            auto found = std::find_if(plan_.kept_mounts.begin(), plan_.kept_mounts.end(),
                                      [&](const auto& mount) { return clean_target(mount.destination) == target; });
            if (found == plan_.kept_mounts.end())
                return Error(Errc::NotFound, fmt::format("nothing of the container's is mounted on {}", text));
            plan_.gone_mounts.push_back(*found);
            plan_.kept_mounts.erase(found);
            forget_mount(target);
        }
        for (const auto& gone : plan_.gone_mounts)
            for (const auto& kept : plan_.kept_mounts)
                if (is_below(kept.destination, gone.destination))
                    return Error(Errc::Conflict, fmt::format("unmount {}: {} is mounted below it; unmount that as well",
                                                             gone.destination, kept.destination));
        return {};
    }

    // In whichever way it was asked for.
    void forget_mount(const std::string& target) {
        filter(host_["Binds"], [&](const json::value& item) {
            auto mount =
                item.is_string() ? parse_bind(std::string_view(item.get_string())) : Result<MountSpec>(MountSpec());
            return !mount || clean_target(mount->target) != target;
        });
        if (host_.contains("Mounts"))
            filter(host_["Mounts"], [&](const json::value& item) {
                return !item.is_object() || clean_target(JsonReader(item.get_object()).text("Target")) != target;
            });
        for (auto* set : {&host_["Tmpfs"], &config_["Volumes"]}) {
            if (!set->is_object()) continue;
            auto& names = set->get_object();
            for (auto name = names.begin(); name != names.end();)
                name = clean_target(name->key()) == target ? names.erase(name) : name + 1;
        }
        if (host_["Tmpfs"].is_null()) host_.erase("Tmpfs");
    }

    static bool is_below(const std::string& lower, const std::string& upper) {
        return clean_target(lower).starts_with(clean_target(upper) + "/");
    }

    Result<void> add_mounts() {
        for (const auto& mount : request_.add_mounts)
            for (const auto& kept : plan_.kept_mounts) {
                if (clean_target(kept.destination) == clean_target(mount.target))
                    return Error(Errc::Invalid, "Duplicate mount point: " + mount.target);
                // Hidden now, on top after a restart.
                if (is_below(kept.destination, mount.target))
                    return Error(
                        Errc::Conflict,
                        fmt::format("mount {}: {} is mounted below it and would be hidden; unmount {} and mount "
                                    "it again in the same request",
                                    mount.target, kept.destination, kept.destination));
            }
        for (const auto& bind : request_.binds) array_in(host_, "Binds").push_back(bind);
        for (const auto& mount : request_.mounts) array_in(host_, "Mounts").push_back(mount);
        for (const auto& [target, options] : request_.tmpfs) object_in(host_, "Tmpfs")[target] = options;
        return {};
    }

    Result<void> change_networks() {
        auto mode = subject_.spec.network_mode;
        bool own = mode != "host" && !subject_.spec.shares_network_of_container();
        if (request_.touches_networks() && !own)
            return Error(Errc::Denied,
                         "container sharing network namespace with another container or host cannot be connected "
                         "to any other network");
        if (!request_.add_ports.empty() && !own)
            return Error(Errc::Invalid, "the container has no network of its own: its ports cannot be published");
        for (const auto& name : request_.remove_networks) {
            networks_.erase(name);
            if (name == "bridge") networks_.erase("default");
        }
        for (const auto& [name, settings] : request_.networks) networks_[name] = settings;
        auto real = [](const std::string& name) { return name.empty() || name == "default" ? "bridge" : name; };
        const auto& gone = request_.remove_networks;
        bool lost = std::find(gone.begin(), gone.end(), real(mode)) != gone.end();
        // The one that a start connects in any case.
        if (lost) host_["NetworkMode"] = networks_.empty() ? "none" : std::string(networks_.begin()->key());
        if (mode == "none" && !networks_.empty()) host_["NetworkMode"] = std::string(networks_.begin()->key());
        return {};
    }

    const SetRequest& request_;
    const SetSubject& subject_;
    json::object config_, host_, networks_;
    SetPlan plan_;
};

}  // namespace

Result<SetPlan> plan_set(const SetRequest& request, const SetSubject& subject) {
    return Planner(request, subject).run();
}

}  // namespace pila::engine
