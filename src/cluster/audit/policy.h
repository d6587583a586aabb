// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which requests the audit log tells of, and how much (audit.k8s.io/v1 Policy, as kube-apiserver reads it). Threads:
// any.

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pila::cluster::audit {

enum class Level : std::uint8_t { None, Metadata, Request, RequestResponse };
enum class Stage : std::uint8_t { RequestReceived, ResponseStarted, ResponseComplete };
std::string_view text_of(Level level);
std::string_view text_of(Stage stage);

struct Attributes {
    std::string user;
    std::vector<std::string> groups;
    std::string verb;
    bool is_resource = false;
    std::string group, resource, subresource, name_space, name;  // of a resource
    std::string path;                                            // of anything else
};

struct Decision {
    Level level = Level::None;
    std::set<Stage> omitted;
    bool omits_managed_fields = false;  // of the objects in bodies
};

class Policy {
public:
    // YAML or JSON. Invalid names what is wrong.
    static Result<Policy> read(std::string_view text);
    // By the first rule that matches; no rule: None.
    Decision judge(const Attributes& attributes) const;

private:
    struct Resources {
        std::string group;
        std::vector<std::string> resources, names;
    };
    struct Rule {
        Decision decision;
        std::vector<std::string> users, groups, verbs, name_spaces, urls;
        std::vector<Resources> resources;
    };
    static bool matches(const Rule& rule, const Attributes& attributes);
    static bool matches_resource(const Rule& rule, const Attributes& attributes);

    std::vector<Rule> rules_;
};

}  // namespace pila::cluster::audit
