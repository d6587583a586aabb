// SPDX-License-Identifier: Apache-2.0
// Ingresses that name no class get the usual one.
#include <boost/json.hpp>

#include "cluster/admission/plugins_internal.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::admission {

Verdict complete_ingress_class(Request& request, json::object& object, const Lookup& lookup) {
    if (!request.is("networking.k8s.io", "Ingress") || !request.is_new()) return {};
    auto& spec = spec_of(object);
    if (kinds::has(spec, "ingressClassName") || !annotation_of(object, "kubernetes.io/ingress.class").empty())
        return {};
    auto name = default_of(lookup.list("networking.k8s.io/ingressclasses", ""),
                           {"ingressclass.kubernetes.io/is-default-class"});
    if (name) spec["ingressClassName"] = *name;
    return {};
}

}  // namespace pila::cluster::admission
