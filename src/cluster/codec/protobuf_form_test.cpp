// SPDX-License-Identifier: Apache-2.0
#include <map>

#include "cluster/codec/test_support_internal.h"
#include "cluster/codec/wire_internal.h"

using namespace pila;
using namespace pila::cluster::codec;
namespace schema = pila::cluster::schema;
using schema::Form;

namespace {

std::string field(std::uint32_t number, std::string_view bytes) {
    std::string out;
    append_bytes(out, number, bytes);
    return out;
}

std::string number(std::uint32_t at, std::uint64_t value) {
    std::string out;
    append_number(out, at, value);
    return out;
}

std::string envelope(std::string_view api_version, std::string_view kind, std::string_view raw) {
    return std::string(envelope_magic) + field(1, field(1, api_version) + field(2, kind)) + field(2, raw);
}

// The object's fields but apiVersion and kind, or why it was refused.
std::string read(std::string_view bytes, const Limits& limits = {}) {
    auto value = read_protobuf(bytes, {}, limits);
    if (!value.ok()) return value.error().message();
    value->as_object().stable_erase("apiVersion");
    value->as_object().stable_erase("kind");
    return json::serialize(*value);
}

std::string pod(std::string_view raw) { return read(envelope("v1", "Pod", raw)); }
std::string spec(std::string_view raw) { return pod(field(2, raw)); }

// An object with every field of its type, each value unlike the others.
class Filler {
public:
    json::value fill(const schema::Node& node, const schema::Type* owner, int depth) {
        auto next = ++count_;
        switch (node.form) {
            case Form::String: return json::value(fmt::format("s{}", next));
            case Form::Int32: return next;
            case Form::Int64: return next * 10'000'000'000;
            case Form::Double: return static_cast<double>(next) + 0.5;
            case Form::Bool: return true;
            case Form::Bytes: return json::value("aGk=");
            case Form::Quantity: return json::value(fmt::format("{}m", next));
            case Form::IntOrString: return next % 2 == 0 ? json::value(next) : json::value("http");
            case Form::Time: return json::value("2026-11-01T10:00:00Z");
            case Form::MicroTime: return json::value("2026-11-01T10:00:00.000007Z");
            case Form::Fields:
            case Form::Any:
            case Form::Object:
            case Form::RawJson: return json::value({{"f:a", json::value({{"x", next}})}});
            case Form::List: return json::array{fill(*node.items, owner, depth), fill(*node.items, owner, depth)};
            case Form::Map:
                return json::object{{"k1", fill(*node.items, owner, depth)}, {"k2", fill(*node.items, owner, depth)}};
            case Form::Message: return message(*node.type, depth);
            case Form::SchemaOrArray:
                return next % 2 == 0 ? message(*owner, depth) : json::value(json::array{message(*owner, depth)});
            case Form::SchemaOrBool: return next % 2 == 0 ? message(*owner, depth) : json::value(false);
            case Form::SchemaOrStrings:
                return next % 2 == 0 ? message(*owner, depth) : json::value(json::array{"a", "b"});
        }
        return nullptr;
    }

    json::value message(const schema::Type& type, int depth) {
        json::object made;
        if (depth > 0)
            for (const auto& known : type.fields)
                if (known.number[0] != 0) made[known.name] = fill(known.node, &type, depth - 1);
        return made;
    }

private:
    std::int64_t count_ = 0;
};

bool same(const json::value& left, const json::value& right) { return left == right; }

}  // namespace

TEST_CASE("every built-in kind with every field survives protobuf, alone and in lists") {
    const auto& catalogue = schema::Catalogue::builtin();
    for (const auto& kind : catalogue.kinds()) {
        INFO(kind.group_version.text() << " " << kind.name);
        auto depth = kind.name == "CustomResourceDefinition" ? 7 : 14;
        auto object = Filler().message(*kind.type, depth);
        object.as_object()["apiVersion"] = kind.group_version.text();
        object.as_object()["kind"] = kind.name;
        auto bytes = write_protobuf(object);
        REQUIRE_MESSAGE(bytes.ok(), message_of(bytes));
        auto again = read_protobuf(*bytes, {}, {.max_bytes = 64U << 20});
        REQUIRE_MESSAGE(again.ok(), message_of(again));
        CHECK(same(*again, object));
        object.as_object().erase("apiVersion");
        object.as_object().erase("kind");
        json::value list = {{"apiVersion", kind.group_version.text()},
                            {"kind", kind.list_kind()},
                            {"metadata", {{"resourceVersion", "7"}}},
                            {"items", json::array{object, object}}};
        auto list_bytes = write_protobuf(list);
        REQUIRE_MESSAGE(list_bytes.ok(), message_of(list_bytes));
        auto list_again = read_protobuf(*list_bytes, {}, {.max_bytes = 64U << 20});
        REQUIRE_MESSAGE(list_again.ok(), message_of(list_again));
        CHECK(same(*list_again, list));
    }
}

TEST_CASE("a zero is unset unless the field is a pointer or required") {
    CHECK(spec(field(3, "") + number(4, 0) + number(11, 0)) == R"({"spec":{"terminationGracePeriodSeconds":0}})");
    CHECK(spec(field(2, field(1, ""))) == R"({"spec":{"containers":[{"name":""}]}})");
    CHECK(spec(field(3, "Never") + field(3, "")) == R"({"spec":{}})");
    CHECK(pod(field(1, field(8, ""))) == R"({"metadata":{}})");
    CHECK(pod(field(1, field(8, number(1, 0) + number(2, 0)))) ==
          R"({"metadata":{"creationTimestamp":"1970-01-01T00:00:00Z"}})");
}

TEST_CASE("messages come in parts, lists packed or not, maps with absent halves") {
    CHECK(pod(field(1, field(1, "a")) + field(1, field(3, "b"))) == R"({"metadata":{"name":"a","namespace":"b"}})");
    auto supplemental = [](std::string_view raw) { return spec(field(14, raw)); };
    CHECK(supplemental(number(4, 1) + number(4, 2)) == R"({"spec":{"securityContext":{"supplementalGroups":[1,2]}}})");
    CHECK(supplemental(field(4, "\x01\x02\xac\x02")) ==
          R"({"spec":{"securityContext":{"supplementalGroups":[1,2,300]}}})");
    CHECK(supplemental(field(4, "\xac")) == "malformed protobuf of PodSecurityContext.supplementalGroups");
    CHECK(pod(field(1, field(11, field(1, "k") + field(2, "v")) + field(11, field(1, "k2")) + field(11, ""))) ==
          R"({"metadata":{"labels":{"k":"v","k2":"","":""}}})");
    CHECK(spec(number(25, static_cast<std::uint64_t>(-5))) == R"({"spec":{"priority":-5}})");
}

TEST_CASE("what JSON folds away is found within") {
    // NamedRuleWithOperations {1 resourceNames, 2 {1 operations, 2 {1 apiGroups ... 4 scope}}}
    auto rule = field(1, "r") +
                field(2, field(1, "CREATE") + field(2, field(1, "apps") + field(3, "deployments") + field(4, "*")));
    auto policy = field(2, field(2, field(3, rule)));
    CHECK(read(envelope("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", policy)) ==
          R"({"spec":{"matchConstraints":{"resourceRules":[{"resourceNames":["r"],"operations":["CREATE"],)"
          R"("apiGroups":["apps"],"resources":["deployments"],"scope":"*"}]}}})");
    CHECK(spec(field(1, field(1, "v") + field(2, field(2, field(1, "Memory"))))) ==
          R"({"spec":{"volumes":[{"name":"v","emptyDir":{"medium":"Memory"}}]}})");
    CHECK(read(envelope("authentication.k8s.io/v1", "TokenReview",
                        field(3, field(2, field(4, field(1, "k") + field(2, field(1, "a") + field(1, "b"))))))) ==
          R"({"status":{"user":{"extra":{"k":["a","b"]}}}})");
}

TEST_CASE("unknown fields are skipped whatever they are") {
    std::string group = "\xa3\x06" + number(1, 5) + "\xab\x06\xac\x06" + "\xa4\x06";  // 100: a group with one in it
    CHECK(pod(number(99, 7) + field(100, "x") + std::string("\x9d\x06\1\2\3\4", 6) +
              std::string("\x99\x06\1\2\3\4\5\6\7\x8", 10) + group + field(1, field(1, "a"))) ==
          R"({"metadata":{"name":"a"}})");
}

TEST_CASE("malformed protobuf is refused") {
    CHECK(read("") == "the body is not Kubernetes' protobuf: it does not begin with \"k8s\\x00\"");
    CHECK(read("{\"kind\":\"Pod\"}").starts_with("the body is not"));
    CHECK(read(std::string(envelope_magic) + "\x0a\x7f") == "malformed protobuf of an object's envelope");
    CHECK(pod("\x0a\x05") == "malformed protobuf of Pod.metadata");
    CHECK(pod(number(1, 1)) == "malformed protobuf of Pod.metadata");         // wrong wire type
    CHECK(pod(std::string("\x00\x00", 2)) == "malformed protobuf of a Pod");  // field 0
    CHECK(pod("\x9f\x06") == "malformed protobuf of a Pod");                  // wire type 7
    CHECK(pod("\xa4\x06") == "malformed protobuf of a Pod");                  // a group's end
    CHECK(pod("\xa3\x06\xa3\x06") == "malformed protobuf of a Pod");          // groups without end
    CHECK(pod(std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f")) == "malformed protobuf of a Pod");
    CHECK(pod(std::string("\x88\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11)) == "malformed protobuf of a Pod");
    CHECK(pod(field(1, field(1, "\xff"))) == "malformed protobuf of ObjectMeta.name");
    CHECK(pod(field(1, field(8, number(1, 1ULL << 62)))) == "malformed protobuf of ObjectMeta.creationTimestamp");
    CHECK(pod(field(1, field(8, number(2, 1'000'000'000)))) == "malformed protobuf of ObjectMeta.creationTimestamp");
    CHECK(pod(field(1, field(17, field(7, field(1, "{"))))) == "unexpected end of JSON input");
}

TEST_CASE("protobuf is bounded in bytes, depth and values") {
    std::string schemas;  // JSONSchemaProps.not, 28
    for (int level = 0; level < 200; ++level) schemas = field(28, schemas);
    auto crd = envelope("apiextensions.k8s.io/v1", "CustomResourceDefinition",
                        field(2, field(7, field(4, field(1, schemas)))));
    CHECK(read(crd) == "the protobuf is nested deeper than 100 levels");
    std::string names;
    for (int at = 0; at < 100; ++at) names += field(14, "");
    CHECK(read(envelope("v1", "Pod", field(1, names)), {.max_nodes = 50}) == "the protobuf has more than 50 values");
    CHECK(read(std::string(10, 'x'), {.max_bytes = 5}) == "a body of 10 bytes exceeds the limit of 5");
    std::string nested;  // raw JSON that is an envelope again
    for (int level = 0; level < 300; ++level)
        nested = envelope("apps/v1", "ControllerRevision", field(2, field(1, nested)));
    CHECK_FALSE(read_protobuf(nested, {}).ok());
}

TEST_CASE("kinds are found by what the envelope says") {
    CHECK(read(envelope("apps/v1", "DeleteOptions", number(1, 0))) == R"({"gracePeriodSeconds":0})");
    CHECK(read(envelope("autoscaling/v1", "Scale", field(2, number(1, 3)))) == R"({"spec":{"replicas":3}})");
    CHECK(read(envelope("policy/v1", "Eviction", field(1, field(1, "p")))) == R"({"metadata":{"name":"p"}})");
    CHECK(read(envelope("v1", "Status", field(2, "Success") + number(6, 200))) == R"({"status":"Success","code":200})");
    for (auto [api_version, kind] : {std::pair{"example.org/v1", "Widget"},
                                     {"v1", "Nope"},
                                     {"v1", "PodSpec"},
                                     {"v1", ""},
                                     {"", ""},
                                     {"v1", "ObjectReference"},
                                     {"v1", "List"},
                                     {"apps/v1", "Pod"}}) {
        auto value = read_protobuf(envelope(api_version, kind, ""), {});
        REQUIRE_FALSE(value.ok());
        CHECK(value.error().code() == Errc::Unsupported);
    }
}

TEST_CASE("trees that do not fit are refused by writing") {
    auto refused = [](std::string_view text) { return message_of(write_protobuf(parsed(text))); };
    CHECK(refused(R"({"apiVersion":"v1","kind":"Pod","spec":{"containers":[{},{"image":1}]}})") ==
          "spec.containers[1].image: not a string, which protobuf wants");
    CHECK(refused(R"({"apiVersion":"v1","kind":"Secret","data":{"a":"*"}})") ==
          "data.a: not base64, which protobuf wants");
    CHECK(refused("[]") == "only objects have a protobuf form");
    CHECK(refused(R"({"apiVersion":"example.org/v1","kind":"Widget"})").find("has a protobuf form") !=
          std::string::npos);
}
