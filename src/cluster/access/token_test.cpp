// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <boost/json.hpp>

#include "base/random.h"
#include "base/text.h"
#include "base/time.h"
#include "cluster/access/authenticator.h"
#include "cluster/access/testing_internal.h"
#include "crypto/base64.h"
#include "crypto/hmac.h"
#include "os/file.h"

using namespace pila::cluster::access;
using pila::random_hex;
namespace crypto = pila::crypto;
namespace os = pila::os;

namespace {

const std::string issuer = "https://cluster";
const std::vector<std::string> here{issuer};

// Keys take a tenth of a second to make: the same for all.
const TokenKeys& keys() {
    static const auto made = TokenKeys::open("", issuer);
    return *made;
}

Claims claims(std::int64_t now = 1000) {
    Claims claims;
    claims.name_space = "space";
    claims.account = {"robot", "uid-1"};
    claims.audiences = here;
    claims.issued_at = now;
    claims.expires_at = now + 600;
    claims.id = "id-1";
    return claims;
}

std::string encoded(std::string_view text) { return crypto::base64_url_encode(text); }
std::string payload_of(const std::string& token) { return std::string(pila::split(token, '.')[1]); }

std::string refusal(const std::string& token, std::int64_t now = 1100, const std::vector<std::string>& who = here) {
    auto checked = keys().check(token, who, now);
    return checked ? "" : checked.error().message();
}

}  // namespace

TEST_CASE("a token says whose it is") {
    auto wanted = claims();
    wanted.pod = NamedObject{"web", "uid-2"};
    wanted.node = NamedObject{"n1", "uid-3"};
    auto token = keys().issue(wanted);
    REQUIRE(token.ok());
    auto found = keys().check(*token, here, 1100);
    REQUIRE(found.ok());
    CHECK(found->name_space == "space");
    CHECK(found->account.name == "robot");
    CHECK(found->account.uid == "uid-1");
    REQUIRE(found->pod);
    CHECK(found->pod->uid == "uid-2");
    CHECK_FALSE(found->secret);
    CHECK(found->expires_at == 1600);
    CHECK(found->id == "id-1");
    CHECK(keys().is_ours(*token));
}

TEST_CASE("tokens that are refused") {
    auto token = *keys().issue(claims());
    auto payload = payload_of(token);
    auto signature = std::string(pila::split(token, '.')[2]);
    CHECK(refusal(token) == "");
    SUBCASE("too old, too new, for others") {
        CHECK(refusal(token, 1599) == "");
        CHECK(refusal(token, 1600) == "service account token has expired");
        CHECK(refusal(token, 900) == "the token is not valid yet");
        CHECK(refusal(token, 1100, {"vault"}) ==
              "token audiences [https://cluster] is invalid for the target audiences [vault]");
    }
    SUBCASE("changed") {
        auto other = claims();
        other.account.name = "admin";
        auto theirs = *keys().issue(other);
        auto header = std::string(pila::split(token, '.')[0]);
        CHECK(refusal(header + "." + payload_of(theirs) + "." + signature) == "the token's signature is wrong");
        CHECK(refusal(header + "." + payload + ".") == "the token's signature is wrong");
        CHECK(refusal(header + "." + payload) == "it is no JSON Web Token");
        CHECK(refusal(token + ".x") == "it is no JSON Web Token");
    }
    SUBCASE("by another key of the same issuer") {
        auto theirs = TokenKeys::open("", issuer);
        auto forged = *theirs->issue(claims());
        CHECK(refusal(forged) == "the token is signed by an unknown key");
        // ... that claims to be ours
        auto header = encoded(R"({"alg":"RS256","kid":")" + keys().key()->id() + "\"}");
        auto text = header + "." + payload;
        CHECK(refusal(text + "." + encoded(*theirs->key()->sign(text))) == "the token's signature is wrong");
        text = encoded(R"({"alg":"RS256"})") + "." + payload;
        CHECK(refusal(text + "." + encoded(*theirs->key()->sign(text))) == "the token's signature is wrong");
        CHECK(refusal(text + "." + encoded(*keys().key()->sign(text))) == "");
    }
    SUBCASE("unsigned") {
        for (auto alg : {"none", "None", "NONE", ""}) {
            auto header = encoded(std::string(R"({"alg":")") + alg + "\"}");
            CHECK(refusal(header + "." + payload + ".") == "the token is not signed by RS256");
            CHECK(refusal(header + "." + payload + "." + signature) == "the token is not signed by RS256");
        }
        CHECK(refusal(encoded("{}") + "." + payload + ".") == "the token is not signed by RS256");
    }
    SUBCASE("the public key as a shared secret") {
        auto text = encoded(R"({"alg":"HS256","kid":")" + keys().key()->id() + "\"}") + "." + payload;
        auto forged = text + "." + encoded(crypto::hmac_sha256(*keys().key()->public_pem(), text));
        CHECK(refusal(forged) == "the token is not signed by RS256");
    }
    SUBCASE("extensions and odd claims, well signed") {
        auto sign = [](const std::string& header, const std::string& body) {
            auto text = encoded(header) + "." + encoded(body);
            return text + "." + encoded(*keys().key()->sign(text));
        };
        const std::string header = R"({"alg":"RS256"})";
        auto body = [](const std::string& more) {
            return R"({"iss":"https://cluster","aud":"https://cluster")" + more + "}";
        };
        const std::string own = R"(,"kubernetes.io":{"namespace":"space","serviceaccount":{"name":"robot","uid":"u"}})";
        CHECK(refusal(sign(R"({"alg":"RS256","crit":["x"]})", body(""))) == "the token asks for extensions");
        CHECK(refusal(sign(header, "[]")) == "the token holds no JSON object");
        CHECK(refusal(sign(header, body(""))) == "the token lacks claims");
        CHECK(refusal(sign(header, body(own + R"(,"iat":1000})"))) == "the token holds no JSON object");
        CHECK(refusal(sign(header, body(own + R"(,"iat":1000,"exp":"2000")"))) == "the token lacks claims");
        CHECK(
            refusal(sign(header, body(own + R"(,"iat":1000,"exp":2000,"sub":"system:serviceaccount:space:admin")"))) ==
            "the token's subject is not its service account");
        CHECK(refusal(sign(header,
                           body(own + R"(,"iat":1000,"exp":2000,"sub":"system:serviceaccount:space:robot")"))) == "");
        CHECK(refusal(sign(header, R"({"iss":"other","iat":1,"exp":5000})")) == "the token is another issuer's");
    }
    for (auto nonsense : {"", ".", "..", "...", "a.b.c", "e30.e30.", "\xff.\xff.\xff"}) CHECK(refusal(nonsense) != "");
    CHECK(refusal(std::string(20'000, 'a') + ".b.c") == "the token is too long");
}

TEST_CASE("a token dies with what it is bound to") {
    TestState state;
    Authenticator who(*state, keys(), {});
    auto now = pila::now_wall().seconds();
    auto wanted = claims(now);
    wanted.secret = NamedObject{"held", "uid-2"};
    auto token = *keys().issue(wanted);
    CHECK_FALSE(who.identify(token).ok());
    state.put("core/serviceaccounts/space/robot", "uid-1");
    CHECK_FALSE(who.identify(token).ok());
    state.put("core/secrets/space/held", "uid-2");
    auto found = who.identify(token);
    REQUIRE(found.ok());
    CHECK(found->user.name == "system:serviceaccount:space:robot");
    CHECK(found->user.uid == "uid-1");
    CHECK(found->user.groups ==
          std::vector<std::string>{"system:serviceaccounts", "system:serviceaccounts:space", "system:authenticated"});
    CHECK(found->user.extra.at("authentication.kubernetes.io/credential-id") == std::vector<std::string>{"JTI=id-1"});
    CHECK(found->audiences == here);
    CHECK_FALSE(who.identify(token, {"vault"}).ok());
    CHECK(who.identify(token, {"vault", issuer})->audiences == here);
    state.remove("core/secrets/space/held");
    CHECK_FALSE(who.identify(token).ok());
    state.put("core/secrets/space/held", "another of that name");
    CHECK_FALSE(who.identify(token).ok());
    state.put("core/secrets/space/held", "uid-2");
    CHECK(who.identify(token).ok());
    state.put("core/serviceaccounts/space/robot", "uid-9");
    CHECK_FALSE(who.identify(token).ok());
}

TEST_CASE("tokens of a file") {
    auto tokens = StaticTokens::parse("abc,ada,42,\"staff,dev\"\n\n def,\"bob, the \"\"other\"\"\",,\n");
    REQUIRE(tokens.ok());
    REQUIRE(tokens->find("abc"));
    CHECK(tokens->find("abc")->uid == "42");
    CHECK(tokens->find("abc")->groups == std::vector<std::string>{"staff", "dev", "system:authenticated"});
    CHECK(tokens->find("def")->name == "bob, the \"other\"");
    CHECK_FALSE(tokens->find("ab"));
    CHECK_FALSE(tokens->find(""));
    for (auto bad : {"a,b", ",b,c", "a,,c", "a,b,c,\"d", "a\"b,c,d"}) CHECK_FALSE(StaticTokens::parse(bad).ok());
    TestState state;
    Authenticator who(*state, keys(), *tokens);
    CHECK(who.identify("abc")->user.name == "ada");
    CHECK_FALSE(who.identify("abc", {"vault"}).ok());
    CHECK_FALSE(who.identify("nonsense").ok());
}

TEST_CASE("tokens for nodes that join") {
    TestState state;
    Authenticator who(*state, keys(), {});
    const std::string token = "abcdef.0123456789abcdef", key = "core/secrets/kube-system/bootstrap-token-abcdef";
    auto put = [&](const std::string& more, const std::string& type = "bootstrap.kubernetes.io/token") {
        state.put(key, "u",
                  R"(,"type":")" + type + R"(","data":{"token-id":")" + crypto::base64_encode("abcdef") +
                      R"(","token-secret":")" + crypto::base64_encode("0123456789abcdef") + "\"" + more + "}");
    };
    auto member = [](const std::string& name, const std::string& value) {
        return ",\"" + name + "\":\"" + crypto::base64_encode(value) + "\"";
    };
    auto use = member("usage-bootstrap-authentication", "true");
    CHECK_FALSE(who.identify(token).ok());
    put(use);
    auto found = who.identify(token);
    REQUIRE(found.ok());
    CHECK(found->user.name == "system:bootstrap:abcdef");
    CHECK(found->user.groups == std::vector<std::string>{"system:bootstrappers", "system:authenticated"});
    CHECK_FALSE(who.identify("abcdef.0123456789abcdee").ok());
    put("");
    CHECK_FALSE(who.identify(token).ok());
    put(use, "Opaque");
    CHECK_FALSE(who.identify(token).ok());
    put(use + member("expiration", "2020-01-01T00:00:00Z"));
    CHECK_FALSE(who.identify(token).ok());
    put(use + member("expiration", "2220-01-01T00:00:00Z") + member("auth-extra-groups", "system:bootstrappers:a:b"));
    CHECK(who.identify(token)->user.is_in("system:bootstrappers:a:b"));
    put(use + member("auth-extra-groups", "system:masters"));
    CHECK_FALSE(who.identify(token).ok());
}

TEST_CASE("a key that is made is kept, and a token that is given out can be checked after a restart") {
    auto directory = "/tmp/pila-token-" + random_hex(12);
    auto lost = TokenKeys::open(directory, issuer);  // nobody has made it
    REQUIRE(lost);
    CHECK_FALSE(lost->issue(claims()).ok());
    REQUIRE(os::make_directory(directory));
    auto text = TokenKeys::open(directory, issuer)->issue(claims());
    REQUIRE(text);
    auto later = TokenKeys::open(directory, issuer);
    CHECK(later->check(*text, here, 1000).ok());
    REQUIRE(os::replace_file(directory + "/sa.key", "rubbish", 0600));
    CHECK_FALSE(TokenKeys::open(directory, issuer).ok());
    REQUIRE(os::remove_tree(directory));
}

TEST_CASE("what others check tokens by") {
    auto set = boost::json::parse(*keys().key_set_json());
    const auto& key = set.at("keys").at(0);
    CHECK(key.at("alg") == "RS256");
    CHECK(key.at("kid").get_string() == keys().key()->id());
    CHECK(key.at("e") == "AQAB");
    auto about = boost::json::parse(keys().configuration_json("127.0.0.1:6443"));
    CHECK(about.at("issuer") == "https://cluster");
    CHECK(about.at("jwks_uri") == "https://127.0.0.1:6443/openid/v1/jwks");
    CHECK(about.at("id_token_signing_alg_values_supported").at(0) == "RS256");
}
