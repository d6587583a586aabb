// SPDX-License-Identifier: Apache-2.0
#pragma once
// A cluster of a few objects, and requests that are judged against it.

#include <string>

#include <doctest/doctest.h>
#include <boost/json.hpp>

#include "cluster/admission/admission.h"
#include "cluster/schema/catalogue.h"

namespace pila::cluster::admission {

class World {
public:
    World() {
        put("core/namespaces/n", R"({"metadata":{"name":"n"}})");
        put("core/serviceaccounts/n/default", R"({"metadata":{"name":"default","namespace":"n"}})");
    }

    void put(const std::string& key, std::string_view text) { REQUIRE(put(key, json::parse(text).as_object())); }
    Result<state::ObjectPointer> put(const std::string& key, json::object object,
                                     std::optional<state::Revision> expect = std::nullopt) {
        object["metadata"].as_object()["resourceVersion"] = "";
        state::Write write;
        write.key = key;
        write.bytes = json::serialize(object);
        constexpr std::string_view mark = "\"resourceVersion\":\"";
        write.revision_at = static_cast<std::uint32_t>(write.bytes->find(mark) + mark.size());
        write.expect = expect;
        return state->write(std::move(write));
    }

    struct Judged {
        json::object object;
        std::string refusal;  // "": admitted
        std::vector<std::string> warnings;
        std::vector<kinds::Cause> causes;

        const json::value& at(std::string_view pointer) const { return whole.at_pointer(pointer); }
        json::value whole;
    };

    // As a new object, or as a change of `before`.
    Judged admit(std::string_view group, std::string_view kind, std::string_view text, std::string_view before = "",
                 std::string_view subresource = "") const {
        const schema::GroupVersion version{std::string(group), "v1"};
        const auto* of = schema::Catalogue::builtin().find_kind(version, kind);
        REQUIRE(of);
        Judged result;
        result.object = json::parse(text).as_object();
        json::object old;
        if (!before.empty()) old = json::parse(before).as_object();
        Request request{.kind = *of,
                        .name_space = of->is_namespaced ? "n" : "",
                        .name = "web",
                        .subresource = std::string(subresource),
                        .user = "test",
                        .before = before.empty() ? nullptr : &old};
        auto verdict = admission.complete(request, result.object);
        std::unique_ptr<Charge> charge;
        if (verdict) verdict = admission.check(request, result.object, charge);
        if (verdict && charge) charge->keep();
        if (!verdict) result.refusal = verdict.error().why.empty() ? "(causes)" : verdict.error().why;
        if (!verdict) result.causes = verdict.error().causes;
        result.warnings = request.warnings;
        result.whole = result.object;
        return result;
    }
    Judged pod(std::string_view spec, std::string_view metadata = "{}") const {
        return admit("", "Pod", R"({"metadata":)" + std::string(metadata) + R"(,"spec":)" + std::string(spec) + "}");
    }

    // As the registry does it: only if it is as it was read.
    Verdict write_status(const schema::Kind&, json::object object) {
        auto& metadata = object["metadata"].as_object();
        auto revision = std::stoll(std::string(metadata["resourceVersion"].as_string()));
        auto written = put("core/resourcequotas/n/" + std::string(metadata["name"].as_string()), object, revision);
        if (!written && written.error().code() == Errc::Conflict) return Refusal{"conflict", 409};
        REQUIRE(written);
        return {};
    }

    std::unique_ptr<state::State> state = state::State::open("").take();
    Admission admission{
        *state, [this](const schema::Kind& kind, const json::object& object) { return write_status(kind, object); }};
};

}  // namespace pila::cluster::admission
