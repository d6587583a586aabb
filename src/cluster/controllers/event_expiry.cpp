// SPDX-License-Identifier: Apache-2.0
// Events go an hour after they were last said, whoever said them.
#include <algorithm>

#include "cluster/controllers/all.h"
#include "cluster/controllers/fields.h"

namespace pila::cluster::controllers {

namespace {

constexpr std::int64_t lasts_seconds = 3600;

class EventExpiry : public Controller {
public:
    explicit EventExpiry(const Means& means) : Controller(means, "event-expiry"), kind_(kind_of("", "v1", "events")) {
        // What was there at the start is looked at once; what comes later has its hour before it.
        means_.informers.of(kind_).add_handler([this](const ObjectPointer& before, const ObjectPointer& now) {
            if (now && !before) enqueue(name_key(kind_, *now));
        });
    }

    Outcome<void> sync(const std::string& key) override {
        auto name = name_of(key);
        auto got = client_.get(kind_, name.space, name.name);
        if (!got && is_not_found(got.error())) return {};
        auto event = TRY(std::move(got));
        auto said = std::max({time_in(event, "metadata.creationTimestamp"), time_in(event, "lastTimestamp"),
                              time_in(event, "eventTime"), time_in(event, "series.lastObservedTime")});
        auto left = said / 1'000'000 + lasts_seconds - means_.now() / 1'000'000;
        if (left <= 0) return client_.remove(kind_, event, "Background", Client::Only::SameRevision);
        enqueue_after(key, left);
        return {};
    }

private:
    const schema::Kind& kind_;
};

}  // namespace

std::unique_ptr<Controller> make_event_expiry(const Means& means) { return std::make_unique<EventExpiry>(means); }

}  // namespace pila::cluster::controllers
