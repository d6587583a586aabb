// SPDX-License-Identifier: Apache-2.0
// Secrets that go by themselves: tokens of nodes that join, once they are good for nothing, and tokens of service
// accounts that are no more (kube-controller-manager's pkg/controller/bootstrap, pkg/controller/serviceaccount).
#include <boost/json.hpp>

#include "cluster/api/metadata.h"
#include "cluster/codec/codec.h"
#include "cluster/controllers/all.h"
#include "cluster/controllers/fields.h"
#include "crypto/base64.h"

namespace pila::cluster::controllers {

namespace {

constexpr std::string_view bootstrap_type = "bootstrap.kubernetes.io/token";
constexpr std::string_view account_type = "kubernetes.io/service-account-token";

const schema::Kind& secret_kind() {
    static const auto& kind = kind_of("", "v1", "secrets");
    return kind;
}

class BootstrapTokens : public Controller {
public:
    explicit BootstrapTokens(const Means& means) : Controller(means, "token-cleaner") {
        means_.informers.of(secret_kind()).add_handler([this](const ObjectPointer&, const ObjectPointer& now) {
            if (now && now->bytes.find(bootstrap_type) != std::string::npos) enqueue(name_key(secret_kind(), *now));
        });
    }

    Outcome<void> sync(const std::string& key) override {
        auto name = name_of(key);
        if (name.space != "kube-system") return {};
        auto got = client_.get(secret_kind(), name.space, name.name);
        if (!got && is_not_found(got.error())) return {};
        auto secret = TRY(std::move(got));
        if (text_in(secret, "type") != bootstrap_type) return {};
        auto text = crypto::base64_decode(text_in(secret, "data.expiration")).value_or("");
        if (text.empty()) return {};  // good for ever
        auto end = codec::parse_time(text);
        auto left = end ? *end - means_.now() : 0;  // what cannot be read is over, as with whoever checks it
        if (left <= 0) return client_.remove(secret_kind(), secret, "Background", Client::Only::SameRevision);
        enqueue_after(key, left / 1'000'000 + 1);
        return {};
    }
};

class AccountTokens : public Controller {
public:
    explicit AccountTokens(const Means& means) : Controller(means, "tokens-controller") {
        means_.informers.of(secret_kind()).add_handler([this](const ObjectPointer&, const ObjectPointer& now) {
            if (now && now->bytes.find(account_type) != std::string::npos) enqueue(name_key(secret_kind(), *now));
        });
        means_.informers.of(accounts_).add_handler([this](const ObjectPointer& before, const ObjectPointer& now) {
            if (now || !before) return;
            auto space = name_of(name_key(accounts_, *before)).space;
            auto secrets = means_.registry.state().list(api::prefix_of(secret_kind(), space), "", 0, 0);
            if (!secrets) return;
            for (const auto& secret : secrets->objects)
                if (secret->bytes.find(account_type) != std::string::npos) enqueue(name_key(secret_kind(), *secret));
        });
    }

    Outcome<void> sync(const std::string& key) override {
        auto name = name_of(key);
        auto got = client_.get(secret_kind(), name.space, name.name);
        if (!got && is_not_found(got.error())) return {};
        auto secret = TRY(std::move(got));
        auto owner = std::string(annotation_of(secret, "kubernetes.io/service-account.name"));
        if (text_in(secret, "type") != account_type || owner.empty()) return {};
        auto account = client_.get(accounts_, name.space, owner);
        if (!account && !is_not_found(account.error())) return account.take_error();
        auto uid = annotation_of(secret, "kubernetes.io/service-account.uid");
        bool is_there = account && (uid.empty() || uid == text_in(*account, "metadata.uid"));
        return is_there ? Outcome<void>() : client_.remove(secret_kind(), secret);
    }

private:
    const schema::Kind& accounts_ = kind_of("", "v1", "serviceaccounts");
};

}  // namespace

std::unique_ptr<Controller> make_bootstrap_tokens(const Means& means) {
    return std::make_unique<BootstrapTokens>(means);
}
std::unique_ptr<Controller> make_account_tokens(const Means& means) { return std::make_unique<AccountTokens>(means); }

}  // namespace pila::cluster::controllers
