// SPDX-License-Identifier: Apache-2.0
// Cells of events, which two groups have as the same objects under different names of fields.
#include <fmt/core.h>

#include "cluster/table/age.h"
#include "cluster/table/code_internal.h"

namespace pila::cluster::table {

namespace {

// The field by its name in the core group, else by the one in events.k8s.io.
View either(const Row& row, std::string_view core, std::string_view other) {
    View found = row.object[core];
    return found ? found : row.object[other];
}

std::optional<std::int64_t> first_seen(const Row& row) {
    auto first = read_time(either(row, "firstTimestamp", "deprecatedFirstTimestamp").text());
    return first ? first : read_time(row.object["eventTime"].text());
}

std::optional<std::int64_t> last_seen(const Row& row) {
    if (View series = row.object["series"]) return read_time(series["lastObservedTime"].text());
    auto last = read_time(either(row, "lastTimestamp", "deprecatedLastTimestamp").text());
    return last ? last : first_seen(row);
}

void event_first_seen(Row& row, Cell& cell) { cell.text(age_of(first_seen(row), row.now)); }
void event_last_seen(Row& row, Cell& cell) { cell.text(age_of(last_seen(row), row.now)); }

void event_object(Row& row, Cell& cell) {
    View object = either(row, "involvedObject", "regarding");
    auto kind = to_lower(object["kind"].text());
    auto name = object["name"].text();
    cell.text(name.empty() ? kind : fmt::format("{}/{}", kind, name));
}

void event_source(Row& row, Cell& cell) {
    View source = either(row, "source", "deprecatedSource");
    auto component = source["component"].text(), instance = source["host"].text();
    if (component.empty()) component = either(row, "reportingComponent", "reportingController").text();
    if (instance.empty()) instance = row.object["reportingInstance"].text();
    cell.text(instance.empty() ? std::string(component) : fmt::format("{}, {}", component, instance));
}

void event_message(Row& row, Cell& cell) { cell.text(trim(either(row, "message", "note").text())); }

void event_count(Row& row, Cell& cell) {
    if (View series = row.object["series"]) return cell.number(series["count"].count());
    auto count = either(row, "count", "deprecatedCount").count();
    cell.number(count == 0 ? 1 : count);  // newer clients count in the series only
}

constexpr CodeCell cells[] = {
    {"event_first_seen", "How long ago it happened first", event_first_seen},
    {"event_last_seen", "How long ago it happened last", event_last_seen},
    {"event_object", "The object that it happened to", event_object},
    {"event_source", "Who told it, and on which machine", event_source},
    {"event_message", "What happened", event_message},
    {"event_count", "How often it happened", event_count},
};

}  // namespace

std::span<const CodeCell> event_cells() { return cells; }

}  // namespace pila::cluster::table
