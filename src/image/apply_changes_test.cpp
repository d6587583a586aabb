// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <boost/json.hpp>

#include "base/json.h"
#include "image/dockerfile.h"
#include "image/image_config.h"

using namespace pila;
using namespace pila::image;

namespace {

// The configuration as `docker inspect` shows it, without what is empty, keys sorted.
std::string shown(const ImageConfig& config) {
    auto root = parse_json(write_image_config({.config = config})).take();
    std::map<std::string, std::string> members;
    for (const auto& member : root.at("config").as_object()) {
        const auto& value = member.value();
        bool command = member.key() == "Cmd" || member.key() == "Entrypoint";
        bool empty = value.is_null() || (value.is_string() && value.as_string().empty()) ||
                     (value.is_bool() && !value.as_bool()) ||
                     (value.is_array() && value.as_array().empty() && !command) ||
                     (value.is_object() && value.as_object().empty());
        if (!empty) members[member.key()] = json::serialize(value);
    }
    std::string text = "{";
    for (const auto& [key, value] : members) text += (text.size() > 1 ? ",\"" : "\"") + key + "\":" + value;
    return text + "}";
}

std::string outcome(const std::vector<std::string>& changes, ImageConfig config = {}) {
    auto applied = apply_changes(config, changes);
    return applied ? shown(config) : "error: " + applied.error().message();
}

}  // namespace

TEST_CASE("changes build on what is there, and refuse whole") {
    ImageConfig config;
    config.environment = {"PATH=/bin", "PATHS=no"};
    config.command = {"old"};
    config.shell = {"/bin/bash", "-c"};
    config.working_directory = "/srv";
    REQUIRE(apply_changes(config, {"ENV PATH=$PATH:/x", "ENTRYPOINT run", "WORKDIR ../a", "STOPSIGNAL SIGUSR1"}).ok());
    CHECK(config.environment == std::vector<std::string>{"PATH=/bin:/x", "PATHS=no"});
    CHECK(config.entrypoint == std::vector<std::string>{"/bin/bash", "-c", "run"});
    CHECK(config.command.empty());
    CHECK(config.working_directory == "/a");
    CHECK(config.stop_signal == "SIGUSR1");
    CHECK(apply_changes(config, {"ENV X=1", "STOPSIGNAL FOO"}).error().message() == "Invalid signal: FOO");
    CHECK(config.environment.size() == 2);
    for (const char* good : {"9", "term", "SIGRTMIN+3", "RTMAX-1", "sigkill"})
        CHECK(apply_changes(config, {std::string("STOPSIGNAL ") + good}).ok());
    for (const char* bad : {"0", "65", "SIG", "RTMIN+16", "", "-1"})
        CHECK_FALSE(apply_changes(config, {std::string("STOPSIGNAL ") + bad}).ok());
    CHECK(outcome({"LABEL a=\xff"}).starts_with("error: change is not valid UTF-8"));
    ImageConfig bytes;  // what reaches a configuration some other way is mended
    bytes.labels["a"] = "\xff\"b\"";
    CHECK(shown(bytes) == "{\"Labels\":{\"a\":\"\xef\xbf\xbd\\\"b\\\"\"}}");
    CHECK(apply_changes(config, {"EXPOSE 80 $P"}).ok());
    config.environment.push_back("P=81/udp  82");
    CHECK(apply_changes(config, {"EXPOSE $P"}).ok());
    CHECK(config.exposed_ports == std::vector<std::string>{"80/tcp", "81/udp", "82/tcp"});
}

// Each line is what dockerd 20.10.24 answered to `docker import -c ... -c ...`.
TEST_CASE("changes do what Docker's do") {
    struct {
        std::vector<std::string> changes;
        std::string outcome;
    } const cases[] = {
        // clang-format off
        {{R"~(CMD echo hi)~"}, R"~({"Cmd":["/bin/sh","-c","echo hi"]})~"},
        {{R"~(CMD ["echo","hi"])~"}, R"~({"Cmd":["echo","hi"]})~"},
        {{R"~(CMD)~"}, R"~({"Cmd":["/bin/sh","-c"]})~"},
        {{R"~(CMD [])~"}, R"~({"Cmd":[]})~"},
        {{R"~(CMD ["a", 1])~"}, R"~(error: when using JSON array syntax, arrays must be comprised of strings only)~"},
        {{R"~(CMD ['a'])~"}, R"~({"Cmd":["/bin/sh","-c","['a']"]})~"},
        {{R"~(cmd   a   b)~"}, R"~({"Cmd":["/bin/sh","-c","a   b"]})~"},
        {{R"~(ENTRYPOINT ["/x"])~"}, R"~({"Entrypoint":["/x"]})~"},
        {{R"~(CMD a)~", R"~(ENTRYPOINT /x)~"}, R"~({"Cmd":["/bin/sh","-c","a"],"Entrypoint":["/bin/sh","-c","/x"]})~"},
        {{R"~(ENTRYPOINT /x)~", R"~(CMD a)~"}, R"~({"Cmd":["/bin/sh","-c","a"],"Entrypoint":["/bin/sh","-c","/x"]})~"},
        {{R"~(ENTRYPOINT [])~"}, R"~({})~"},
        {{R"~(ENTRYPOINT)~"}, R"~({})~"},
        {{R"~(ENV a b c)~"}, R"~({"Env":["a=b c"]})~"},
        {{R"~(ENV a=b c=d)~"}, R"~({"Env":["a=b","c=d"]})~"},
        {{R"~(ENV a)~"}, R"~(error: ENV must have two arguments)~"},
        {{R"~(ENV)~"}, R"~(error: ENV requires at least one argument)~"},
        {{R"~(ENV a="x y" b='$a' c=x\ y)~"}, R"~({"Env":["a=x y","b=$a","c=x y"]})~"},
        {{R"~(ENV =x)~"}, R"~(error: ENV names can not be blank)~"},
        {{R"~(ENV a=1 b)~"}, R"~(error: Syntax error - can't find = in "b". Must be of the form: name=value)~"},
        {{R"~(ENV PATH=$PATH:/x)~"}, R"~({"Env":["PATH=:/x"]})~"},
        {{R"~(ENV A=1)~", R"~(ENV B=${A}2 C=${Q:-d} D=${A:+yes} E=$A$A)~"}, R"~({"Env":["A=1","B=12","C=d","D=yes","E=11"]})~"},
        {{R"~(ENV A='it' B="a\"b" C=a\b)~"}, R"~({"Env":["A=it","B=a\"b","C=ab"]})~"},
        {{R"~(ENV A ${Q:?x})~"}, R"~(error: failed to process "${Q:?x}": Q: x)~"},
        {{R"~(ENV A ${Q)~"}, R"~(error: failed to process "${Q": missing ':' in substitution)~"},
        {{R"~(ENV a="unclosed)~"}, R"~(error: failed to process "\"unclosed": unexpected end of statement while looking for matching double-quote)~"},
        {{R"~(ENV a  'x  y'  z)~"}, R"~({"Env":["a=x  y  z"]})~"},
        {{R"~(EXPOSE 80)~"}, R"~({"ExposedPorts":{"80/tcp":{}}})~"},
        {{R"~(EXPOSE 80/udp 443 8000-8002)~"}, R"~({"ExposedPorts":{"443/tcp":{},"80/udp":{},"8000/tcp":{},"8001/tcp":{},"8002/tcp":{}}})~"},
        {{R"~(EXPOSE x)~"}, R"~(error: Invalid containerPort: x)~"},
        {{R"~(EXPOSE 80/foo)~"}, R"~(error: Invalid proto: foo)~"},
        {{R"~(EXPOSE)~"}, R"~(error: EXPOSE requires at least one argument)~"},
        {{R"~(EXPOSE 1.2.3.4:80:90)~"}, R"~({"ExposedPorts":{"90/tcp":{}}})~"},
        {{R"~(EXPOSE 70000)~"}, R"~(error: Invalid containerPort: 70000)~"},
        {{R"~(EXPOSE 80/TCP)~"}, R"~({"ExposedPorts":{"80/tcp":{}}})~"},
        {{R"~(HEALTHCHECK NONE)~"}, R"~({"Healthcheck":{"Test":["NONE"]}})~"},
        {{R"~(HEALTHCHECK NONE x)~"}, R"~(error: HEALTHCHECK NONE takes no arguments)~"},
        {{R"~(HEALTHCHECK)~"}, R"~(error: HEALTHCHECK requires at least one argument)~"},
        {{R"~(HEALTHCHECK CMD curl x)~"}, R"~({"Healthcheck":{"Test":["CMD-SHELL","curl x"]}})~"},
        {{R"~(HEALTHCHECK --interval=5s --timeout=1m --start-period=2s --retries=3 CMD ["a","b"])~"}, R"~({"Healthcheck":{"Test":["CMD","a","b"],"Interval":5000000000,"Timeout":60000000000,"StartPeriod":2000000000,"Retries":3}})~"},
        {{R"~(HEALTHCHECK CMD)~"}, R"~(error: Missing command after HEALTHCHECK CMD)~"},
        {{R"~(HEALTHCHECK FOO x)~"}, R"~(error: Unknown type "FOO" in HEALTHCHECK (try CMD))~"},
        {{R"~(HEALTHCHECK --foo=1 CMD x)~"}, R"~(error: Unknown flag: foo)~"},
        {{R"~(HEALTHCHECK --interval=1us CMD x)~"}, R"~(error: Interval "interval" cannot be less than 1ms)~"},
        {{R"~(HEALTHCHECK --retries=-1 CMD x)~"}, R"~(error: --retries must be at least 1 (not -1))~"},
        {{R"~(HEALTHCHECK --retries=0 CMD x)~"}, R"~(error: --retries must be at least 1 (not 0))~"},
        {{R"~(HEALTHCHECK --interval=x CMD x)~"}, R"~(error: time: invalid duration "x")~"},
        {{R"~(HEALTHCHECK --interval=0s CMD x)~"}, R"~(error: Interval "interval" cannot be less than 1ms)~"},
        {{R"~(HEALTHCHECK --interval CMD x)~"}, R"~(error: Missing a value on flag: interval)~"},
        {{R"~(LABEL a=b "c d"="e f")~"}, R"~({"Labels":{"a":"b","c d":"e f"}})~"},
        {{R"~(LABEL a b c)~"}, R"~({"Labels":{"a":"b c"}})~"},
        {{R"~(LABEL a)~"}, R"~(error: LABEL must have two arguments)~"},
        {{R"~(LABEL)~"}, R"~(error: LABEL requires at least one argument)~"},
        {{R"~(LABEL a=b c)~"}, R"~(error: Syntax error - can't find = in "c". Must be of the form: name=value)~"},
        {{R"~(LABEL =b)~"}, R"~(error: LABEL names can not be blank)~"},
        {{R"~(ONBUILD RUN x)~"}, R"~({"OnBuild":["RUN x"]})~"},
        {{R"~(ONBUILD)~"}, R"~(error: ONBUILD requires at least one argument)~"},
        {{R"~(ONBUILD ONBUILD RUN x)~"}, R"~(error: Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed)~"},
        {{R"~(ONBUILD FROM x)~"}, R"~(error: FROM isn't allowed as an ONBUILD trigger)~"},
        {{R"~(ONBUILD run a b)~"}, R"~({"OnBuild":["run a b"]})~"},
        {{R"~(ONBUILD BLAH x)~"}, R"~({"OnBuild":["BLAH x"]})~"},
        {{R"~(USER a:b)~"}, R"~({"User":"a:b"})~"},
        {{R"~(USER)~"}, R"~(error: USER requires exactly one argument)~"},
        {{R"~(USER a b)~"}, R"~({"User":"a b"})~"},
        {{R"~(USER $X)~"}, R"~({})~"},
        {{R"~(ENV X=1)~", R"~(USER $X)~"}, R"~({"Env":["X=1"],"User":"1"})~"},
        {{R"~(VOLUME /a /b)~"}, R"~({"Volumes":{"/a":{},"/b":{}}})~"},
        {{R"~(VOLUME ["/a","/b c"])~"}, R"~({"Volumes":{"/a":{},"/b c":{}}})~"},
        {{R"~(VOLUME)~"}, R"~(error: VOLUME requires at least one argument)~"},
        {{R"~(VOLUME [""])~"}, R"~(error: VOLUME specified can not be an empty string)~"},
        {{R"~(VOLUME [])~"}, R"~(error: VOLUME requires at least one argument)~"},
        {{R"~(WORKDIR /a)~"}, R"~({"WorkingDir":"/a"})~"},
        {{R"~(WORKDIR b)~"}, R"~({"WorkingDir":"/b"})~"},
        {{R"~(WORKDIR /a/../b//c)~"}, R"~({"WorkingDir":"/a/../b//c"})~"},
        {{R"~(WORKDIR)~"}, R"~(error: WORKDIR requires exactly one argument)~"},
        {{R"~(WORKDIR /a b)~"}, R"~({"WorkingDir":"/a b"})~"},
        {{R"~(WORKDIR /a)~", R"~(WORKDIR b)~"}, R"~({"WorkingDir":"/a/b"})~"},
        {{R"~(FROM x)~"}, R"~(error: from is not a valid change command)~"},
        {{R"~(run x)~"}, R"~(error: run is not a valid change command)~"},
        {{R"~(BLAH x)~"}, R"~(error: blah is not a valid change command)~"},
        {{R"~(Blah)~"}, R"~(error: blah is not a valid change command)~"},
        {{R"~(# comment)~"}, R"~(error: file with no instructions)~"},
        {{R"~()~"}, R"~(error: file with no instructions)~"},
        {{R"~(CMD a \)~", R"~(b)~"}, R"~({"Cmd":["/bin/sh","-c","a b"]})~"},
        {{R"~(CMD a
ENV b=c)~"}, R"~({"Cmd":["/bin/sh","-c","a"],"Env":["b=c"]})~"},
        {{R"~(SHELL ["/bin/bash"])~"}, R"~(error: shell is not a valid change command)~"},
        {{R"~(MAINTAINER x)~"}, R"~(error: maintainer is not a valid change command)~"},
        {{R"~(CMD --foo x)~"}, R"~(error: Unknown flag: foo)~"},
        {{R"~(ENV --a=b c=d)~"}, R"~(error: Unknown flag: a)~"},
        {{R"~(WORKDIR --x /y)~"}, R"~(error: Unknown flag: x)~"},
        {{R"~(  ENV   a=b  )~"}, R"~({"Env":["a=b"]})~"},
        {{R"~(CMD ["a","b"] x)~"}, R"~({"Cmd":["a","b"]})~"},
        {{R"~(CMD ["a\u0041"])~"}, R"~({"Cmd":["aA"]})~"},
        {{R"~(ENV a=$$ b=\$a c=$1 d=$)~"}, R"~({"Env":["a=","b=$a","c=","d=$"]})~"},
        {{R"~(ENV a=${})~"}, R"~(error: failed to process "${}": syntax error: bad substitution)~"},
        {{R"~(ENV a=${b-c})~"}, R"~({"Env":["a=c"]})~"},
        {{R"~(ENV a=${b=c})~"}, R"~(error: failed to process "${b=c}": missing ':' in substitution)~"},
        {{R"~(ENV a=${b:=c})~"}, R"~(error: failed to process "${b:=c}": unsupported modifier (=) in substitution)~"},
        {{R"~(LABEL a='b$c' d="e$PATH")~"}, R"~({"Labels":{"a":"b$c","d":"e"}})~"},
        // clang-format on
    };
    for (const auto& entry : cases) {
        std::string all;
        for (const auto& change : entry.changes) all += change + " | ";
        CAPTURE(all);
        CHECK(outcome(entry.changes) == entry.outcome);
    }
}
