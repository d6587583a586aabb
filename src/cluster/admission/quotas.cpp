// SPDX-License-Identifier: Apache-2.0
#include "cluster/admission/quotas_internal.h"

#include <set>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/text.h"
#include "base/time.h"
#include "cluster/admission/plugins_internal.h"
#include "cluster/kinds/tree.h"
#include "cluster/schema/catalogue.h"

namespace pila::cluster::admission {

namespace {

constexpr std::string_view quotas = "core/resourcequotas";
constexpr std::string_view controller = "system:serviceaccount:kube-system:resourcequota-controller";
constexpr int max_attempts = 20;  // against others' writes of a quota

std::int64_t now() { return now_wall().nanoseconds / 1000; }

std::string collection_of_kind(const schema::Kind& kind) {
    return (kind.group_version.group.empty() ? "core" : kind.group_version.group) + "/" + kind.plural;
}

const schema::Kind& quota_kind() {
    static const auto& kind = *schema::Catalogue::builtin().find_resource({"", "v1"}, "resourcequotas");
    return kind;
}

Amounts status_of(const json::object& quota, std::string_view member) {
    const auto* status = kinds::object_at(quota, "status");
    return amounts_of(status ? kinds::object_at(*status, member) : nullptr);
}

void set_used(json::object& quota, const Amounts& used) {
    if (auto* status = kinds::make_object(quota, "status")) (*status)["used"] = write_amounts(used);
}

// Those of `amounts` that `names` has, too.
Amounts masked(const Amounts& amounts, const Amounts& names) {
    Amounts result;
    for (const auto& [name, amount] : amounts)
        if (names.contains(name)) result.emplace(name, amount);
    return result;
}

// Whatever may become more by a change; pods do by /resize only.
bool is_measured(const Request& request, std::string_view collection) {
    if (is_resize(request)) return true;
    if (!request.subresource.empty() || !request.kind.is_namespaced) return false;
    return request.is_new() || collection == "core/services" || collection == "core/persistentvolumeclaims";
}

std::string metadata_text(const json::object& object, std::string_view member) {
    const auto* metadata = kinds::object_at(object, "metadata");
    return metadata ? std::string(kinds::text_at(*metadata, member)) : std::string();
}

std::vector<std::string> names_of(const Amounts& amounts) {
    std::vector<std::string> names;
    for (const auto& [name, amount] : amounts) names.push_back(name);
    return names;
}

}  // namespace

// Gives back what it holds, unless the object has been written.
class Quotas::Held : public Charge {
public:
    Held(Quotas& owner, std::string space, Entry entry) : owner_(owner), space_(std::move(space)), entry_(entry) {}
    ~Held() override {
        if (is_kept_) return;
        auto guard = owner_.locks_.lock(space_);
        for (const auto& name : charged) owner_.take_back(space_, name, entry_->added);
        forget();
    }
    void keep() override {
        auto guard = owner_.locks_.lock(space_);
        forget();
        is_kept_ = true;
    }

    std::vector<std::string> charged;  // names of quotas

private:
    void forget() {
        Lock lock(owner_.mutex_);
        owner_.pending_.erase(entry_);
    }

    Quotas& owner_;
    const std::string space_;
    const Entry entry_;
    bool is_kept_ = false;
};

// Whether the object fits into the quota; whether the quota counts it at all.
Verdict Quotas::judge(const json::object& quota, const Pending& pending, bool& is_charged) const {
    is_charged = false;
    const auto collection = collection_of(pending.key);
    auto hard = status_of(quota, "hard");
    std::erase_if(hard, [&](const auto& one) { return !is_counted_by(one.first, collection); });
    if (hard.empty() || !is_in_scope(quota, collection, pending.object)) return {};
    const auto name = name_of(quota);
    if (collection == "core/pods")
        if (auto missing = missing_amounts(hard, pending.object); !missing.empty())
            return refuse(fmt::format("failed quota: {}: {}", name, missing));
    const auto used = status_of(quota, "used");
    for (const auto& [resource, amount] : hard)
        if (!used.contains(resource))
            return refuse(fmt::format("status unknown for quota: {}, resources: {}", name, join(names_of(hard), ",")));
    Amounts exceeded;
    for (const auto& [resource, amount] : masked(pending.added, hard)) {
        is_charged = true;
        if (used.at(resource) + amount > hard.at(resource)) exceeded.emplace(resource, amount);
    }
    if (exceeded.empty()) return {};
    return refuse(fmt::format("exceeded quota: {}, requested: {}, used: {}, limited: {}", name, text_of(exceeded),
                              text_of(masked(used, exceeded)), text_of(masked(hard, exceeded))));
}

Verdict Quotas::put(const std::string& space, const std::string& name, const Pending& pending, bool& is_charged) const {
    for (int attempt = 1;; ++attempt) {
        is_charged = false;
        auto quota = lookup_.get(quotas, space, name);
        if (!quota) return {};
        bool concerns = false;
        TRY(judge(*quota, pending, concerns));
        if (!concerns) return {};
        auto used = status_of(*quota, "used");
        add(used, masked(pending.added, status_of(*quota, "hard")));
        set_used(*quota, used);
        auto written = write_status_(quota_kind(), *quota);
        is_charged = bool(written);
        if (written || written.error().code != 409 || attempt == max_attempts) return written;
    }
}

void Quotas::take_back(const std::string& space, const std::string& name, const Amounts& added) const {
    for (int attempt = 1; attempt <= max_attempts; ++attempt) {
        auto quota = lookup_.get(quotas, space, name);
        if (!quota) return;
        auto used = status_of(*quota, "used");
        for (auto& [resource, amount] : used)
            if (const auto* part = find_amount(added, resource)) {
                amount = amount - *part;
                if (amount.is_negative()) amount = {};
            }
        set_used(*quota, used);
        auto written = write_status_(quota_kind(), *quota);
        if (written || written.error().code != 409) return;  // what is left the controller counts
    }
}

Verdict Quotas::charge(const Request& request, const json::object& object, std::unique_ptr<Charge>& charge) {
    const auto collection = collection_of_kind(request.kind);
    const auto& space = request.name_space;
    if (!is_measured(request, collection) || !lookup_.has_any(quotas, space)) return {};
    Pending pending{key_of(collection, space, request.name), "", json::object(object, {}), {}};
    pending.added = usage_of(collection, object, now());
    Amounts negative = pending.added;
    std::erase_if(negative, [](const auto& one) { return !one.second.is_negative(); });
    if (!negative.empty()) return refuse("quota usage is negative for resource(s): " + join(names_of(negative), ","));
    if (request.before) {
        pending.revision = metadata_text(*request.before, "resourceVersion");
        pending.added = difference(pending.added, usage_of(collection, *request.before, now()));
    }
    // What becomes less is counted once it is less.
    std::erase_if(pending.added, [](const auto& one) { return one.second.is_negative() || one.second.is_zero(); });
    if (pending.added.empty()) return {};

    std::unique_ptr<Held> held;  // ends after the lock, which it takes itself
    auto guard = locks_.lock(space);
    std::vector<std::string> concerned;
    for (const auto& quota : lookup_.list(quotas, space)) {
        bool is_charged = false;
        TRY(judge(quota, pending, is_charged));
        if (is_charged) concerned.emplace_back(name_of(quota));
    }
    if (concerned.empty() || request.is_dry_run) return {};
    Entry entry;
    {
        Lock lock(mutex_);
        entry = pending_.insert(pending_.end(), std::move(pending));
    }
    held = std::make_unique<Held>(*this, space, entry);
    for (const auto& name : concerned) {
        bool is_charged = false;
        TRY(put(space, name, *entry, is_charged));
        if (is_charged) held->charged.push_back(name);
    }
    charge = std::move(held);
    return {};
}

void Quotas::complete(const Request& request, json::object& object) {
    if (!request.is("", "ResourceQuota") || request.subresource != "status" || request.user != controller) return;
    auto guard = locks_.lock(request.name_space);
    set_used(object, count(object, request.name_space));
}

// One look at each collection, however many of a quota's names count its objects.
Amounts Quotas::count(const json::object& quota, const std::string& space) const {
    Amounts used;
    std::set<std::string> collections;
    for (const auto& [name, amount] : amounts_of(kinds::object_at(quota, "spec.hard"))) {
        used[name] = {};
        if (auto collection = collection_counted_by(name); !collection.empty()) collections.insert(collection);
    }
    for (const auto& collection : collections) count(quota, space, collection, used);
    return used;
}

void Quotas::count(const json::object& quota, const std::string& space, const std::string& collection,
                   Amounts& used) const {
    const auto wanted = used;  // the names
    auto count_one = [&](const json::object& object) {
        if (is_in_scope(quota, collection, object)) add(used, masked(usage_of(collection, object, now()), wanted));
    };
    auto page = lookup_.state().list(key_of(collection, space, ""), "", 0, 0);
    if (!page) return;
    std::map<std::string_view, const state::Object*> stored;
    for (const auto& object : page->objects) stored.emplace(object->key, object.get());
    {
        Lock lock(mutex_);
        for (const auto& pending : pending_) {
            auto found = stored.find(pending.key);
            bool is_there = found != stored.end();
            bool is_ahead = is_there && pending.revision == std::to_string(found->second->revision);
            if (collection_of(pending.key) != collection || !pending.key.starts_with(key_of(collection, space, "")) ||
                (is_there && !is_ahead))
                continue;
            if (is_there) stored.erase(found);
            count_one(pending.object);
        }
    }
    for (const auto& [key, object] : stored)
        if (auto tree = Lookup::read(*object)) count_one(*tree);
}

}  // namespace pila::cluster::admission
