// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who may do what (RBAC): roles and their bindings, as they are in the cluster's state. Current: whoever has been told
// that a role or binding is written is judged by it. Threads: any.

#include <array>
#include <atomic>
#include <memory>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "cluster/access/rules.h"
#include "cluster/access/user.h"
#include "cluster/state/state.h"

namespace pila::cluster::access {

struct Verdict {
    bool is_allowed = false;
    // Allowed: by which binding. Refused: "", or what hindered us ("RBAC: clusterrole... not found").
    std::string reason;
};

// All that somebody may do in a namespace ("": everywhere), and the roles that were not there.
struct Holdings {
    std::vector<Rule> rules;
    std::vector<std::string> errors;
};

struct RoleName {
    std::string kind;        // Role, ClusterRole
    std::string name_space;  // of a Role
    std::string name;
};

class Policy {
public:
    explicit Policy(state::State& state);
    ~Policy();
    Policy(const Policy&) = delete;
    Policy& operator=(const Policy&) = delete;

    // Members of system:masters may do everything, whatever roles say.
    Verdict judge(const User& user, const Action& action) const;
    Holdings holdings(const User& user, const std::string& name_space) const;
    // NotFound: `clusterroles.rbac.authorization.k8s.io "x" not found`
    Result<std::vector<Rule>> rules_of(const RoleName& role) const;

private:
    struct Binding;
    struct Source;
    // Calls visit(rules, binding, subject) for each rule list that applies to the user; it ends when that says so.
    template <typename Visit>
    void each_binding(const User& user, const std::string& name_space, Visit visit) const;
    const std::vector<Rule>* find_role(const RoleName& role) const;
    void refresh() const;
    void reload(Source& source) const;
    void take(const state::Object& object, bool is_gone) const;
    void forget_binding(const std::string& key) const;

    state::State& state_;
    // What happened and what of it is in the tables below; wakes count.
    std::shared_ptr<std::atomic<std::uint64_t>> wanted_;
    mutable std::atomic<std::uint64_t> done_{0};
    mutable Mutex refreshing_;
    mutable std::array<std::unique_ptr<Source>, 4> sources_ GUARDED_BY(refreshing_);

    mutable std::shared_mutex tables_;
    mutable std::unordered_map<std::string, std::vector<Rule>> roles_;  // by key
    mutable std::unordered_map<std::string, std::shared_ptr<const Binding>> bindings_;
    mutable std::unordered_map<std::string, std::vector<std::shared_ptr<const Binding>>> by_subject_;
};

}  // namespace pila::cluster::access
