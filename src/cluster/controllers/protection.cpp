// SPDX-License-Identifier: Apache-2.0
// Claims that pods use and volumes that are bound stay until that is over, even if they were deleted: a finalizer,
// which they get when they are made, goes then (kube-controller-manager's pkg/controller/volume/pvcprotection,
// pvprotection).
#include <algorithm>

#include <boost/json.hpp>

#include "cluster/controllers/all.h"
#include "cluster/controllers/fields.h"
#include "cluster/controllers/pods.h"
#include "cluster/controllers/stateful_look.h"
#include "cluster/controllers/volume_match.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::controllers {

namespace {

constexpr std::string_view claim_finalizer = "kubernetes.io/pvc-protection";
constexpr std::string_view volume_finalizer = "kubernetes.io/pv-protection";

// "NAMESPACE/NAME" of the claims that a pod uses. One without a node does not: nobody mounts anything for it.
std::vector<std::string> claims_of(const json::object& pod) {
    std::vector<std::string> claims;
    if (text_in(pod, "spec.nodeName").empty()) return claims;
    auto space = std::string(text_in(pod, "metadata.namespace")) + "/";
    kinds::each_object(list_in(pod, "spec.volumes"), [&](const json::object& volume, std::size_t) {
        if (auto name = text_in(volume, "persistentVolumeClaim.claimName"); !name.empty())
            claims.push_back(space + std::string(name));
        else if (value_in(volume, "ephemeral"))
            claims.push_back(space + std::string(text_in(pod, "metadata.name")) + "-" +
                             std::string(text_in(volume, "name")));
    });
    return claims;
}

class ClaimProtection : public Controller {
public:
    explicit ClaimProtection(const Means& means)
        : Controller(means, "pvc-protection-controller"), pods_(means_.informers.of(pod_kind())) {
        follow(claim_kind());
        pods_.add_index({"claim", "\"volumes\":[", claims_of});
        pods_.add_handler([this](const ObjectPointer& before, const ObjectPointer& now) {
            if (now || !before || !mentions(*before, "\"volumes\":[")) return;
            auto pod = seen(*before);
            if (!pod) return;
            for (const auto& claim : claims_of(*pod)) enqueue(claim);
        });
    }

    Outcome<void> sync(const std::string& key) override {
        auto name = name_of(key);
        auto got = client_.get(claim_kind(), name.space, name.name);
        if (!got && is_not_found(got.error())) return {};
        auto claim = TRY(std::move(got));
        if (!is_going(claim) || !has_finalizer(claim, claim_finalizer) || !pods_.by("claim", key).empty()) return {};
        auto freed = client_.drop_finalizer(claim_kind(), claim, claim_finalizer);
        return freed || is_not_found(freed.error()) ? Outcome<void>() : freed.take_error();
    }

private:
    Informer& pods_;
};

class VolumeProtection : public Controller {
public:
    explicit VolumeProtection(const Means& means) : Controller(means, "pv-protection-controller") {
        follow(volume_kind());
    }

    Outcome<void> sync(const std::string& key) override {
        auto got = client_.get(volume_kind(), "", key);
        if (!got && is_not_found(got.error())) return {};
        auto volume = TRY(std::move(got));
        if (!is_going(volume) || !has_finalizer(volume, volume_finalizer)) return {};
        if (text_in(volume, "status.phase") == "Bound") return {};
        auto freed = client_.drop_finalizer(volume_kind(), volume, volume_finalizer);
        return freed || is_not_found(freed.error()) ? Outcome<void>() : freed.take_error();
    }
};

}  // namespace

std::unique_ptr<Controller> make_claim_protection(const Means& means) {
    return std::make_unique<ClaimProtection>(means);
}
std::unique_ptr<Controller> make_volume_protection(const Means& means) {
    return std::make_unique<VolumeProtection>(means);
}

}  // namespace pila::cluster::controllers
