// SPDX-License-Identifier: Apache-2.0
// What a volume is: free, bound, or left behind by its claim.
#include <fmt/core.h>
#include <boost/json.hpp>

#include "cluster/codec/codec.h"
#include "cluster/controllers/fields.h"
#include "cluster/controllers/stateful_look.h"
#include "cluster/controllers/volume_binder.h"
#include "cluster/controllers/volume_match.h"

namespace pila::cluster::controllers {

namespace {

constexpr std::string_view provisioned_by = "pv.kubernetes.io/provisioned-by";

}  // namespace

Outcome<json::object> VolumeBinder::tell_volume(const json::object& volume, std::string_view phase,
                                                const std::string& why) {
    if (text_in(volume, "status.phase") == phase && text_in(volume, "status.message") == why) return volume;
    auto changed = volume;
    json::object status{{"phase", phase}, {"lastPhaseTransitionTime", codec::format_time(means_.now() / 1'000'000)}};
    if (!why.empty()) status["message"] = why;
    changed["status"] = std::move(status);
    return client_.update_status(volume_kind(), std::move(changed));
}

Outcome<void> VolumeBinder::sync_volume(json::object volume) {
    const auto* reference = object_in(volume, "spec.claimRef");
    auto uid = reference ? text_in(*reference, "uid") : std::string_view();
    if (uid.empty()) {
        TRY(tell_volume(volume, "Available"));
        return {};
    }
    auto claim = TRY(find(claim_kind(), text_in(*reference, "namespace"), text_in(*reference, "name")));
    if (!claim || text_in(*claim, "metadata.uid") != uid) return reclaim(volume);
    auto chosen = text_in(*claim, "spec.volumeName");
    if (chosen.empty()) return {};  // the claim's own look goes on
    if (chosen == text_in(volume, "metadata.name")) {
        TRY(tell_volume(volume, "Bound"));
        return {};
    }
    bool keeps_name = annotation_of(volume, bound_by_us).empty();
    return release(std::move(volume), keeps_name);
}

// The claim took another one: the volume is free again, or still reserved by name if somebody wished that.
Outcome<void> VolumeBinder::release(json::object volume, bool keeps_name) {
    auto& spec = make_object_in(volume, "spec");
    if (keeps_name) {
        auto& reference = make_object_in(spec, "claimRef");
        reference.erase("uid");
        reference.erase("resourceVersion");
    } else {
        spec.erase("claimRef");
        make_object_in(volume, "metadata.annotations").erase(bound_by_us);
    }
    auto freed = TRY(client_.update(volume_kind(), std::move(volume)));
    TRY(tell_volume(freed, "Available"));
    return {};
}

Outcome<void> VolumeBinder::reclaim(const json::object& volume) {
    auto phase = text_in(volume, "status.phase");
    if (phase == "Failed") return {};
    auto released = phase == "Released" ? volume : TRY(tell_volume(volume, "Released"));
    auto policy = text_in(released, "spec.persistentVolumeReclaimPolicy");
    bool is_anothers = !annotation_of(released, provisioned_by).empty();
    if (policy == "Retain" || (policy == "Delete" && is_anothers) || is_going(released)) return {};
    auto why = policy == "Recycle"
                   ? std::string("No recycler plugin found for the volume!")
                   : fmt::format(
                         "error getting deleter volume plugin for volume \"{}\": no deletable volume plugin "
                         "matched",
                         text_in(released, "metadata.name"));
    events_.warning(released, policy == "Recycle" ? "VolumeFailedRecycle" : "VolumeFailedDelete", why);
    TRY(tell_volume(released, "Failed", why));
    return {};
}

}  // namespace pila::cluster::controllers
