// SPDX-License-Identifier: Apache-2.0
#pragma once
// One informer for each kind that somebody follows, and one for each custom kind that is served now.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "cluster/api/directory.h"
#include "cluster/controllers/informer.h"

namespace pila::cluster::controllers {

using InformerPointer = std::shared_ptr<Informer>;
// Of an object of a custom kind; otherwise as Informer::Handler.
using CustomHandler =
    std::function<void(const schema::Kind& kind, const ObjectPointer& before, const ObjectPointer& now)>;

class Informers {
public:
    using Wake = std::function<void(const std::weak_ptr<Informer>&)>;  // as Informer::start() has it

    Informers(state::State& state, const api::Directory& directory) : state_(state), directory_(directory) {}

    // Before start(), on one thread: of a built-in kind, made when first asked for; whoever hears of custom ones.
    Informer& of(const schema::Kind& kind);
    void on_custom(CustomHandler handler) { custom_handlers_.push_back(std::move(handler)); }

    Result<void> start(Wake wake);
    // After a definition came, changed or went; one call at a time. Threads, from here on: any.
    Result<void> follow_definitions() EXCLUDES(mutex_);
    std::vector<InformerPointer> all() const EXCLUDES(mutex_);

private:
    struct Followed {
        api::DefinitionPointer definition;
        InformerPointer informer;
    };
    using Definitions = std::map<std::string, Followed, std::less<>>;  // by name

    InformerPointer make(std::shared_ptr<const schema::Kind> kind) const;
    InformerPointer make_custom(const api::DefinitionPointer& definition) const;
    Result<void> start(const InformerPointer& informer) const;

    state::State& state_;
    const api::Directory& directory_;
    Wake wake_;
    std::map<const schema::Kind*, InformerPointer> informers_;
    std::vector<CustomHandler> custom_handlers_;
    mutable Mutex mutex_;
    Definitions custom_ GUARDED_BY(mutex_);
};

}  // namespace pila::cluster::controllers
