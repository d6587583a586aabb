// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/directory.h"

#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/log.h"
#include "cluster/api/metadata.h"
#include "cluster/schema/catalogue.h"

namespace pila::cluster::api {

namespace {

constexpr std::string_view definitions_key = "apiextensions.k8s.io/customresourcedefinitions/";
constexpr std::string_view cleanup_finalizer = "customresourcecleanup.apiextensions.k8s.io";

std::string index_key(const schema::GroupVersion& group_version, std::string_view name) {
    return fmt::format("{}/{}/{}", group_version.group, group_version.version, name);
}

const json::value* member(const json::object& object, std::string_view outer, std::string_view inner) {
    const auto* found = object.if_contains(outer);
    return found && found->is_object() ? found->get_object().if_contains(inner) : nullptr;
}

std::string text_member(const json::object& object, std::string_view outer, std::string_view inner) {
    const auto* value = member(object, outer, inner);
    return value && value->is_string() ? std::string(value->get_string()) : "";
}

// Its objects go before it does.
void keep_finalizer(json::object& definition) {
    auto& list = meta(definition)["finalizers"];
    if (!list.is_array()) list.emplace_array();
    auto& items = list.get_array();
    const json::value wanted(cleanup_finalizer);
    if (std::find(items.begin(), items.end(), wanted) == items.end()) items.push_back(wanted);
}

// Versions that objects may be stored in must be there.
std::vector<Cause> check_stored_versions(const json::object& definition) {
    std::vector<Cause> causes;
    const auto* stored = member(definition, "status", "storedVersions");
    const auto* versions = member(definition, "spec", "versions");
    if (!stored || !stored->is_array() || !versions || !versions->is_array()) return causes;
    std::size_t index = 0;
    for (const auto& name : stored->get_array()) {
        const auto& all = versions->get_array();
        const bool is_there = std::any_of(all.begin(), all.end(), [&](const json::value& version) {
            const auto* own = version.is_object() ? version.get_object().if_contains("name") : nullptr;
            return own && *own == name;
        });
        if (!is_there)
            causes.push_back(kinds::invalid_value(fmt::format("status.storedVersions[{}]", index),
                                                  kinds::value_text(name), "must appear in spec.versions"));
        ++index;
    }
    return causes;
}

json::value parse(const state::Object& object) {
    auto parsed = codec::read_stored(object.bytes);
    return parsed ? parsed.take() : json::value(json::object());
}

}  // namespace

bool is_definition(const schema::Kind& kind) {
    return kind.name == "CustomResourceDefinition" && kind.group_version.group == "apiextensions.k8s.io";
}

Kinds::Kinds(Definitions definitions, const discovery::About& about, const Kinds* previous)
    : definitions_(std::make_shared<const Definitions>(std::move(definitions))) {
    for (const auto& kind : schema::Catalogue::builtin().kinds()) add(kind, nullptr);
    for (const auto& [name, definition] : *definitions_)
        for (const auto* kind : definition->kinds) add(*kind, definition);
    documents_ = std::make_unique<discovery::Documents>(all_, about, definitions_,
                                                        previous ? previous->documents_.get() : nullptr);
}

// What is built in stays, should a definition want its place.
void Kinds::add(const schema::Kind& kind, const DefinitionPointer& owner) {
    if (!by_plural_.try_emplace(index_key(kind.group_version, kind.plural), Entry{&kind, owner}).second) return;
    by_kind_.try_emplace(index_key(kind.group_version, kind.name), Entry{&kind, owner});
    all_.push_back(&kind);
}

KindPointer Kinds::find(const Index& index, const schema::GroupVersion& group_version, std::string_view name) {
    auto found = index.find(index_key(group_version, name));
    return found == index.end() ? nullptr : KindPointer(found->second.owner, found->second.kind);
}

KindPointer Kinds::find(const schema::GroupVersion& group_version, std::string_view plural) const {
    return find(by_plural_, group_version, plural);
}

KindPointer Kinds::find_kind(const schema::GroupVersion& group_version, std::string_view kind) const {
    return find(by_kind_, group_version, kind);
}

Directory::Directory(state::State& state, discovery::About about) : state_(state), about_(std::move(about)) {
    kinds_.store(std::make_shared<const Kinds>(Definitions(), about_, nullptr));
}

Result<void> Directory::load() {
    auto page = TRY(state_.list(definitions_key, "", 0, 0));
    Lock lock(writing_);
    Definitions definitions;
    for (const auto& stored : page.objects) load(*stored, definitions);
    kinds_.store(std::make_shared<const Kinds>(std::move(definitions), about_, kinds_.load().get()));
    return {};
}

void Directory::load(const state::Object& stored, Definitions& definitions) {
    auto tree = parse(stored);
    const auto& object = tree.get_object();
    auto name = text_member(object, "metadata", "name");
    auto wanted = custom::read_names(member(object, "spec", "names"));
    auto names = custom::read_names(member(object, "status", "acceptedNames"));
    named_[name] = {text_member(object, "spec", "group"), names, names != wanted};
    if (custom::is_established(object)) {
        custom::Findings findings;
        auto made = custom::compile(object, names, findings);
        if (made)
            definitions[name] = std::move(made);
        else
            log::warning("custom resource definition {} is not served: {}: {}", name, findings.causes.front().field,
                         findings.causes.front().message);
    }
    if (!text_member(object, "metadata", "deletionTimestamp").empty() && on_going_) on_going_(name);
}

custom::Acceptance Directory::accept(const json::object& definition, std::string_view name) const {
    const auto group = text_member(definition, "spec", "group");
    std::vector<custom::Names> others;
    custom::Names before;
    for (const auto& [other, named] : named_) {
        if (other == name)
            before = named.names;
        else if (named.group == group)
            others.push_back(named.names);
    }
    return custom::accept_names(custom::read_names(member(definition, "spec", "names")), before, others);
}

Outcome<Written> Directory::write(Call& call, const json::object& given, const Store& store) {
    Lock lock(writing_);
    json::object object(given, call.memory);
    const bool is_going = !meta_text(object, "deletionTimestamp").empty();
    if (!is_going) keep_finalizer(object);
    auto acceptance = accept(object, call.name);
    custom::write_status(object, acceptance, now_text());
    if (auto causes = check_stored_versions(object); !causes.empty())
        return invalid(call.kind, call.name, std::move(causes));

    const auto live = state_.get(std::string(definitions_key) + call.name);
    const auto before = live ? parse(*live) : json::value(json::object());
    const auto* spec = object.if_contains("spec");
    const auto* old_spec = before.get_object().if_contains("spec");
    const auto served = kinds();
    const auto known = served->definitions().find(call.name);
    const bool is_known = known != served->definitions().end();
    DefinitionPointer made = is_known ? known->second : nullptr;
    bool is_same =
        made && spec && old_spec && *spec == *old_spec && made->names == acceptance.names && made->is_going == is_going;
    if (!is_same) {
        custom::Findings findings;
        made = custom::compile(object, acceptance.names, findings);
        if (!made && !is_going) return invalid(call.kind, call.name, std::move(findings.causes));
        if (call.subresource.empty() && !is_going)
            std::move(findings.warnings.begin(), findings.warnings.end(), std::back_inserter(call.warnings));
    }
    if (call.dry_run) return store(object);
    if (!live && made) TRY(remove_remains(*made));
    if (!custom::is_established(object)) made = nullptr;
    Named named{text_member(object, "spec", "group"), acceptance.names, !acceptance.reason.empty()};
    auto written = publish(call, object, std::move(made), std::move(named), store);
    if (written && is_going && on_going_) on_going_(call.name);
    return written;
}

// Served before it is stored: whoever sees it stored, in a watch, may use it.
Outcome<Written> Directory::publish(const Call& call, const json::object& object, DefinitionPointer made, Named named,
                                    const Store& store) {
    const auto before = kinds();
    auto definitions = before->definitions();
    const auto found = definitions.find(call.name);
    const bool is_same = found == definitions.end() ? !made : found->second == made;
    if (!is_same) {
        if (made)
            definitions[call.name] = std::move(made);
        else
            definitions.erase(call.name);
        kinds_.store(std::make_shared<const Kinds>(std::move(definitions), about_, before.get()));
    }
    auto written = store(object);
    if (written)
        named_[call.name] = std::move(named);
    else if (!is_same)
        kinds_.store(before);
    return written;
}

// Of a definition of this name that went while somebody still wrote objects.
Outcome<void> Directory::remove_remains(const custom::Definition& definition) const {
    if (definition.kinds.empty()) return {};
    auto page = TRY(state_.list(prefix_of(*definition.kinds.front(), ""), "", 0, 0));
    for (const auto& object : page.objects) {
        state::Write write;
        write.key = object->key;
        auto erased = state_.write(std::move(write));
        if (!erased && erased.error().code() != Errc::NotFound) return erased.error();
    }
    return {};
}

Outcome<Written> Directory::erase(const Call& call, const std::function<Outcome<Written>()>& erase) {
    Lock lock(writing_);
    auto gone = erase();
    if (!gone || call.dry_run) return gone;
    const auto before = kinds();
    auto definitions = before->definitions();
    if (definitions.erase(call.name) > 0)
        kinds_.store(std::make_shared<const Kinds>(std::move(definitions), about_, before.get()));
    auto named = named_.extract(call.name);
    if (!named.empty() && on_names_free_) on_names_free_(named.mapped().group);
    return gone;
}

std::vector<std::string> Directory::waiting_definitions(const std::string& group) const {
    Lock lock(writing_);
    std::vector<std::string> names;
    for (const auto& [name, named] : named_)
        if (named.group == group && named.waits) names.push_back(name);
    return names;
}

void Directory::freed(const schema::Kind& kind) {
    auto now = kinds()->find(kind.group_version, kind.plural);
    if (now && now->custom && now->custom->is_going && on_going_) on_going_(now->resource());
}

}  // namespace pila::cluster::api
