// SPDX-License-Identifier: Apache-2.0
#include "cluster/webhooks/webhooks.h"

#include <algorithm>
#include <thread>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/log.h"
#include "base/random.h"
#include "cluster/codec/codec.h"
#include "cluster/kinds/tree.h"
#include "cluster/patch/patch.h"
#include "cluster/webhooks/hook.h"
#include "cluster/webhooks/review.h"
#include "http/waiting.h"

namespace pila::cluster::webhooks {

struct Webhooks::Table {
    std::vector<HookPointer> mutating, validating;  // by the names of their configurations
};

namespace {

constexpr std::string_view prefixes[] = {"admissionregistration.k8s.io/mutatingwebhookconfigurations/",
                                         "admissionregistration.k8s.io/validatingwebhookconfigurations/"};

// A webhook must not keep people from mending webhooks.
bool is_exempt(const schema::Kind& kind) {
    return kind.group_version.group == "admissionregistration.k8s.io" &&
           (kind.plural == "mutatingwebhookconfigurations" || kind.plural == "validatingwebhookconfigurations" ||
            kind.plural == "validatingadmissionpolicies" || kind.plural == "validatingadmissionpolicybindings");
}

Subject subject_of(const Request& request, const json::object* object, const json::object* before) {
    return {request.operation, request.kind, request.name_space, request.name, request.subresource, object, before};
}

std::optional<Refusal> failed(const Hook& hook, const Error& error) {
    if (!hook.is_vital()) {
        log::warning("failed calling webhook, failing open {}: {}", hook.name(), error.message());
        return {};
    }
    return Refusal{500, "InternalError",
                   fmt::format("Internal error occurred: failed calling webhook \"{}\": failed to call webhook: {}",
                               hook.name(), error.message())};
}

Result<Verdict> ask(const Hook& hook, const state::State& state, const Context& context, const std::string& uid,
                    const std::string& question) {
    auto text = TRY(hook.post(state, context.with_timeout(hook.timeout()), question));
    return read_verdict(hook, text, uid);
}

// What nobody may change between the request and the store.
bool keeps_identity(const json::object& before, const json::object& after) {
    const auto *old_one = kinds::object_at(before, "metadata"), *new_one = kinds::object_at(after, "metadata");
    if (!old_one || !new_one) return old_one == new_one;
    constexpr std::string_view members[] = {"name", "generateName", "namespace", "uid"};
    return std::all_of(std::begin(members), std::end(members), [&](std::string_view member) {
        return kinds::text_at(*old_one, member) == kinds::text_at(*new_one, member);
    });
}

}  // namespace

Webhooks::Webhooks(state::State& state)
    : state_(state), written_(std::make_shared<std::atomic<std::uint64_t>>(1)), table_(std::make_shared<Table>()) {}

Webhooks::~Webhooks() = default;

// Read anew as a whole: configurations are few, and seldom written.
std::shared_ptr<const Webhooks::Table> Webhooks::table() const {
    if (read_.load() == written_->load()) return table_.load();
    Lock lock(reading_);
    auto written = written_->load();
    if (read_.load() == written) return table_.load();
    auto made = std::make_shared<Table>();
    watches_.clear();
    for (auto prefix : prefixes) {
        auto page = state_.list(prefix, "", 0, 0);
        if (!page) {
            log::error("read {}: {}", prefix, page.error().message());
            continue;
        }
        auto watch = state_.watch(std::string(prefix), page->revision, [count = written_] { count->fetch_add(1); });
        if (watch) {
            // Asking arms it: what comes from now on wakes. What came in between is for the next to read.
            auto missed = watch->get()->events(1);
            if (!missed || !missed->empty()) written_->fetch_add(1);
            watches_.push_back(watch.take());
        }
        auto& hooks = prefix == prefixes[0] ? made->mutating : made->validating;
        for (const auto& object : page->objects) {
            auto tree = codec::read_stored(object->bytes);
            if (!tree || !tree->is_object()) continue;
            kinds::each_object(
                kinds::list_at(std::as_const(*tree).get_object(), "webhooks"),
                [&](const json::object& one, std::size_t) { hooks.push_back(std::make_shared<const Hook>(one)); });
        }
    }
    std::shared_ptr<const Table> table = made;
    any_.store(!table->mutating.empty() || !table->validating.empty());
    table_.store(table);
    read_.store(written);
    return table;
}

bool Webhooks::any() const {
    if (read_.load() != written_->load()) table();
    return any_.load();
}

std::optional<Refusal> Webhooks::ask_to_mutate(const Hook& hook, const Request& request, json::value& object,
                                               const json::object* before, bool& changed) const {
    const auto* tree = object.if_object();
    auto uid = random_uuid();
    auto question = write_review(hook, request, uid, tree, before);
    auto verdict = [&] {
        http::Waiting others_may_go_on;
        return ask(hook, state_, request.context, uid, question);
    }();
    if (!verdict) return failed(hook, verdict.error());
    for (auto& warning : verdict->warnings) request.warnings.push_back(std::move(warning));
    if (verdict->refusal) return std::move(verdict->refusal);
    if (verdict->patch.is_null() || !tree) return {};
    json::value patched(object);
    auto done = patch::json_patch(patched, verdict->patch);
    if (!done) return Refusal{500, "InternalError", "Internal error occurred: " + done.error().message()};
    if (patched == object) return {};
    if (!patched.is_object() || !keeps_identity(*tree, patched.get_object()))
        return Refusal{500, "InternalError",
                       fmt::format("Internal error occurred: admission webhook \"{}\" attempted to modify the object's "
                                   "name, namespace or uid",
                                   hook.name())};
    object = std::move(patched);
    changed = true;
    return {};
}

std::optional<Refusal> Webhooks::mutate(const Request& request, json::value& object, const json::object* before,
                                        const Complete& complete) const {
    auto now = table();
    if (now->mutating.empty() || is_exempt(request.kind)) return {};
    // Those that asked for it see the object once more if others changed it after them.
    std::vector<std::size_t> again;
    std::size_t last_change = 0;
    auto ask_one = [&](std::size_t index, bool& changed) -> std::optional<Refusal> {
        const auto& hook = *now->mutating[index];
        if (!hook.matches(subject_of(request, object.if_object(), before), state_)) return {};
        if (auto refusal = ask_to_mutate(hook, request, object, before, changed)) return refusal;
        return changed ? complete(object) : std::nullopt;
    };
    for (std::size_t index = 0; index < now->mutating.size(); ++index) {
        bool changed = false;
        if (auto refusal = ask_one(index, changed)) return refusal;
        if (changed) last_change = index;
        if (now->mutating[index]->may_be_asked_again()) again.push_back(index);
    }
    for (auto index : again) {
        bool changed = false;
        if (index >= last_change) continue;
        if (auto refusal = ask_one(index, changed)) return refusal;
        if (changed) last_change = now->mutating.size();
    }
    return {};
}

std::optional<Refusal> Webhooks::validate(const Request& request, const json::object* object,
                                          const json::object* before) const {
    auto now = table();
    if (now->validating.empty() || is_exempt(request.kind)) return {};
    struct Asked {
        const Hook* hook;
        std::string uid, question;
        std::optional<Result<Verdict>> verdict;
    };
    std::vector<Asked> asked;
    for (const auto& hook : now->validating) {
        if (!hook->matches(subject_of(request, object, before), state_)) continue;
        auto uid = random_uuid();
        asked.push_back({hook.get(), uid, write_review(*hook, request, uid, object, before), {}});
    }
    auto ask_one = [&](Asked& one) { one.verdict = ask(*one.hook, state_, request.context, one.uid, one.question); };
    {
        http::Waiting others_may_go_on;
        std::vector<std::jthread> others;  // joined at the end of this block
        for (std::size_t index = 1; index < asked.size(); ++index)
            others.emplace_back([&, index] { ask_one(asked[index]); });
        if (!asked.empty()) ask_one(asked.front());
    }
    for (auto& one : asked) {
        auto& verdict = *one.verdict;
        if (!verdict) {
            if (auto refusal = failed(*one.hook, verdict.error())) return refusal;
            continue;
        }
        for (auto& warning : verdict->warnings) request.warnings.push_back(std::move(warning));
        if (verdict->refusal) return std::move(verdict->refusal);
    }
    return {};
}

}  // namespace pila::cluster::webhooks
