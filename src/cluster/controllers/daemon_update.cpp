// SPDX-License-Identifier: Apache-2.0
// How a DaemonSet's pods become those of a new template, and what its status says.
#include <algorithm>

#include <boost/json.hpp>

#include "cluster/controllers/daemon_look.h"
#include "cluster/controllers/fields.h"

namespace pila::cluster::controllers {

void DaemonLook::update() {
    if (text_in(set_, "spec.updateStrategy.type") == "OnDelete") return;
    auto wished = count_wished();
    auto most = scaled(value_in(set_, "spec.updateStrategy.rollingUpdate.maxUnavailable"), wished, true);
    if (auto more = surge(); more > 0)
        update_with_surge(more);
    else
        update_in_place(std::max<std::int64_t>(most, 1));
}

DaemonLook::Pair DaemonLook::pair_of(const Place& place) const {
    Pair pair;
    for (const auto& pod : place.pods) {
        if (pod.is_going) continue;
        auto& found = is_of_today(pod) ? pair.today : pair.before;
        pair.is_clear = pair.is_clear && !found;
        found = &pod;
    }
    return pair;
}

// Old pods that are not available go at once, others as long as enough are.
void DaemonLook::update_in_place(std::int64_t most) {
    std::int64_t unavailable = 0;
    std::vector<const Pod*> candidates;
    for (const auto& [node, place] : places_) {
        if (place.pods.empty() && !place.should_run) continue;
        auto pair = pair_of(place);
        if (!pair.is_clear || (pair.today != nullptr) == (pair.before != nullptr))
            ++unavailable;
        else if (pair.today)
            unavailable += !is_available(*pair.today);
        else if (is_available(*pair.before))
            candidates.push_back(pair.before);
        else {
            to_remove_.push_back(pair.before);
            ++unavailable;
        }
    }
    auto may_go = std::clamp<std::int64_t>(most - unavailable, 0, std::ssize(candidates));
    to_remove_.insert(to_remove_.end(), candidates.begin(), candidates.begin() + may_go);
}

// A new pod beside the old one, which goes once the new one is available.
void DaemonLook::update_with_surge(std::int64_t most) {
    std::int64_t surging = 0;
    std::vector<std::string> candidates;
    for (const auto& [node, place] : places_) {
        if (place.pods.empty() || !place.should_run) continue;
        auto pair = pair_of(place);
        if (!pair.is_clear)
            ++surging;
        else if (!pair.before)
            continue;
        else if (!pair.today && !is_available(*pair.before))
            to_make_.push_back(node);
        else if (!pair.today)
            candidates.push_back(node);
        else if (is_available(*pair.today))
            to_remove_.push_back(pair.before);
        else
            ++surging;
    }
    auto may_come = std::clamp<std::int64_t>(most - surging, 0, std::ssize(candidates));
    to_make_.insert(to_make_.end(), candidates.begin(), candidates.begin() + may_come);
}

Outcome<void> DaemonLook::write_status() {
    std::int64_t wished = 0, scheduled = 0, misplaced = 0, ready = 0, available = 0, updated = 0;
    for (const auto& [node, place] : places_) {
        bool has_any = !place.pods.empty();
        misplaced += has_any && !place.should_run;
        if (!place.should_run) continue;
        ++wished;
        if (!has_any) continue;
        ++scheduled;
        const auto& pod = place.pods.front();
        ready += pod.is_ready;
        available += is_available(pod);
        updated += is_of_today(pod);
    }
    json::object status;
    if (const auto* known = object_in(set_, "status")) status = *known;
    auto before = status;
    auto put = [&](std::string_view member, std::int64_t number) {
        if (number != 0)
            status[member] = number;
        else
            status.erase(member);
    };
    status["currentNumberScheduled"] = scheduled;
    status["numberMisscheduled"] = misplaced;
    status["desiredNumberScheduled"] = wished;
    status["numberReady"] = ready;
    put("observedGeneration", number_in(set_, "metadata.generation"));
    put("updatedNumberScheduled", updated);
    put("numberAvailable", available);
    put("numberUnavailable", wished - available);
    put("collisionCount", collisions_);
    if (status == before) return {};
    auto changed = set_;
    changed["status"] = std::move(status);
    auto written = tools_.client.update_status(daemon_set_kind(), std::move(changed));
    if (!written && !is_not_found(written.error())) return written.take_error();
    return {};
}

}  // namespace pila::cluster::controllers
