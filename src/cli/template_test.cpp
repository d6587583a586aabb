// SPDX-License-Identifier: Apache-2.0
#include "cli/template.h"

#include <doctest/doctest.h>

#include "cli/json_helpers.h"

using namespace pila;
using namespace pila::cli;

namespace {

std::string shown(std::string_view text, std::string_view data, TemplateOptions options = {}) {
    auto value = parse_json(data).take();
    auto compiled = Template::parse(text);
    if (!compiled) return "parse: " + compiled.error().message();
    std::string out;
    auto done = compiled->execute(value, out, options);
    return done ? out : "error: " + done.error().message();
}

constexpr std::string_view container = R"({"Id":"abc","Name":"/web","State":{"Running":true,"Pid":42,"Health":null},
    "Config":{"Cmd":["sh","-c"],"Labels":{"b":"2","a":"1"},"Env":null},"Size":1.5,"Ports":{"80/tcp":[{"HostPort":"8080"}]}})";

}  // namespace

TEST_CASE("fields, text and pipelines") {
    CHECK(shown("{{.Name}} is {{.State.Running}} {{.State.Pid}}", container) == "/web is true 42");
    CHECK(shown("{{ .Name | upper | printf \"%s!\" }}", container) == "/WEB!");
    CHECK(shown("{{json .Config.Cmd}} {{.Config.Cmd}} {{.Config.Labels}} {{.Size}}", container) ==
          "[\"sh\",\"-c\"] [sh -c] map[a:1 b:2] 1.5");
    CHECK(shown("{{join .Config.Cmd \"+\"}} {{len .Config.Cmd}} {{index .Config.Cmd 1}}", container) == "sh+-c 2 -c");
    CHECK(shown("{{(index (index .Ports \"80/tcp\") 0).HostPort}}", container) == "8080");
    CHECK(shown("{{.Nope}}", container) == "<no value>");
    CHECK(shown("{{title \"some words\"}} {{lower \"ABC\"}} {{split \"a,b\" \",\"}}", container) ==
          "Some Words abc [a b]");
    CHECK(shown("{{println .Id 1}}{{print 1 2 \"x\" 3}}", container) == "abc 1\n1 2x3");
    CHECK(shown("{{pad \"x\" 1 2}}|{{truncate \"abcdef\" 3}}|{{slice \"abcdef\" 1 3}}", container) == " x  |abc|bc");
}

TEST_CASE("if, else, with, range, variables") {
    CHECK(shown("{{if .State.Running}}up{{else}}down{{end}}", container) == "up");
    CHECK(shown("{{if .Config.Env}}a{{else if .Id}}b{{else}}c{{end}}", container) == "b");
    CHECK(shown("{{with .State}}{{.Pid}}{{end}}", container) == "42");
    CHECK(shown("{{range .Config.Cmd}}<{{.}}>{{end}}", container) == "<sh><-c>");
    CHECK(shown("{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}", container) == "a=1;b=2;");
    CHECK(shown("{{range .Config.Env}}x{{else}}none{{end}}", container) == "none");
    CHECK(shown("{{range $i, $c := .Config.Cmd}}{{if $i}}, {{end}}{{$c}}{{end}}", container) == "sh, -c");
    CHECK(shown("{{$x := .Id}}{{range .Config.Cmd}}{{$x}}{{$.Name}} {{end}}", container) == "abc/web abc/web ");
    CHECK(shown("{{$x := 1}}{{range .Config.Cmd}}{{$x = 2}}{{end}}{{$x}}", container) == "2");
    CHECK(shown("{{range .Config.Cmd}}{{.}}{{break}}{{end}}", container) == "sh");
    CHECK(shown("a {{- 1 -}} b{{/* note */}}c", container) == "a1bc");
}

TEST_CASE("comparisons and logic") {
    CHECK(shown("{{eq .State.Pid 42}} {{ne .Id \"abc\"}} {{lt 1 2}} {{ge 2 2}} {{eq .Id \"x\" \"abc\"}}", container) ==
          "true false true true true");
    CHECK(shown("{{and .Id .Name}} {{or .Config.Env \"d\"}} {{not .Id}}", container) == "/web d false");
    CHECK(shown("{{eq .Id 1}}", container).find("incompatible types") != std::string::npos);
}

TEST_CASE("printf as Go's") {
    CHECK(shown("{{printf \"%5d|%-5d|%05d|%x|%q|%v|%t|%6.2f|%%\" 42 42 42 255 \"s\" true false 1.5}}", container) ==
          "   42|42   |00042|ff|\"s\"|true|false|  1.50|%");
    CHECK(shown("{{printf \"%d %s\" \"x\"}}", container) == "%!d(string=x) %!s(MISSING)");
}

TEST_CASE("the typed view of inspect") {
    TemplateOptions typed{.typed = true};
    CHECK(shown("{{.ID}} {{.Config.Env}} {{.State.Health}} {{.Config.Healthcheck}}", container, typed) ==
          "abc [] <nil> <nil>");
    CHECK(shown("{{.Foo}}", container, typed) ==
          "error: template: :1:2: executing \"\" at <.Foo>: map has no entry for key \"Foo\"");
    CHECK(shown("{{if .State.Health}}yes{{else}}no{{end}}", container, typed) == "no");
}

TEST_CASE("mistakes are told") {
    CHECK(shown("{{.Id", container) == "parse: template: :1: unclosed action");
    CHECK(shown("{{nope}}", container) == "parse: template: :1: function \"nope\" not defined");
    CHECK(shown("{{if .Id}}x", container) == "parse: template: :1: unexpected EOF");
    CHECK(shown("{{end}}", container) == "parse: template: :1: unexpected {{end}}");
    CHECK(shown("{{.Id.X}}", container).find("can't evaluate field X in type string") != std::string::npos);
    CHECK(shown("{{index .Config.Cmd 9}}", container).find("out of range") != std::string::npos);
    CHECK(shown("{{\"abc}}", container) == "parse: template: :1: unterminated quoted string");
}

TEST_CASE("a template cannot run for ever") {
    std::string many = "[";
    for (int i = 0; i < 200; ++i) many += i ? ",0" : "0";
    many += "]";
    std::string text = "{{range $}}{{range $}}{{range $}}{{range $}}x{{end}}{{end}}{{end}}{{end}}";
    CHECK(shown(text, many).find("takes too long") != std::string::npos);
    std::string deep;
    for (int i = 0; i < 5000; ++i) deep += "{{if 1}}";
    CHECK(shown(deep, "{}").find("nested too deeply") != std::string::npos);
    CHECK(shown("{{" + std::string(5000, '('), "{}").find("nested too deeply") != std::string::npos);
}

TEST_CASE("JSON is indented without touching it") {
    CHECK(
        indent_json("[{\"a\":1.0,\"b\":[],\"c\":{},\"d\":\"x:{,\\\"\"}]", "    ") ==
        "[\n    {\n        \"a\": 1.0,\n        \"b\": [],\n        \"c\": {},\n        \"d\": \"x:{,\\\"\"\n    }\n]");
    CHECK(indent_json("[]", "  ") == "[]");
    CHECK(compact_json(parse_json("{\"a\": [1, 2.5, null, true]}").take()) == "{\"a\":[1,2.5,null,true]}");
}
