// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/own_service.h"

#include <arpa/inet.h>
#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/api/metadata.h"
#include "cluster/schema/catalogue.h"

namespace pila::cluster::api {

namespace {

constexpr std::string_view name = "kubernetes", space = "default", own_address = "10.96.0.1";

struct Place {
    std::string host;
    std::int64_t port = 0;
    bool is_endpoint = false;
};

Place place_of(const std::string& address) {
    auto colon = address.rfind(':');
    Place place;
    if (colon == std::string::npos) return place;
    place.host = address.substr(0, colon);
    place.port = parse_int(std::string_view(address).substr(colon + 1)).value_or(0);
    in_addr parsed{};
    bool is_address = ::inet_pton(AF_INET, place.host.c_str(), &parsed) == 1;
    place.is_endpoint = is_address && ntohl(parsed.s_addr) >> 24 != 127 && parsed.s_addr != 0 && place.port != 0;
    return place;
}

class OwnObjects {
public:
    OwnObjects(Registry& registry, const User& self) : registry_(registry), self_(self) {}

    // What is there already stays as it is, unless `follows`: then its members become these.
    Outcome<void> keep(const char* group, const char* plural, json::object object, bool follows) {
        const auto& kind = *schema::Catalogue::builtin().find_resource({group, "v1"}, plural);
        Call call{.kind = kind,
                  .name_space = std::string(space),
                  .name = std::string(name),
                  .user = self_,
                  .manager = "kube-apiserver"};
        auto there = registry_.get(call);
        if (there && !follows) return {};
        object["kind"] = kind.name;
        object["apiVersion"] = kind.group_version.text();
        auto& metadata = meta(object);
        metadata["name"] = name;
        metadata["namespace"] = space;
        auto written =
            there ? registry_.update(call, std::move(object), {}) : registry_.create(call, std::move(object), {});
        return written ? Outcome<void>() : written.take_error();
    }

private:
    Registry& registry_;
    const User& self_;
};

}  // namespace

Outcome<void> keep_own_service(Registry& registry, const User& self, const std::string& address) {
    auto place = place_of(address);
    OwnObjects objects(registry, self);
    json::object service;
    meta(service)["labels"] = json::object{{"component", "apiserver"}, {"provider", "kubernetes"}};
    json::object port{{"name", "https"}, {"port", 443}, {"protocol", "TCP"}};
    if (place.port != 0) port["targetPort"] = place.port;
    service["spec"] = json::object{{"clusterIP", own_address}, {"type", "ClusterIP"}, {"ports", json::array{port}}};
    TRY(objects.keep("", "services", std::move(service), false));
    if (!place.is_endpoint) return {};

    json::object serving{{"name", "https"}, {"port", place.port}, {"protocol", "TCP"}};
    json::object endpoints;
    meta(endpoints)["labels"] = json::object{{"endpointslice.kubernetes.io/skip-mirror", "true"}};
    json::object subset;
    subset["addresses"] = json::array{json::object{{"ip", place.host}}};
    subset["ports"] = json::array{serving};
    endpoints["subsets"] = json::array{std::move(subset)};
    TRY(objects.keep("", "endpoints", std::move(endpoints), true));

    json::object slice;
    meta(slice)["labels"] = json::object{{"kubernetes.io/service-name", name}};
    slice["addressType"] = "IPv4";
    json::object endpoint;
    endpoint["addresses"] = json::array{json::value(place.host)};
    endpoint["conditions"] = json::object{{"ready", true}};
    slice["endpoints"] = json::array{std::move(endpoint)};
    slice["ports"] = json::array{std::move(serving)};
    return objects.keep("discovery.k8s.io", "endpointslices", std::move(slice), true);
}

}  // namespace pila::cluster::api
