// SPDX-License-Identifier: Apache-2.0
#include "engine/container_table.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/log.h"
#include "base/text.h"
#include "engine/record.h"

namespace pila::engine {

static std::string spec_key(const std::string& id) { return "container/" + id + "/spec"; }
static std::string state_key(const std::string& id) { return "container/" + id + "/state"; }

static std::string intent_key(const std::string& id) { return "container/" + id + "/set"; }

Result<void> ContainerTable::load() {
    for (const auto& entry : TRY(store_.range("container/"))) {
        if (!entry.key.ends_with("/spec")) continue;
        auto id = entry.key.substr(10, entry.key.size() - 15);
        auto container = read_spec_record(id, entry.value);
        if (!container) {
            log::error("container {} cannot be read and is left out: {}", id, container.error().message());
            continue;
        }
        if (auto stored = TRY(store_.get(state_key(id)))) {
            auto state = read_state_record(stored->value);
            if (state)
                (*container)->update([&](ContainerState& current) { current = state.take(); });
            else
                log::error("state of container {} cannot be read: {}", id, state.error().message());
        }
        Lock lock(mutex_);
        id_of_name_[(*container)->name()] = id;
        by_id_[id] = container.take();
    }
    return {};
}

Result<void> ContainerTable::reserve_name(const std::string& name, const std::string& id) {
    Lock lock(mutex_);
    auto [holder, added] = id_of_name_.try_emplace(name, id);
    if (added || holder->second == id) return {};
    return Error(Errc::Conflict,
                 fmt::format("Conflict. The container name \"/{}\" is already in use by container \"{}\". You have to "
                             "remove (or rename) that container to be able to reuse that name.",
                             name, holder->second));
}

void ContainerTable::release_name(const std::string& name, const std::string& id) {
    Lock lock(mutex_);
    auto holder = id_of_name_.find(name);
    if (holder != id_of_name_.end() && holder->second == id) id_of_name_.erase(holder);
}

Result<void> ContainerTable::add(ContainerPointer container) {
    std::vector<store::Change> changes{{spec_key(container->id()), spec_record(*container), {}},
                                       {state_key(container->id()), state_record(container->state()), {}}};
    TRY(store_.transact(changes));
    Lock lock(mutex_);
    by_id_[container->id()] = std::move(container);
    return {};
}

Result<void> ContainerTable::remove(const Container& container) {
    std::vector<store::Change> changes{
        {spec_key(container.id()), {}, {}}, {state_key(container.id()), {}, {}}, {intent_key(container.id()), {}, {}}};
    Lock writing(writing_);
    TRY(store_.transact(changes));
    Lock lock(mutex_);
    std::erase_if(id_of_name_, [&](const auto& item) { return item.second == container.id(); });
    by_id_.erase(container.id());
    return {};
}

Result<void> ContainerTable::save_spec(const Container& container) {
    Lock writing(writing_);
    if (!by_id(container.id())) return {};
    TRY(store_.put(spec_key(container.id()), spec_record(container)));
    return {};
}

Result<void> ContainerTable::save_state(const Container& container) {
    Lock writing(writing_);
    if (!by_id(container.id())) return {};
    TRY(store_.put(state_key(container.id()), state_record(container.state())));
    return {};
}

Result<void> ContainerTable::save(const Container& container, std::vector<store::Change> others) {
    Lock writing(writing_);
    if (!by_id(container.id())) return {};
    others.push_back({spec_key(container.id()), spec_record(container), {}});
    others.push_back({state_key(container.id()), state_record(container.state()), {}});
    TRY(store_.transact(others));
    return {};
}

Result<void> ContainerTable::save_intent(const Container& container, const std::string& text) {
    Lock writing(writing_);
    if (!by_id(container.id())) return {};
    if (text.empty())
        TRY(store_.remove(intent_key(container.id())));
    else
        TRY(store_.put(intent_key(container.id()), text));
    return {};
}

std::string ContainerTable::intent(const Container& container) const {
    auto entry = store_.get(intent_key(container.id()));
    return entry && *entry ? (*entry)->value : std::string();
}

ContainerPointer ContainerTable::by_id(const std::string& id) const {
    Lock lock(mutex_);
    auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : found->second;
}

Result<ContainerPointer> ContainerTable::find(std::string_view name_or_id) const {
    auto wanted = name_or_id.starts_with('/') ? name_or_id.substr(1) : name_or_id;
    Lock lock(mutex_);
    if (auto exact = by_id_.find(wanted); exact != by_id_.end()) return exact->second;
    if (auto named = id_of_name_.find(wanted); named != id_of_name_.end())
        if (auto container = by_id_.find(named->second); container != by_id_.end()) return container->second;
    if (!wanted.empty() && wanted.size() < 64 && is_hex(wanted)) {
        auto first = by_id_.lower_bound(wanted);
        if (first != by_id_.end() && first->first.starts_with(wanted)) {
            auto next = std::next(first);
            if (next != by_id_.end() && next->first.starts_with(wanted))
                return Error(Errc::Invalid, fmt::format("Multiple IDs found with provided prefix: {}", wanted));
            return first->second;
        }
    }
    return Error(Errc::NotFound, fmt::format("No such container: {}", name_or_id));
}

std::vector<ContainerPointer> ContainerTable::list() const {
    std::vector<ContainerPointer> all;
    {
        Lock lock(mutex_);
        for (const auto& [id, container] : by_id_) all.push_back(container);
    }
    std::sort(all.begin(), all.end(),
              [](const auto& a, const auto& b) { return a->identity().created > b->identity().created; });
    return all;
}

}  // namespace pila::engine
