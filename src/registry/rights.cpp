// SPDX-License-Identifier: Apache-2.0
#include "registry/rights.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/log.h"
#include "base/text.h"

namespace pila::registry {

static constexpr std::string_view nobody = "-", everybody = "*";

// reached[i]: the pattern so far is the name's first i bytes. No pattern takes longer than its length times the name's.
bool matches_repository(std::string_view pattern, std::string_view name) {
    std::vector<bool> reached(name.size() + 1);
    reached[0] = true;
    while (!pattern.empty()) {
        bool any = pattern.starts_with("**"), star = pattern.front() == '*';
        std::vector<bool> next(name.size() + 1);
        for (std::size_t i = 0; i <= name.size(); ++i) {
            bool byte_before = i > 0;
            if (star)
                next[i] = reached[i] || (byte_before && next[i - 1] && (any || name[i - 1] != '/'));
            else
                next[i] = byte_before && reached[i - 1] && name[i - 1] == pattern.front();
        }
        reached = std::move(next);
        pattern.remove_prefix(any ? 2 : 1);
    }
    return reached[name.size()];
}

static Result<std::set<std::string>> parse_actions(std::string_view text) {
    std::set<std::string> actions;
    for (auto action : split(text, ',')) {
        if (action == "all")
            actions.insert({"pull", "push", "delete"});
        else if (action ==
                 "push")  // whoever may replace an image may as well see it, and clients look before they push
            actions.insert({"pull", "push"});
        else if (action == "pull" || action == "delete")
            actions.emplace(action);
        else
            return Error(Errc::Invalid, fmt::format("{} is none of pull, push, delete, all", printable(action)));
    }
    return actions;
}

static Result<Right> parse_right(std::string_view line) {
    std::vector<std::string_view> words;
    for (auto word : split(line, ' '))
        if (!word.empty()) words.push_back(word);
    if (words.size() != 3) return Error(Errc::Invalid, "not USER REPOSITORIES ACTIONS");
    auto actions = TRY(parse_actions(words[2]));
    Right right{std::string(words[0]), std::string(words[1]), std::move(actions)};
    constexpr auto allowed = "abcdefghijklmnopqrstuvwxyz0123456789._-/*";
    if (right.pattern.find_first_not_of(allowed) != std::string::npos || right.pattern.size() > 255)
        return Error(Errc::Invalid, fmt::format("{} is no pattern of repositories", printable(right.pattern)));
    if (right.who == nobody && right.actions != std::set<std::string>{"pull"})
        return Error(Errc::Invalid, "who says nothing (-) may do nothing but pull");
    return right;
}

Result<std::vector<Right>> Rights::parse(std::string_view text) {
    std::vector<Right> rights;
    std::size_t number = 0;
    for (auto line : split(text, '\n')) {
        ++number;
        std::string plain(trim(line));
        std::replace(plain.begin(), plain.end(), '\t', ' ');
        if (plain.empty() || plain.starts_with('#')) continue;
        rights.push_back(TRY(parse_right(plain).in(fmt::format("line {}", number))));
    }
    return rights;
}

Result<std::unique_ptr<Rights>> Rights::open(const std::string& path) {
    std::unique_ptr<Rights> made(new Rights(path));
    Lock lock(made->mutex_);
    TRY(made->refresh());
    return made;
}

Result<void> Rights::refresh() const {
    auto text = TRY(file_.changed());
    if (text) rights_ = TRY(parse(*text).in(file_.path()));
    return {};
}

std::set<std::string> Rights::of(const std::string& user, const std::string& repository) const {
    std::set<std::string> actions;
    Lock lock(mutex_);
    if (auto read = refresh(); !read) log::warning("registry: rights as before: {}", read.error().message());
    for (const auto& right : rights_) {
        bool meant = user.empty() ? right.who == nobody : right.who == user || right.who == everybody;
        if (meant && matches_repository(right.pattern, repository))
            actions.insert(right.actions.begin(), right.actions.end());
    }
    return actions;
}

bool Rights::has_anonymous() const {
    Lock lock(mutex_);
    return std::any_of(rights_.begin(), rights_.end(), [](const auto& right) { return right.who == nobody; });
}

}  // namespace pila::registry
