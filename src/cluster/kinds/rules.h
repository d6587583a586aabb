// SPDX-License-Identifier: Apache-2.0
#pragma once
// The tables of this room. A row belongs to a type of the schema, named by the end of its full name
// ("core.v1.PodSpec"): the walk over an object calls it wherever a value of that type stands, so that a pod template
// has the same defaults and rules in a Deployment and in a CronJob. A row of a kind's own type is the kind's.

#include <span>
#include <string_view>

#include <boost/json/fwd.hpp>

#include "cluster/kinds/path.h"
#include "cluster/kinds/report.h"

namespace pila::cluster::kinds {

struct DefaultRow {
    std::string_view type;
    void (*fill)(json::object& value);  // before the values within it are visited
};

struct CheckRow {
    std::string_view type;
    void (*check)(const json::object& value, const Path& path, Report& report);
};

// Of kinds only: what may not change.
struct UpdateRow {
    std::string_view type;
    void (*check)(const json::object& now, const json::object& old, Report& report);
};

std::span<const DefaultRow> pod_defaults();
std::span<const DefaultRow> workload_defaults();
std::span<const DefaultRow> service_defaults();
std::span<const DefaultRow> policy_defaults();
std::span<const DefaultRow> machinery_defaults();

std::span<const CheckRow> pod_checks();
std::span<const CheckRow> container_checks();
std::span<const CheckRow> probe_checks();
std::span<const CheckRow> scheduling_checks();
std::span<const CheckRow> security_checks();
std::span<const CheckRow> volume_checks();
std::span<const CheckRow> storage_checks();
std::span<const CheckRow> selector_checks();
std::span<const CheckRow> workload_checks();
std::span<const CheckRow> job_checks();
std::span<const CheckRow> service_checks();
std::span<const CheckRow> endpoint_checks();
std::span<const CheckRow> network_checks();
std::span<const CheckRow> configuration_checks();
std::span<const CheckRow> resource_checks();
std::span<const CheckRow> quota_checks();
std::span<const CheckRow> access_checks();
std::span<const CheckRow> scaling_checks();
std::span<const CheckRow> webhook_checks();
std::span<const CheckRow> definition_checks();

std::span<const UpdateRow> pod_updates();
std::span<const UpdateRow> workload_updates();
std::span<const UpdateRow> other_updates();

// Rows by the end of a full name; null: none.
const DefaultRow* find_defaults(std::string_view full_name);
const CheckRow* find_checks(std::string_view full_name);
const UpdateRow* find_updates(std::string_view full_name);

// A whole object, but its metadata and status.
void walk_defaults(json::object& object, const schema::Type& type);
void walk_checks(const json::object& object, const schema::Type& type, Report& report);

// ObjectMeta of the object itself.
void check_metadata(const json::object& object, Report& report);
void check_metadata_update(const json::object& now, const json::object& old, Report& report);

// Shared by several topics.
void check_labels(const json::object& parent, std::string_view name, const Path& path, Report& report);
void check_annotations(const json::object& parent, std::string_view name, const Path& path, Report& report);
void check_label_key(std::string_view key, const Path& path, Report& report);
void check_quantity(std::string_view resource, const json::value& amount, const Path& path, Report& report);
bool is_selected(const json::object* selector, const json::object* labels);  // metav1.LabelSelector; null: never

}  // namespace pila::cluster::kinds
