// SPDX-License-Identifier: Apache-2.0
// Requests for certificates: those of nodes are approved if their asker may have them, and none stays for ever
// (kube-controller-manager's pkg/controller/certificates, approver and cleaner).
#include <algorithm>

#include <boost/json.hpp>

#include "cluster/access/policy.h"
#include "cluster/api/signers.h"
#include "cluster/codec/codec.h"
#include "cluster/controllers/all.h"
#include "cluster/controllers/fields.h"
#include "crypto/base64.h"
#include "crypto/certificates.h"

namespace pila::cluster::controllers {

namespace {

constexpr std::int64_t settled_lasts = 3600, pending_lasts = 24 * 3600;  // seconds

const schema::Kind& request_kind() {
    static const auto& kind = kind_of("certificates.k8s.io", "v1", "certificatesigningrequests");
    return kind;
}

std::vector<std::string> texts_in(const json::object& object, std::string_view dotted) {
    std::vector<std::string> texts;
    if (const auto* list = list_in(object, dotted))
        for (const auto& one : *list)
            if (one.is_string()) texts.emplace_back(one.get_string());
    return texts;
}

class Approver : public Controller {
public:
    explicit Approver(const Means& means)
        : Controller(means, "certificate-controller"), policy_(means_.registry.state()) {
        follow(request_kind());
    }

    Outcome<void> sync(const std::string& key) override {
        auto got = client_.get(request_kind(), "", key);
        if (!got && is_not_found(got.error())) return {};
        auto request = TRY(std::move(got));
        const auto* conditions = list_in(request, "status.conditions");
        if (text_in(request, "spec.signerName") != api::node_client_signer || (conditions && !conditions->empty()))
            return {};
        auto pem = crypto::base64_decode(text_in(request, "spec.request")).value_or("");
        auto facts = crypto::read_request(pem);
        auto usages = texts_in(request, "spec.usages");
        if (!facts || api::refusal_of(api::node_client_signer, *facts, usages)) return {};
        access::User user{std::string(text_in(request, "spec.username")), std::string(text_in(request, "spec.uid")),
                          texts_in(request, "spec.groups")};
        if (user.name == facts->subject.common_name && may(user, "selfnodeclient"))
            return approve(std::move(request),
                           "Auto approving self kubelet client certificate after SubjectAccessReview.");
        if (may(user, "nodeclient"))
            return approve(std::move(request), "Auto approving kubelet client certificate after SubjectAccessReview.");
        return {};
    }

private:
    bool may(const access::User& user, const std::string& what) const {
        access::Action action;
        action.verb = "create";
        action.group = request_kind().group_version.group;
        action.resource = request_kind().plural;
        action.subresource = what;
        return policy_.judge(user, action).is_allowed;
    }

    Outcome<void> approve(json::object request, std::string_view why) {
        auto now = codec::format_time(means_.now() / 1'000'000);
        json::object condition{{"type", "Approved"}, {"status", "True"},      {"reason", "AutoApproved"},
                               {"message", why},     {"lastUpdateTime", now}, {"lastTransitionTime", now}};
        make_object_in(request, "status")["conditions"] = json::array{json::value(std::move(condition))};
        auto written = client_.update(request_kind(), std::move(request), "approval");
        if (!written && !is_not_found(written.error())) return written.take_error();
        return {};
    }

    const access::Policy policy_;
};

class RequestExpiry : public Controller {
public:
    explicit RequestExpiry(const Means& means) : Controller(means, "csrcleaner") { follow(request_kind()); }

    Outcome<void> sync(const std::string& key) override {
        auto got = client_.get(request_kind(), "", key);
        if (!got && is_not_found(got.error())) return {};
        auto request = TRY(std::move(got));
        auto left = end_of(request) - means_.now();
        if (left <= 0) return client_.remove(request_kind(), request, "Background", Client::Only::SameRevision);
        enqueue_after(key, left / 1'000'000 + 1);
        return {};
    }

private:
    // Microseconds since 1970. One that is approved waits for its signer as long as one that nobody looked at.
    static std::int64_t end_of(const json::object& request) {
        auto end = time_in(request, "metadata.creationTimestamp") + pending_lasts * 1'000'000;
        bool is_signed = !text_in(request, "status.certificate").empty();
        const auto* status = object_in(request, "status");
        for (auto type : {"Approved", "Denied", "Failed"}) {
            const auto* one = status ? find_condition(*status, type) : nullptr;
            if (!one || (std::string_view(type) == "Approved" && !is_signed)) continue;
            end = std::min(end, time_in(*one, "lastUpdateTime") + settled_lasts * 1'000'000);
        }
        return end;
    }
};

}  // namespace

std::unique_ptr<Controller> make_certificate_approver(const Means& means) { return std::make_unique<Approver>(means); }
std::unique_ptr<Controller> make_request_expiry(const Means& means) { return std::make_unique<RequestExpiry>(means); }

}  // namespace pila::cluster::controllers
