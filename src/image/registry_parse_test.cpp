// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "crypto/base64.h"
#include "image/registry_client.h"

using namespace pila;
using namespace pila::image;

TEST_CASE("challenges") {
    auto found = parse_challenges(
        R"(Bearer realm="https://auth.example.org/token",service="a, \"b\"",scope="repository:x:pull,push")");
    REQUIRE(found.size() == 1);
    CHECK(found[0].scheme == "bearer");
    CHECK(found[0].parameters["realm"] == "https://auth.example.org/token");
    CHECK(found[0].parameters["service"] == "a, \"b\"");
    CHECK(found[0].parameters["scope"] == "repository:x:pull,push");
    found = parse_challenges("Negotiate, Basic Realm=plain, charset=\"UTF-8\", BEARER realm = \"x\"");
    REQUIRE(found.size() == 3);
    CHECK(found[1].parameters["realm"] == "plain");
    CHECK(found[1].parameters["charset"] == "UTF-8");
    CHECK(found[2].scheme == "bearer");
    CHECK(found[2].parameters["realm"] == "x");
    CHECK(parse_challenges("").empty());
    CHECK(parse_challenges("Bearer realm=\"unterminated")[0].parameters.empty());
}

TEST_CASE("X-Registry-Auth") {
    auto parse = [](const std::string& json) { return RegistryAuth::parse(crypto::base64_encode(json)); };
    CHECK(RegistryAuth::parse("")->empty());
    CHECK(parse("{}")->empty());
    CHECK(parse("null")->empty());
    CHECK(parse(R"({"username":"a","password":"b","serveraddress":"s"})")->password == "b");
    CHECK(parse(R"({"auth":")" + crypto::base64_encode("u:p:q") + "\"}")->password == "p:q");
    CHECK(parse(R"({"identitytoken":"t"})")->identity_token == "t");
    CHECK_FALSE(parse("[]"));
    CHECK_FALSE(parse(R"({"auth":"!"})"));
    CHECK_FALSE(RegistryAuth::parse("not base64!"));
}

TEST_CASE("platforms") {
    auto text = [](std::string_view platform) {
        auto parsed = Platform::parse(platform);
        return parsed ? parsed->text() : "error";
    };
    CHECK(text("linux/arm64/v8") == "linux/arm64/v8");
    CHECK(text("x86_64") == "linux/amd64");
    CHECK(text("linux/armhf") == "linux/arm/v7");
    CHECK(text("windows/amd64") == "windows/amd64");
    for (const char* bad : {"a/b/c/d", "linux/", "/", "Linux/amd64", "linux/amd 64"})
        CHECK_MESSAGE(text(bad) == "error", bad);

    auto entry = [](const std::string& name, const std::string& architecture, const std::string& variant) {
        return ManifestDescriptor{Digest::of(name), 1, "", Platform{"linux", architecture, variant}};
    };
    std::vector<ManifestDescriptor> entries = {entry("v5", "arm", "v5"),
                                               entry("v7", "arm", "v7"),
                                               entry("v6", "arm", "v6"),
                                               entry("a64", "arm64", "v8"),
                                               entry("x", "amd64", ""),
                                               entry("x3", "amd64", "v3"),
                                               {Digest::of("attestation"), 1, "", Platform{"unknown", "unknown", ""}}};
    auto choose = [&](const char* platform) {
        auto chosen = choose_platform(entries, Platform::parse(platform).take());
        return chosen ? chosen->digest : Digest();
    };
    CHECK(choose("linux/arm") == Digest::of("v7"));
    CHECK(choose("linux/arm/v6") == Digest::of("v6"));
    CHECK(choose("linux/arm64") == Digest::of("a64"));
    CHECK(choose("linux/amd64") == Digest::of("x"));
    CHECK(choose("linux/amd64/v3") == Digest::of("x3"));
    CHECK(choose("linux/s390x").empty());
}

TEST_CASE("manifests that are refused") {
    const auto digest = Digest::of("x").text();
    const std::string config = R"("config":{"digest":")" + digest + R"(","size":1})";
    CHECK(parse_manifest("{" + config + R"(,"layers":[]})", "application/x; charset=utf-8")->media_type ==
          "application/x");
    for (const std::string& bad :
         {std::string("[]"), std::string("{}"), R"({"schemaVersion":1,"fsLayers":[]})" + std::string(),
          "{" + config + "}", "{" + config + R"(,"layers":[],"manifests":[]})", "{" + config + R"(,"layers":{}})",
          "{" + config + R"(,"layers":[1]})", "{" + config + R"(,"layers":[{"digest":")" + digest + R"(","size":-1}]})",
          "{" + config + R"(,"layers":[{"digest":")" + digest + R"(","size":99999999999999999}]})",
          "{" + config + R"(,"layers":[{"digest":"sha256:../../x","size":1}]})", R"({"layers":[]})" + std::string()})
        CHECK_MESSAGE(!parse_manifest(bad, ""), bad);
}

TEST_CASE("where names are served, and what is insecure") {
    RegistryOptions options{.mirrors = {"http://mirror.local:5000/"}, .insecure = {"10.0.0.0/8", "plain.local:5000"}};
    auto show = [&](const std::string& domain, bool push) {
        std::string text;
        for (const auto& place : places_of(domain, options, push))
            text += place.endpoint.scheme + "://" + place.endpoint.host_header() + (place.verify ? "" : "!") +
                    (place.mirror ? "m" : "") + " ";
        return text;
    };
    CHECK(show("docker.io", false) == "http://mirror.local:5000m https://registry-1.docker.io ");
    CHECK(show("docker.io", true) == "https://registry-1.docker.io ");
    CHECK(show("ghcr.io", false) == "https://ghcr.io ");
    CHECK(show("localhost:5000", false) == "https://localhost:5000! http://localhost:5000! ");
    CHECK(show("10.1.2.3:5000", false) == "https://10.1.2.3:5000! http://10.1.2.3:5000! ");
    CHECK(show("plain.local:5000", false) == "https://plain.local:5000! http://plain.local:5000! ");
    CHECK(show("plain.local", false) == "https://plain.local ");
    CHECK(show("11.1.2.3", false) == "https://11.1.2.3 ");
}
