// SPDX-License-Identifier: Apache-2.0
#pragma once
// Claims and volumes find each other, and part. Either may say first whom it wants. Source: kube-controller-manager's
// pkg/controller/volume/persistentvolume, without plugins that make or delete volumes: those come from outside.

#include <optional>
#include <string>

#include "cluster/controllers/controller.h"

namespace pila::cluster::controllers {

class VolumeBinder : public Controller {
public:
    explicit VolumeBinder(const Means& means);
    // "claim/NAMESPACE/NAME", "volume/NAME", "unbound" for all claims that have none.
    Outcome<void> sync(const std::string& key) override;

private:
    Outcome<void> sync_unbound(json::object claim);
    Outcome<void> search(json::object claim);
    Outcome<void> await_provisioner(json::object claim, const std::string& class_name);
    Outcome<json::object> choose_class(json::object claim);
    Outcome<void> sync_bound(json::object claim);
    Outcome<void> bind(json::object volume, json::object claim);
    Outcome<void> tell_claim(const json::object& claim, std::string_view phase, const json::object* volume = nullptr);
    Outcome<void> lose(const json::object& claim, std::string_view reason, const std::string& message);

    // volume_reclaim.cpp
    Outcome<void> sync_volume(json::object volume);
    Outcome<void> reclaim(const json::object& volume);
    Outcome<void> release(json::object volume, bool keeps_name);
    Outcome<json::object> tell_volume(const json::object& volume, std::string_view phase, const std::string& why = "");

    Outcome<std::optional<json::object>> find(const schema::Kind& kind, std::string_view space,
                                              std::string_view name) const;
};

inline constexpr std::string_view bound_by_us = "pv.kubernetes.io/bound-by-controller";

}  // namespace pila::cluster::controllers
