// SPDX-License-Identifier: Apache-2.0
// What every namespace has: the service account `default`, and the certificate by which pods know the API.
#include <boost/json.hpp>

#include "cluster/api/metadata.h"
#include "cluster/controllers/all.h"
#include "cluster/controllers/fields.h"

namespace pila::cluster::controllers {

namespace {

// One object of one name in each namespace, with some members that are kept as they should be.
class Furnishing : public Controller {
public:
    Furnishing(const Means& means, std::string name, const schema::Kind& kind, std::string object_name,
               json::object members)
        : Controller(means, std::move(name)),
          kind_(kind),
          object_(std::move(object_name)),
          members_(std::move(members)) {
        follow(spaces_);
        means_.informers.of(kind_).add_handler([this](const ObjectPointer& before, const ObjectPointer& now) {
            auto place = name_of(name_key(kind_, now ? *now : *before));
            if (place.name == object_ && before) enqueue(place.space);  // it was changed, or is gone
        });
    }

    Outcome<void> sync(const std::string& space) override {
        auto got = client_.get(spaces_, "", space);
        if (!got && is_not_found(got.error())) return {};
        auto name_space = TRY(std::move(got));
        if (is_going(name_space)) return {};
        auto found = client_.get(kind_, space, object_);
        if (!found && !is_not_found(found.error())) return found.take_error();
        auto wished = found ? *found : json::object();
        for (const auto& [member, value] : members_) wished[member] = value;
        if (found) {
            if (wished == *found) return {};
            auto updated = client_.update(kind_, std::move(wished));
            return updated ? Outcome<void>() : updated.take_error();
        }
        auto& metadata = make_object_in(wished, "metadata");
        metadata["name"] = object_;
        metadata["namespace"] = space;
        if (kind_.name == "ConfigMap")
            metadata["annotations"] = json::object{{"kubernetes.io/description",
                                                    "Contains a CA bundle that can be used to verify the "
                                                    "kube-apiserver when using internal endpoints such "
                                                    "as the internal service IP or kubernetes.default.svc."}};
        auto made = client_.create(kind_, std::move(wished));
        bool is_fine = made || made.error().reason == "AlreadyExists" || made.error().code == 403;  // 403: it just ends
        return is_fine ? Outcome<void>() : made.take_error();
    }

private:
    const schema::Kind& spaces_ = kind_of("", "v1", "namespaces");
    const schema::Kind& kind_;
    const std::string object_;
    const json::object members_;
};

}  // namespace

std::unique_ptr<Controller> make_service_accounts(const Means& means) {
    return std::make_unique<Furnishing>(means, "service-account-controller", kind_of("", "v1", "serviceaccounts"),
                                        "default", json::object());
}

std::unique_ptr<Controller> make_root_certificates(const Means& means, const std::string& ca_certificate) {
    json::object members;
    members["data"] = json::object{{"ca.crt", ca_certificate}};
    return std::make_unique<Furnishing>(means, "root-ca-cert-publisher", kind_of("", "v1", "configmaps"),
                                        "kube-root-ca.crt", std::move(members));
}

}  // namespace pila::cluster::controllers
