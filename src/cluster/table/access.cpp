// SPDX-License-Identifier: Apache-2.0
// Cells of what decides about requests: roles, certificates, admission, aggregated servers, fairness.
#include <fmt/core.h>

#include "cluster/table/age.h"
#include "cluster/table/code_internal.h"
#include "cluster/table/labels_internal.h"

namespace pila::cluster::table {

namespace {

void role_ref(Row& row, Cell& cell) {
    View role = row.object["roleRef"];
    cell.text(fmt::format("{}/{}", role["kind"].text(), role["name"].text()));
}

void subjects(const Row& row, Cell& cell, std::string_view kind) {
    Joined joined(", ");
    for (View subject : row.object["subjects"].list()) {
        if (subject["kind"].text() != kind) continue;
        auto name = subject["name"].text(), name_space = subject["namespace"].text();
        if (kind == "ServiceAccount" && !name_space.empty())
            joined.add(fmt::format("{}/{}", name_space, name));
        else
            joined.add(name);
    }
    cell.text(joined.text());
}

void subject_users(Row& row, Cell& cell) { subjects(row, cell, "User"); }
void subject_groups(Row& row, Cell& cell) { subjects(row, cell, "Group"); }
void subject_service_accounts(Row& row, Cell& cell) { subjects(row, cell, "ServiceAccount"); }

void requested_duration(Row& row, Cell& cell) {
    auto seconds = row.object["spec"]["expirationSeconds"].integer();
    cell.text(seconds ? short_duration(*seconds) : "<none>");
}

void csr_condition(Row& row, Cell& cell) {
    View status = row.object["status"];
    auto has = [&](std::string_view type) { return static_cast<bool>(find_condition(status["conditions"], type)); };
    std::string text = has("Denied") ? "Denied" : has("Approved") ? "Approved" : "Pending";
    if (has("Failed")) text += ",Failed";
    if (!status["certificate"].text().empty()) text += ",Issued";
    cell.text(text);
}

void param_kind(Row& row, Cell& cell) {
    View kind = row.object["spec"]["paramKind"];
    cell.text(kind ? fmt::format("{}/{}", kind["apiVersion"].text(), kind["kind"].text()) : "<unset>");
}

void param_ref(Row& row, Cell& cell) {
    View reference = row.object["spec"]["paramRef"];
    if (auto name = reference["name"].text(); !name.empty()) {
        // Without a namespace it may be in any, or in none.
        auto name_space = reference["namespace"].text();
        return cell.text(fmt::format("{}/{}", name_space.empty() ? "*" : name_space, name));
    }
    cell.text(reference["selector"] ? selector_text(reference["selector"]) : "<unset>");
}

void apiservice_service(Row& row, Cell& cell) {
    View service = row.object["spec"]["service"];
    cell.text(service ? fmt::format("{}/{}", service["namespace"].text(), service["name"].text()) : "Local");
}

void apiservice_available(Row& row, Cell& cell) {
    View condition = find_condition(row.object["status"]["conditions"], "Available");
    auto status = condition["status"].text();
    if (!condition || status == "True") return cell.text(status);
    cell.text(fmt::format("{} ({})", status, condition["reason"].text()));
}

void dangling_status(Row& row, Cell& cell) {
    View condition = find_condition(row.object["status"]["conditions"], "Dangling");
    cell.text(condition ? condition["status"].text() : "?");
}

constexpr CodeCell cells[] = {
    {"role_ref", "The role that is given", role_ref},
    {"subject_users", "Users it is given to", subject_users},
    {"subject_groups", "Groups it is given to", subject_groups},
    {"subject_service_accounts", "Service accounts it is given to", subject_service_accounts},
    {"requested_duration", "How long the certificate is wanted to hold", requested_duration},
    {"csr_condition", "Whether it was approved, and whether the certificate is there", csr_condition},
    {"param_kind", "Kind of the objects that hold the policy's parameters", param_kind},
    {"param_ref", "Objects that hold the parameters", param_ref},
    {"apiservice_service", "Service that answers; Local is this server", apiservice_service},
    {"apiservice_available", "Whether it answers, and why not", apiservice_available},
    {"dangling_status", "Whether the priority level that it names is missing", dangling_status},
};

}  // namespace

std::span<const CodeCell> access_cells() { return cells; }

}  // namespace pila::cluster::table
