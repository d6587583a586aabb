// SPDX-License-Identifier: Apache-2.0
// Claims of pods whose volumes say what claim they wish (spec.volumes[].ephemeral): made for the pod, which owns them
// (kube-controller-manager's pkg/controller/volume/ephemeral).
#include <fmt/core.h>
#include <boost/json.hpp>

#include "cluster/controllers/all.h"
#include "cluster/controllers/fields.h"
#include "cluster/controllers/pods.h"
#include "cluster/controllers/stateful_look.h"

namespace pila::cluster::controllers {

namespace {

constexpr std::string_view word = "\"ephemeral\":{";

class EphemeralClaims : public Controller {
public:
    explicit EphemeralClaims(const Means& means) : Controller(means, "ephemeral-volume-controller") {
        means_.informers.of(pod_kind()).add_handler([this](const ObjectPointer& before, const ObjectPointer& now) {
            if (now && !before && mentions(*now, word)) enqueue(name_key(pod_kind(), *now));
        });
        means_.informers.of(claim_kind()).add_handler([this](const ObjectPointer& before, const ObjectPointer& now) {
            if (now || !before) return;
            auto claim = seen(*before);
            auto owner = claim ? controller_of(*claim) : std::nullopt;
            if (owner && owner->kind == pod_kind().name)
                enqueue(std::string(text_in(*claim, "metadata.namespace")) + "/" + owner->name);
        });
    }

    Outcome<void> sync(const std::string& key) override {
        auto name = name_of(key);
        auto got = client_.get(pod_kind(), name.space, name.name);
        if (!got && is_not_found(got.error())) return {};
        auto pod = TRY(std::move(got));
        if (is_going(pod) || Pod(pod).phase == Pod::Phase::Over) return {};
        const auto* volumes = list_in(pod, "spec.volumes");
        for (std::size_t index = 0; volumes && index < volumes->size(); ++index) {
            const auto* volume = (*volumes)[index].if_object();
            const auto* wished = volume ? object_in(*volume, "ephemeral.volumeClaimTemplate") : nullptr;
            if (wished) TRY(provide(pod, std::string(text_in(*volume, "name")), *wished));
        }
        return {};
    }

private:
    Outcome<void> provide(const json::object& pod, const std::string& volume, const json::object& wished) {
        auto space = std::string(text_in(pod, "metadata.namespace"));
        auto name = fmt::format("{}-{}", text_in(pod, "metadata.name"), volume);
        auto found = client_.get(claim_kind(), space, name);
        if (!found && !is_not_found(found.error())) return found.take_error();
        if (found) {
            auto owner = controller_of(*found);
            if (owner && owner->uid == text_in(pod, "metadata.uid")) return {};
            return fail(pod, volume,
                        api::Status(409, "Conflict",
                                    fmt::format("PVC {}/{} was not created for pod {}/{} (pod is not owner)", space,
                                                name, space, text_in(pod, "metadata.name"))));
        }
        json::object claim;
        auto& metadata = make_object_in(claim, "metadata");
        for (auto member : {"labels", "annotations"})
            if (const auto* value = value_in(wished, std::string("metadata.") + member)) metadata[member] = *value;
        metadata["name"] = name;
        metadata["namespace"] = space;
        metadata["ownerReferences"] = json::array{json::value(reference_to(pod, pod_kind()))};
        if (const auto* spec = value_in(wished, "spec")) claim["spec"] = *spec;
        auto made = client_.create(claim_kind(), std::move(claim));
        if (made || made.error().code == 403) return {};  // 403: its namespace ends
        return fail(pod, volume, made.take_error());
    }

    Outcome<void> fail(const json::object& pod, const std::string& volume, api::Status why) {
        events_.warning(pod, "FailedBinding", fmt::format("ephemeral volume {}: {}", volume, why.message));
        return why;
    }
};

}  // namespace

std::unique_ptr<Controller> make_ephemeral_claims(const Means& means) {
    return std::make_unique<EphemeralClaims>(means);
}

}  // namespace pila::cluster::controllers
