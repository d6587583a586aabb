// SPDX-License-Identifier: Apache-2.0
// $variables, quotes and escapes in words of a Dockerfile.
#include <algorithm>

#include <fmt/core.h>

#include "base/text.h"
#include "image/dockerfile.h"

namespace pila::image {

namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f' || c == '\n'; }

// "*" and "?", an escape before either: a plain one.
bool glob_matches(std::string_view pattern, std::string_view text) {
    std::size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            resume = t;
            continue;
        }
        bool escaped = p + 1 < pattern.size() && pattern[p] == '\\';
        char wanted = p < pattern.size() ? pattern[p + (escaped ? 1 : 0)] : '\0';
        if (p < pattern.size() && (wanted == text[t] || (!escaped && wanted == '?'))) {
            p += escaped ? 2 : 1;
            ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

std::string without_prefix(const std::string& value, std::string_view pattern, bool longest) {
    for (std::size_t i = 0; i <= value.size(); ++i) {
        auto length = longest ? value.size() - i : i;
        if (glob_matches(pattern, std::string_view(value).substr(0, length))) return value.substr(length);
    }
    return value;
}

std::string without_suffix(const std::string& value, std::string_view pattern, bool longest) {
    for (std::size_t i = 0; i <= value.size(); ++i) {
        auto begin = longest ? i : value.size() - i;
        if (glob_matches(pattern, std::string_view(value).substr(begin))) return value.substr(0, begin);
    }
    return value;
}

std::string with_replaced(const std::string& value, std::string_view pattern, const std::string& by, bool all) {
    std::string out;
    std::size_t at = 0;
    while (at < value.size()) {
        std::size_t length = value.size() - at;
        while (length > 0 && !glob_matches(pattern, std::string_view(value).substr(at, length))) --length;
        if (length == 0) {
            out += value[at++];
            continue;
        }
        out += by;
        at += length;
        if (!all) break;
    }
    return out + value.substr(at);
}

constexpr int max_depth = 64;
constexpr std::size_t max_length = 4U << 20;  // each ${x/a/b} may multiply what it is given

// The shell's word rules, as far as Dockerfiles have them.
class Expander {
public:
    Expander(std::string_view text, const Variables& variables, char escape)
        : text_(text), variables_(variables), escape_(escape) {}

    // Up to one of `stops`, which is taken; "": to the end.
    Result<std::string> until(std::string_view stops, int depth) {
        if (depth > max_depth) return Error(Errc::Invalid, "substitutions nested too deep");
        std::string out;
        while (at_ < text_.size()) {
            char c = text_[at_];
            if (stops.find(c) != std::string_view::npos) {
                stopped_at_ = c;
                ++at_;
                return out;
            }
            if (c == '\'' || c == '"') {
                out += TRY(c == '\'' ? single_quoted() : double_quoted(depth));
                in_word_ = true;
                if (depth == 0) add(out, false);
            } else if (c == '$') {
                out += TRY(dollar(depth));
                if (depth == 0) add(out, true);
            } else {
                ++at_;
                if (c == escape_) {
                    if (at_ == text_.size()) break;
                    c = text_[at_++];
                }
                out += c;
                if (depth == 0) add(out, false);
            }
            if (out.size() > max_length) return Error(Errc::Exhausted, "variables grow too long");
        }
        if (!stops.empty())
            return Error(Errc::Invalid,
                         fmt::format("unexpected end of statement while looking for matching {}", stops.back()));
        return out;
    }

    Result<std::string> variables_only() {
        std::string out;
        while (at_ < text_.size()) {
            char c = text_[at_];
            if (c == '$') {
                out += TRY(dollar(0));
            } else if (c == escape_ && at_ + 1 < text_.size() && text_[at_ + 1] == '$') {
                out += '$';
                at_ += 2;
            } else {
                out += c;
                ++at_;
            }
            if (out.size() > max_length) return Error(Errc::Exhausted, "variables grow too long");
        }
        return out;
    }

    // Of the outermost level, split where a variable brought white space in.
    std::vector<std::string> take_words() {
        if (in_word_ || !word_.empty()) words_.push_back(std::move(word_));
        return std::move(words_);
    }

private:
    // What is new at the end of `out`.
    void add(const std::string& out, bool split_it) {
        for (; seen_ < out.size(); ++seen_) {
            if (!split_it || !is_space(out[seen_])) {
                word_ += out[seen_];
            } else if (in_word_ || !word_.empty()) {
                words_.push_back(std::exchange(word_, {}));
                in_word_ = false;
            }
        }
    }

    Result<std::string> single_quoted() {
        auto end = text_.find('\'', ++at_);
        if (end == std::string_view::npos)
            return Error(Errc::Invalid, "unexpected end of statement while looking for matching single-quote");
        auto inside = text_.substr(at_, end - at_);
        at_ = end + 1;
        return std::string(inside);
    }

    Result<std::string> double_quoted(int depth) {
        std::string out;
        for (++at_; at_ < text_.size();) {
            char c = text_[at_];
            if (c == '"') {
                ++at_;
                return out;
            }
            if (c == '$') {
                out += TRY(dollar(depth));
                continue;
            }
            ++at_;
            if (c == escape_) {
                if (at_ == text_.size()) break;
                char next = text_[at_];
                if (next == '"' || next == '$' || next == escape_) c = text_[at_++];
            }
            out += c;
        }
        return Error(Errc::Invalid, "unexpected end of statement while looking for matching double-quote");
    }

    std::string name() {
        auto begin = at_;
        auto digit = [](char c) { return c >= '0' && c <= '9'; };
        auto letter = [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80) != 0;
        };
        if (at_ < text_.size() && digit(text_[at_])) {
            while (at_ < text_.size() && digit(text_[at_])) ++at_;
        } else if (at_ < text_.size() && std::string_view("@*#?-$!").find(text_[at_]) != std::string_view::npos) {
            ++at_;
        } else {
            while (at_ < text_.size() && (letter(text_[at_]) || digit(text_[at_]))) ++at_;
        }
        return std::string(text_.substr(begin, at_ - begin));
    }

    Result<std::string> dollar(int depth) {
        ++at_;
        if (at_ >= text_.size() || text_[at_] != '{') {
            auto variable = name();
            return variable.empty() ? std::string("$") : variables_(variable).value_or("");
        }
        ++at_;
        if (at_ >= text_.size()) return Error(Errc::Invalid, "syntax error: missing '}'");
        if (text_[at_] == '{' || text_[at_] == '}' || text_[at_] == ':')
            return Error(Errc::Invalid, "syntax error: bad substitution");
        auto variable = name();
        char c = at_ < text_.size() ? text_[at_++] : '\0';
        switch (c) {
            case '}': return variables_(variable).value_or("");
            case ':': return defaulted(variable, at_ < text_.size() ? text_[at_++] : '\0', true, depth);
            case '+':
            case '-':
            case '?': return defaulted(variable, c, false, depth);
            case '#':
            case '%': return trimmed(variable, c, depth);
            case '/': return replaced(variable, depth);
            default: return Error(Errc::Invalid, "missing ':' in substitution");
        }
    }

    Result<std::string> braced(std::string_view stops, int depth) {
        auto word = until(stops, depth + 1);
        if (word || at_ < text_.size()) return word;
        return Error(Errc::Invalid, "syntax error: missing '}'");
    }

    Result<std::string> defaulted(const std::string& variable, char modifier, bool empty_is_unset, int depth) {
        auto word = TRY(braced("}", depth));
        auto value = variables_(variable);
        bool unset = !value || (empty_is_unset && value->empty());
        switch (modifier) {
            case '+': return unset ? std::string() : word;
            case '-': return unset ? word : *value;
            case '?':
                if (!unset) return *value;
                if (word.empty()) word = value ? "not allowed to be empty" : "not allowed to be unset";
                return Error(Errc::Invalid, fmt::format("{}: {}", variable, word));
            default: return Error(Errc::Invalid, fmt::format("unsupported modifier ({}) in substitution", modifier));
        }
    }

    // Matching takes the square of the length, or worse.
    Result<std::string> short_value(const std::string& variable) {
        auto value = variables_(variable).value_or("");
        if (value.size() > 16384) return Error(Errc::Exhausted, fmt::format("{} is too long for a pattern", variable));
        return value;
    }

    Result<std::string> trimmed(const std::string& variable, char modifier, int depth) {
        bool longest = at_ < text_.size() && text_[at_] == modifier;
        if (longest) ++at_;
        auto pattern = TRY(braced("}", depth));
        auto value = TRY(short_value(variable));
        return modifier == '#' ? without_prefix(value, pattern, longest) : without_suffix(value, pattern, longest);
    }

    Result<std::string> replaced(const std::string& variable, int depth) {
        bool all = at_ < text_.size() && text_[at_] == '/';
        if (all) ++at_;
        auto pattern = TRY(braced("/}", depth));
        std::string by;
        if (stopped_at_ == '/') by = TRY(braced("}", depth));
        auto value = TRY(short_value(variable));
        return with_replaced(value, pattern, by, all);
    }

    std::string_view text_;
    const Variables& variables_;
    const char escape_;
    char stopped_at_ = '\0';
    std::size_t at_ = 0, seen_ = 0;
    std::string word_;
    std::vector<std::string> words_;
    bool in_word_ = false;
};

}  // namespace

Result<std::string> expand_word(std::string_view word, const Variables& variables, char escape) {
    return Expander(word, variables, escape).until("", 0).in(fmt::format("failed to process {}", json_quote(word)));
}

Result<std::vector<std::string>> expand_words(std::string_view word, const Variables& variables, char escape) {
    Expander expander(word, variables, escape);
    TRY(expander.until("", 0).in(fmt::format("failed to process {}", json_quote(word))));
    return expander.take_words();
}

Result<std::string> expand_text(std::string_view text, const Variables& variables, char escape) {
    return Expander(text, variables, escape).variables_only();
}

}  // namespace pila::image
