// SPDX-License-Identifier: Apache-2.0
// Pods stay five minutes on a node that is not ready or out of reach, unless they say otherwise.
#include <boost/json.hpp>

#include "cluster/admission/plugins_internal.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::admission {

Verdict complete_tolerations(Request& request, json::object& object, const Lookup&) {
    constexpr int seconds = 300;
    if (!request.is("", "Pod") || !request.subresource.empty()) return {};
    auto& spec = spec_of(object);
    for (auto key : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
        bool tolerates = false;
        kinds::each_object(
            kinds::list_at(std::as_const(spec), "tolerations"), [&](const json::object& one, std::size_t) {
                auto given = kinds::text_at(one, "key"), effect = kinds::text_at(one, "effect");
                tolerates = tolerates || ((given.empty() || given == key) && (effect.empty() || effect == "NoExecute"));
            });
        if (tolerates) continue;
        auto& list = spec["tolerations"];
        if (!list.is_array()) list.emplace_array();
        list.get_array().push_back(json::object{
            {"key", key}, {"operator", "Exists"}, {"effect", "NoExecute"}, {"tolerationSeconds", seconds}});
    }
    return {};
}

}  // namespace pila::cluster::admission
