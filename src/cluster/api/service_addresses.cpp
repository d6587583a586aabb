// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/service_addresses.h"

#include <algorithm>
#include <utility>

#include <arpa/inet.h>
#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/log.h"
#include "base/random.h"
#include "cluster/codec/codec.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::api {

namespace {

using kinds::each_object, kinds::flag_at, kinds::integer_at, kinds::list_at, kinds::object_at, kinds::text_at;

// Addresses that clients choose are mostly small ones: those are given out last.
constexpr std::uint32_t chosen_addresses = 256;

bool has_address(const json::object& spec) { return text_at(spec, "type") != "ExternalName"; }

bool has_node_ports(const json::object& spec) {
    auto type = text_at(spec, "type");
    return type == "NodePort" || type == "LoadBalancer";
}

bool gets_node_ports(const json::object& spec) {
    const auto* wish = kinds::find(spec, "allocateLoadBalancerNodePorts");
    return has_node_ports(spec) &&
           !(text_at(spec, "type") == "LoadBalancer" && wish && wish->is_bool() && !wish->get_bool());
}

bool contains(const std::vector<std::uint32_t>& places, std::uint32_t place) {
    return std::find(places.begin(), places.end(), place) != places.end();
}

// The member goes if it still is what it was: the client did not ask for it.
void drop_unchanged(json::object& spec, const json::object& before, std::initializer_list<std::string_view> members) {
    for (auto member : members) {
        const auto* had = before.if_contains(member);
        const auto* has = spec.if_contains(member);
        if (had && has && *had == *has) spec.erase(member);
    }
}

}  // namespace

ServiceAddresses::Lease::Lease(Lease&& other) noexcept
    : owner_(std::exchange(other.owner_, nullptr)), taken_(std::move(other.taken_)), left_(std::move(other.left_)) {}

ServiceAddresses::Lease& ServiceAddresses::Lease::operator=(Lease&& other) noexcept {
    std::swap(owner_, other.owner_);
    std::swap(taken_, other.taken_);
    std::swap(left_, other.left_);
    return *this;
}

ServiceAddresses::Lease::~Lease() {
    if (!owner_) return;
    Lock lock(owner_->mutex_);
    owner_->put(taken_, false);
}

void ServiceAddresses::Lease::commit() {
    if (!owner_) return;
    Lock lock(owner_->mutex_);
    owner_->put(left_, false);
    owner_ = nullptr;
}

std::optional<std::uint32_t> ServiceAddresses::place_of_address(std::string_view text) {
    in_addr parsed{};
    if (::inet_pton(AF_INET, std::string(text).c_str(), &parsed) != 1) return std::nullopt;
    auto place = ntohl(parsed.s_addr) - network;
    if (place == 0 || place >= network_size - 1) return std::nullopt;  // the network's own two
    return place;
}

std::string ServiceAddresses::text_of_place(std::uint32_t place) {
    auto address = network + place;
    return fmt::format("{}.{}.{}.{}", address >> 24, (address >> 16) & 255, (address >> 8) & 255, address & 255);
}

std::vector<std::uint32_t> ServiceAddresses::places_of(const json::object& service) {
    std::vector<std::uint32_t> places;
    const auto* spec = object_at(service, "spec");
    if (!spec) return places;
    if (auto place = place_of_address(text_at(*spec, "clusterIP"))) places.push_back(*place);
    auto add = [&](const json::object& holder, std::string_view member) {
        auto port = integer_at(holder, member).value_or(0);
        if (port >= first_port && port < first_port + port_count)
            places.push_back(network_size + static_cast<std::uint32_t>(port) - first_port);
    };
    each_object(list_at(*spec, "ports"), [&](const json::object& port, std::size_t) { add(port, "nodePort"); });
    add(*spec, "healthCheckNodePort");
    return places;
}

void ServiceAddresses::put(const std::vector<std::uint32_t>& places, bool used) {
    for (auto place : places)
        if (place < used_.size()) used_[place] = used;
}

void ServiceAddresses::load() {
    if (!used_.empty()) return;
    used_.resize(network_size + port_count);
    auto page = state_.list("core/services/", "", 0, 0);
    if (!page) return log::error("addresses of services: {}", page.error().message());
    for (const auto& object : page->objects) {
        auto tree = codec::read_stored(object->bytes);
        if (tree && tree->is_object()) put(places_of(tree->get_object()), true);
    }
}

std::optional<std::uint32_t> ServiceAddresses::find_free(std::uint32_t begin, std::uint32_t end) const {
    auto start = begin + static_cast<std::uint32_t>(random_number(end - begin));
    for (auto place = start; place < end; ++place)
        if (!used_[place]) return place;
    for (auto place = begin; place < start; ++place)
        if (!used_[place]) return place;
    return std::nullopt;
}

Outcome<void> ServiceAddresses::take_address(const Call& call, json::object& spec,
                                             const std::vector<std::uint32_t>& had, Lease& lease) {
    auto given = std::string(text_at(spec, "clusterIP"));
    if (given == "None") return {};
    auto refuse = [&](const std::string& why) {
        return invalid(call.kind, call.name,
                       {kinds::invalid_value("spec.clusterIPs", fmt::format("[\"{}\"]", given),
                                             fmt::format("failed to allocate IP {}: {}", given, why))});
    };
    std::optional<std::uint32_t> place;
    if (given.empty()) {
        place = find_free(chosen_addresses, network_size - 1);
        if (!place) place = find_free(1, chosen_addresses);
        if (!place) return Status(500, "InternalError", "failed to allocate a serviceIP: range is full");
        given = text_of_place(*place);
        spec["clusterIP"] = given;
        spec["clusterIPs"] = json::array{json::value(given)};
    } else {
        place = place_of_address(given);
        if (!place)
            return refuse(
                fmt::format("the provided IP ({}) is not in the valid range. The range of valid IPs is "
                            "10.96.0.0/12",
                            given));
        if (contains(had, *place)) return {};
        if (used_[*place]) return refuse("provided IP is already allocated");
    }
    used_[*place] = true;
    lease.taken_.push_back(*place);
    return {};
}

Outcome<void> ServiceAddresses::take_port(const Call& call, json::object& holder, const char* member,
                                          const std::string& field, const std::vector<std::uint32_t>& had,
                                          Lease& lease) {
    auto port = integer_at(holder, member).value_or(0);
    std::uint32_t place = 0;
    if (port == 0) {
        auto free = find_free(network_size, network_size + port_count);
        if (!free) return Status(500, "InternalError", "failed to allocate a nodePort: range is full");
        place = *free;
        holder[member] = static_cast<std::int64_t>(place - network_size + first_port);
    } else {
        auto refuse = [&](std::string why) {
            return invalid(call.kind, call.name, {kinds::invalid_value(field, std::to_string(port), std::move(why))});
        };
        if (port < first_port || port >= first_port + port_count)
            return refuse(fmt::format("provided port is not in the valid range. The range of valid ports is {}-{}",
                                      first_port, first_port + port_count - 1));
        place = network_size + static_cast<std::uint32_t>(port) - first_port;
        if (contains(had, place) || contains(lease.taken_, place)) return {};  // one number for TCP and UDP
        if (used_[place]) return refuse("provided port is already allocated");
    }
    used_[place] = true;
    lease.taken_.push_back(place);
    return {};
}

Outcome<void> ServiceAddresses::take_ports(const Call& call, json::object& spec, const std::vector<std::uint32_t>& had,
                                           Lease& lease) {
    if (auto* ports = list_at(spec, "ports")) {
        for (std::size_t index = 0; index < ports->size(); ++index) {
            auto* port = (*ports)[index].if_object();
            if (!port || (!gets_node_ports(spec) && integer_at(*port, "nodePort").value_or(0) == 0)) continue;
            TRY(take_port(call, *port, "nodePort", fmt::format("spec.ports[{}].nodePort", index), had, lease));
        }
    }
    if (text_at(spec, "type") == "LoadBalancer" && text_at(spec, "externalTrafficPolicy") == "Local")
        TRY(take_port(call, spec, "healthCheckNodePort", "spec.healthCheckNodePort", had, lease));
    return {};
}

Outcome<ServiceAddresses::Lease> ServiceAddresses::complete(const Call& call, json::object& service,
                                                            const json::object* before) {
    Lease lease;  // outlives the lock, which its destructor takes
    auto* spec = object_at(service, "spec");
    if (!spec) return lease;
    Lock lock(mutex_);
    load();
    auto had = before ? places_of(*before) : std::vector<std::uint32_t>();
    lease.owner_ = this;
    Outcome<void> taken;
    if (has_address(*spec)) taken = take_address(call, *spec, had, lease);
    if (taken && has_node_ports(*spec)) taken = take_ports(call, *spec, had, lease);
    if (!taken) {
        put(lease.taken_, false);
        lease.owner_ = nullptr;
        return taken.take_error();
    }
    auto has = places_of(service);
    for (auto place : had)
        if (!contains(has, place)) lease.left_.push_back(place);
    return lease;
}

void ServiceAddresses::release(const json::object& service) {
    Lock lock(mutex_);
    put(places_of(service), false);
}

void ServiceAddresses::carry_over(json::object& service, const json::object& before) {
    auto* spec = object_at(service, "spec");
    const auto* had = object_at(before, "spec");
    if (!spec || !had) return;
    if (has_node_ports(*spec) && has_node_ports(*had)) {
        each_object(list_at(*spec, "ports"), [&](json::object& port) {
            if (integer_at(port, "nodePort").value_or(0) != 0) return;
            each_object(list_at(*had, "ports"), [&](const json::object& old, std::size_t) {
                auto number = integer_at(old, "nodePort").value_or(0);
                bool is_same = integer_at(old, "port") == integer_at(port, "port") &&
                               text_at(old, "protocol") == text_at(port, "protocol");
                if (is_same && number != 0) port["nodePort"] = number;
            });
        });
    }
    if (!has_address(*spec) && has_address(*had))
        drop_unchanged(*spec, *had,
                       {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"});
    if (!has_node_ports(*spec) && has_node_ports(*had)) {
        const auto* old_ports = list_at(*had, "ports");
        auto* ports = list_at(*spec, "ports");
        for (std::size_t index = 0; ports && old_ports && index < std::min(ports->size(), old_ports->size()); ++index) {
            auto* port = (*ports)[index].if_object();
            const auto* old = (*old_ports)[index].if_object();
            if (port && old) drop_unchanged(*port, *old, {"nodePort"});
        }
        drop_unchanged(*spec, *had, {"externalTrafficPolicy", "healthCheckNodePort"});
    }
    if (text_at(*spec, "type") != "LoadBalancer" && text_at(*had, "type") == "LoadBalancer")
        drop_unchanged(*spec, *had, {"allocateLoadBalancerNodePorts", "loadBalancerClass", "healthCheckNodePort"});
}

}  // namespace pila::cluster::api
