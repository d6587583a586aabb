// SPDX-License-Identifier: Apache-2.0
// The daemon's first act: what lives on is adopted, what ended meanwhile is settled, what is nobody's is removed.
#include <fmt/core.h>
#include <signal.h>
#include <algorithm>
#include <csignal>

#include "base/failpoint.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/engine.h"
#include "engine/health_checks.h"
#include "engine/live_edit.h"
#include "os/file.h"

namespace pila::engine {

static Context recovery_context() { return {{}, {}, "pila", "the daemon started"}; }

Result<void> Engine::recover() {
    std::vector<network::LiveContainer> live;
    std::vector<std::pair<ContainerPointer, runtime::ExitRecord>> ended;
    std::vector<ContainerPointer> restarting;
    for (const auto& container : table_.list()) {
        // Also those whose start was cut short: their shim may have come up after the last record.
        auto adopted = supervisor_->adopt(container->id(), state_directory(container->id()));
        if (adopted) {
            auto shim = adopted.take();
            container->set_shim(shim);
            container->update([&](ContainerState& state) {
                if (state.is_running()) return;
                state.status = Status::Running;
                state.started_at = now_wall();
            });
            auto known = container->update([&](ContainerState& state) { state.pid = shim->started().pid; });
            auto since = std::max<std::int64_t>(0, now_wall().nanoseconds - known.started_at.nanoseconds);
            container->started(std::chrono::nanoseconds(since));
            TRY(table_.save_state(*container));
            auto used = use_volumes(*container, container->volumes().list());
            if (!used) log::warning("volumes of container {}: {}", container->name(), used.error().message());
            bool paused = container->state().status == Status::Paused;
            // The daemon may have died in the middle of a pause, or of a commit that froze it for a moment.
            ignore(shim->pause(paused), "there is nothing to freeze without control groups");
            if (!paused) health_->running(container, HealthChecks::From::Resume);
            compress_logs(*container);
            live.push_back({container->id(), shim->started().pid});
            continue;
        }
        auto state = container->state();
        if (!state.is_running()) {
            if (state.status == Status::Restarting) restarting.push_back(container);
            continue;
        }
        // No record either: the machine went down, or somebody killed the shim.
        auto record = runtime::read_exit_record(state_directory(container->id()));
        ended.emplace_back(container, record ? *record : runtime::ExitRecord{255, false, now_wall()});
        if (!record)
            container->update(
                [](ContainerState& current) { current.error = "the machine or the shim ended unexpectedly"; });
    }
    PILA_FAILPOINT("engine.recover.before-networks");
    TRY(parts_.networks.recover(live).in("recovering networks"));
    for (const auto& container : table_.list()) LiveEdit::finish_cut(*this, container);
    for (const auto& container : restarting) schedule_restart(container, {});  // not before there are networks
    for (auto& [container, record] : ended) settle_exit(container, record);
    sweep_directories();
    volumes_.release_unused();
    for (const auto& [container, record] : ended)
        if (const auto& parent = container->spec()->cgroup_parent; !parent.empty())
            groups_.clear(container->id(), parent);
    groups_.sweep([this](const std::string& id) {
        auto container = table_.by_id(id);
        return container && container->state().is_running();
    });
    for (const auto& container : table_.list()) {
        auto state = container->state();
        auto spec = container->spec();
        if (state.status == Status::Removing || container->identity().transient ||
            (spec->auto_remove && state.status == Status::Exited))
            ignore(remove(recovery_context(), container->id(), {true, true}), "somebody else removed it");
        // "always" means even those that somebody had stopped; on-failure: the daemon may have died before it restarted
        // it.
        bool starts_with_daemon = spec->restart.name == "always" || wants_restart(*spec, state);
        if (starts_with_daemon && state.status == Status::Exited) schedule_restart(container, {});
    }
    if (!live.empty()) log::info("adopted {} running container{}", live.size(), live.size() == 1 ? "" : "s");
    return {};
}

// Directories without a container: half-made or half-removed when the daemon ended.
void Engine::sweep_directories() {
    for (const auto& parent : {options_.data_directory + "/containers", options_.run_directory + "/containers"}) {
        auto names = os::list_directory(parent);
        if (!names) continue;
        for (const auto& name : *names) {
            bool is_id = name.size() == 64 && is_hex(name);
            bool is_trash = name.starts_with(".trash-");
            if ((!is_id && !is_trash) || (is_id && table_.by_id(name))) continue;
            auto path = parent + "/" + name;
            if (is_id) {
                // A shim whose container was never recorded, or was removed: it has nobody to live for.
                if (auto shim = supervisor_->adopt(name, path)) {
                    ignore((*shim)->kill_all(), "it may have just ended");
                    (*shim)->forget();
                }
            }
            if (auto removed = os::remove_tree(path); !removed) log::warning("{}", removed.error().message());
        }
    }
}

}  // namespace pila::engine
