// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/volume_match.h"

#include <algorithm>
#include <tuple>

#include <boost/json.hpp>

#include "cluster/api/selectors.h"
#include "cluster/codec/quantity.h"
#include "cluster/controllers/fields.h"

namespace pila::cluster::controllers {

namespace {

codec::Quantity storage_in(const json::object& object, std::string_view dotted) {
    const auto* value = value_in(object, std::string(dotted) + ".storage");
    if (value && value->is_int64()) return codec::Quantity::of_milli(value->get_int64() * 1000);
    auto amount = codec::Quantity::parse(text_in(object, std::string(dotted) + ".storage"));
    return amount ? *amount : codec::Quantity();
}

bool is_large_enough(const json::object& volume, const json::object& claim) {
    return storage_in(volume, "spec.capacity") >= storage_in(claim, "spec.resources.requests");
}

std::string_view mode_of(const json::object& object) {
    auto mode = text_in(object, "spec.volumeMode");
    return mode.empty() ? "Filesystem" : mode;
}

std::size_t count_modes(const json::object& object) {
    const auto* modes = list_in(object, "spec.accessModes");
    return modes ? modes->size() : 0;
}

bool offers_modes(const json::object& volume, const json::object& claim) {
    const auto* offered = list_in(volume, "spec.accessModes");
    const auto* wished = list_in(claim, "spec.accessModes");
    if (!wished) return true;
    return std::all_of(wished->begin(), wished->end(), [&](const json::value& mode) {
        return offered && std::find(offered->begin(), offered->end(), mode) != offered->end();
    });
}

bool has_labels(const json::object& volume, const json::object& claim) {
    const auto* wished = value_in(claim, "spec.selector");
    if (!wished) return true;
    auto selector = api::LabelSelector::read(*wished);
    return selector && selector->matches(api::attributes_of(volume, volume_kind()));
}

bool is_alike(const json::object& claim, const json::object& volume, std::string_view member) {
    return text_in(claim, member) == text_in(volume, member);
}

}  // namespace

const schema::Kind& volume_kind() {
    static const auto& kind = kind_of("", "v1", "persistentvolumes");
    return kind;
}

const schema::Kind& storage_class_kind() {
    static const auto& kind = kind_of("storage.k8s.io", "v1", "storageclasses");
    return kind;
}

bool is_reserved_for(const json::object& volume, const json::object& claim) {
    const auto* reference = object_in(volume, "spec.claimRef");
    if (!reference) return false;
    auto uid = text_in(*reference, "uid");
    return text_in(*reference, "name") == text_in(claim, "metadata.name") &&
           text_in(*reference, "namespace") == text_in(claim, "metadata.namespace") &&
           (uid.empty() || uid == text_in(claim, "metadata.uid"));
}

const json::object* find_volume(const json::object& claim, const std::vector<json::object>& volumes,
                                bool only_reserved) {
    const json::object* best = nullptr;
    auto rank = [](const json::object& volume) {
        return std::tuple(count_modes(volume), storage_in(volume, "spec.capacity"), text_in(volume, "metadata.name"));
    };
    for (const auto& volume : volumes) {
        if (mode_of(volume) != mode_of(claim) || is_going(volume) || !is_large_enough(volume, claim)) continue;
        if (is_reserved_for(volume, claim)) return &volume;
        bool is_free = !value_in(volume, "spec.claimRef") && text_in(volume, "status.phase") == "Available";
        if (only_reserved || !is_free || !is_alike(claim, volume, "spec.storageClassName")) continue;
        if (!is_alike(claim, volume, "spec.volumeAttributesClassName")) continue;
        if (!offers_modes(volume, claim) || !has_labels(volume, claim)) continue;
        if (!best || rank(volume) < rank(*best)) best = &volume;
    }
    return best;
}

std::optional<std::string> mismatch(const json::object& claim, const json::object& volume) {
    if (!is_large_enough(volume, claim)) return "requested PV is too small";
    if (!is_alike(claim, volume, "spec.storageClassName")) return "storageClassName does not match";
    if (mode_of(volume) != mode_of(claim)) return "incompatible volumeMode";
    if (!offers_modes(volume, claim)) return "incompatible accessMode";
    return std::nullopt;
}

}  // namespace pila::cluster::controllers
