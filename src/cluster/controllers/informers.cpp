// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/informers.h"

#include "cluster/api/metadata.h"

namespace pila::cluster::controllers {

InformerPointer Informers::make(std::shared_ptr<const schema::Kind> kind) const {
    auto informer = std::make_shared<Informer>(state_, std::move(kind));
    informer->add_index(owner_index());
    return informer;
}

Informer& Informers::of(const schema::Kind& kind) {
    auto& informer = informers_[&kind];
    if (!informer) informer = make({std::shared_ptr<const schema::Kind>(), &kind});  // lives as long as the program
    return *informer;
}

Result<void> Informers::start(const InformerPointer& informer) const {
    return informer->start([wake = wake_, weak = std::weak_ptr(informer)] { wake(weak); });
}

Result<void> Informers::start(Wake wake) {
    wake_ = std::move(wake);
    for (auto& [kind, informer] : informers_) TRY(start(informer));
    return follow_definitions();
}

// A definition that changed is another one: its kind has other versions, and its objects are looked at anew.
Result<void> Informers::follow_definitions() {
    const auto kinds = directory_.kinds();
    std::map<std::string, Followed, std::less<>> now;
    for (const auto& [name, definition] : kinds->definitions()) {
        if (definition->kinds.empty()) continue;
        api::KindPointer kind(definition, definition->kinds.front());
        auto prefix = api::prefix_of(*kind, "");
        now.emplace(std::move(prefix), Followed{definition, make(kind)});
    }
    std::vector<InformerPointer> fresh;
    std::map<std::string, Followed, std::less<>> before;  // ends after the lock: an informer takes the state's
    {
        Lock lock(mutex_);
        for (auto& [prefix, followed] : now) {
            auto known = custom_.find(prefix);
            if (known != custom_.end() && known->second.definition == followed.definition)
                followed.informer = known->second.informer;
            else
                fresh.push_back(followed.informer);
        }
        before = std::exchange(custom_, std::move(now));
    }
    for (auto& informer : fresh) {
        for (const auto& handler : custom_handlers_)
            informer->add_handler(
                [&handler, &kind = informer->kind()](const auto& old, const auto& made) { handler(kind, old, made); });
        TRY(start(informer));
    }
    return {};
}

std::vector<InformerPointer> Informers::all() const {
    std::vector<InformerPointer> all;
    for (const auto& [kind, informer] : informers_) all.push_back(informer);
    Lock lock(mutex_);
    for (const auto& [prefix, followed] : custom_) all.push_back(followed.informer);
    return all;
}

InformerPointer Informers::find_custom(std::string_view prefix) const {
    Lock lock(mutex_);
    auto found = custom_.find(prefix);
    return found == custom_.end() ? nullptr : found->second.informer;
}

}  // namespace pila::cluster::controllers
