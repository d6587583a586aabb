// SPDX-License-Identifier: Apache-2.0
#pragma once
// One change of a container's ports, mounts, networks and limits while it runs (decision 067). First everything is
// looked at, then done with a way back, then stored in one transaction, then what was to go goes. What a killed daemon
// leaves in between is settled by the next one (finish_cut), by an intent that is stored beside the record.

#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/set_request.h"
#include "engine/undo.h"
#include "runtime/live_mounts.h"

namespace pila::engine {

class LiveEdit {
public:
    LiveEdit(Engine& engine, const Context& context, ContainerPointer container, SetRequest request);
    // The container's operation lock is held.
    Result<std::vector<std::string>> run();

    // A container that runs on from before this daemon: makes it agree with its record if it was being changed.
    static void finish_cut(Engine& engine, const ContainerPointer& container);

private:
    // live_edit.cpp
    Result<void> check();
    void choose_swap();
    Result<void> check_networks();
    Result<void> resolve_mounts();
    Result<void> apply();
    Result<void> apply_ports();
    Result<void> apply_limits();
    Result<void> connect_networks();
    Result<void> disconnect_networks();
    Result<void> store();
    void finish();
    void tell();
    std::map<std::string, std::string> event_attributes() const;
    std::string intent() const;

    // live_edit_mounts.cpp
    struct Change {
        std::vector<VolumeMount> attach, detach;
        bool force = false, if_missing = false;
    };
    static Result<runtime::LiveMounts> change_mounts(Engine& engine, const Container& container, const Change& change);
    Result<void> apply_mounts();
    void release_gone();

    // live_edit_recover.cpp
    static Result<void> settle_mounts(Engine& engine, const Container& container, const json::object& intent);
    static Result<void> settle_networks(Engine& engine, const Container& container, const json::object& intent);

    Engine& engine_;
    const Context& context_;
    ContainerPointer container_;
    SetRequest request_;
    bool running_ = false;
    std::vector<std::string> warnings_;
    SpecPointer old_spec_;
    VolumeMounts old_mounts_;
    SetPlan plan_;
    std::vector<VolumeMount> added_mounts_;
    std::vector<network::Endpoint> connected_, disconnected_;
    std::optional<network::PortChange> ports_;
    std::optional<runtime::LiveMounts> mounts_;
    Undo undo_;
};

// How a port is held by a shim.
runtime::HeldPort held_port(const network::PublishedPort& port);
// `back`: to where they led before.
std::vector<runtime::RelayMove> relay_moves(const std::vector<network::MovedRelay>& relays, bool back);

}  // namespace pila::engine
