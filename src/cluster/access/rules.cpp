// SPDX-License-Identifier: Apache-2.0
#include "cluster/access/rules.h"

#include <algorithm>

#include <boost/json.hpp>

#include "base/text.h"

namespace pila::cluster::access {

namespace {

using Words = std::vector<std::string>;

bool has(const Words& words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

bool has_or_all(const Words& words, std::string_view word) {
    return std::any_of(words.begin(), words.end(), [&](const std::string& one) { return one == "*" || one == word; });
}

// "pods", "pods/log", "*/scale", "*": the last is all resources with all their subresources.
bool names_resource(std::string_view word, std::string_view resource, std::string_view subresource) {
    if (word == "*") return true;
    if (subresource.empty()) return word == resource;
    auto slash = word.find('/');
    if (slash == word.npos || word.substr(slash + 1) != subresource) return false;
    return word.substr(0, slash) == "*" || word.substr(0, slash) == resource;
}

bool names_path(std::string_view word, std::string_view path) {
    if (!word.ends_with('*')) return word == path;
    while (word.ends_with('*')) word.remove_suffix(1);
    return path.starts_with(word);
}

bool contains_words(const Words& held, const Words& wanted) {
    return has(held, "*") ||
           std::all_of(wanted.begin(), wanted.end(), [&](const auto& word) { return has(held, word); });
}

bool contains_resources(const Words& held, const Words& wanted) {
    return has(held, "*") || std::all_of(wanted.begin(), wanted.end(), [&](const std::string& word) {
               if (has(held, word)) return true;
               auto slash = word.find('/');
               return slash != word.npos && has(held, "*" + word.substr(slash));
           });
}

bool contains_paths(const Words& held, const Words& wanted) {
    return std::all_of(wanted.begin(), wanted.end(), [&](const std::string& path) {
        return std::any_of(held.begin(), held.end(),
                           [&](const std::string& word) { return word == path || names_path(word, path); });
    });
}

Words read_words(const json::object& rule, std::string_view name) {
    Words words;
    const auto* list = rule.if_contains(name);
    if (!list || !list->is_array()) return words;
    for (const auto& word : list->get_array())
        if (word.is_string()) words.emplace_back(word.get_string());
    return words;
}

// One verb on one resource, name or path each.
std::vector<Rule> atoms_of(const Rule& rule) {
    std::vector<Rule> atoms;
    for (const auto& url : rule.urls)
        for (const auto& verb : rule.verbs) atoms.push_back({.verbs = {verb}, .urls = {url}});
    for (const auto& group : rule.groups)
        for (const auto& resource : rule.resources)
            for (const auto& verb : rule.verbs) {
                Rule atom{.verbs = {verb}, .groups = {group}, .resources = {resource}};
                if (rule.names.empty()) atoms.push_back(atom);
                for (const auto& name : rule.names) {
                    atom.names = {name};
                    atoms.push_back(atom);
                }
            }
    return atoms;
}

bool same_but_verbs(const Rule& left, const Rule& right) {
    return left.groups == right.groups && left.resources == right.resources && left.names == right.names &&
           left.urls == right.urls;
}

}  // namespace

bool Rule::allows(const Action& action) const {
    if (!has_or_all(verbs, action.verb)) return false;
    if (!action.is_resource)
        return std::any_of(urls.begin(), urls.end(),
                           [&](const std::string& url) { return names_path(url, action.path); });
    return has_or_all(groups, action.group) && (names.empty() || has(names, action.name)) &&
           std::any_of(resources.begin(), resources.end(), [&](const std::string& word) {
               return names_resource(word, action.resource, action.subresource);
           });
}

bool Rule::contains(const Rule& other) const {
    bool named =
        names.empty() || (!other.names.empty() && std::all_of(other.names.begin(), other.names.end(),
                                                              [&](const auto& name) { return has(names, name); }));
    return named && contains_words(verbs, other.verbs) && contains_words(groups, other.groups) &&
           contains_resources(resources, other.resources) && contains_paths(urls, other.urls);
}

std::string text_of(const std::vector<std::string>& words) {
    std::string out = "[";
    for (const auto& word : words) {
        if (out.size() > 1) out += ' ';
        append_json_quoted(out, word);
    }
    return out + "]";
}

std::string Rule::text() const {
    std::string out = "{";
    auto add = [&](std::string_view name, const Words& words) {
        if (words.empty()) return;
        if (out.size() > 1) out += ", ";
        out += name;
        out += ':';
        out += text_of(words);
    };
    add("APIGroups", groups);
    add("Resources", resources);
    add("NonResourceURLs", urls);
    add("ResourceNames", names);
    add("Verbs", verbs);
    return out + "}";
}

std::vector<Rule> read_rules(const json::object& role) {
    std::vector<Rule> rules;
    const auto* list = role.if_contains("rules");
    if (!list || !list->is_array()) return rules;
    for (const auto& one : list->get_array()) {
        if (!one.is_object()) continue;
        const auto& rule = one.get_object();
        rules.push_back({.verbs = read_words(rule, "verbs"),
                         .groups = read_words(rule, "apiGroups"),
                         .resources = read_words(rule, "resources"),
                         .names = read_words(rule, "resourceNames"),
                         .urls = read_words(rule, "nonResourceURLs")});
    }
    return rules;
}

json::array write_rules(const std::vector<Rule>& rules) {
    json::array out;
    for (const auto& rule : rules) {
        json::object made;
        auto add = [&](std::string_view name, const Words& words) {
            if (!words.empty()) made[name] = json::array(words.begin(), words.end());
        };
        add("verbs", rule.verbs);
        add("apiGroups", rule.groups);
        add("resources", rule.resources);
        add("resourceNames", rule.names);
        add("nonResourceURLs", rule.urls);
        out.emplace_back(std::move(made));
    }
    return out;
}

std::vector<Rule> missing_rules(const std::vector<Rule>& held, const std::vector<Rule>& wanted) {
    std::vector<Rule> missing;
    for (const auto& rule : wanted)
        for (auto& atom : atoms_of(rule)) {
            bool there = std::any_of(held.begin(), held.end(), [&](const Rule& own) { return own.contains(atom); });
            if (there) continue;
            auto same = std::find_if(missing.begin(), missing.end(),
                                     [&](const Rule& other) { return same_but_verbs(other, atom); });
            if (same == missing.end())
                missing.push_back(std::move(atom));
            else if (!has(same->verbs, atom.verbs.front()))
                same->verbs.push_back(atom.verbs.front());
        }
    return missing;
}

}  // namespace pila::cluster::access
