// SPDX-License-Identifier: Apache-2.0
// Ends of containers: asked for (stop, kill, restart, rm) and their own (exit, restart policy, --rm).
#include <algorithm>
#include <csignal>

#include <fmt/core.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "base/random.h"
#include "engine/container_files.h"
#include "engine/engine.h"
#include "engine/health_checks.h"
#include "engine/lingering_roots.h"
#include "engine/log_follower.h"
#include "engine/stats_hub.h"
#include "os/file.h"

namespace pila::engine {

using std::chrono::milliseconds;
using std::chrono::seconds;

static constexpr int default_stop_seconds = 10;
static constexpr int default_stop_signal = SIGTERM;

static void mark_stopped_by_user(Container& container) {
    container.update([](ContainerState& state) { state.stopped_by_user = true; });
}

static Context engine_context(std::string cause) { return {{}, {}, "pila", std::move(cause)}; }

bool Engine::wait_stopped(const Context& context, const ContainerPointer& container,
                          std::optional<milliseconds> at_most) {
    struct Latch {
        Mutex mutex;
        Condition changed;
        bool stopped = false;
    };
    auto latch = std::make_shared<Latch>();
    auto key = container->wait_for(WaitCondition::NotRunning, [latch](const WaitResult&) {
        {
            Lock lock(latch->mutex);
            latch->stopped = true;
        }
        latch->changed.notify_all();
    });
    auto limited = at_most ? context.with_timeout(*at_most) : context;
    std::stop_callback on_cancel(context.stop, [latch] { latch->changed.notify_all(); });
    bool stopped = false;
    {
        Lock lock(latch->mutex);
        while (!latch->stopped && limited.check()) {
            if (limited.deadline)
                latch->changed.wait_until(lock, *limited.deadline);
            else
                latch->changed.wait(lock);
        }
        stopped = latch->stopped;
    }
    container->cancel_wait(key);
    return stopped;
}

Result<Changed> Engine::stop_locked(const Context& context, const ContainerPointer& container,
                                    std::optional<int> timeout, const std::string& signal) {
    auto state = container->state();
    auto shim = container->shim();
    if (!state.is_running() || !shim) {
        // A restart may be waiting for its time: this stop ends that.
        if (state.status != Status::Restarting) return Changed::No;
        container->update([](ContainerState& current) {
            current.status = Status::Exited;
            current.stopped_by_user = true;
        });
        TRY(table_.save_state(*container));
        container->notify(WaitCondition::NotRunning, {state.exit_code, ""});
        return Changed::Yes;
    }
    auto spec = container->spec();
    int number = default_stop_signal;
    if (!signal.empty())
        number = TRY(parse_signal(signal));
    else if (!spec->stop_signal.empty())
        number = TRY(parse_signal(spec->stop_signal));
    mark_stopped_by_user(*container);
    TRY(table_.save_state(*container));
    if (state.status == Status::Paused) TRY(shim->pause(false));
    publish(context, *container, "kill", {{"signal", std::to_string(number)}});
    ignore(shim->kill("", number), "it may have just ended");

    // Only the whole engine's stop cuts the patience short: a client that leaves does not turn a stop into a kill.
    Context patient = context;
    patient.stop = {};
    int patience = timeout ? *timeout : static_cast<int>(spec->stop_timeout.value_or(default_stop_seconds));
    if (wait_stopped(patient, container,
                     patience < 0 ? std::nullopt : std::optional<milliseconds>(seconds(patience)))) {
        publish(context, *container, "stop");
        return Changed::Yes;
    }
    publish(context, *container, "kill", {{"signal", "9"}});
    ignore(shim->kill_all(), "it may have just ended");
    if (!wait_stopped(patient, container, seconds(30)))
        return Error(Errc::Timeout,
                     fmt::format("cannot stop container: {}: tried to kill container, but did not receive "
                                 "an exit event",
                                 container->name()));
    publish(context, *container, "stop");
    return Changed::Yes;
}

Result<Changed> Engine::stop(const Context& context, std::string_view reference, std::optional<int> timeout,
                             const std::string& signal) {
    auto [container, guard] = TRY(hold(reference));
    return stop_locked(context, container, timeout, signal);
}

Result<void> Engine::restart(const Context& context, std::string_view reference, std::optional<int> timeout,
                             const std::string& signal) {
    auto [container, guard] = TRY(hold(reference));
    TRY(stop_locked(context, container, timeout, signal));
    container->update([](ContainerState& current) {
        current.stopped_by_user = false;
        current.restart_count = current.quick_restarts = 0;
    });
    TRY(start_locked(context, container));
    publish(context, *container, "restart");
    return {};
}

Result<void> Engine::kill(const Context& context, std::string_view reference, const std::string& signal) {
    auto container = TRY(find(reference));
    int number = signal.empty() ? SIGKILL : TRY(parse_signal(signal));
    auto state = container->state();
    auto shim = container->shim();
    if (!state.is_running() || !shim)
        return Error(Errc::Conflict,
                     fmt::format("cannot kill container: {}: container {} is not running", reference, container->id()));
    auto spec = container->spec();
    if (number == SIGKILL || (!spec->stop_signal.empty() && parse_signal(spec->stop_signal).value_or(0) == number) ||
        (spec->stop_signal.empty() && number == SIGTERM)) {
        mark_stopped_by_user(*container);
        TRY(table_.save_state(*container));
    }
    if (state.status == Status::Paused && number == SIGKILL) ignore(shim->pause(false), "killed anyway");
    TRY(shim->kill("", number).in("cannot kill container: " + std::string(reference)));
    publish(context, *container, "kill", {{"signal", std::to_string(number)}});
    if (number == SIGKILL) wait_stopped(context, container, seconds(10));
    return {};
}

Result<void> Engine::pause(const Context& context, std::string_view reference, bool paused) {
    auto [container, guard] = TRY(hold(reference));
    auto state = container->state();
    auto shim = container->shim();
    if (!state.is_running() || !shim)
        return Error(Errc::Conflict, fmt::format("Container {} is not running", container->id()));
    if (paused == (state.status == Status::Paused))
        return Error(Errc::Conflict,
                     fmt::format("Container {} is {}", container->id(), paused ? "already paused" : "not paused"));
    TRY(shim->pause(paused));
    PILA_FAILPOINT("engine.pause.before-store");
    auto transition = transitions_.lock(container->id());
    container->update([&](ContainerState& current) {
        if (current.is_running()) current.status = paused ? Status::Paused : Status::Running;
    });
    if (paused)
        health_->not_running(container);
    else
        health_->running(container, HealthChecks::From::Resume);
    TRY(table_.save_state(*container));
    publish(context, *container, paused ? "pause" : "unpause");
    return {};
}

Result<void> Engine::remove(const Context& context, std::string_view reference, const RemoveOptions& options) {
    auto [container, guard] = TRY(hold(reference));
    if (container->state().is_running()) {
        if (!options.force) {
            bool paused = container->state().status == Status::Paused;
            return Error(
                Errc::Conflict,
                fmt::format("cannot remove container \"{}\": container is {}: stop the container before removing "
                            "or force remove",
                            container->name(), paused ? "paused" : "running"));
        }
        auto shim = container->shim();
        mark_stopped_by_user(*container);
        if (shim) ignore(shim->kill_all(), "it may have just ended");
        if (!wait_stopped(context, container, seconds(30)))
            return Error(Errc::Timeout,
                         fmt::format("cannot remove container \"{}\": it does not end", container->name()));
    }
    return remove_locked(context, container, options.volumes);
}

Result<void> Engine::remove_locked(const Context& context, const ContainerPointer& container, bool remove_volumes) {
    const auto& id = container->id();
    // The transition lock: its exit may still be being settled (a restart's end, an exit just reported).
    auto transition = transitions_.lock(id);
    PILA_FAILPOINT("engine.remove.before-store");
    auto forgotten = table_.remove(*container);
    if (!forgotten && forgotten.error().code() == Errc::Exhausted) {
        // A full disk: what the container wrote and logged makes room for the record of its removal.
        TRY(os::remove_tree(container_directory(id)));
        lingering_->let_go(id);
        forgotten = table_.remove(*container);
    }
    TRY(std::move(forgotten).in("removing container " + container->name()));
    PILA_FAILPOINT("engine.remove.after-store");
    execs_.forget_container(id);
    stats_->forget(id);
    container->take_pending();
    parts_.networks.detach(id);
    // A copy that is under way may end; one that hangs may not keep the container.
    files_->access().clear_out(id, seconds(10), seconds(1));
    // Out of sight at once, deleted when there is time.
    auto trash = options_.data_directory + "/containers/.trash-" + id.substr(0, 12) + random_hex(8);
    if (auto renamed = os::rename(container_directory(id), trash); renamed) {
        background_->post([trash] {
            if (auto removed = os::remove_tree(trash); !removed) log::warning("{}", removed.error().message());
        });
    }
    ignore(os::remove_tree(state_directory(id)), "swept at the next start of the daemon");
    PILA_FAILPOINT("engine.remove.before-volumes");
    if (remove_volumes) remove_anonymous_volumes(context, *container);
    ignore(parts_.images.collect([this](const image::Digest& image) { return image_user(image); }),
           "the next removal tries again");
    publish(context, *container, "destroy");
    container->notify(WaitCondition::Removed, {container->state().exit_code, ""});
    return {};
}

void Engine::container_exited(const std::string& container_id, const runtime::ExitRecord& record, Fd root) {
    lingering_->keep(container_id, std::move(root));
    auto container = table_.by_id(container_id);
    if (!container) return;
    exits_->post([this, container, record] { settle_exit(container, record); });
}

void Engine::shim_lost(const std::string& container_id) {
    auto container = table_.by_id(container_id);
    if (!container) return;
    log::warning("the shim of container {} was killed; its container ends with it", container_id);
    exits_->post([this, container] {
        groups_.clear(container->id(), container->spec()->cgroup_parent);
        settle_exit(container, {137, false, now_wall()});
    });
}

void Engine::out_of_memory(const std::string& container_id) {
    auto container = table_.by_id(container_id);
    if (!container) return;
    exits_->post([this, container] {
        auto transition = transitions_.lock(container->id());
        if (!container->state().is_running()) return;  // its exit says so, too
        container->update([](ContainerState& current) { current.oom_killed = true; });
        ignore(table_.save_state(*container), "the exit stores it again");
        publish(engine_context("the kernel killed a process for memory"), *container, "oom");
    });
}

void Engine::exec_exited(const std::string& container_id, const std::string& exec_id,
                         const runtime::ExitRecord& record) {
    if (!health_->exec_exited(exec_id, record.code)) execs_.set_ended(exec_id, record.code);
    auto container = table_.by_id(container_id);
    if (!container) return;
    exits_->post([this, container, exec_id, code = record.code] {
        publish(engine_context("exec ended"), *container, "exec_die",
                {{"execID", exec_id}, {"exitCode", std::to_string(code)}});
    });
}

void Engine::settle_exit(const ContainerPointer& container, const runtime::ExitRecord& record) {
    auto transition = transitions_.lock(container->id());
    auto state = container->state();
    if (!state.is_running()) return;
    PILA_CRASHPOINT("engine.exit.before-store");
    auto shim = container->shim();
    auto ran_for = container->ran_for();
    auto spec = container->spec();
    container->update([&](ContainerState& current) {
        current.pid = 0;
        current.exit_code = record.code;
        // At once: nobody is to take one that is restarted for one that has ended.
        current.status = wants_restart(*spec, current) ? Status::Restarting : Status::Exited;
        current.oom_killed |= record.oom_killed;
        current.finished_at = record.finished_at;
        current.endpoints.clear();
        current.ports.clear();
    });
    container->set_shim(nullptr);
    health_->not_running(container);
    auto saved = table_.save_state(*container);
    PILA_CRASHPOINT("engine.exit.after-store");
    if (!saved) log::error("exit of container {} could not be stored: {}", container->id(), saved.error().message());
    for (const auto& exec : execs_.of_container(container->id())) execs_.set_ended(exec, 137);
    parts_.networks.detach(container->id());
    auto context = engine_context("the container's process ended");
    release_volumes(*container);
    if (record.oom_killed && !state.oom_killed) publish(context, *container, "oom");
    publish(context, *container, "die", {{"exitCode", std::to_string(record.code)}});
    publish_networks(context, *container, "disconnect", state.endpoints);
    publish_volumes(context, *container, container->volumes().list(), "unmount");
    follower_->container_ended(container->id());
    after_exit(container, ran_for);
    if (shim) shim->forget();  // who waits for the container comes first
}

bool Engine::wants_restart(const ContainerSpec& spec, const ContainerState& state) {
    const auto& policy = spec.restart;
    if (state.stopped_by_user) return false;
    if (policy.name == "on-failure")
        return state.exit_code != 0 &&
               (policy.maximum_retry_count == 0 || state.restart_count < policy.maximum_retry_count);
    return policy.name == "always" || policy.name == "unless-stopped";
}

void Engine::after_exit(const ContainerPointer& container, std::chrono::nanoseconds ran_for) {
    auto state = container->state();
    auto spec = container->spec();
    if (wants_restart(*spec, state)) {
        schedule_restart(container, ran_for);
    } else if (state.status == Status::Restarting) {  // forbidden by an update this moment
        container->update([](ContainerState& current) { current.status = Status::Exited; });
        ignore(table_.save_state(*container), "the next start of the daemon sees that it is not to be restarted");
    }
    container->notify(WaitCondition::NextExit, {state.exit_code, ""});
    if (spec->auto_remove) {
        background_->post([this, id = container->id()] {
            ignore(remove(engine_context("--rm"), id, {true, true}), "somebody else removed it");
        });
    }
}

void Engine::schedule_restart(const ContainerPointer& container, std::chrono::nanoseconds ran_for) {
    // Docker's back-off: 100 ms, doubled up to a minute, from the start again after 10 s of good running.
    auto state = container->update([&](ContainerState& current) {
        if (ran_for > seconds(10)) current.quick_restarts = 0;
        current.status = Status::Restarting;
        ++current.restart_count;
        ++current.quick_restarts;
    });
    auto delay = milliseconds(std::min<std::int64_t>(60'000, 100LL << std::min(state.quick_restarts - 1, 10)));
    ignore(table_.save_state(*container), "the restart itself matters more");
    PILA_CRASHPOINT("engine.restart.scheduled");
    timers_->post_after(delay, [this, container] {
        background_->post([this, container] {
            auto guard = operations_.lock(container->id());
            if (container->state().status != Status::Restarting || !table_.by_id(container->id())) return;
            auto restarted = start_locked(engine_context("restart policy"), container);
            if (restarted) return;
            log::warning("restarting container {}: {}", container->name(), restarted.error().message());
            auto failed = container->update([](ContainerState& current) { current.status = Status::Exited; });
            ignore(table_.save_state(*container), "reported above");
            container->notify(WaitCondition::NextExit, {failed.exit_code, failed.error});
        });
    });
}

bool Engine::has_running_containers() const {
    auto all = table_.list();
    return std::any_of(all.begin(), all.end(), [](const auto& container) { return container->state().is_running(); });
}

void Engine::stop_all_containers() {
    std::vector<ContainerPointer> running;
    for (const auto& container : table_.list())
        if (container->state().is_running() || container->state().status == Status::Restarting)
            running.push_back(container);
    WorkQueue stoppers("stoppers", 8);
    for (const auto& container : running)
        stoppers.post([this, container] {
            auto context = engine_context("the daemon ends and was asked to stop containers");
            auto stopped = stop(context, container->id(), std::nullopt, "");
            if (!stopped) log::warning("stopping {}: {}", container->name(), stopped.error().message());
        });
}

}  // namespace pila::engine
