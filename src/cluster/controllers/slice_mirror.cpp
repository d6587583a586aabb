// SPDX-License-Identifier: Apache-2.0
// EndpointSlices of services without a selector: whoever keeps their Endpoints by hand is heard by those who read
// slices only (kube-controller-manager's pkg/controller/endpointslicemirroring).
#include <algorithm>

#include <boost/json.hpp>

#include "cluster/controllers/all.h"
#include "cluster/controllers/claims.h"
#include "cluster/controllers/fields.h"
#include "cluster/controllers/service_pods.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::controllers {

namespace {

constexpr std::size_t max_mirrored = 1000;  // addresses of one subset
constexpr std::string_view skip_label = "endpointslice.kubernetes.io/skip-mirror";
constexpr std::string_view manager = "endpointslicemirroring-controller.k8s.io";

std::string_view label_of(const json::object& object, std::string_view name) {
    const auto* labels = object_in(object, "metadata.labels");
    const auto* value = labels ? labels->if_contains(name) : nullptr;
    return value && value->is_string() ? std::string_view(value->get_string()) : std::string_view();
}

class SliceMirror : public Controller {
public:
    explicit SliceMirror(const Means& means)
        : Controller(means, "endpointslicemirroring-controller"),
          endpoints_(kind_of("", "v1", "endpoints")),
          slice_(kind_of("discovery.k8s.io", "v1", "endpointslices")),
          slices_(means_.informers.of(slice_)) {
        follow(service_kind());
        follow(endpoints_);
        slices_.add_index(controller_index());
        slices_.add_handler([this](const ObjectPointer& before, const ObjectPointer& now) {
            const auto& object = now ? *now : *before;
            if (!mentions(object, manager)) return;
            if (auto slice = seen(object))
                enqueue(std::string(text_in(*slice, "metadata.namespace")) + "/" +
                        std::string(label_of(*slice, "kubernetes.io/service-name")));
        });
    }

    Outcome<void> sync(const std::string& key) override {
        auto name = name_of(key);
        auto endpoints = client_.get(endpoints_, name.space, name.name);
        if (!endpoints && is_not_found(endpoints.error())) return {};  // slices go as its dependents
        auto source = TRY(std::move(endpoints));
        auto service = client_.get(service_kind(), name.space, name.name);
        const auto* selector = service ? object_in(*service, "spec.selector") : nullptr;
        bool mirrors = service && (!selector || selector->empty()) && label_of(source, skip_label) != "true" &&
                       annotation_of(source, "control-plane.alpha.kubernetes.io/leader").empty() && !is_going(source);
        std::vector<json::object> wished;
        if (mirrors) wished = slices_of(source);
        std::vector<json::object> known;
        for (const auto& object : slices_.by("controller", text_in(source, "metadata.uid")))
            known.push_back(TRY(Client::read(*object)));
        for (const auto& slice : known) {
            auto same = std::find_if(wished.begin(), wished.end(),
                                     [&](const json::object& one) { return is_alike(one, slice); });
            if (same == wished.end())
                TRY(client_.remove(slice_, slice));
            else
                wished.erase(same);
        }
        for (auto& slice : wished) {
            auto made = client_.create(slice_, std::move(slice));
            if (!made && made.error().code == 403) return {};  // the namespace ends
            if (!made) return made.take_error();
        }
        return {};
    }

private:
    static bool is_alike(const json::object& wished, const json::object& known) {
        for (auto member : {"addressType", "endpoints", "ports"}) {
            const auto* left = value_in(wished, member);
            const auto* right = value_in(known, member);
            if ((left ? sorted_json(*left) : "") != (right ? sorted_json(*right) : "")) return false;
        }
        return true;
    }

    static void add_endpoint(json::array& list, const json::object& address, bool is_ready) {
        json::object made;
        made["addresses"] = json::array{json::value(text_in(address, "ip"))};
        made["conditions"] = json::object{{"ready", is_ready}};
        for (auto member : {"hostname", "nodeName", "targetRef"})
            if (const auto* value = value_in(address, member)) made[member] = *value;
        list.push_back(std::move(made));
    }

    // One for each subset and family of addresses.
    std::vector<json::object> slices_of(const json::object& endpoints) const {
        std::vector<json::object> made;
        kinds::each_object(list_in(endpoints, "subsets"), [&](const json::object& subset, std::size_t) {
            std::map<std::string, json::array> by_family;
            for (bool is_ready : {true, false})
                kinds::each_object(list_in(subset, is_ready ? "addresses" : "notReadyAddresses"),
                                   [&](const json::object& address, std::size_t) {
                                       bool is_v6 = text_in(address, "ip").find(':') != std::string_view::npos;
                                       auto& list = by_family[is_v6 ? "IPv6" : "IPv4"];
                                       if (list.size() < max_mirrored) add_endpoint(list, address, is_ready);
                                   });
            for (auto& [family, list] : by_family)
                made.push_back(new_slice(endpoints, subset, family, std::move(list)));
        });
        return made;
    }

    json::object new_slice(const json::object& endpoints, const json::object& subset, const std::string& family,
                           json::array list) const {
        json::object slice;
        auto& metadata = make_object_in(slice, "metadata");
        auto name = std::string(text_in(endpoints, "metadata.name"));
        metadata["generateName"] = name + "-";
        metadata["namespace"] = text_in(endpoints, "metadata.namespace");
        if (const auto* labels = object_in(endpoints, "metadata.labels")) metadata["labels"] = *labels;
        auto& labels = make_object_in(metadata, "labels");
        labels["kubernetes.io/service-name"] = name;
        labels["endpointslice.kubernetes.io/managed-by"] = manager;
        metadata["ownerReferences"] = json::array{json::value(reference_to(endpoints, endpoints_))};
        slice["addressType"] = family;
        slice["endpoints"] = std::move(list);
        json::array ports;
        if (const auto* given = list_in(subset, "ports")) ports = *given;
        for (auto& port : ports)
            if (port.is_object() && !port.get_object().contains("name")) port.get_object()["name"] = "";
        slice["ports"] = std::move(ports);
        return slice;
    }

    const schema::Kind& endpoints_;
    const schema::Kind& slice_;
    Informer& slices_;
};

}  // namespace

std::unique_ptr<Controller> make_slice_mirror(const Means& means) { return std::make_unique<SliceMirror>(means); }

}  // namespace pila::cluster::controllers
