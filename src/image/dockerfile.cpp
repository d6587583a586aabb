// SPDX-License-Identifier: Apache-2.0
#include "image/dockerfile.h"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/json.h"
#include "base/text.h"

namespace pila::image {

namespace {

constexpr char escape = '\\';

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f' || c == '\n'; }

std::string_view trim_left(std::string_view text) {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    return text;
}

std::string quoted(std::string_view text) { return json_quote(text); }

// Takes "--flag[=value]" words off the front.
Result<std::string_view> take_flags(std::string_view text, Instruction& instruction) {
    for (;;) {
        text = trim_left(text);
        if (!text.starts_with("--")) return text;
        std::string word;
        char quote = 0;
        std::size_t at = 0;
        for (; at < text.size(); ++at) {
            char c = text[at];
            if (quote == 0 && is_space(c)) break;
            if (c == escape && quote != '\'' && at + 1 < text.size()) {
                word += text[++at];
            } else if (quote == 0 && (c == '"' || c == '\'')) {
                quote = c;
            } else if (c == quote) {
                quote = 0;
            } else {
                word += c;
            }
        }
        text.remove_prefix(at);
        if (word == "--") return trim_left(text);
        auto equals = word.find('=');
        auto name = word.substr(2, equals == std::string::npos ? equals : equals - 2);
        std::optional<std::string> value;
        if (equals != std::string::npos) value = word.substr(equals + 1);
        for (const auto& [known, ignored] : instruction.flags)
            if (known == name) return Error(Errc::Invalid, fmt::format("Duplicate flag specified: {}", name));
        instruction.flags.emplace_back(std::move(name), std::move(value));
    }
}

Result<Instruction> parse_line(std::string_view line) {
    Instruction instruction;
    line = trim(line);
    instruction.original = line;
    std::size_t end = 0;
    while (end < line.size() && !is_space(line[end])) ++end;
    instruction.name = line.substr(0, end);
    instruction.upper = instruction.name;
    std::transform(instruction.upper.begin(), instruction.upper.end(), instruction.upper.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    instruction.rest = trim(TRY(take_flags(line.substr(end), instruction)));
    return instruction;
}

// "text \": the escape at the end, white space behind it allowed, goes.
bool take_continuation(std::string_view& line) {
    auto end = line.find_last_not_of(" \t");
    if (end == std::string_view::npos || line[end] != escape) return false;
    line = line.substr(0, end);
    return true;
}

}  // namespace

Result<std::vector<Instruction>> parse_instructions(std::string_view text) {
    std::vector<Instruction> instructions;
    std::string joined;
    bool open = false;
    for (auto line : split(text, '\n')) {
        if (line.ends_with('\r')) line.remove_suffix(1);
        auto stripped = trim_left(line);
        if (stripped.empty() || stripped.starts_with('#')) continue;
        if (!open) line = stripped;
        bool more = take_continuation(line);
        joined += line;
        open = more;
        if (more) continue;
        instructions.push_back(TRY(parse_line(std::exchange(joined, {}))));
    }
    if (!trim(joined).empty()) instructions.push_back(TRY(parse_line(joined)));
    if (instructions.empty()) return Error(Errc::Invalid, "file with no instructions");
    return instructions;
}

Result<std::optional<std::vector<std::string>>> parse_json_list(std::string_view text) {
    text = trim_left(text);
    std::optional<std::vector<std::string>> list;
    if (!text.starts_with('[')) return list;
    // What stands behind the list is not looked at (Go's decoder stops there).
    json::stream_parser parser({}, json::parse_options{.max_depth = 8});
    boost::system::error_code failed;
    parser.write_some(text.data(), text.size(), failed);
    if (failed || !parser.done()) return list;
    auto value = parser.release();
    if (!value.is_array()) return list;
    list.emplace();
    for (const auto& item : value.get_array()) {
        if (!item.is_string())
            return Error(Errc::Invalid, "when using JSON array syntax, arrays must be comprised of strings only");
        list->emplace_back(item.get_string());
    }
    return list;
}

std::vector<std::string> parse_words(std::string_view text) {
    std::vector<std::string> words;
    std::string word;
    char quote = 0;
    bool blank_is_word = false;
    auto end_word = [&] {
        if (blank_is_word || !word.empty()) words.push_back(std::exchange(word, {}));
        blank_is_word = false;
    };
    for (std::size_t at = 0; at < text.size(); ++at) {
        char c = text[at];
        if (quote == 0 && is_space(c)) {
            end_word();
            continue;
        }
        if (c == escape && quote != '\'') {
            if (at + 1 == text.size()) break;
            word += c;
            c = text[++at];
        } else if (quote == 0 && (c == '"' || c == '\'')) {
            quote = c;
            blank_is_word = true;
        } else if (c == quote) {
            quote = 0;
        }
        word += c;
    }
    end_word();
    return words;
}

Result<std::vector<std::pair<std::string, std::string>>> parse_pairs(std::string_view text,
                                                                     std::string_view instruction) {
    std::vector<std::pair<std::string, std::string>> pairs;
    auto words = parse_words(text);
    if (words.empty()) return Error(Errc::Invalid, fmt::format("{} requires at least one argument", instruction));
    if (words[0].find('=') == std::string::npos) {
        auto space = std::find_if(text.begin(), text.end(), is_space);
        if (space == text.end()) return Error(Errc::Invalid, fmt::format("{} must have two arguments", instruction));
        auto name = std::string(text.begin(), space);
        pairs.emplace_back(std::move(name),
                           trim_left(std::string_view(&*space, static_cast<std::size_t>(text.end() - space))));
        return pairs;
    }
    for (const auto& word : words) {
        auto equals = word.find('=');
        if (equals == std::string::npos)
            return Error(
                Errc::Invalid,
                fmt::format("Syntax error - can't find = in {}. Must be of the form: name=value", quoted(word)));
        pairs.emplace_back(word.substr(0, equals), word.substr(equals + 1));
    }
    return pairs;
}

namespace {

// The shell's word rules, as far as Dockerfiles have them.
class Expander {
public:
    Expander(std::string_view text, const Variables& variables) : text_(text), variables_(variables) {}

    Result<std::string> until(char stop, int depth) {
        if (depth > 64) return Error(Errc::Invalid, "substitutions nested too deep");
        std::string out;
        while (at_ < text_.size()) {
            char c = text_[at_];
            if (stop != 0 && c == stop) {
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
                if (c == escape) {
                    if (at_ == text_.size()) break;
                    c = text_[at_++];
                }
                out += c;
                if (depth == 0) add(out, false);
            }
        }
        if (stop != 0)
            return Error(Errc::Invalid, fmt::format("unexpected end of statement while looking for matching {}", stop));
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
            if (c == escape) {
                if (at_ == text_.size()) break;
                char next = text_[at_];
                if (next == '"' || next == '$' || next == escape) c = text_[at_++];
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
        if (c == '}') return variables_(variable).value_or("");
        if (c != ':') return Error(Errc::Invalid, "missing ':' in substitution");
        return modified(variable, depth);
    }

    Result<std::string> modified(const std::string& variable, int depth) {
        char modifier = at_ < text_.size() ? text_[at_++] : '\0';
        auto word = until('}', depth + 1);
        if (!word) return at_ >= text_.size() ? Error(Errc::Invalid, "syntax error: missing '}'") : word.take_error();
        auto value = variables_(variable);
        bool empty = !value || value->empty();
        switch (modifier) {
            case '+': return empty ? std::string() : *word;
            case '-': return empty ? *word : *value;
            case '?':
                if (!empty) return *value;
                if (word->empty()) word = std::string(value ? "not allowed to be empty" : "not allowed to be unset");
                return Error(Errc::Invalid, fmt::format("{}: {}", variable, *word));
            default: return Error(Errc::Invalid, fmt::format("unsupported modifier ({}) in substitution", modifier));
        }
    }

    std::string_view text_;
    const Variables& variables_;
    std::size_t at_ = 0, seen_ = 0;
    std::string word_;
    std::vector<std::string> words_;
    bool in_word_ = false;
};

}  // namespace

Result<std::string> expand_word(std::string_view word, const Variables& variables) {
    return Expander(word, variables).until('\0', 0).in(fmt::format("failed to process {}", quoted(word)));
}

Result<std::vector<std::string>> expand_words(std::string_view word, const Variables& variables) {
    Expander expander(word, variables);
    TRY(expander.until('\0', 0).in(fmt::format("failed to process {}", quoted(word))));
    return expander.take_words();
}

Result<std::int64_t> parse_duration(std::string_view text) {
    auto invalid = [&] { return Error(Errc::Invalid, fmt::format("time: invalid duration {}", quoted(text))); };
    static constexpr std::pair<std::string_view, double> units[] = {
        {"ns", 1},   {"us", 1e3}, {"\xc2\xb5s", 1e3}, {"\xce\xbcs", 1e3},
        {"ms", 1e6}, {"s", 1e9},  {"m", 60e9},        {"h", 3600e9}};
    auto rest = text;
    bool negative = rest.starts_with('-');
    if (negative || rest.starts_with('+')) rest.remove_prefix(1);
    if (rest == "0") return std::int64_t{0};
    if (rest.empty()) return invalid();
    double total = 0;
    while (!rest.empty()) {
        auto length = std::min(rest.find_first_not_of("0123456789."), rest.size());
        auto number = rest.substr(0, length);
        auto dot = number.find('.');
        auto whole = number.substr(0, dot),
             fraction = dot == std::string_view::npos ? std::string_view() : number.substr(dot + 1);
        if (whole.size() + fraction.size() == 0 || fraction.find('.') != std::string_view::npos) return invalid();
        rest.remove_prefix(length);
        auto unit = rest.substr(0, std::min(rest.find_first_of("0123456789."), rest.size()));
        rest.remove_prefix(unit.size());
        if (unit.empty()) return Error(Errc::Invalid, fmt::format("time: missing unit in duration {}", quoted(text)));
        auto known =
            std::find_if(std::begin(units), std::end(units), [&](const auto& entry) { return entry.first == unit; });
        if (known == std::end(units))
            return Error(Errc::Invalid,
                         fmt::format("time: unknown unit {} in duration {}", quoted(unit), quoted(text)));
        auto digits = parse_uint(whole.empty() ? std::string_view("0") : whole);
        auto decimals = parse_uint(fraction.empty() ? std::string_view("0") : fraction.substr(0, 15));
        if (!digits || !decimals) return invalid();
        total += (static_cast<double>(*digits) +
                  static_cast<double>(*decimals) /
                      std::pow(10, static_cast<double>(std::min<std::size_t>(fraction.size(), 15)))) *
                 known->second;
    }
    if (total > 9.2e18) return invalid();
    auto nanoseconds = static_cast<std::int64_t>(std::llround(total));
    return negative ? -nanoseconds : nanoseconds;
}

}  // namespace pila::image
