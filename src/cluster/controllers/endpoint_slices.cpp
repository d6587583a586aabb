// SPDX-License-Identifier: Apache-2.0
// EndpointSlices: the addresses of a service's pods, at most a hundred each, so that a change of one pod is a change of
// little. An address stays in its slice as long as it is there.
#include <algorithm>

#include <boost/json.hpp>

#include "cluster/controllers/all.h"
#include "cluster/controllers/claims.h"
#include "cluster/controllers/fields.h"
#include "cluster/controllers/service_pods.h"

namespace pila::cluster::controllers {

namespace {

constexpr std::size_t max_endpoints = 100;

json::object endpoint_of(const Backend& backend, std::string_view space) {
    json::object made;
    made["addresses"] = json::array{json::value(backend.address)};
    made["conditions"] =
        json::object{{"ready", backend.is_ready}, {"serving", backend.is_serving}, {"terminating", backend.is_going}};
    if (!backend.hostname.empty()) made["hostname"] = backend.hostname;
    made["targetRef"] = backend.reference(space);
    if (!backend.node.empty()) made["nodeName"] = backend.node;
    return made;
}

// Ports in a slice always have a name, if an empty one.
json::array ports_of_slice(const json::array& ports) {
    json::array made = ports;
    for (auto& port : made)
        if (!port.get_object().contains("name")) port.get_object()["name"] = "";
    return made;
}

json::object labels_of(const json::object& service) {
    json::object labels;
    if (const auto* given = object_in(service, "metadata.labels")) labels = *given;
    if (is_headless(service)) labels["service.kubernetes.io/headless"] = "";
    labels["kubernetes.io/service-name"] = text_in(service, "metadata.name");
    labels["endpointslice.kubernetes.io/managed-by"] = "endpointslice-controller.k8s.io";
    return labels;
}

class SlicesOfServices : public ServiceFollower {
public:
    explicit SlicesOfServices(const Means& means)
        : ServiceFollower(means, "endpointslice-controller", kind_of("discovery.k8s.io", "v1", "endpointslices")),
          kind_(kind_of("discovery.k8s.io", "v1", "endpointslices")),
          slices_(means_.informers.of(kind_)) {
        index_for_claims(slices_);
    }

    Outcome<void> sync(const std::string& key) override {
        auto name = name_of(key);
        auto got = client_.get(service_kind(), name.space, name.name);
        if (!got && is_not_found(got.error())) return {};  // its slices go as its dependents
        auto service = TRY(std::move(got));
        if (!has_selector(service) || is_going(service)) return {};
        auto backends = TRY(backends_of(service));
        std::map<std::string, std::vector<const Backend*>> by_ports;
        for (const auto& backend : backends) by_ports[sorted_json(ports_of_slice(backend.ports))].push_back(&backend);
        if (by_ports.empty()) by_ports[sorted_json(json::array())];  // one empty slice says that there is nobody

        std::map<std::string, std::vector<json::object>> slices;
        for (const auto& object : slices_.by("controller", text_in(service, "metadata.uid"))) {
            auto slice = TRY(Client::read(*object));
            const auto* ports = value_in(slice, "ports");
            slices[ports ? sorted_json(*ports) : sorted_json(json::array())].push_back(std::move(slice));
        }
        for (auto& [ports, known] : slices)
            if (!by_ports.contains(ports))
                for (const auto& slice : known) TRY(client_.remove(kind_, slice));
        for (const auto& [ports, group] : by_ports) {
            auto written = fill(service, group, slices[ports]);
            if (!written && written.error().code == 403) return {};  // the namespace ends
            if (!written) return written;
        }
        return {};
    }

private:
    Outcome<void> fill(const json::object& service, const std::vector<const Backend*>& group,
                       const std::vector<json::object>& slices) {
        auto space = text_in(service, "metadata.namespace");
        std::map<std::string, const Backend*, std::less<>> left;
        for (const auto* backend : group) left.emplace(backend->uid, backend);
        std::vector<json::array> contents;
        for (const auto& slice : slices) {
            auto& kept = contents.emplace_back();
            const auto* endpoints = list_in(slice, "endpoints");
            for (std::size_t index = 0; endpoints && index < endpoints->size(); ++index) {
                const auto* one = (*endpoints)[index].if_object();
                auto still = one ? left.find(text_in(*one, "targetRef.uid")) : left.end();
                if (still == left.end()) continue;
                kept.push_back(endpoint_of(*still->second, space));
                left.erase(still);
            }
        }
        if (contents.empty()) contents.emplace_back();
        std::size_t at = 0;
        for (const auto* backend : group) {
            if (!left.contains(backend->uid)) continue;
            while (at < contents.size() && contents[at].size() >= max_endpoints) ++at;
            if (at == contents.size()) contents.emplace_back();
            contents[at].push_back(endpoint_of(*backend, space));
        }
        auto ports = group.empty() ? json::array() : ports_of_slice(group.front()->ports);
        bool has_any = !group.empty();
        for (std::size_t index = 0; index < contents.size(); ++index) {
            const auto* slice = index < slices.size() ? &slices[index] : nullptr;
            bool is_spare = contents[index].empty() && (has_any || index > 0);
            if (slice && is_spare)
                TRY(client_.remove(kind_, *slice));
            else if (!is_spare)
                TRY(write(service, slice, std::move(contents[index]), ports));
        }
        return {};
    }

    Outcome<void> write(const json::object& service, const json::object* slice, json::array endpoints,
                        const json::array& ports) {
        auto wished = slice ? *slice : json::object();
        wished["addressType"] = "IPv4";
        wished["endpoints"] = std::move(endpoints);
        wished["ports"] = ports;
        auto& metadata = make_object_in(wished, "metadata");  // last: a new member moves the others
        metadata["labels"] = labels_of(service);
        if (slice) {
            if (sorted_json(wished) == sorted_json(*slice)) return {};
            TRY(client_.update(kind_, std::move(wished)));
            return {};
        }
        metadata["generateName"] = std::string(text_in(service, "metadata.name")) + "-";
        metadata["namespace"] = text_in(service, "metadata.namespace");
        metadata["ownerReferences"] = json::array{json::value(reference_to(service, service_kind()))};
        TRY(client_.create(kind_, std::move(wished)));
        return {};
    }

    const schema::Kind& kind_;
    Informer& slices_;
};

}  // namespace

std::unique_ptr<Controller> make_endpoint_slices(const Means& means) {
    return std::make_unique<SlicesOfServices>(means);
}

}  // namespace pila::cluster::controllers
