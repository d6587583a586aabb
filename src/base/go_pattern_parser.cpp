// SPDX-License-Identifier: Apache-2.0
// The syntax: https://github.com/google/re2/wiki/Syntax, but for names of Unicode's classes.
#include <algorithm>
#include <optional>
#include <tuple>

#include <fmt/core.h>

#include "base/go_pattern_internal.h"
#include "base/text.h"

namespace pila {

namespace {

constexpr int deepest = 200, most_repeats = 1000;
constexpr std::size_t longest_pattern = 64U << 10;
constexpr char32_t last_character = 0x10FFFF;

struct Flags {
    bool folds = false, lines = false, dot_all = false;
};

CharacterSet merged(CharacterSet set) {
    std::sort(set.begin(), set.end());
    CharacterSet out;
    for (const auto& range : set) {
        if (!out.empty() && range.first <= out.back().second + 1)
            out.back().second = std::max(out.back().second, range.second);
        else
            out.push_back(range);
    }
    return out;
}

CharacterSet complement(const CharacterSet& set) {
    CharacterSet out;
    char32_t next = 0;
    for (const auto& range : merged(set)) {
        if (range.first > next) out.emplace_back(next, range.first - 1);
        next = range.second + 1;
    }
    if (next <= last_character) out.emplace_back(next, last_character);
    return out;
}

// Letters of ASCII in both cases.
void fold(CharacterSet& set) {
    CharacterSet more;
    for (const auto& [low, high] : set)
        for (auto [from, to, other] : {std::tuple{U'a', U'z', U'A'}, std::tuple{U'A', U'Z', U'a'}}) {
            auto begin = std::max(low, from), end = std::min(high, to);
            if (begin <= end) more.emplace_back(begin - from + other, end - from + other);
        }
    set.insert(set.end(), more.begin(), more.end());
}

struct NamedSet {
    std::string_view name;
    CharacterSet set;
};

const std::vector<NamedSet>& posix_sets() {
    static const std::vector<NamedSet> known = {
        {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}},
        {"alpha", {{'A', 'Z'}, {'a', 'z'}}},
        {"ascii", {{0, 0x7F}}},
        {"blank", {{'\t', '\t'}, {' ', ' '}}},
        {"cntrl", {{0, 0x1F}, {0x7F, 0x7F}}},
        {"digit", {{'0', '9'}}},
        {"graph", {{'!', '~'}}},
        {"lower", {{'a', 'z'}}},
        {"print", {{' ', '~'}}},
        {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
        {"space", {{'\t', '\r'}, {' ', ' '}}},
        {"upper", {{'A', 'Z'}}},
        {"word", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
        {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}},
    };
    return known;
}

std::optional<CharacterSet> perl_set(char letter) {
    CharacterSet set;
    switch (letter | 0x20) {
        case 'd': set = {{'0', '9'}}; break;
        case 's': set = {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}}; break;
        case 'w': set = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}; break;
        default: return std::nullopt;
    }
    return letter >= 'a' ? set : complement(set);
}

PatternTree of_set(CharacterSet set) {
    PatternTree tree;
    tree.what = PatternTree::What::Set;
    tree.set = merged(std::move(set));
    return tree;
}

PatternTree of_assertion(Assertion assertion) {
    PatternTree tree;
    tree.what = PatternTree::What::Assert;
    tree.assertion = assertion;
    return tree;
}

class Parser {
public:
    explicit Parser(std::string_view text) : text_(text) {}

    Result<PatternTree> parse() {
        auto tree = TRY(either(0));
        if (at_ < text_.size()) return refuse("unexpected )", text_);
        return tree;
    }

private:
    static Error refuse(std::string_view what, std::string_view where) {
        return {Errc::Invalid, fmt::format("error parsing regexp: {}: `{}`", what, where)};
    }
    bool at_end() const { return at_ >= text_.size(); }
    char peek() const { return at_end() ? '\0' : text_[at_]; }
    bool take(char c) {
        if (at_end() || text_[at_] != c) return false;
        ++at_;
        return true;
    }
    bool take(std::string_view word) {
        if (!text_.substr(at_).starts_with(word)) return false;
        at_ += word.size();
        return true;
    }

    PatternTree literal(char32_t c) const {
        CharacterSet set = {{c, c}};
        if (flags_.folds) fold(set);
        return of_set(std::move(set));
    }

    Result<PatternTree> either(int depth) {
        if (depth > deepest) return refuse("expression nests too deeply", text_);
        PatternTree tree;
        tree.what = PatternTree::What::Either;
        do tree.parts.push_back(TRY(sequence(depth)));
        while (take('|'));
        if (tree.parts.size() > 1) return tree;
        auto only = std::move(tree.parts.front());
        return only;
    }

    Result<PatternTree> sequence(int depth) {
        PatternTree tree;
        tree.what = PatternTree::What::Sequence;
        while (!at_end() && peek() != '|' && peek() != ')') {
            if (take("\\Q")) {
                quoted(tree);
                continue;
            }
            auto part = TRY(atom(depth));
            part = TRY(repeated(std::move(part)));
            tree.parts.push_back(std::move(part));
        }
        return tree;
    }

    void quoted(PatternTree& tree) {
        while (!at_end() && !take("\\E")) tree.parts.push_back(literal(next_character(text_, at_)));
    }

    // A number of times behind an atom; more than one such operator is refused, as Go does.
    Result<PatternTree> repeated(PatternTree part) {
        bool is_repeated = false;
        for (;;) {
            auto start = at_;
            int least = 0, most = -1;
            const char sign_of_it = peek();
            const bool is_sign = take('*') || take('+') || take('?');
            if (!is_sign && (sign_of_it != '{' || !counts(least, most))) return part;
            if (sign_of_it == '+') least = 1;
            if (sign_of_it == '?') most = 1;
            take('?');  // as few as possible: no difference to whether it matches
            auto sign = text_.substr(start, at_ - start);
            if (is_repeated) return refuse("invalid nested repetition operator", sign);
            if (least > most_repeats || most > most_repeats || (most >= 0 && least > most))
                return refuse("invalid repeat count", sign);
            is_repeated = true;
            PatternTree tree;
            tree.what = PatternTree::What::Repeat;
            tree.least = least;
            tree.most = most;
            tree.parts.push_back(std::move(part));
            part = std::move(tree);
        }
    }

    // "{2}", "{2,}", "{2,5}"; anything else is text.
    bool counts(int& least, int& most) {
        auto end = text_.find('}', at_);
        if (end == text_.npos) return false;
        auto inner = text_.substr(at_ + 1, end - at_ - 1);
        auto comma = inner.find(',');
        auto low = number(inner.substr(0, comma));
        if (!low) return false;
        least = *low;
        most = *low;
        if (comma != inner.npos) {
            auto rest = inner.substr(comma + 1);
            auto high = number(rest);
            if (!rest.empty() && !high) return false;
            most = rest.empty() ? -1 : *high;
        }
        at_ = end + 1;
        return true;
    }

    static std::optional<int> number(std::string_view text) {
        if (text.empty() || text.size() > 8) return std::nullopt;
        auto parsed = parse_uint(text);
        if (!parsed) return std::nullopt;
        return static_cast<int>(*parsed);
    }

    Result<PatternTree> atom(int depth) {
        switch (peek()) {
            case '(': return group(depth);
            case '[': return bracket();
            case '.':
                ++at_;
                return of_set(flags_.dot_all ? CharacterSet{{0, last_character}} : complement({{'\n', '\n'}}));
            case '^': ++at_; return of_assertion(flags_.lines ? Assertion::LineStart : Assertion::TextStart);
            case '$': ++at_; return of_assertion(flags_.lines ? Assertion::LineEnd : Assertion::TextEnd);
            case '*':
            case '+':
            case '?': return refuse("missing argument to repetition operator", text_.substr(at_, 1));
            case '\\': return escape();
            default: return literal(next_character(text_, at_));
        }
    }

    Result<PatternTree> group(int depth) {
        auto start = at_++;
        auto before = flags_;
        if (take('?')) {
            bool named = take("P<") || take('<');
            auto end = text_.find(named ? ">" : ":)", at_);
            auto other = named ? end : text_.find_first_of(":)", at_);
            if (other == text_.npos) return refuse("missing closing )", text_);
            auto word = text_.substr(at_, other - at_);
            if (!named && !set_flags(word))
                return refuse("invalid or unsupported Perl syntax", text_.substr(start, other + 1 - start));
            at_ = other + 1;
            if (!named && text_[other] == ')') return PatternTree();  // for the rest of the group around it
        }
        auto tree = TRY(either(depth + 1));
        if (!take(')')) return refuse("missing closing )", text_);
        flags_ = before;
        return tree;
    }

    // "i", "s-m"; "": none
    bool set_flags(std::string_view word) {
        bool value = true;
        for (char c : word) {
            switch (c) {
                case 'i': flags_.folds = value; break;
                case 'm': flags_.lines = value; break;
                case 's': flags_.dot_all = value; break;
                case 'U': break;
                case '-':
                    if (!value) return false;
                    value = false;
                    break;
                default: return false;
            }
        }
        return true;
    }

    Result<PatternTree> escape() {
        auto rest = text_.substr(at_);
        if (rest.size() < 2) return refuse("trailing backslash at end of expression", "");
        switch (rest[1]) {
            case 'A': at_ += 2; return of_assertion(Assertion::TextStart);
            case 'z': at_ += 2; return of_assertion(Assertion::TextEnd);
            case 'b': at_ += 2; return of_assertion(Assertion::WordBoundary);
            case 'B': at_ += 2; return of_assertion(Assertion::NoWordBoundary);
            default: break;
        }
        if (auto set = perl_set(rest[1])) {
            at_ += 2;
            return of_set(std::move(*set));
        }
        auto c = TRY(escaped_character());
        return literal(c);
    }

    // Behind a backslash: one character.
    Result<char32_t> escaped_character() {
        auto start = at_++;
        if (at_end()) return refuse("trailing backslash at end of expression", "");
        char letter = text_[at_++];
        switch (letter) {
            case 'a': return U'\a';
            case 'f': return U'\f';
            case 'n': return U'\n';
            case 'r': return U'\r';
            case 't': return U'\t';
            case 'v': return U'\v';
            case 'x': return hexadecimal(start);
            default: break;
        }
        if (letter >= '0' && letter <= '7') return octal(letter, start);
        bool is_plain = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || letter == '8' ||
                        letter == '9' || static_cast<unsigned char>(letter) >= 0x80;
        if (is_plain) return refuse("invalid escape sequence", text_.substr(start, 2));
        return static_cast<char32_t>(letter);
    }

    Result<char32_t> hexadecimal(std::size_t start) {
        bool braces = take('{');
        auto end = braces ? text_.find('}', at_) : std::min(at_ + 2, text_.size());
        if (end == text_.npos) return refuse("invalid escape sequence", text_.substr(start));
        auto digits = text_.substr(at_, end - at_);
        auto value = digits.size() > 8 ? std::nullopt : parse_uint(digits, 16);
        if (!value || *value > last_character || (!braces && digits.size() != 2))
            return refuse("invalid escape sequence", text_.substr(start, end - start));
        at_ = braces ? end + 1 : end;
        return static_cast<char32_t>(*value);
    }

    Result<char32_t> octal(char first, std::size_t start) {
        auto value = static_cast<char32_t>(first - '0');
        bool is_reference = first != '0' && (peek() < '0' || peek() > '7');
        if (is_reference) return refuse("invalid escape sequence", text_.substr(start, 2));
        for (int count = 0; count < 2 && peek() >= '0' && peek() <= '7'; ++count)
            value = value * 8 + static_cast<char32_t>(text_[at_++] - '0');
        return value;
    }

    Result<PatternTree> bracket() {
        auto start = at_++;
        bool is_negated = take('^');
        CharacterSet set;
        for (bool is_first = true; is_first || peek() != ']'; is_first = false) {
            if (at_end()) return refuse("missing closing ]", text_.substr(start));
            if (text_.substr(at_).starts_with("[:")) {
                if (TRY(posix(set))) continue;
            }
            if (peek() == '\\' && at_ + 1 < text_.size())
                if (auto known = perl_set(text_[at_ + 1])) {
                    at_ += 2;
                    set.insert(set.end(), known->begin(), known->end());
                    continue;
                }
            auto from = at_;
            auto low = TRY(bracket_character());
            auto high = low;
            if (peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
                ++at_;
                high = TRY(bracket_character());
            }
            if (high < low) return refuse("invalid character class range", text_.substr(from, at_ - from));
            set.emplace_back(low, high);
        }
        ++at_;
        if (flags_.folds) fold(set);
        return of_set(is_negated ? complement(set) : std::move(set));
    }

    Result<char32_t> bracket_character() {
        if (at_end()) return refuse("missing closing ]", text_);
        if (peek() == '\\') return escaped_character();
        return next_character(text_, at_);
    }

    // "[:alpha:]" within brackets; false: it is none.
    Result<bool> posix(CharacterSet& set) {
        auto end = text_.find(":]", at_ + 2);
        if (end == text_.npos) return false;
        auto name = text_.substr(at_ + 2, end - at_ - 2);
        bool is_negated = name.starts_with('^');
        for (const auto& known : posix_sets()) {
            if (known.name != name.substr(is_negated ? 1 : 0)) continue;
            auto found = is_negated ? complement(known.set) : known.set;
            set.insert(set.end(), found.begin(), found.end());
            at_ = end + 2;
            return true;
        }
        return refuse("invalid character class range", text_.substr(at_, end + 2 - at_));
    }

    std::string_view text_;
    std::size_t at_ = 0;
    Flags flags_;
};

}  // namespace

Result<PatternTree> parse_go_pattern(std::string_view text) {
    if (text.size() > longest_pattern) return Error(Errc::Invalid, "error parsing regexp: expression too large");
    if (!is_utf8(text)) return Error(Errc::Invalid, "error parsing regexp: invalid UTF-8");
    return Parser(text).parse();
}

}  // namespace pila
