// SPDX-License-Identifier: Apache-2.0
#pragma once
// The controllers there are, in the order in which they hear of changes.

#include <memory>
#include <string>
#include <vector>

#include "cluster/controllers/controller.h"

namespace pila::cluster::controllers {

std::unique_ptr<Controller> make_replica_sets(const Means& means);
std::unique_ptr<Controller> make_replication_controllers(const Means& means);
std::unique_ptr<Controller> make_deployments(const Means& means);
std::unique_ptr<Controller> make_stateful_sets(const Means& means);
std::unique_ptr<Controller> make_daemon_sets(const Means& means);
std::unique_ptr<Controller> make_jobs(const Means& means);
std::unique_ptr<Controller> make_cron_jobs(const Means& means);
std::unique_ptr<Controller> make_budgets(const Means& means);
std::unique_ptr<Controller> make_custom_kinds(const Means& means);
std::unique_ptr<Controller> make_garbage_collector(const Means& means);
std::unique_ptr<Controller> make_namespaces(const Means& means);
std::unique_ptr<Controller> make_service_accounts(const Means& means);
std::unique_ptr<Controller> make_root_certificates(const Means& means, const std::string& ca_certificate);
std::unique_ptr<Controller> make_endpoints(const Means& means);
std::unique_ptr<Controller> make_endpoint_slices(const Means& means);
std::unique_ptr<Controller> make_unscheduled(const Means& means);
std::unique_ptr<Controller> make_event_expiry(const Means& means);
std::unique_ptr<Controller> make_quotas(const Means& means);
std::unique_ptr<Controller> make_volume_binder(const Means& means);
std::unique_ptr<Controller> make_claim_protection(const Means& means);
std::unique_ptr<Controller> make_volume_protection(const Means& means);
std::unique_ptr<Controller> make_pod_collector(const Means& means);
std::unique_ptr<Controller> make_ephemeral_claims(const Means& means);
std::unique_ptr<Controller> make_slice_mirror(const Means& means);
std::unique_ptr<Controller> make_bootstrap_tokens(const Means& means);
std::unique_ptr<Controller> make_account_tokens(const Means& means);
std::unique_ptr<Controller> make_certificate_approver(const Means& means);
std::unique_ptr<Controller> make_request_expiry(const Means& means);

inline std::vector<std::unique_ptr<Controller>> make_all(const Means& means, const std::string& ca_certificate) {
    std::vector<std::unique_ptr<Controller>> all;
    for (auto* make : {make_replica_sets,
                       make_replication_controllers,
                       make_deployments,
                       make_stateful_sets,
                       make_daemon_sets,
                       make_jobs,
                       make_cron_jobs,
                       make_endpoints,
                       make_endpoint_slices,
                       make_namespaces,
                       make_custom_kinds,
                       make_service_accounts,
                       make_garbage_collector,
                       make_budgets,
                       make_event_expiry,
                       make_volume_binder,
                       make_claim_protection,
                       make_volume_protection,
                       make_pod_collector,
                       make_ephemeral_claims,
                       make_slice_mirror,
                       make_bootstrap_tokens,
                       make_account_tokens,
                       make_certificate_approver,
                       make_request_expiry,
                       make_unscheduled,
                       make_quotas})
        all.push_back(make(means));
    if (!ca_certificate.empty()) all.push_back(make_root_certificates(means, ca_certificate));
    return all;
}

}  // namespace pila::cluster::controllers
