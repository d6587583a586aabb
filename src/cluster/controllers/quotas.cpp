// SPDX-License-Identifier: Apache-2.0
// Quotas: what they allow becomes what they enforce, and what is used is counted anew when something has gone or become
// less. The counting is admission's (cluster/admission/quotas.cpp), which knows what is about to be stored: a write of
// a quota's status by this controller asks for it.
#include <boost/json.hpp>

#include "cluster/api/metadata.h"
#include "cluster/controllers/all.h"
#include "cluster/controllers/fields.h"
#include "cluster/schema/catalogue.h"

namespace pila::cluster::controllers {

namespace {

// Objects that come are charged as they come; whatever came while the quota was made is seen this much later. Changes
// of one namespace within it are counted once.
constexpr std::int64_t patience_seconds = 1;

bool is_measured(const schema::Kind& kind) {
    if (!kind.is_namespaced || kind.stored || kind.name == "Event") return false;
    return kind.has_verb("list") && kind.has_verb("watch");
}

bool same(const json::value* left, const json::value* right) { return left && right ? *left == *right : left == right; }

class Quotas : public Controller {
public:
    explicit Quotas(const Means& means) : Controller(means, "resourcequota-controller") {
        for (const auto& kind : schema::Catalogue::builtin().kinds()) {
            if (!is_measured(kind) || &kind == &kind_) continue;
            means_.informers.of(kind).add_handler(
                [this, &kind](const ObjectPointer& before, const ObjectPointer& now) { on_change(kind, before, now); });
        }
        means_.informers.on_custom(
            [this](const schema::Kind& kind, const ObjectPointer& before, const ObjectPointer& now) {
                if (kind.is_namespaced) on_change(kind, before, now);
            });
        means_.informers.of(kind_).add_handler([this](const ObjectPointer& before, const ObjectPointer& now) {
            if (!now)
                enqueue(name_of(name_key(kind_, *before)).space);
            else if (!before || is_new_wish(*now))
                enqueue(name_of(name_key(kind_, *now)).space);
        });
    }

    Outcome<void> sync(const std::string& space) override {
        for (const auto& stored : TRY(client_.list(kind_, space))) {
            auto quota = TRY(Client::read(*stored));
            json::object status;
            if (const auto* before = object_in(quota, "status")) status = *before;
            const auto* hard = value_in(quota, "spec.hard");
            status["hard"] = hard ? *hard : json::value(json::object());
            quota["status"] = std::move(status);
            auto written = client_.update_status(kind_, std::move(quota));
            if (!written && !is_not_found(written.error())) return written.take_error();
        }
        return {};
    }

private:
    // Charges change what is used and nothing else: they are as they should be.
    static bool is_new_wish(const state::Object& stored) {
        auto quota = seen(stored);
        return quota && !same(value_in(*quota, "spec.hard"), value_in(*quota, "status.hard"));
    }

    void on_change(const schema::Kind& kind, const ObjectPointer& before, const ObjectPointer& now) {
        auto space = name_of(name_key(kind, now ? *now : *before)).space;
        auto quotas = means_.registry.state().list(api::prefix_of(kind_, space), "", 1, 0);
        if (!quotas || quotas->objects.empty()) return;
        if (!now)
            enqueue(space);
        else
            enqueue_after(space, patience_seconds);
    }

    const schema::Kind& kind_ = kind_of("", "v1", "resourcequotas");
};

}  // namespace

std::unique_ptr<Controller> make_quotas(const Means& means) { return std::make_unique<Quotas>(means); }

}  // namespace pila::cluster::controllers
