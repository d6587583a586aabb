// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/informer.h"

#include <boost/json.hpp>

#include "base/log.h"
#include "cluster/api/metadata.h"
#include "cluster/controllers/fields.h"
#include "cluster/controllers/seen.h"

namespace pila::cluster::controllers {

namespace {

constexpr std::size_t batch = 500;

std::string place_of(std::string_view index, std::string_view value) {
    std::string place(index);
    place += '\0';
    place += value;
    return place;
}

}  // namespace

Informer::Informer(state::State& state, std::shared_ptr<const schema::Kind> kind)
    : state_(state), kind_(std::move(kind)), prefix_(api::prefix_of(*kind_, "")) {}

void Informer::add_index(Index index) {
    Lock lock(mutex_);
    for (const auto& known : indexes_)
        if (known.name == index.name) return;
    indexes_.push_back(std::move(index));
}

void Informer::add_handler(Handler handler) {
    Lock lock(mutex_);
    handlers_.push_back(std::move(handler));
}

Result<void> Informer::start(std::function<void()> wake) {
    Lock lock(mutex_);
    wake_ = std::move(wake);
    TRY(list_anew());
    TRY(catch_up_locked());
    return {};
}

Result<bool> Informer::catch_up() {
    Lock lock(mutex_);
    return catch_up_locked();
}

Result<bool> Informer::catch_up_locked() {
    if (!watch_) return false;
    bool any = false;
    for (;;) {
        auto events = watch_->events(batch);
        if (!events && events.error().code() == Errc::Gone) {
            TRY(list_anew());
            any = true;
            continue;
        }
        if (!events) return events.take_error();
        for (const auto& event : *events)
            take_over(event.object->key, event.type == state::EventType::Deleted ? nullptr : event.object);
        any = any || !events->empty();
        if (events->size() == batch) continue;
        if (any) forget_seen();
        return any;
    }
}

Result<void> Informer::list_anew() {
    auto page = TRY(state_.list(prefix_, "", 0, 0));
    watch_ = TRY(state_.watch(prefix_, page.revision, wake_));
    std::set<std::string_view> there;
    for (const auto& object : page.objects) there.insert(object->key);
    std::vector<std::string> gone;
    for (const auto& [key, entry] : entries_)
        if (!there.contains(key)) gone.push_back(key);
    for (const auto& key : gone) take_over(key, nullptr);
    for (auto& object : page.objects) take_over(object->key, object);
    return {};
}

std::vector<std::string> Informer::places_of(const state::Object& object) const {
    std::vector<std::string> places;
    for (const auto& index : indexes_) {
        if (!index.word.empty() && !mentions(object, index.word)) continue;
        auto tree = seen(object);
        if (!tree) return places;
        for (const auto& value : index.values(*tree)) places.push_back(place_of(index.name, value));
    }
    return places;
}

void Informer::take_over(const std::string& key, ObjectPointer now) {
    auto found = entries_.find(key);
    ObjectPointer before = found == entries_.end() ? nullptr : found->second.object;
    if (!before && !now) return;
    if (before && now && before->revision == now->revision) return;
    auto places = now ? places_of(*now) : std::vector<std::string>();
    if (before)
        for (const auto& place : found->second.places) {
            auto at = by_place_.find(place);
            if (at == by_place_.end()) continue;
            at->second.erase(key);
            if (at->second.empty()) by_place_.erase(at);
        }
    for (const auto& place : places) by_place_[place].insert(key);
    if (now)
        entries_[key] = {now, std::move(places)};
    else
        entries_.erase(found);
    for (const auto& handler : handlers_) handler(before, now);
}

std::vector<ObjectPointer> Informer::by(std::string_view index, std::string_view value) {
    Lock lock(mutex_);
    if (auto caught = catch_up_locked(); !caught) log::warning("follow {}: {}", prefix_, caught.error().message());
    std::vector<ObjectPointer> objects;
    auto at = by_place_.find(place_of(index, value));
    if (at == by_place_.end()) return objects;
    for (const auto& key : at->second) objects.push_back(entries_.at(key).object);
    return objects;
}

Informer::Index owner_index() {
    return {"owner", "\"ownerReferences\"", [](const json::object& object) {
                std::vector<std::string> values;
                for (auto& owner : owners_of(object)) values.push_back(std::move(owner.uid));
                return values;
            }};
}

Informer::Index controller_index() {
    return {"controller", "\"ownerReferences\"", [](const json::object& object) {
                auto owner = controller_of(object);
                return owner ? std::vector<std::string>{owner->uid} : std::vector<std::string>();
            }};
}

Informer::Index orphan_index() {
    return {"orphan", "", [](const json::object& object) {
                if (controller_of(object)) return std::vector<std::string>();
                return std::vector<std::string>{std::string(text_in(object, "metadata.namespace"))};
            }};
}

}  // namespace pila::cluster::controllers
