// SPDX-License-Identifier: Apache-2.0
// A deleted namespace takes everything within it along, says what it waits for, and goes when nothing is left.
#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "cluster/api/metadata.h"
#include "cluster/codec/codec.h"
#include "cluster/controllers/all.h"
#include "cluster/controllers/fields.h"
#include "cluster/schema/catalogue.h"

namespace pila::cluster::controllers {

namespace {

const schema::Kind& namespace_kind() {
    static const auto& kind = kind_of("", "v1", "namespaces");
    return kind;
}

// What is still there: how many of which kind, and held by which finalizers.
struct Remains {
    std::map<std::string, int> kinds, finalizers;
};

std::string list_of(const std::map<std::string, int>& counts, std::string_view form) {
    std::string text;
    for (const auto& [name, count] : counts)
        text += (text.empty() ? "" : ", ") + fmt::format(fmt::runtime(form), name, count);
    return text;
}

class Namespaces : public Controller {
public:
    explicit Namespaces(const Means& means) : Controller(means, "namespace-controller") {
        follow(namespace_kind());
        for (const auto& kind : schema::Catalogue::builtin().kinds()) {
            if (!kind.is_namespaced || !kind.has_verb("delete") || !kind.has_verb("watch") || kind.stored) continue;
            kinds_.push_back(&kind);
            means_.informers.of(kind).add_handler([this, &kind](const ObjectPointer& before, const ObjectPointer& now) {
                if (!now) content_went(kind, *before);
            });
        }
        means_.informers.on_custom(
            [this](const schema::Kind& kind, const ObjectPointer& before, const ObjectPointer& now) {
                if (!now && kind.is_namespaced) content_went(kind, *before);
            });
    }

    Outcome<void> sync(const std::string& name) override {
        auto got = client_.get(namespace_kind(), "", name);
        if (!got && is_not_found(got.error())) return {};
        auto space = TRY(std::move(got));
        if (!is_going(space)) return {};
        const auto kinds = namespaced_kinds();
        for (const auto& kind : kinds) TRY(remove_all(*kind, name));
        auto remains = TRY(look_again(kinds, name));
        if (remains.kinds.empty()) {
            auto finished = means_.registry.finish_namespace(name);
            if (!finished && !is_not_found(finished.error())) return finished;
            return {};
        }
        return tell(space, remains);
    }

private:
    std::vector<api::KindPointer> namespaced_kinds() const {
        std::vector<api::KindPointer> kinds;
        for (const auto* kind : kinds_) kinds.emplace_back(api::KindPointer(), kind);
        const auto served = means_.directory.kinds();
        for (const auto& [name, definition] : served->definitions())
            if (!definition->kinds.empty() && definition->kinds.front()->is_namespaced)
                kinds.emplace_back(definition, definition->kinds.front());
        return kinds;
    }

    void content_went(const schema::Kind& kind, const state::Object& object) {
        auto name = name_of(name_key(kind, object)).space;
        auto space = means_.registry.state().get(api::key_of(namespace_kind(), "", name));
        if (space && api::Registry::is_going(*space)) enqueue(name);
    }

    Outcome<void> remove_all(const schema::Kind& kind, const std::string& space) const {
        auto objects = TRY(client_.list(kind, space));
        for (const auto& object : objects) {
            api::DeleteOptions options;
            options.propagation = "Background";
            if (kind.name == "Pod" && !has_node(*object)) options.grace_seconds = 0;
            auto removed = client_.remove(kind, space, name_of(name_key(kind, *object)).name, options);
            if (!removed && !is_not_found(removed.error())) return removed.take_error();
        }
        return {};
    }

    // A pod whose node is not there would wait forever for somebody to end it.
    bool has_node(const state::Object& pod) const {
        auto tree = Client::read(pod);
        auto node = tree ? text_in(*tree, "spec.nodeName") : std::string_view();
        return !node.empty() && means_.registry.state().get("core/nodes/" + std::string(node));
    }

    Outcome<Remains> look_again(const std::vector<api::KindPointer>& kinds, const std::string& space) const {
        Remains remains;
        for (const auto& kind : kinds) {
            auto objects = TRY(client_.list(*kind, space));
            for (const auto& object : objects) {
                ++remains.kinds[kind->plural + "." + kind->group_version.group];
                auto tree = TRY(Client::read(*object));
                if (const auto* finalizers = list_in(tree, "metadata.finalizers"))
                    for (const auto& one : *finalizers)
                        if (one.is_string()) ++remains.finalizers[std::string(std::string_view(one.get_string()))];
            }
        }
        return remains;
    }

    void set(json::object& status, std::string_view type, bool value, std::string_view reason,
             const std::string& message) const {
        const auto* known = find_condition(status, type);
        if (known && is_true(known) == value && text_in(*known, "message") == message) return;
        auto now = codec::format_time(means_.now() / 1'000'000);
        json::object made{{"type", type},
                          {"status", value ? "True" : "False"},
                          {"lastTransitionTime", now},
                          {"reason", reason},
                          {"message", message}};
        remove_condition(status, type);
        auto& list = status["conditions"];
        if (!list.is_array()) list.emplace_array();
        list.get_array().push_back(std::move(made));
    }

    Outcome<void> tell(json::object& space, const Remains& remains) const {
        auto& status = make_object_in(space, "status");
        auto before = status;
        set(status, "NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered",
            "All resources successfully discovered");
        set(status, "NamespaceDeletionGroupVersionParsingFailure", false, "ParsedGroupVersions",
            "All legacy kube types successfully parsed");
        set(status, "NamespaceDeletionContentFailure", false, "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization");
        set(status, "NamespaceContentRemaining", true, "SomeResourcesRemain",
            "Some resources are remaining: " + list_of(remains.kinds, "{} has {} resource instances"));
        if (remains.finalizers.empty())
            set(status, "NamespaceFinalizersRemaining", false, "ContentHasNoFinalizers",
                "All content-preserving finalizers finished");
        else
            set(status, "NamespaceFinalizersRemaining", true, "SomeFinalizersRemain",
                "Some content in the namespace has finalizers remaining: " +
                    list_of(remains.finalizers, "{} in {} resource instances"));
        if (status == before) return {};
        auto written = client_.update_status(namespace_kind(), space);
        if (!written && !is_not_found(written.error())) return written.take_error();
        return {};
    }

    std::vector<const schema::Kind*> kinds_;
};

}  // namespace

std::unique_ptr<Controller> make_namespaces(const Means& means) { return std::make_unique<Namespaces>(means); }

}  // namespace pila::cluster::controllers
