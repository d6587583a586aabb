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

InformerPointer Informers::make_custom(const api::DefinitionPointer& definition) const {
    auto informer = make({definition, definition->kinds.front()});
    for (const auto& handler : custom_handlers_)
        informer->add_handler(
            [&handler, &kind = informer->kind()](const auto& old, const auto& made) { handler(kind, old, made); });
    return informer;
}

// A definition that changed is another one: its kind has other versions, and its objects are looked at anew. The new
// informer begins before the old one hears its last, so nothing that happens in between is missed.
Result<void> Informers::follow_definitions() {
    Definitions before;
    {
        Lock lock(mutex_);
        before = custom_;
    }
    Definitions now;
    const auto kinds = directory_.kinds();
    for (const auto& [name, definition] : kinds->definitions()) {
        if (definition->kinds.empty()) continue;
        auto known = before.find(name);
        if (known != before.end() && known->second.definition == definition) {
            now.insert(before.extract(known));
        } else {
            auto informer = make_custom(definition);
            TRY(start(informer));
            now.emplace(name, Followed{definition, std::move(informer)});
        }
    }
    {
        Lock lock(mutex_);
        custom_.swap(now);
    }
    for (const auto& [name, followed] : before) TRY(followed.informer->catch_up());
    return {};  // those that went end after the lock: an informer takes the state's
}

std::vector<InformerPointer> Informers::all() const {
    std::vector<InformerPointer> all;
    for (const auto& [kind, informer] : informers_) all.push_back(informer);
    Lock lock(mutex_);
    for (const auto& [name, followed] : custom_) all.push_back(followed.informer);
    return all;
}

}  // namespace pila::cluster::controllers
