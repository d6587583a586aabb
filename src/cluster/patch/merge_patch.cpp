// SPDX-License-Identifier: Apache-2.0
// RFC 7386.
#include "cluster/patch/patch.h"
#include "cluster/patch/tree.h"

namespace pila::cluster::patch {

namespace {

void merge(json::value& target, const json::value& patch) {
    const auto* changes = patch.if_object();
    if (!changes) {
        target = patch;
        return;
    }
    if (!target.is_object()) target.emplace_object();
    auto& object = target.get_object();
    bool removes = false;
    for (const auto& change : *changes) {
        if (change.value().is_null())
            removes = true;
        else
            merge(object[change.key()], change.value());
    }
    if (!removes) return;
    erase_if(object, [&](json::string_view name) {
        const auto* change = changes->if_contains(name);
        return change && change->is_null();
    });
}

}  // namespace

Result<void> merge_patch(json::value& object, const json::value& patch) {
    TRY(check_depth(patch, "the patch"));
    merge(object, patch);
    return {};
}

}  // namespace pila::cluster::patch
