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

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f' || c == '\n'; }

std::string_view trim_left(std::string_view text) {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    return text;
}

std::string quoted(std::string_view text) { return json_quote(text); }

// Those that may be given several times.
bool is_list_flag(std::string_view name) { return name == "mount" || name == "exclude"; }

// Takes "--flag[=value]" words off the front.
Result<std::string_view> take_flags(std::string_view text, Instruction& instruction, char escape) {
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
        if (!is_list_flag(name) && instruction.has_flag(name))
            return Error(Errc::Invalid, fmt::format("Duplicate flag specified: {}", name));
        instruction.flags.emplace_back(std::move(name), std::move(value));
    }
}

Result<Instruction> parse_line(std::string_view line, char escape) {
    Instruction instruction;
    line = trim(line);
    instruction.original = line;
    std::size_t end = 0;
    while (end < line.size() && !is_space(line[end])) ++end;
    instruction.name = line.substr(0, end);
    instruction.upper = instruction.name;
    std::transform(instruction.upper.begin(), instruction.upper.end(), instruction.upper.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    instruction.rest = trim(TRY(take_flags(line.substr(end), instruction, escape)));
    return instruction;
}

// "text \": the escape at the end, white space behind it allowed, goes. Two of them are one that is meant.
bool take_continuation(std::string_view& line, char escape) {
    auto end = line.find_last_not_of(" \t");
    if (end == std::string_view::npos || line[end] != escape || (end > 0 && line[end - 1] == escape)) return false;
    line = line.substr(0, end);
    return true;
}

// <<NAME, <<-NAME, 3<<"NAME": what stands for a here-document in a word.
std::optional<Heredoc> heredoc_of(std::string_view word) {
    while (!word.empty() && word.front() >= '0' && word.front() <= '9') word.remove_prefix(1);
    if (!word.starts_with("<<")) return std::nullopt;
    word.remove_prefix(2);
    Heredoc heredoc;
    if (word.starts_with('-')) {
        heredoc.chomp = true;
        word.remove_prefix(1);
    }
    if (word.empty() || word.find('<') != std::string_view::npos) return std::nullopt;
    for (char c : word)
        if (c != '"' && c != '\'' && c != '\\') heredoc.name += c;
    heredoc.expand = heredoc.name == word;
    if (heredoc.name.empty()) return std::nullopt;
    return heredoc;
}

std::vector<Heredoc> heredocs_of(const Instruction& instruction, char escape) {
    std::vector<Heredoc> heredocs;
    const auto& upper = instruction.upper;
    std::string_view rest = instruction.rest;
    if (upper == "ONBUILD") {
        auto inner = parse_line(rest, escape);
        return inner && inner->upper != "ONBUILD" ? heredocs_of(*inner, escape) : heredocs;
    }
    if (upper != "RUN" && upper != "COPY" && upper != "ADD") return heredocs;
    if (rest.find("<<") == std::string_view::npos || rest.starts_with('[')) return heredocs;
    for (const auto& word : parse_words(rest, escape))
        if (auto heredoc = heredoc_of(word)) heredocs.push_back(std::move(*heredoc));
    return heredocs;
}

struct Lines {
    std::vector<std::string_view> all;
    std::size_t next = 0;

    explicit Lines(std::string_view text) : all(split(text, '\n')) {
        if (!all.empty() && all.back().empty()) all.pop_back();
        for (auto& line : all)
            if (line.ends_with('\r')) line.remove_suffix(1);
    }
    bool more() const { return next < all.size(); }
};

Result<void> read_heredocs(Lines& lines, Instruction& instruction) {
    for (auto& heredoc : instruction.heredocs) {
        for (bool ended = false; !ended;) {
            if (!lines.more()) return Error(Errc::Invalid, "unterminated heredoc");
            auto line = lines.all[lines.next++];
            auto possible = line;
            if (heredoc.chomp) possible.remove_prefix(std::min(possible.find_first_not_of('\t'), possible.size()));
            ended = possible == heredoc.name;
            if (!ended) (heredoc.content += line) += '\n';
        }
    }
    return {};
}

// "# escape=`" and the like, before anything else. The line after the last one.
Result<char> take_directives(Lines& lines) {
    char escape = '\\';
    std::vector<std::string> seen;
    for (; lines.more(); ++lines.next) {
        auto line = trim(lines.all[lines.next]);
        if (!line.starts_with('#')) break;
        line.remove_prefix(1);
        auto equals = line.find('=');
        if (equals == std::string_view::npos) break;
        auto key = to_lower(trim(line.substr(0, equals)));
        auto value = trim(line.substr(equals + 1));
        if (key != "escape" && key != "syntax" && key != "check") break;
        if (std::find(seen.begin(), seen.end(), key) != seen.end())
            return Error(Errc::Invalid, fmt::format("only one {} parser directive can be used", key));
        seen.push_back(key);
        if (key != "escape") continue;
        if (value != "\\" && value != "`")
            return Error(Errc::Invalid, fmt::format("invalid ESCAPE '{}'. Must be ` or \\", printable(value)));
        escape = value[0];
    }
    return escape;
}

Result<std::vector<Instruction>> parse_lines(Lines& lines, char escape, bool heredocs) {
    std::vector<Instruction> instructions;
    std::string joined;
    std::size_t first = 0;
    bool open = false;
    auto take = [&]() -> Result<void> {
        auto at = [&](Error error) {
            return std::move(error).in(fmt::format("dockerfile parse error line {}", first));
        };
        auto parsed = parse_line(std::exchange(joined, {}), escape);
        if (!parsed) return heredocs ? at(parsed.take_error()) : parsed.take_error();
        auto instruction = parsed.take();
        instruction.line = first;
        if (heredocs) {
            instruction.heredocs = heredocs_of(instruction, escape);
            auto read = read_heredocs(lines, instruction);
            if (!read) return at(read.take_error());
        }
        instructions.push_back(std::move(instruction));
        return {};
    };
    while (lines.more()) {
        auto line = lines.all[lines.next++];
        auto stripped = trim_left(line);
        if (stripped.empty() || stripped.starts_with('#')) continue;
        if (!open) {
            line = stripped;
            first = lines.next;
        }
        open = take_continuation(line, escape);
        joined += line;
        if (!open) TRY(take());
    }
    if (!trim(joined).empty()) TRY(take());
    return instructions;
}

}  // namespace

std::string Heredoc::text() const {
    if (!chomp) return content;
    std::string out;
    bool at_start = true;
    for (char c : content) {
        if (at_start && c == '\t') continue;
        at_start = c == '\n';
        out += c;
    }
    return out;
}

const std::string* Instruction::flag(std::string_view flag_name) const {
    for (const auto& [known, value] : flags)
        if (known == flag_name) return value ? &*value : nullptr;
    return nullptr;
}

bool Instruction::has_flag(std::string_view flag_name) const {
    return std::any_of(flags.begin(), flags.end(), [&](const auto& flag) { return flag.first == flag_name; });
}

Result<Dockerfile> parse_dockerfile(std::string_view text) {
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    if (!is_utf8(text)) return Error(Errc::Invalid, "the Dockerfile is not valid UTF-8");
    Lines lines(text);
    Dockerfile file;
    file.escape = TRY(take_directives(lines).in("dockerfile parse error line 1"));
    file.instructions = TRY(parse_lines(lines, file.escape, true));
    if (file.instructions.empty()) return Error(Errc::Invalid, "file with no instructions");
    return file;
}

Result<std::vector<Instruction>> parse_instructions(std::string_view text, char escape) {
    Lines lines(text);
    auto instructions = TRY(parse_lines(lines, escape, false));
    if (instructions.empty()) return Error(Errc::Invalid, "file with no instructions");
    return instructions;
}

Result<Instruction> parse_trigger(std::string_view text, char escape) {
    Lines lines(text);
    auto instructions = TRY(parse_lines(lines, escape, true));
    if (instructions.size() != 1) return Error(Errc::Invalid, "a trigger is one instruction");
    return std::move(instructions.front());
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

std::vector<std::string> parse_words(std::string_view text, char escape) {
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
                                                                     std::string_view instruction, char escape) {
    std::vector<std::pair<std::string, std::string>> pairs;
    auto words = parse_words(text, escape);
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
