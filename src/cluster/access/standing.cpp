// SPDX-License-Identifier: Apache-2.0
#include "cluster/access/standing.h"

#include <algorithm>
#include <set>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/access/rules.h"

namespace pila::cluster::access {

namespace {

constexpr std::string_view group = "rbac.authorization.k8s.io";

std::vector<std::string> words_of(std::string_view list) {
    std::vector<std::string> words;
    for (auto word : split(list, ',')) words.emplace_back(word == "core" ? "" : word);
    return words;
}

json::object start_object(std::string_view kind, const Standing& standing) {
    json::object metadata{{"name", standing.name},
                          {"labels", {{"kubernetes.io/bootstrapping", "rbac-defaults"}}},
                          {"annotations", {{update_annotation, "true"}}}};
    if (!standing.name_space.empty()) metadata["namespace"] = standing.name_space;
    return {{"kind", kind}, {"apiVersion", fmt::format("{}/v1", group)}, {"metadata", std::move(metadata)}};
}

class Reader {
public:
    Result<void> line(std::string_view text) {
        std::vector<std::string_view> words;
        for (auto word : split(text, ' '))
            if (!word.empty()) words.push_back(word);
        if (words.empty() || words[0].starts_with('#')) return {};
        if (text.starts_with("  ")) return rule(words);
        if (words.size() >= 2 && words[0] == "role") return role(words);
        if (words.size() >= 4 && words[0] == "bind") return bind(words);
        return Error(Errc::Invalid, "neither a role nor a binding");
    }
    std::vector<Standing> take() { return std::move(all_); }

private:
    static Standing named(std::string_view word) {
        Standing made;
        auto slash = word.find('/');
        if (slash != word.npos) made.name_space = word.substr(0, slash);
        made.name = slash == word.npos ? word : word.substr(slash + 1);
        return made;
    }

    Result<void> role(const std::vector<std::string_view>& words) {
        auto made = named(words[1]);
        bool is_local = !made.name_space.empty();
        made.resource = is_local ? "roles" : "clusterroles";
        made.object = start_object(is_local ? "Role" : "ClusterRole", made);
        made.object["rules"] = json::array();
        for (std::size_t index = 2; index < words.size(); ++index) {
            auto list = words[index].substr(std::min(words[index].size(), std::size_t{5}));
            if (words[index].starts_with("into=")) {
                auto& labels = made.object["metadata"].get_object()["labels"].get_object();
                for (const auto& label : words_of(list)) labels[std::string(aggregate_label) + label] = "true";
            } else if (words[index].starts_with("from=")) {
                json::object labels;
                labels[std::string(aggregate_label) + std::string(list)] = "true";
                json::array selectors;
                selectors.push_back(json::object{{"matchLabels", std::move(labels)}});
                made.object["aggregationRule"] = json::object{{"clusterRoleSelectors", std::move(selectors)}};
            } else {
                return Error(Errc::Invalid, fmt::format("{} is unknown", words[index]));
            }
        }
        if (is_local) local_roles_.insert(std::string(words[1]));
        all_.push_back(std::move(made));
        return {};
    }

    Result<void> rule(const std::vector<std::string_view>& words) {
        if (all_.empty() || !all_.back().object.contains("rules")) return Error(Errc::Invalid, "a rule of no role");
        bool of_urls = words.size() == 3 && words[1] == "url";
        if (words.size() != 3 && words.size() != 4) return Error(Errc::Invalid, "a rule has three or four words");
        Rule made{.verbs = words_of(words[0])};
        if (of_urls) {
            made.urls = words_of(words[2]);
        } else {
            made.groups = words_of(words[1]);
            made.resources = words_of(words[2]);
            if (words.size() == 4) made.names = words_of(words[3]);
        }
        auto& rules = all_.back().object["rules"].get_array();
        auto written = write_rules({made});
        rules.push_back(std::move(written[0]));
        return {};
    }

    Result<void> bind(const std::vector<std::string_view>& words) {
        auto made = named(words[1]);
        bool is_local = !made.name_space.empty();
        made.resource = is_local ? "rolebindings" : "clusterrolebindings";
        made.object = start_object(is_local ? "RoleBinding" : "ClusterRoleBinding", made);
        bool local_role = local_roles_.count(made.name_space + "/" + std::string(words[2])) > 0;
        made.object["roleRef"] =
            json::object{{"apiGroup", group}, {"kind", local_role ? "Role" : "ClusterRole"}, {"name", words[2]}};
        json::array subjects;
        for (std::size_t index = 3; index < words.size(); ++index) {
            auto colon = words[index].find(':');
            auto kind = words[index].substr(0, colon),
                 name = words[index].substr(std::min(colon, words[index].size() - 1) + 1);
            auto slash = name.find('/');
            if (kind == "group" || kind == "user")
                subjects.push_back(
                    json::object{{"kind", kind == "user" ? "User" : "Group"}, {"apiGroup", group}, {"name", name}});
            else if (kind == "account" && slash != name.npos)
                subjects.push_back(json::object{{"kind", "ServiceAccount"},
                                                {"name", name.substr(slash + 1)},
                                                {"namespace", name.substr(0, slash)}});
            else
                return Error(Errc::Invalid, fmt::format("{} is no subject", words[index]));
        }
        made.object["subjects"] = std::move(subjects);
        all_.push_back(std::move(made));
        return {};
    }

    std::vector<Standing> all_;
    std::set<std::string> local_roles_;  // NAMESPACE/NAME
};

const json::value* find(const json::object& object, std::string_view first, std::string_view second) {
    const auto* value = object.if_contains(first);
    return value && value->is_object() ? value->get_object().if_contains(second) : nullptr;
}

json::object& object_in(json::object& object, std::string_view name) {
    auto& value = object[name];
    if (!value.is_object()) value.emplace_object();
    return value.get_object();
}

json::array& array_in(json::object& object, std::string_view name) {
    auto& value = object[name];
    if (!value.is_array()) value.emplace_array();
    return value.get_array();
}

bool add_marks(json::object& live, const json::object& wanted, std::string_view member) {
    const auto* marks = find(wanted, "metadata", member);
    bool changed = false;
    if (!marks) return false;
    auto& own = object_in(object_in(live, "metadata"), member);
    for (const auto& [name, value] : marks->get_object()) {
        if (own.contains(name)) continue;  // whatever it says, somebody has said it
        own[name] = value;
        changed = true;
    }
    return changed;
}

bool add_items(json::array& live, const json::array& wanted) {
    bool changed = false;
    for (const auto& item : wanted) {
        if (std::find(live.begin(), live.end(), item) != live.end()) continue;
        live.push_back(item);
        changed = true;
    }
    return changed;
}

}  // namespace

Result<std::vector<Standing>> read_standing(std::string_view text) {
    Reader reader;
    int number = 0;
    for (auto line : split(text, '\n')) {
        ++number;
        TRY(reader.line(line).in(fmt::format("standing.roles: line {}", number)));
    }
    return reader.take();
}

Mending mend(json::object& live, const json::object& wanted) {
    const auto* annotations = find(live, "metadata", "annotations");
    const auto* update =
        annotations && annotations->is_object() ? annotations->get_object().if_contains(update_annotation) : nullptr;
    if (update && *update == "false") return Mending::None;
    if (const auto* role = wanted.if_contains("roleRef")) {
        const auto* own = live.if_contains("roleRef");
        if (!own || *own != *role) return Mending::Anew;
    }
    bool changed = add_marks(live, wanted, "labels");
    changed = add_marks(live, wanted, "annotations") || changed;
    if (const auto* aggregation = wanted.if_contains("aggregationRule")) {
        auto& own = array_in(object_in(live, "aggregationRule"), "clusterRoleSelectors");
        changed = add_items(own, aggregation->at("clusterRoleSelectors").get_array()) || changed;
    } else if (wanted.contains("rules")) {
        auto missing = missing_rules(read_rules(live), read_rules(wanted));
        auto& rules = array_in(live, "rules");
        for (auto& rule : write_rules(missing)) rules.push_back(std::move(rule));
        changed = changed || !missing.empty();
    }
    if (const auto* subjects = wanted.if_contains("subjects"))
        changed = add_items(array_in(live, "subjects"), subjects->get_array()) || changed;
    return changed ? Mending::Mended : Mending::None;
}

}  // namespace pila::cluster::access
