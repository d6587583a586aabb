// SPDX-License-Identifier: Apache-2.0
#pragma once
// The parsed form of a template and its values; shared by parser, evaluator and functions.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/value.hpp>

#include "cli/template.h"

namespace pila::cli::template_detail {

struct Pipeline;

struct Operand {
    enum class Kind : std::uint8_t { Dot, Variable, Literal, Function, Nested };
    Kind kind = Kind::Dot;
    std::string name;  // variable (with $) or function
    json::value literal;
    std::unique_ptr<Pipeline> nested;
    std::vector<std::string> fields;  // .A.B after any of them
    std::size_t at = 0;               // offset in the text
    std::string text;                 // as written, for messages
};

struct Command {
    std::vector<Operand> operands;
};

struct Pipeline {
    std::vector<std::string> variables;  // $x or $i, $x
    bool declares = false;               // := rather than =
    std::vector<Command> commands;
};

struct Node {
    enum class Kind : std::uint8_t { List, Text, Action, If, Range, With, Break, Continue };
    Kind kind = Kind::List;
    std::string text;
    Pipeline pipeline;
    std::vector<std::unique_ptr<Node>> children;
    std::vector<std::unique_ptr<Node>> otherwise;
};

// A JSON value, borrowed or owned, and how it prints when null.
struct Value {
    const json::value* at = nullptr;
    std::shared_ptr<const json::value> owned;
    std::string_view null_text = "<no value>";

    static Value of(json::value value);
    static Value borrowed(const json::value& value) { return {&value, nullptr, "<no value>"}; }
    const json::value& operator*() const { return *at; }
    const json::value* operator->() const { return at; }
};

bool truth(const json::value& value);
std::string printed(const json::value& value, std::string_view null_text = "<no value>");

bool is_function(std::string_view name);
Result<Value> call_function(std::string_view name, const std::vector<Value>& arguments, bool header);
Result<std::string> go_printf(const std::vector<Value>& arguments);

}  // namespace pila::cli::template_detail
