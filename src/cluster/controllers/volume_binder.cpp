// SPDX-License-Identifier: Apache-2.0
// Which volume a claim gets, and what is said about it.
#include <fmt/core.h>
#include <boost/json.hpp>

#include "cluster/api/metadata.h"
#include "cluster/controllers/all.h"
#include "cluster/controllers/fields.h"
#include "cluster/controllers/stateful_look.h"
#include "cluster/controllers/volume_binder.h"
#include "cluster/controllers/volume_match.h"

namespace pila::cluster::controllers {

namespace {

constexpr std::string_view is_bound = "pv.kubernetes.io/bind-completed";
constexpr std::string_view chosen_node = "volume.kubernetes.io/selected-node";
constexpr std::string_view provisioner_notes[] = {"volume.kubernetes.io/storage-provisioner",
                                                  "volume.beta.kubernetes.io/storage-provisioner"};
constexpr std::string_view all_unbound = "unbound";

}  // namespace

VolumeBinder::VolumeBinder(const Means& means) : Controller(means, "persistentvolume-binder") {
    means_.informers.of(claim_kind()).add_handler([this](const ObjectPointer& before, const ObjectPointer& now) {
        const auto& object = now ? *now : *before;
        enqueue("claim/" + name_key(claim_kind(), object));
        auto claim = seen(object);
        if (!claim) return;
        if (auto volume = text_in(*claim, "spec.volumeName"); !volume.empty()) enqueue("volume/" + std::string(volume));
    });
    means_.informers.of(volume_kind()).add_handler([this](const ObjectPointer& before, const ObjectPointer& now) {
        const auto& object = now ? *now : *before;
        enqueue("volume/" + name_key(volume_kind(), object));
        auto volume = seen(object);
        const auto* reference = volume ? object_in(*volume, "spec.claimRef") : nullptr;
        if (reference)
            enqueue(fmt::format("claim/{}/{}", text_in(*reference, "namespace"), text_in(*reference, "name")));
        else if (now)
            enqueue(all_unbound);
    });
    means_.informers.of(storage_class_kind()).add_handler([this](const ObjectPointer&, const ObjectPointer& now) {
        if (now) enqueue(all_unbound);
    });
}

Outcome<void> VolumeBinder::sync(const std::string& key) {
    if (key == all_unbound) {
        for (const auto& object : TRY(client_.list(claim_kind(), "")))
            if (object->bytes.find(is_bound) == std::string::npos) enqueue("claim/" + name_key(claim_kind(), *object));
        return {};
    }
    auto name = name_of(std::string_view(key).substr(key.find('/') + 1));
    const auto& kind = key.starts_with("claim/") ? claim_kind() : volume_kind();
    auto got = client_.get(kind, name.space, name.name);
    if (!got && is_not_found(got.error())) return {};
    auto object = TRY(std::move(got));
    if (&kind == &volume_kind()) return sync_volume(std::move(object));
    return annotation_of(object, is_bound).empty() ? sync_unbound(std::move(object)) : sync_bound(std::move(object));
}

Outcome<std::optional<json::object>> VolumeBinder::find(const schema::Kind& kind, std::string_view space,
                                                        std::string_view name) const {
    auto got = client_.get(kind, std::string(space), std::string(name));
    if (!got && is_not_found(got.error())) return std::optional<json::object>();
    return std::optional(TRY(std::move(got)));
}

// A claim that says nothing takes the default class, if there is one by now.
Outcome<json::object> VolumeBinder::choose_class(json::object claim) {
    if (value_in(claim, "spec.storageClassName")) return claim;
    std::optional<json::object> chosen;
    for (const auto& object : TRY(client_.list(storage_class_kind(), ""))) {
        auto one = TRY(Client::read(*object));
        if (annotation_of(one, "storageclass.kubernetes.io/is-default-class") != "true") continue;
        bool is_newer =
            !chosen || time_in(one, "metadata.creationTimestamp") > time_in(*chosen, "metadata.creationTimestamp");
        if (is_newer) chosen = std::move(one);
    }
    if (!chosen) return claim;
    make_object_in(claim, "spec")["storageClassName"] = text_in(*chosen, "metadata.name");
    return client_.update(claim_kind(), std::move(claim));
}

Outcome<void> VolumeBinder::sync_unbound(json::object claim) {
    if (is_going(claim)) return {};
    auto wished = std::string(text_in(claim, "spec.volumeName"));
    if (wished.empty()) return search(std::move(claim));
    auto volume = TRY(find(volume_kind(), "", wished));
    if (!volume) return tell_claim(claim, "Pending");
    if (is_reserved_for(*volume, claim)) return bind(std::move(*volume), std::move(claim));
    if (value_in(*volume, "spec.claimRef")) {
        events_.warning(claim, "FailedBinding",
                        fmt::format("volume \"{}\" already bound to a different claim.", wished));
        return tell_claim(claim, "Pending");
    }
    auto why = mismatch(claim, *volume);
    if (!why) return bind(std::move(*volume), std::move(claim));
    events_.warning(claim, "VolumeMismatch", fmt::format("Cannot bind to requested volume \"{}\": {}", wished, *why));
    return tell_claim(claim, "Pending");
}

Outcome<void> VolumeBinder::search(json::object given) {
    auto claim = TRY(choose_class(std::move(given)));
    auto class_name = std::string(text_in(claim, "spec.storageClassName"));
    bool waits = false;
    if (!class_name.empty()) {
        auto found = TRY(find(storage_class_kind(), "", class_name));
        waits = found && text_in(*found, "volumeBindingMode") == "WaitForFirstConsumer" &&
                annotation_of(claim, chosen_node).empty();
    }
    std::vector<json::object> volumes;
    for (const auto& object : TRY(client_.list(volume_kind(), ""))) volumes.push_back(TRY(Client::read(*object)));
    if (const auto* volume = find_volume(claim, volumes, waits)) return bind(*volume, std::move(claim));
    if (waits)
        events_.normal(claim, "WaitForFirstConsumer", "waiting for first consumer to be created before binding");
    else if (!class_name.empty())
        return await_provisioner(std::move(claim), class_name);
    else
        events_.normal(claim, "FailedBinding",
                       "no persistent volumes available for this claim and no storage class is set");
    return tell_claim(claim, "Pending");
}

// Whoever makes volumes of the class is told by an annotation.
Outcome<void> VolumeBinder::await_provisioner(json::object claim, const std::string& class_name) {
    auto found = TRY(find(storage_class_kind(), "", class_name));
    auto provisioner = found ? std::string(text_in(*found, "provisioner")) : "";
    if (!found || provisioner.starts_with("kubernetes.io/")) {
        events_.warning(claim, "ProvisioningFailed",
                        found ? "no volume plugin matched name: " + provisioner
                              : fmt::format("storageclass.storage.k8s.io \"{}\" not found", class_name));
        return tell_claim(claim, "Pending");
    }
    if (annotation_of(claim, provisioner_notes[0]) != provisioner) {
        for (auto note : provisioner_notes) make_object_in(claim, "metadata.annotations")[note] = provisioner;
        claim = TRY(client_.update(claim_kind(), std::move(claim)));
    }
    events_.normal(claim, "ExternalProvisioning",
                   fmt::format("Waiting for a volume to be created either by the external provisioner '{}' or manually "
                               "by the system administrator. If volume creation is delayed, please verify that the "
                               "provisioner is running and correctly registered.",
                               provisioner));
    return tell_claim(claim, "Pending");
}

Outcome<void> VolumeBinder::lose(const json::object& claim, std::string_view reason, const std::string& message) {
    if (text_in(claim, "status.phase") != "Lost") events_.warning(claim, reason, message);
    return tell_claim(claim, "Lost");
}

Outcome<void> VolumeBinder::sync_bound(json::object claim) {
    auto name = text_in(claim, "spec.volumeName");
    if (name.empty())
        return lose(claim, "ClaimLost",
                    "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!");
    auto volume = TRY(find(volume_kind(), "", name));
    if (!volume)
        return lose(claim, "ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!");
    const auto* reference = object_in(*volume, "spec.claimRef");
    if (!reference || is_reserved_for(*volume, claim)) return bind(std::move(*volume), std::move(claim));
    return lose(claim, "ClaimMisbound", "Two claims are bound to the same volume, this one is bound incorrectly");
}

// Volume first: whoever comes between finds it taken. Each step is left out where it has been done.
Outcome<void> VolumeBinder::bind(json::object volume, json::object claim) {
    if (text_in(volume, "spec.claimRef.uid") != text_in(claim, "metadata.uid")) {
        bool was_wished = value_in(volume, "spec.claimRef") != nullptr;
        make_object_in(volume, "spec")["claimRef"] =
            json::object{{"kind", "PersistentVolumeClaim"},
                         {"apiVersion", "v1"},
                         {"namespace", text_in(claim, "metadata.namespace")},
                         {"name", text_in(claim, "metadata.name")},
                         {"uid", text_in(claim, "metadata.uid")},
                         {"resourceVersion", text_in(claim, "metadata.resourceVersion")}};
        if (!was_wished) make_object_in(volume, "metadata.annotations")[bound_by_us] = "yes";
        volume = TRY(client_.update(volume_kind(), std::move(volume)));
    }
    volume = TRY(tell_volume(volume, "Bound"));
    auto name = std::string(text_in(volume, "metadata.name"));
    bool was_wished = text_in(claim, "spec.volumeName") == name;
    if (!was_wished || annotation_of(claim, is_bound).empty()) {
        make_object_in(claim, "spec")["volumeName"] = name;
        auto& annotations = make_object_in(claim, "metadata.annotations");
        annotations[is_bound] = "yes";
        if (!was_wished) annotations[bound_by_us] = "yes";
        claim = TRY(client_.update(claim_kind(), std::move(claim)));
    }
    return tell_claim(claim, "Bound", &volume);
}

Outcome<void> VolumeBinder::tell_claim(const json::object& claim, std::string_view phase, const json::object* volume) {
    json::object status;
    if (const auto* known = object_in(claim, "status")) status = *known;
    auto before = status;
    status["phase"] = phase;
    if (!volume) {
        status.erase("accessModes");
        status.erase("capacity");
    } else {
        if (const auto* modes = value_in(*volume, "spec.accessModes")) status["accessModes"] = *modes;
        // Afterwards the size is told by whoever resizes.
        const auto* size = value_in(*volume, "spec.capacity");
        if (size && text_in(before, "phase") != "Bound") status["capacity"] = *size;
    }
    if (status == before) return {};
    auto changed = claim;
    changed["status"] = std::move(status);
    auto written = client_.update_status(claim_kind(), std::move(changed));
    if (!written && !is_not_found(written.error())) return written.take_error();
    return {};
}

std::unique_ptr<Controller> make_volume_binder(const Means& means) { return std::make_unique<VolumeBinder>(means); }

}  // namespace pila::cluster::controllers
