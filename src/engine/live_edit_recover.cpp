// SPDX-License-Identifier: Apache-2.0
// A change that a daemon's sudden end has cut: the record holds, and the container is made to agree with it.
#include <algorithm>

#include <boost/json.hpp>

#include "base/json_reader.h"
#include "base/log.h"
#include "engine/live_edit.h"
#include "engine/record.h"

namespace pila::engine {

static bool has_mount(const VolumeMounts& mounts, const VolumeMount& wanted) {
    return std::any_of(mounts.begin(), mounts.end(), [&](const auto& one) {
        return one.destination == wanted.destination && one.source == wanted.source && one.type == wanted.type;
    });
}

// The process that made the mounts takes them back when the daemon is gone, unless it was told that they stay: both can
// be, whatever was stored.
Result<void> LiveEdit::settle_mounts(Engine& engine, const Container& container, const json::object& intent) {
    Change change;
    change.force = change.if_missing = true;
    auto mounts = container.volumes();
    for (const auto* key : {"attached", "detached"}) {
        const auto* list = intent.if_contains(key);
        if (!list || !list->is_array()) continue;
        for (auto& mount : read_mounts_record(list->get_array()))
            (has_mount(mounts, mount) ? change.attach : change.detach).push_back(std::move(mount));
    }
    if (change.attach.empty() && change.detach.empty()) return {};
    auto changed = TRY(change_mounts(engine, container, change));
    changed.keep();
    return {};
}

Result<void> LiveEdit::settle_networks(Engine& engine, const Container& container, const json::object& intent) {
    auto& networks = engine.parts_.networks;
    auto spec = container.spec();
    for (const auto& name : JsonReader(intent).strings("networks")) {
        auto present = networks.endpoints_of(container.id());
        bool is =
            std::any_of(present.begin(), present.end(), [&](const auto& one) { return one.network_name == name; });
        auto wanted = std::find_if(spec->endpoints.begin(), spec->endpoints.end(),
                                   [&](const auto& endpoint) { return endpoint.network == name; });
        bool should = wanted != spec->endpoints.end() || spec->network_mode == name;
        network::EndpointRequest request;
        if (wanted != spec->endpoints.end()) request = *wanted;
        request.network = name;
        if (should && !is) TRY(networks.connect(Context{}, container.id(), request));
        if (is && !should) TRY(networks.disconnect(Context{}, container.id(), name));
    }
    return {};
}

void LiveEdit::finish_cut(Engine& engine, const ContainerPointer& container) {
    auto text = engine.table_.intent(*container);
    if (text.empty()) return;
    auto settle = [&]() -> Result<void> {
        auto value = TRY(parse_json(text));
        if (!value.is_object()) return Error(Errc::Invalid, "stored intent is not an object");
        const auto& intent = value.get_object();
        auto shim = container->shim();
        if (!shim || !container->state().is_running()) return {};
        auto& networks = engine.parts_.networks;
        TRY(settle_networks(engine, *container, intent));
        auto ports = networks.ports_of(container->id());
        if (const auto* changed = intent.if_contains("ports"); changed && changed->is_bool() && changed->get_bool()) {
            runtime::PortHold hold;
            hold.keep = true;
            for (const auto& port : ports) hold.ports.push_back(held_port(port));
            // Not asked of a shim that need not know it.
            if (const auto* moved = intent.if_contains("movesPorts"); moved && *moved == true)
                hold.moves = relay_moves(networks.relays_of(container->id()), false);
            TRY(shim->hold_ports(hold));
        }
        if (const auto* limits = intent.if_contains("limits"); limits && limits->is_object()) {
            JsonReader in(limits->get_object());
            auto asked = read_resources(in);
            auto plan = TRY(plan_restore(asked, container->spec()->resources));
            if (!limits->get_object().empty()) TRY(shim->update(plan));
        }
        TRY(settle_mounts(engine, *container, intent));
        container->update([&](ContainerState& state) {
            state.endpoints = networks.endpoints_of(container->id());
            state.ports = ports;
        });
        return engine.table_.save_state(*container);
    };
    auto settled = settle();
    if (!settled)
        log::error("container {} was being changed when the daemon ended: {}", container->name(),
                   settled.error().message());
    ignore(engine.table_.save_intent(*container, ""), "looked at again when the daemon starts");
}

}  // namespace pila::engine
