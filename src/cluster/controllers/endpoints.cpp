// SPDX-License-Identifier: Apache-2.0
// Endpoints (core/v1): the addresses of a service's pods, grouped by their ports.
#include <boost/json.hpp>

#include "cluster/api/metadata.h"
#include "cluster/controllers/all.h"
#include "cluster/controllers/fields.h"
#include "cluster/controllers/service_pods.h"

namespace pila::cluster::controllers {

namespace {

constexpr std::size_t max_addresses = 1000;  // slices have them all

json::object address_of(const Backend& backend, std::string_view space) {
    json::object made{{"ip", backend.address}};
    if (!backend.hostname.empty()) made["hostname"] = backend.hostname;
    if (!backend.node.empty()) made["nodeName"] = backend.node;
    made["targetRef"] = backend.reference(space);
    return made;
}

json::array subsets_of(const std::vector<Backend>& backends, std::string_view space, bool& is_too_many) {
    struct Subset {
        json::array ready, not_ready, ports;
    };
    std::map<std::string, Subset> by_ports;
    std::size_t count = 0;
    for (const auto& backend : backends) {
        if (backend.is_going && !backend.is_ready) continue;
        is_too_many = count == max_addresses;
        if (is_too_many) break;
        ++count;
        auto& subset = by_ports[sorted_json(backend.ports)];
        subset.ports = backend.ports;
        (backend.is_ready ? subset.ready : subset.not_ready).push_back(address_of(backend, space));
    }
    json::array made;
    for (auto& [ports, subset] : by_ports) {
        json::object one;
        if (!subset.ready.empty()) one["addresses"] = std::move(subset.ready);
        if (!subset.not_ready.empty()) one["notReadyAddresses"] = std::move(subset.not_ready);
        if (!subset.ports.empty()) one["ports"] = std::move(subset.ports);
        made.push_back(std::move(one));
    }
    return made;
}

class EndpointsOfServices : public ServiceFollower {
public:
    explicit EndpointsOfServices(const Means& means)
        : ServiceFollower(means, "endpoint-controller", kind_of("", "v1", "endpoints")),
          kind_(kind_of("", "v1", "endpoints")) {}

    Outcome<void> sync(const std::string& key) override {
        auto name = name_of(key);
        auto service = client_.get(service_kind(), name.space, name.name);
        auto found = client_.get(kind_, name.space, name.name);
        if (!found && !is_not_found(found.error())) return found.take_error();
        if (!service && is_not_found(service.error()))  // its own go with it
            return found && is_ours(*found) ? client_.remove(kind_, *found) : Outcome<void>();
        if (!service) return service.take_error();
        if (!has_selector(*service) || is_going(*service)) return {};

        auto backends = TRY(backends_of(*service));
        bool is_too_many = false;
        auto wished = found ? *found : json::object();
        auto subsets = subsets_of(backends, name.space, is_too_many);
        if (subsets.empty())
            wished.erase("subsets");
        else
            wished["subsets"] = std::move(subsets);
        auto& metadata = make_object_in(wished, "metadata");
        metadata["name"] = name.name;
        metadata["namespace"] = name.space;
        json::object labels;
        if (const auto* given = object_in(*service, "metadata.labels")) labels = *given;
        labels["endpoints.kubernetes.io/managed-by"] = "endpoint-controller";
        if (is_headless(*service)) labels["service.kubernetes.io/headless"] = "";
        metadata["labels"] = std::move(labels);
        if (is_too_many)
            make_object_in(wished, "metadata.annotations")["endpoints.kubernetes.io/over-capacity"] = "truncated";
        if (found && wished == *found) return {};
        auto written = found ? client_.update(kind_, std::move(wished)) : client_.create(kind_, std::move(wished));
        if (!written && written.error().code == 403) return {};  // the namespace ends
        return written ? Outcome<void>() : written.take_error();
    }

private:
    static bool is_ours(const json::object& endpoints) {
        const auto* labels = object_in(endpoints, "metadata.labels");
        return labels && labels->contains("endpoints.kubernetes.io/managed-by");
    }

    const schema::Kind& kind_;
};

}  // namespace

std::unique_ptr<Controller> make_endpoints(const Means& means) { return std::make_unique<EndpointsOfServices>(means); }

}  // namespace pila::cluster::controllers
