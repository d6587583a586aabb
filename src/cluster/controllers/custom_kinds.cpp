// SPDX-License-Identifier: Apache-2.0
// Objects of custom kinds are followed as long as their definition is there.
#include "cluster/controllers/all.h"
#include "cluster/controllers/fields.h"

namespace pila::cluster::controllers {

namespace {

class CustomKinds : public Controller {
public:
    explicit CustomKinds(const Means& means) : Controller(means, "custom-kinds") {
        // A definition is served before it is stored: whoever hears of it here finds its kinds.
        means_.informers.of(kind_of("apiextensions.k8s.io", "v1", "customresourcedefinitions"))
            .add_handler([this](const ObjectPointer&, const ObjectPointer&) { enqueue("all"); });
    }

    Outcome<void> sync(const std::string&) override {
        TRY(means_.informers.follow_definitions());
        return {};
    }
};

}  // namespace

std::unique_ptr<Controller> make_custom_kinds(const Means& means) { return std::make_unique<CustomKinds>(means); }

}  // namespace pila::cluster::controllers
