// SPDX-License-Identifier: Apache-2.0
// What a webhook answers.
#include <cstdint>
#include <string_view>

#include <boost/json.hpp>

#include "cluster/patch/patch.h"
#include "cluster/webhooks/hook.h"
#include "cluster/webhooks/review.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace pila::cluster::webhooks;
    static const Hook hook(json::object{{"name", "h"}});
    auto verdict = read_verdict(hook, {reinterpret_cast<const char*>(data), size}, "u");
    if (!verdict || verdict->patch.is_null()) return 0;
    json::value object = json::object{{"metadata", json::object{{"name", "x"}}}, {"list", json::array{1, 2}}};
    static_cast<void>(pila::cluster::patch::json_patch(object, verdict->patch));
    return 0;
}
