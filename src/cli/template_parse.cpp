// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>
#include <charconv>

#include "base/text.h"
#include "cli/template_internal.h"
#include "cli/units.h"

namespace pila::cli {

using namespace template_detail;

namespace {

constexpr int max_depth = 64;

struct Token {
    enum class Kind : std::uint8_t { End, Field, Variable, Identifier, String, Number, Character, Symbol };
    Kind kind = Kind::End;
    std::string text;  // decoded for strings
    std::size_t at = 0, end = 0;
    bool space_before = false;
};

bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
}
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

class Parser {
public:
    explicit Parser(std::string_view text) : text_(text) {}

    Result<std::unique_ptr<Node>> parse() {
        auto root = std::make_unique<Node>();
        std::string stop;
        TRY(parse_list(root->children, stop, 0));
        if (!stop.empty()) return fail(fmt::format("unexpected {{{{{}}}}}", stop));
        return root;
    }

private:
    Error fail(std::string_view message) const {
        std::size_t line = 1;
        for (std::size_t i = 0; i < at_ && i < text_.size(); ++i) line += text_[i] == '\n';
        return Error(Errc::Invalid, fmt::format("template: :{}: {}", line, message));
    }

    // Text up to the next action; `stop` gets "end" or "else" (with the rest of its action still to read).
    Result<void> parse_list(std::vector<std::unique_ptr<Node>>& into, std::string& stop, int depth) {
        if (depth > max_depth) return fail("nested too deeply");
        for (;;) {
            auto open = text_.find("{{", at_);
            auto plain = text_.substr(at_, open == std::string_view::npos ? open : open - at_);
            if (trim_next_) plain.remove_prefix(std::min(plain.find_first_not_of(" \t\r\n"), plain.size()));
            trim_next_ = false;
            bool trims = open != std::string_view::npos && open + 3 < text_.size() && text_[open + 2] == '-' &&
                         is_space(text_[open + 3]);
            if (trims) {
                auto last = plain.find_last_not_of(" \t\r\n");
                plain = plain.substr(0, last == std::string_view::npos ? 0 : last + 1);
            }
            if (!plain.empty()) {
                auto node = std::make_unique<Node>();
                node->kind = Node::Kind::Text;
                node->text = plain;
                into.push_back(std::move(node));
            }
            if (open == std::string_view::npos) {
                at_ = text_.size();
                stop.clear();
                return {};
            }
            at_ = open + (trims ? 3 : 2);
            if (TRY(skip_comment())) continue;
            bool leave = TRY(parse_action(into, stop, depth));
            if (leave) return {};
        }
    }

    Result<bool> skip_comment() {
        auto start = text_.find_first_not_of(" \t\r\n", at_);
        if (start == std::string_view::npos || !text_.substr(start).starts_with("/*")) return false;
        auto close = text_.find("*/", start + 2);
        if (close == std::string_view::npos) return fail("unclosed comment");
        at_ = close + 2;
        TRY(expect_close());
        return true;
    }

    Result<void> expect_close() {
        auto rest = text_.substr(at_);
        auto spaces = std::min(rest.find_first_not_of(" \t\r\n"), rest.size());
        if (spaces > 0 && rest.substr(spaces).starts_with("-}}")) {
            trim_next_ = true;
            at_ += spaces + 3;
        } else if (rest.substr(spaces).starts_with("}}")) {
            at_ += spaces + 2;
        } else if (spaces == rest.size()) {
            return fail("unclosed action");
        } else {
            return fail(fmt::format("unexpected {} in operand", go_quote(rest.substr(spaces, 1))));
        }
        return {};
    }

    bool at_close() const {
        auto rest = text_.substr(at_);
        auto spaces = std::min(rest.find_first_not_of(" \t\r\n"), rest.size());
        return rest.substr(spaces).starts_with("}}") || (spaces > 0 && rest.substr(spaces).starts_with("-}}"));
    }

    // true: this was {{end}} or {{else}}, named in `stop`.
    Result<bool> parse_action(std::vector<std::unique_ptr<Node>>& into, std::string& stop, int depth) {
        auto keyword = TRY(peek());
        std::string_view word = keyword.kind == Token::Kind::Identifier ? std::string_view(keyword.text) : "";
        if (word == "end" || word == "else") {
            at_ = keyword.end;
            stop = word;
            if (word == "end") TRY(expect_close());
            return true;
        }
        auto node = std::make_unique<Node>();
        if (word == "break" || word == "continue") {
            at_ = keyword.end;
            node->kind = word == "break" ? Node::Kind::Break : Node::Kind::Continue;
            TRY(expect_close());
        } else if (word == "if" || word == "range" || word == "with") {
            at_ = keyword.end;
            TRY(parse_block(*node, word, depth));
        } else if (word == "define" || word == "template" || word == "block") {
            return fail(fmt::format("{{{{{}}}}} is not supported", word));
        } else {
            node->kind = Node::Kind::Action;
            node->pipeline = TRY(parse_pipeline(depth));
            TRY(expect_close());
        }
        into.push_back(std::move(node));
        return false;
    }

    Result<void> parse_block(Node& node, std::string_view word, int depth) {
        node.kind = word == "if" ? Node::Kind::If : word == "range" ? Node::Kind::Range : Node::Kind::With;
        if (at_close()) return fail(fmt::format("missing value for {}", word));
        node.pipeline = TRY(parse_pipeline(depth));
        TRY(expect_close());
        std::string stop;
        TRY(parse_list(node.children, stop, depth + 1));
        if (stop == "else") {
            auto next = TRY(peek());
            bool chained = next.kind == Token::Kind::Identifier && (next.text == "if" || next.text == "with");
            if (chained && next.text == word) {
                at_ = next.end;
                auto inner = std::make_unique<Node>();
                if (depth > max_depth) return fail("nested too deeply");
                TRY(parse_block(*inner, next.text, depth + 1));
                node.otherwise.push_back(std::move(inner));
                return {};
            }
            TRY(expect_close());
            TRY(parse_list(node.otherwise, stop, depth + 1));
        }
        if (stop != "end") return fail(stop == "else" ? "unexpected {{else}}" : "unexpected EOF");
        return {};
    }

    Result<Pipeline> parse_pipeline(int depth) {
        if (depth > max_depth) return fail("nested too deeply");
        Pipeline pipeline;
        auto begin = at_;
        auto first = TRY(peek());
        if (first.kind == Token::Kind::Variable) {
            at_ = first.end;
            std::vector<std::string> names{first.text};
            auto next = TRY(peek());
            if (next.kind == Token::Kind::Symbol && next.text == ",") {
                at_ = next.end;
                auto second = TRY(take());
                if (second.kind != Token::Kind::Variable) return fail("expected a variable after ','");
                names.push_back(second.text);
                next = TRY(peek());
            }
            if (next.kind == Token::Kind::Symbol && (next.text == ":=" || next.text == "=")) {
                at_ = next.end;
                pipeline.variables = std::move(names);
                pipeline.declares = next.text == ":=";
            } else {
                at_ = begin;
            }
        }
        for (;;) {
            pipeline.commands.push_back(TRY(parse_command(depth)));
            auto next = TRY(peek());
            if (next.kind != Token::Kind::Symbol || next.text != "|") return pipeline;
            at_ = next.end;
        }
    }

    Result<Command> parse_command(int depth) {
        Command command;
        for (;;) {
            if (at_close()) break;
            auto token = TRY(peek());
            if (token.kind == Token::Kind::End) return fail("unclosed action");
            if (token.kind == Token::Kind::Symbol && (token.text == "|" || token.text == ")")) break;
            if (!command.operands.empty() && !token.space_before)
                return fail(fmt::format("unexpected {} in operand", go_quote(token.text)));
            command.operands.push_back(TRY(parse_operand(depth)));
        }
        if (command.operands.empty()) return fail("missing value for command");
        return command;
    }

    Result<Operand> parse_operand(int depth) {
        auto token = TRY(take());
        Operand operand;
        operand.at = token.at;
        switch (token.kind) {
            case Token::Kind::Field:
                if (!token.text.empty()) operand.fields.push_back(token.text);
                break;
            case Token::Kind::Variable:
                operand.kind = Operand::Kind::Variable;
                operand.name = token.text;
                break;
            case Token::Kind::String:
                operand.kind = Operand::Kind::Literal;
                operand.literal = token.text;
                break;
            case Token::Kind::Number: operand = TRY(number(token)); break;
            case Token::Kind::Identifier: operand = TRY(word(token)); break;
            case Token::Kind::Symbol:
                if (token.text == "(") {
                    operand.kind = Operand::Kind::Nested;
                    operand.nested = std::make_unique<Pipeline>(TRY(parse_pipeline(depth + 1)));
                    if (auto close = TRY(take()); close.text != ")" || close.kind != Token::Kind::Symbol)
                        return fail("unclosed left paren");
                    break;
                }
                [[fallthrough]];
            default: return fail(fmt::format("unexpected {} in operand", go_quote(token.text)));
        }
        while (at_ < text_.size() && text_[at_] == '.' && at_ + 1 < text_.size() && is_word(text_[at_ + 1])) {
            auto field = TRY(take());
            operand.fields.push_back(field.text);
        }
        operand.text = text_.substr(token.at, at_ - token.at);
        return operand;
    }

    Result<Operand> word(const Token& token) {
        Operand operand;
        operand.at = token.at;
        operand.kind = Operand::Kind::Literal;
        if (token.text == "true" || token.text == "false")
            operand.literal = token.text == "true";
        else if (token.text == "nil")
            operand.literal = nullptr;
        else if (is_function(token.text)) {
            operand.kind = Operand::Kind::Function;
            operand.name = token.text;
        } else {
            return fail(fmt::format("function {} not defined", go_quote(token.text)));
        }
        return operand;
    }

    Result<Operand> number(const Token& token) {
        Operand operand;
        operand.at = token.at;
        operand.kind = Operand::Kind::Literal;
        if (auto whole = parse_int(token.text)) {
            operand.literal = *whole;
            return operand;
        }
        double value = 0;
        auto [end, error] = std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
        if (error != std::errc{} || end != token.text.data() + token.text.size())
            return fail(fmt::format("bad number syntax: {}", go_quote(token.text)));
        operand.literal = value;
        return operand;
    }

    Result<Token> peek() {
        auto saved = at_;
        auto token = take();
        at_ = saved;
        return token;
    }

    Result<Token> take() {
        Token token;
        auto start = at_;
        while (at_ < text_.size() && is_space(text_[at_])) ++at_;
        token.space_before = at_ != start;
        token.at = at_;
        if (at_ >= text_.size()) return fail("unclosed action");
        char c = text_[at_];
        if (c == '"' || c == '`' || c == '\'') return quoted(token, c);
        if (c == '.' && !(at_ + 1 < text_.size() && text_[at_ + 1] >= '0' && text_[at_ + 1] <= '9')) {
            token.kind = Token::Kind::Field;
            ++at_;
            token.text = take_word();
        } else if (c == '$') {
            token.kind = Token::Kind::Variable;
            ++at_;
            token.text = "$" + take_word();
        } else if ((c >= '0' && c <= '9') || c == '.' ||
                   ((c == '-' || c == '+') && at_ + 1 < text_.size() && text_[at_ + 1] >= '0' &&
                    text_[at_ + 1] <= '9')) {
            token.kind = Token::Kind::Number;
            auto begin = at_++;
            while (at_ < text_.size() && (is_word(text_[at_]) || text_[at_] == '.')) ++at_;
            token.text = text_.substr(begin + (c == '+'), at_ - begin - (c == '+'));
        } else if (is_word(c)) {
            token.kind = Token::Kind::Identifier;
            token.text = take_word();
        } else {
            token.kind = Token::Kind::Symbol;
            bool declare = c == ':' && at_ + 1 < text_.size() && text_[at_ + 1] == '=';
            token.text = text_.substr(at_, declare ? 2 : 1);
            at_ += token.text.size();
        }
        token.end = at_;
        return token;
    }

    std::string take_word() {
        auto begin = at_;
        while (at_ < text_.size() && is_word(text_[at_])) ++at_;
        return std::string(text_.substr(begin, at_ - begin));
    }

    Result<Token> quoted(Token token, char quote) {
        token.kind = quote == '\'' ? Token::Kind::Character : Token::Kind::String;
        for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) {
            char c = text_[at_];
            if (c == '\n' && quote != '`') return fail("unterminated quoted string");
            if (c != '\\' || quote == '`') {
                token.text += c;
                continue;
            }
            if (++at_ >= text_.size()) break;
            TRY(escape(token.text));
        }
        if (at_ >= text_.size())
            return fail(quote == '`' ? "unterminated raw quoted string" : "unterminated quoted string");
        token.end = ++at_;
        return token;
    }

    Result<void> escape(std::string& out) {
        char c = text_[at_];
        static constexpr std::string_view names = "abfnrtv\\'\"", values = "\a\b\f\n\r\t\v\\'\"";
        if (auto known = names.find(c); known != std::string_view::npos) {
            out += values[known];
            return {};
        }
        if (c == 'x' && at_ + 2 < text_.size()) {
            if (auto byte = parse_uint(text_.substr(at_ + 1, 2), 16)) {
                out += static_cast<char>(*byte);
                at_ += 2;
                return {};
            }
        }
        return fail("invalid escape in a quoted string");
    }

    std::string_view text_;
    std::size_t at_ = 0;
    bool trim_next_ = false;
};

}  // namespace

Result<Template> Template::parse(std::string_view text) { return Template(TRY(Parser(text).parse())); }

Template::Template(std::unique_ptr<Node> root) : root_(std::move(root)) {}
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

}  // namespace pila::cli
