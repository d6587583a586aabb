// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/json.h"
#include "cluster/schema/catalogue.h"
#include "cluster/webhooks/hook.h"
#include "cluster/webhooks/review.h"
#include "crypto/base64.h"

namespace pila::cluster::webhooks {

namespace {

const schema::Kind& kind_of(std::string_view group, std::string_view version, std::string_view plural) {
    return *schema::Catalogue::builtin().find_resource({std::string(group), std::string(version)}, plural);
}

Hook hook_for(const std::string& rule, const std::string& more = "") {
    auto text = R"({"name":"h.example.com","rules":[)" + rule + R"(],"clientConfig":{"url":"https://127.0.0.1:1/"})" +
                (more.empty() ? "" : "," + more) + "}";
    return Hook(parse_json(text).take().get_object());
}

bool matches(const std::string& rule, const schema::Kind& kind, std::string_view subresource = "",
             const std::string& more = "") {
    auto state = state::State::open("").take();
    json::object object{{"metadata", json::object{{"name", "x"}}}};
    Subject subject{.kind = kind, .name_space = "default", .name = "x", .subresource = subresource, .object = &object};
    return hook_for(rule, more).matches(subject, *state);
}

std::string rule(std::string_view group, std::string_view version, std::string_view resource,
                 std::string_view operation = "*") {
    return fmt::format(R"({{"operations":["{}"],"apiGroups":["{}"],"apiVersions":["{}"],"resources":["{}"]}})",
                       operation, group, version, resource);
}

Result<Verdict> verdict_of(const std::string& response) {
    auto hook = hook_for(rule("*", "*", "*"));
    return read_verdict(
        hook, R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":)" + response + "}", "u");
}

}  // namespace

TEST_CASE("rules name resources, their parts, or all of them") {
    const auto& pods = kind_of("", "v1", "pods");
    CHECK(matches(rule("", "v1", "pods"), pods));
    CHECK(matches(rule("*", "*", "*"), pods));
    CHECK(matches(rule("", "v1", "pods", "CREATE"), pods));
    CHECK_FALSE(matches(rule("", "v1", "pods", "UPDATE"), pods));
    CHECK_FALSE(matches(rule("apps", "v1", "pods"), pods));
    CHECK_FALSE(matches(rule("", "v1", "pods"), pods, "status"));
    CHECK_FALSE(matches(rule("", "v1", "*"), pods, "status"));
    CHECK(matches(rule("", "v1", "pods/status"), pods, "status"));
    CHECK(matches(rule("", "v1", "pods/*"), pods, "status"));
    CHECK(matches(rule("", "v1", "*/status"), pods, "status"));
    CHECK(matches(rule("", "v1", "*/*"), pods, "exec"));
    CHECK(matches(rule("", "v1", "*/*"), pods));
    CHECK(matches(rule("", "v2", "pods"), pods));  // the same in another version
    CHECK_FALSE(matches(rule("", "v2", "pods"), pods, "", R"("matchPolicy":"Exact")"));
    CHECK_FALSE(matches(rule("", "v1", "pods"), pods, "", R"("objectSelector":{"matchLabels":{"a":"b"}})"));
    CHECK_FALSE(matches(rule("", "v1", "pods"), pods, "", R"("namespaceSelector":{"matchLabels":{"a":"b"}})"));
}

TEST_CASE("a refusal is at least a bad request and says why") {
    auto plain = verdict_of(R"({"uid":"u","allowed":false})");
    REQUIRE(plain);
    REQUIRE(plain->refusal);
    CHECK(plain->refusal->code == 400);
    CHECK(plain->refusal->message == "admission webhook \"h.example.com\" denied the request without explanation");
    auto odd = verdict_of(R"({"uid":"u","allowed":false,"status":{"code":200,"reason":"Because"}})");
    REQUIRE(odd);
    CHECK(odd->refusal->code == 400);
    CHECK(odd->refusal->reason == "Because");
    CHECK(odd->refusal->message == "admission webhook \"h.example.com\" denied the request: Because");
}

TEST_CASE("answers to another question, or of another shape, are none") {
    CHECK(verdict_of(R"({"uid":"u","allowed":true})"));
    CHECK_FALSE(verdict_of(R"({"uid":"v","allowed":true})"));
    CHECK_FALSE(verdict_of(R"([])"));
    CHECK_FALSE(verdict_of(R"({"uid":"u","allowed":true,"patch":"W10=","patchType":"Merge"})"));
    CHECK_FALSE(verdict_of(R"({"uid":"u","allowed":true,"patch":"%","patchType":"JSONPatch"})"));
    auto patched = verdict_of(R"({"uid":"u","allowed":true,"patch":"W10=","patchType":"JSONPatch"})");
    REQUIRE(patched);
    CHECK(patched->patch.is_array());
    CHECK_FALSE(read_verdict(hook_for(rule("*", "*", "*")), "<html>", "u"));
}

}  // namespace pila::cluster::webhooks
