// SPDX-License-Identifier: Apache-2.0
// Deployments: whom a change concerns, and one Rollout at each look.
#include "cluster/api/metadata.h"
#include "cluster/controllers/all.h"
#include "cluster/controllers/claims.h"
#include "cluster/controllers/fields.h"
#include "cluster/controllers/pods.h"
#include "cluster/controllers/rollout.h"

namespace pila::cluster::controllers {

namespace {

class Deployments : public Controller {
public:
    explicit Deployments(const Means& means)
        : Controller(means, "deployment-controller"),
          sets_(means_.informers.of(deployment::set_kind())),
          pods_(means_.informers.of(pod_kind())) {
        follow(deployment::kind());
        follow_owned(means_.informers, means_.registry.state(), deployment::set_kind(), deployment::kind(),
                     [this](const std::string& key) { enqueue(key); });
        pods_.add_index(controller_index());
        pods_.add_handler([this](const ObjectPointer& before, const ObjectPointer& now) {
            if (before && !now) pod_went(*before);
        });
    }

    Outcome<void> sync(const std::string& key) override {
        auto name = name_of(key);
        auto got = client_.get(deployment::kind(), name.space, name.name);
        if (!got && is_not_found(got.error())) return {};
        auto object = TRY(std::move(got));
        auto selector = selector_of(object);
        if (!selector || selector->empty()) return {};
        auto sets = TRY(claim(sets_, client_, object, deployment::kind(), *selector));
        Rollout rollout({client_, events_, pods_, means_.now()}, std::move(object), std::move(sets));
        auto done = rollout.run();
        if (auto seconds = rollout.look_again_in(); done && seconds) enqueue_after(key, *seconds);
        return done;
    }

private:
    // Recreate waits for the last pod of yesterday.
    void pod_went(const state::Object& pod) {
        auto tree = seen(pod);
        auto owner = tree ? controller_of(*tree) : std::nullopt;
        if (!owner || owner->kind != "ReplicaSet") return;
        auto space = std::string(text_in(*tree, "metadata.namespace"));
        auto set = means_.registry.state().get(api::key_of(deployment::set_kind(), space, owner->name));
        auto set_tree = set ? seen(*set) : nullptr;
        auto parent = set_tree ? controller_of(*set_tree) : std::nullopt;
        if (parent && parent->kind == "Deployment") enqueue(space + "/" + parent->name);
    }

    Informer& sets_;
    Informer& pods_;
};

}  // namespace

std::unique_ptr<Controller> make_deployments(const Means& means) { return std::make_unique<Deployments>(means); }

}  // namespace pila::cluster::controllers
