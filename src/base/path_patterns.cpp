// SPDX-License-Identifier: Apache-2.0
#include "base/path_patterns.h"

#include <algorithm>

#include "base/text.h"

namespace pila {

bool PathPattern::Token::takes(char c) const {
    switch (kind) {
        case Kind::Plain: return c == plain;
        case Kind::Any: return c != '/';
        case Kind::Star: return c != '/';
        case Kind::Class: {
            auto value = static_cast<unsigned char>(c);
            bool inside = std::any_of(ranges.begin(), ranges.end(), [&](const auto& range) {
                return static_cast<unsigned char>(range.first) <= value &&
                       value <= static_cast<unsigned char>(range.second);
            });
            return inside != negated;
        }
        default: return true;
    }
}

static Error bad_pattern() { return Error(Errc::Invalid, "syntax error in pattern"); }

Result<PathPattern> PathPattern::compile(std::string_view text, DoubleStar double_star) {
    PathPattern pattern;
    auto add = [&](Token::Kind kind, char plain = 0) { pattern.tokens_.push_back({kind, plain, false, {}}); };
    for (std::size_t at = 0; at < text.size(); ++at) {
        char c = text[at];
        if (c == '*' && double_star == DoubleStar::Yes && at + 1 < text.size() && text[at + 1] == '*') {
            ++at;
            if (at + 1 < text.size() && text[at + 1] == '/') ++at;
            add(at + 1 == text.size() ? Token::Kind::Everything : Token::Kind::Directories);
        } else if (c == '*') {
            add(Token::Kind::Star);
        } else if (c == '?') {
            add(Token::Kind::Any);
        } else if (c == '\\') {
            if (++at == text.size()) return bad_pattern();
            add(Token::Kind::Plain, text[at]);
        } else if (c == '[') {
            Token token{Token::Kind::Class, 0, false, {}};
            if (at + 1 < text.size() && (text[at + 1] == '^' || text[at + 1] == '!')) {
                token.negated = true;
                ++at;
            }
            auto next = [&]() -> Result<char> {
                if (++at >= text.size()) return bad_pattern();
                if (text[at] == '\\' && ++at >= text.size()) return bad_pattern();
                return text[at];
            };
            while (at + 1 < text.size() && (text[at + 1] != ']' || token.ranges.empty())) {
                char low = TRY(next()), high = low;
                if (at + 1 < text.size() && text[at + 1] == '-') {
                    ++at;
                    high = TRY(next());
                }
                token.ranges.emplace_back(low, high);
            }
            if (++at >= text.size()) return bad_pattern();
            pattern.tokens_.push_back(std::move(token));
        } else {
            add(Token::Kind::Plain, c);
        }
    }
    return pattern;
}

// All places in the pattern where the part of the path read so far may have led, at once. Of a place i, `inside` is
// the middle of the directory names that tokens_[i] stands for.
bool PathPattern::matches(std::string_view path) const {
    using Kind = Token::Kind;
    auto count = tokens_.size();
    std::vector<char> at(count + 1, 0), inside(count + 1, 0), next_at, next_inside;
    auto close = [&](std::vector<char>& places) {  // what may stand for nothing
        for (std::size_t i = 0; i < count; ++i)
            if (places[i] && (tokens_[i].kind == Kind::Star || tokens_[i].kind == Kind::Everything ||
                              tokens_[i].kind == Kind::Directories))
                places[i + 1] = 1;
    };
    at[0] = 1;
    close(at);
    for (char c : path) {
        next_at.assign(count + 1, 0);
        next_inside.assign(count + 1, 0);
        for (std::size_t i = 0; i < count; ++i) {
            const auto& token = tokens_[i];
            if (token.kind == Kind::Directories) {
                if (!at[i] && !inside[i]) continue;
                next_inside[i] = 1;
                if (c == '/') next_at[i + 1] = 1;
            } else if (at[i] && token.takes(c)) {
                next_at[token.kind == Kind::Star || token.kind == Kind::Everything ? i : i + 1] = 1;
            }
        }
        close(next_at);
        at.swap(next_at);
        inside.swap(next_inside);
    }
    return at[count] != 0;
}

bool has_wildcards(std::string_view path) {
    for (std::size_t at = 0; at < path.size(); ++at) {
        if (path[at] == '\\')
            ++at;
        else if (path[at] == '*' || path[at] == '?' || path[at] == '[')
            return true;
    }
    return false;
}

std::string clean_path_text(std::string_view path) {
    bool absolute = path.starts_with('/');
    std::vector<std::string> parts;
    for (auto part : split(path, '/')) {
        if (part.empty() || part == ".") continue;
        if (part != ".." || (!absolute && (parts.empty() || parts.back() == "..")))
            parts.emplace_back(part);
        else if (!parts.empty())
            parts.pop_back();
    }
    auto joined = join(parts, "/");
    if (absolute) return "/" + joined;
    return joined.empty() ? "." : joined;
}

Result<IgnorePatterns> IgnorePatterns::parse(std::string_view file) {
    if (file.starts_with("\xef\xbb\xbf")) file.remove_prefix(3);
    std::vector<std::string> patterns;
    for (auto line : split(file, '\n')) {
        if (line.starts_with('#')) continue;
        auto text = trim(line);
        if (!text.empty()) patterns.emplace_back(text);
    }
    return compile(patterns);
}

Result<IgnorePatterns> IgnorePatterns::compile(const std::vector<std::string>& patterns) {
    IgnorePatterns list;
    for (std::string_view pattern : patterns) {
        bool exception = pattern.starts_with('!');
        if (exception) pattern = trim(pattern.substr(1));
        if (pattern.empty()) {
            if (exception) return Error(Errc::Invalid, "illegal exclusion pattern: \"!\"");
            continue;
        }
        auto clean = clean_path_text(pattern);
        if (clean.size() > 1 && clean.front() == '/') clean.erase(0, 1);
        auto compiled = PathPattern::compile(clean, PathPattern::DoubleStar::Yes);
        if (!compiled) return compiled.take_error().in(printable(pattern));
        list.rules_.push_back({compiled.take(), exception});
        list.exceptions_ |= exception;
    }
    return list;
}

bool IgnorePatterns::ignores(std::string_view path) const {
    bool ignored = false;
    for (const auto& rule : rules_) {
        if (rule.exception != ignored) continue;  // it would change nothing
        bool match = rule.pattern.matches(path);
        for (auto slash = path.find('/'); !match && slash != std::string_view::npos; slash = path.find('/', slash + 1))
            match = rule.pattern.matches(path.substr(0, slash));
        if (match) ignored = !rule.exception;
    }
    return ignored;
}

}  // namespace pila
