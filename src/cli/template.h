// SPDX-License-Identifier: Apache-2.0
#pragma once
// The part of Go's text/template that people use in --format, over JSON: fields, variables, pipelines, if, range, with,
// break, continue, comments, trim markers, and docker's functions. Not there: define, template, block, methods.

#include <memory>
#include <string>
#include <string_view>

#include <boost/json/fwd.hpp>

#include "base/json.h"
#include "base/result.h"

namespace pila::cli {

// Fields of the top level that take arguments: {{.Label "x"}}.
class TemplateMethods {
public:
    virtual ~TemplateMethods() = default;
    // false: there is no such method.
    virtual bool call(std::string_view name, const json::array& arguments, json::value& result) const = 0;
};

struct TemplateOptions {
    const TemplateMethods* methods = nullptr;
    // Go prints a nil list, map or pointer of a struct in its own way and knows omitted fields: as `inspect` needs it.
    // Fields that no object of the API has are errors then.
    bool typed = false;
    // With `typed`, the field whose keys anybody may have chosen: those that are not there have "<no value>".
    std::string_view open_map = "";
    // The name of the top level's type in messages.
    std::string_view type_name = "";
    // Titles instead of values: functions hand their text through.
    bool header = false;
};

namespace template_detail {
struct Node;
}

class Template {
public:
    static Result<Template> parse(std::string_view text);
    Template(Template&&) noexcept;
    Template& operator=(Template&&) noexcept;
    ~Template();

    // Appends to `out`; on error what was written so far stays.
    Result<void> execute(const json::value& data, std::string& out, const TemplateOptions& options = {}) const;

private:
    explicit Template(std::unique_ptr<template_detail::Node> root);
    std::unique_ptr<template_detail::Node> root_;
};

// One line, no spaces, Go's order and number format kept as parsed.
std::string compact_json(const json::value& value);
// The text of valid JSON with line breaks and `indent`, nothing else changed (as Go's json.Indent).
std::string indent_json(std::string_view text, std::string_view indent);

}  // namespace pila::cli
