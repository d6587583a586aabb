// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/standing.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/mutex.h"
#include "cluster/access/rules.h"
#include "cluster/access/standing.h"
#include "cluster/api/metadata.h"
#include "cluster/api/selectors.h"
#include "cluster/schema/catalogue.h"

namespace pila::cluster::api {

namespace {

constexpr int max_depth = 10;  // of sums of sums
constexpr unsigned standing_writers = 8;
const User self{"system:apiserver", "", {"system:masters"}};

const schema::Kind& role_kind(std::string_view plural) {
    return *schema::Catalogue::builtin().find_resource({"rbac.authorization.k8s.io", "v1"}, plural);
}

Error as_error(const Status& status, const std::string& what) {
    return {Errc::Internal, fmt::format("{}: {}", what, status.message)};
}

Outcome<void> ensure(Registry& registry, const access::Standing& wanted) {
    Call call{.kind = role_kind(wanted.resource),
              .name_space = wanted.name_space,
              .name = wanted.name,
              .user = self,
              .manager = "pila"};
    auto live = registry.state().get(key_of(call.kind, wanted.name_space, wanted.name));
    if (live) {
        auto tree = TRY(codec::read_stored(live->bytes));
        auto mending = access::mend(tree.get_object(), wanted.object);
        if (mending == access::Mending::None) return {};
        if (mending == access::Mending::Mended) {
            TRY(registry.update(call, std::move(tree), {}));
            return {};
        }
        TRY(registry.remove(call, {}));
    }
    TRY(registry.create(call, wanted.object, {}));
    return {};
}

struct ClusterRole {
    std::string name;
    state::ObjectPointer stored;
    std::vector<access::Rule> rules;
    std::vector<LabelSelector> parts;
    bool is_sum = false;
};

Result<ClusterRole> read_role(state::ObjectPointer object, std::string_view prefix) {
    ClusterRole role;
    role.name = object->key.substr(prefix.size());
    auto tree = TRY(codec::read_stored(object->bytes));
    role.rules = access::read_rules(tree.get_object());
    role.stored = std::move(object);
    const auto* rule = tree.get_object().if_contains("aggregationRule");
    role.is_sum = rule && rule->is_object();
    const auto* selectors = role.is_sum ? rule->get_object().if_contains("clusterRoleSelectors") : nullptr;
    if (selectors && selectors->is_array())
        for (const auto& selector : selectors->get_array()) {
            auto made = LabelSelector::read(selector);
            if (made) role.parts.push_back(made.take());
        }
    return role;
}

std::vector<access::Rule> sum_of(const ClusterRole& sum, const std::vector<ClusterRole>& roles) {
    std::vector<access::Rule> rules;
    for (const auto& role : roles) {
        bool is_part = role.name != sum.name && std::any_of(sum.parts.begin(), sum.parts.end(), [&](const auto& part) {
                           return part.matches(role.stored->attributes);
                       });
        if (!is_part) continue;
        for (const auto& rule : role.rules)
            if (std::find(rules.begin(), rules.end(), rule) == rules.end()) rules.push_back(rule);
    }
    return rules;
}

Outcome<bool> aggregate_once(Registry& registry) {
    const auto& kind = role_kind("clusterroles");
    auto prefix = prefix_of(kind, "");
    auto page = TRY(registry.state().list(prefix, "", 0, 0));
    std::vector<ClusterRole> roles;
    for (auto& object : page.objects) roles.push_back(TRY(read_role(std::move(object), prefix)));
    bool changed = false;
    for (const auto& role : roles) {
        if (!role.is_sum) continue;
        auto rules = sum_of(role, roles);
        if (rules == role.rules) continue;
        Call call{.kind = kind, .name = role.name, .user = self, .manager = "clusterrole-aggregation-controller"};
        json::object patch;
        patch["rules"] = access::write_rules(rules);
        auto written = registry.patch(call, PatchType::Merge, patch, false, {});
        if (!written && written.error().code != 404) return written.take_error();
        changed = true;
    }
    return changed;
}

}  // namespace

Result<void> ensure_standing_roles(Registry& registry) {
    auto all = TRY(access::read_standing(access::standing_text()));
    // At a first start a hundred are to be made: several at once, which the store commits together.
    std::atomic<std::size_t> next{0};
    Mutex mutex;
    std::optional<Error> failure;
    auto work = [&] {
        for (auto index = next++; index < all.size(); index = next++) {
            auto done = ensure(registry, all[index]);
            if (done) continue;
            Lock lock(mutex);
            failure = as_error(done.error(), fmt::format("make {} {}", all[index].resource, all[index].name));
        }
    };
    auto is_missing = [&](const access::Standing& one) {
        return !registry.state().get(key_of(role_kind(one.resource), one.name_space, one.name));
    };
    if (std::any_of(all.begin(), all.end(), is_missing)) {
        std::vector<std::jthread> writers;
        for (unsigned index = 0; index < standing_writers; ++index) writers.emplace_back(work);
    } else {
        work();
    }
    if (failure) return std::move(*failure);
    return aggregate_roles(registry);
}

Result<void> aggregate_roles(Registry& registry) {
    for (int depth = 0; depth < max_depth; ++depth) {
        auto changed = aggregate_once(registry);
        if (!changed) return as_error(changed.error(), "sum up roles");
        if (!*changed) return {};
    }
    return {};
}

}  // namespace pila::cluster::api
