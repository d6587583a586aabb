// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which kinds are served: the built-in ones, and those of the definitions that are stored. A request takes the kind it
// is about and keeps it, whatever becomes of its definition meanwhile. Threads: any; definitions are written one at a
// time.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "base/published.h"
#include "cluster/api/registry.h"
#include "cluster/custom/custom.h"
#include "cluster/discovery/documents.h"

namespace pila::cluster::api {

using KindPointer = std::shared_ptr<const schema::Kind>;  // keeps the definition that the kind is of
using DefinitionPointer = std::shared_ptr<const custom::Definition>;
using Definitions = std::map<std::string, DefinitionPointer, std::less<>>;  // by name

// The kinds of one time. Nothing changes once it is made.
class Kinds {
public:
    Kinds(Definitions definitions, const discovery::About& about, const Kinds* previous);

    KindPointer find(const schema::GroupVersion& group_version, std::string_view plural) const;  // null: none
    KindPointer find_kind(const schema::GroupVersion& group_version, std::string_view kind) const;
    const std::vector<const schema::Kind*>& all() const { return all_; }
    const Definitions& definitions() const { return *definitions_; }
    const discovery::Documents& documents() const { return *documents_; }

private:
    struct Entry {
        const schema::Kind* kind;
        DefinitionPointer owner;
    };
    using Index = std::unordered_map<std::string, Entry>;
    void add(const schema::Kind& kind, const DefinitionPointer& owner);
    static KindPointer find(const Index& index, const schema::GroupVersion& group_version, std::string_view name);

    std::shared_ptr<const Definitions> definitions_;
    std::vector<const schema::Kind*> all_;
    Index by_plural_, by_kind_;
    std::unique_ptr<discovery::Documents> documents_;
};

class Directory final : public DefinitionWrites {
public:
    Directory(state::State& state, discovery::About about);

    // What is to be done when a definition begins to go, or waits for its objects; when names became free in a group.
    // Before load(). They run under a lock: they put it off.
    void on_going(std::function<void(const std::string& name)> call) { on_going_ = std::move(call); }
    void on_names_free(std::function<void(const std::string& group)> call) { on_names_free_ = std::move(call); }
    // The definitions that are stored; those that were going go on.
    Result<void> load();

    std::shared_ptr<const Kinds> kinds() const { return kinds_.load(); }
    std::vector<std::string> waiting_definitions(const std::string& group) const;  // for names that others have

    Outcome<Written> write(Call& call, const json::object& object, const Store& store) override;
    Outcome<Written> erase(const Call& call, const std::function<Outcome<Written>()>& erase) override;
    void freed(const schema::Kind& kind) override;

private:
    struct Named {
        std::string group;
        custom::Names names;
        bool waits = false;
    };
    void load(const state::Object& stored, Definitions& definitions) REQUIRES(writing_);
    Outcome<Written> publish(const Call& call, const json::object& object, DefinitionPointer made, Named named,
                             const Store& store) REQUIRES(writing_);
    Outcome<void> remove_remains(const custom::Definition& definition) const;
    custom::Acceptance accept(const json::object& definition, std::string_view name) const REQUIRES(writing_);

    state::State& state_;
    const discovery::About about_;
    std::function<void(const std::string&)> on_going_, on_names_free_;
    Published<Kinds> kinds_;
    mutable Mutex writing_;
    std::map<std::string, Named, std::less<>> named_ GUARDED_BY(writing_);  // all definitions, served or not
};

}  // namespace pila::cluster::api
