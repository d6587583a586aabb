// SPDX-License-Identifier: Apache-2.0
#include "cluster/webhooks/review.h"

#include <fmt/core.h>
#include <boost/json.hpp>

#include "cluster/codec/codec.h"
#include "cluster/kinds/tree.h"
#include "crypto/base64.h"

namespace pila::cluster::webhooks {

namespace {

constexpr std::size_t max_warnings = 100, max_warning = 4096;

json::array list_of(const std::vector<std::string>& texts) { return json::array(texts.begin(), texts.end()); }

json::object user_info(const access::User& user) {
    json::object info{{"username", user.name}};
    if (!user.uid.empty()) info["uid"] = user.uid;
    info["groups"] = list_of(user.groups);
    json::object extra;
    for (const auto& [name, values] : user.extra) extra[name] = list_of(values);
    if (!extra.empty()) info["extra"] = std::move(extra);
    return info;
}

json::object options(const Request& request) {
    const char* kind = request.operation == Operation::Create   ? "CreateOptions"
                       : request.operation == Operation::Update ? "UpdateOptions"
                                                                : "DeleteOptions";
    json::object made{{"kind", kind}, {"apiVersion", "meta.k8s.io/v1"}};
    if (request.dry_run) made["dryRun"] = json::array{"All"};
    return made;
}

// k8s.io/apiserver, ToStatusErr: a refusal is at least a bad request.
Refusal refusal_of(const Hook& hook, const json::object* status) {
    Refusal refusal;
    auto denied = fmt::format("admission webhook \"{}\" denied the request", hook.name());
    refusal.message = denied + " without explanation";
    if (!status) return refusal;
    auto message = kinds::text_at(*status, "message"), reason = kinds::text_at(*status, "reason");
    refusal.code = static_cast<int>(std::clamp<std::int64_t>(kinds::integer_at(*status, "code").value_or(0), 0, 599));
    if (refusal.code < 400) refusal.code = 400;
    refusal.reason = reason;
    if (!message.empty() || !reason.empty())
        refusal.message = fmt::format("{}: {}", denied, message.empty() ? reason : message);
    return refusal;
}

}  // namespace

std::string write_review(const Hook& hook, const Request& request, const std::string& uid, const json::object* object,
                         const json::object* before) {
    const auto& group_version = request.kind.group_version;
    json::object kind{{"group", group_version.group}, {"version", group_version.version}, {"kind", request.kind.name}};
    json::object resource{
        {"group", group_version.group}, {"version", group_version.version}, {"resource", request.kind.plural}};
    json::object asked{{"uid", uid}, {"kind", kind}, {"resource", resource}};
    if (!request.subresource.empty()) asked["subResource"] = request.subresource;
    asked["requestKind"] = std::move(kind);
    asked["requestResource"] = std::move(resource);
    if (!request.subresource.empty()) asked["requestSubResource"] = request.subresource;
    if (!request.name.empty()) asked["name"] = request.name;
    if (!request.name_space.empty()) asked["namespace"] = request.name_space;
    asked["operation"] = text_of(request.operation);
    asked["userInfo"] = user_info(request.user);
    asked["object"] = object ? json::value(*object) : json::value(nullptr);
    asked["oldObject"] = before ? json::value(*before) : json::value(nullptr);
    asked["dryRun"] = request.dry_run;
    asked["options"] = options(request);
    return codec::write_json(json::object{{"kind", "AdmissionReview"},
                                          {"apiVersion", fmt::format("admission.k8s.io/{}", hook.review_version())},
                                          {"request", std::move(asked)}});
}

Result<Verdict> read_verdict(const Hook& hook, std::string_view text, std::string_view uid) {
    auto tree = TRY(codec::read_json(text, {}));
    const auto* review = tree.if_object();
    const auto* response = review ? kinds::object_at(*review, "response") : nullptr;
    if (!response) return Error(Errc::Invalid, "webhook response is missing");
    auto version = fmt::format("admission.k8s.io/{}", hook.review_version());
    if (kinds::text_at(*review, "apiVersion") != version || kinds::text_at(*review, "kind") != "AdmissionReview")
        return Error(Errc::Invalid,
                     fmt::format("expected webhook response of {}, Kind=AdmissionReview, got {}, Kind={}", version,
                                 kinds::text_at(*review, "apiVersion"), kinds::text_at(*review, "kind")));
    if (kinds::text_at(*response, "uid") != uid)
        return Error(Errc::Invalid,
                     fmt::format("expected response.uid=\"{}\", got \"{}\"", uid, kinds::text_at(*response, "uid")));
    Verdict verdict;
    if (const auto* warnings = kinds::list_at(*response, "warnings"))
        for (const auto& one : *warnings)
            if (verdict.warnings.size() < max_warnings)
                verdict.warnings.emplace_back(kinds::text_of(one).substr(0, max_warning));
    if (!kinds::flag_at(*response, "allowed")) {
        verdict.refusal = refusal_of(hook, kinds::object_at(*response, "status"));
        return verdict;
    }
    auto patch = kinds::text_at(*response, "patch"), type = kinds::text_at(*response, "patchType");
    if (patch.empty()) return verdict;
    if (type != "JSONPatch") return Error(Errc::Invalid, fmt::format("unsupported patch type \"{}\"", type));
    auto bytes = crypto::base64_decode(patch);
    if (!bytes) return Error(Errc::Invalid, "response.patch is not base64");
    verdict.patch = TRY(codec::read_json(*bytes, {}).in("response.patch"));
    return verdict;
}

}  // namespace pila::cluster::webhooks
