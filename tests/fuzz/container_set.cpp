// SPDX-License-Identifier: Apache-2.0
// The body of POST /containers/ID/set over a container that was made from the same input: never a crash, and what is
// accepted can be read back.
#include <cstdint>
#include <cstdlib>

#include <boost/json.hpp>

#include "base/json_reader.h"
#include "engine/set_request.h"
#include "image/image_config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace pila;
    using namespace pila::engine;
    auto value = parse_json({reinterpret_cast<const char*>(data), size});
    if (!value || !value->is_object()) return 0;
    auto request = read_set_request(value->get_object());
    if (!request) return 0;
    image::ImageConfig image;
    image.command = {"sh"};
    auto spec = make_spec({{"HostConfig", value->get_object()}}, image, "0123456789abcdef");
    if (!spec) return 0;
    std::vector<network::PublishedPort> published;
    for (const auto& port : spec->ports)
        published.push_back({port.protocol, port.container_port, port.host_port, "0.0.0.0"});
    std::vector<VolumeMount> mounts;
    for (const auto& target : request->remove_mounts) mounts.emplace_back().destination = target;
    auto plan = plan_set(*request, {*spec, mounts, published, {"80/tcp"}});
    if (!plan) return 0;
    const auto& after = *plan->spec;
    if (!load_spec(after.config_json, after.host_config_json, after.networking_json)) std::abort();
    if (plan->gone_mounts.size() + plan->kept_mounts.size() != mounts.size()) std::abort();
    return 0;
}
