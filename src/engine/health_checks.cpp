// SPDX-License-Identifier: Apache-2.0
#include "engine/health_checks.h"

#include <sys/socket.h>
#include <cerrno>
#include <csignal>

#include <fmt/core.h>

#include "base/log.h"
#include "base/random.h"
#include "engine/plan_builder.h"

namespace pila::engine {

using std::chrono::milliseconds;

// A shim that does not even answer: not the probe's own patience, which counts from its start.
static constexpr milliseconds start_patience{10'000};

// As Go writes durations: "500ms", "1.5s", "1m30s".
static std::string duration_text(std::chrono::nanoseconds duration) {
    auto seconds = std::chrono::duration<double>(duration).count();
    if (seconds < 1) return fmt::format("{:g}ms", seconds * 1000);
    auto minutes = static_cast<std::int64_t>(seconds / 60);
    auto rest = fmt::format("{:g}s", seconds - static_cast<double>(minutes * 60));
    if (minutes == 0) return rest;
    return minutes < 60 ? fmt::format("{}m{}", minutes, rest)
                        : fmt::format("{}h{}m{}", minutes / 60, minutes % 60, rest);
}

HealthChecks::~HealthChecks() {
    stop();
    std::unique_ptr<WorkQueue> workers;
    {
        Lock lock(mutex_);
        workers = std::move(workers_);
    }
    workers.reset();  // outside the lock, which its tasks take
}

void HealthChecks::stop() {
    Lock lock(mutex_);
    stopped_ = true;
    for (auto& [id, monitor] : monitors_) timers_.cancel(monitor.timer);
    monitors_.clear();
}

Result<void> HealthChecks::ensure_threads() {
    if (!drain_) drain_ = TRY(OutputDrain::create());
    if (!workers_) workers_ = std::make_unique<WorkQueue>("health", 2);
    return {};
}

void HealthChecks::running(const ContainerPointer& container, From from) {
    auto spec = container->spec();
    if (spec->health.command.empty()) return;
    container->update([&](ContainerState& state) {
        if (from == From::Resume && state.health.status != HealthStatus::None) return;
        state.health.status = HealthStatus::Starting;
        state.health.failing_streak = 0;
    });
    Lock lock(mutex_);
    if (stopped_) return;
    if (auto ready = ensure_threads(); !ready) {
        log::error("health of container {}: {}", container->name(), ready.error().message());
        return;
    }
    auto& monitor = monitors_[container->id()];
    timers_.cancel(monitor.timer);
    monitor = {container, next_key_++, 0, "", {}};
    schedule(monitor);
}

void HealthChecks::not_running(const ContainerPointer& container) {
    container->update([](ContainerState& state) {
        if (state.health.status != HealthStatus::None) state.health.status = HealthStatus::Unhealthy;
    });
    bool ended = !container->state().is_running();
    Lock lock(mutex_);
    // A probe that is frozen with its container still reports its end later.
    if (ended) std::erase_if(probed_, [&](const auto& probe) { return probe.second == container->id(); });
    auto found = monitors_.find(container->id());
    if (found == monitors_.end()) return;
    timers_.cancel(found->second.timer);
    if (drain_) ignore(Result<std::string>(drain_->take(found->second.key)), "only closed");
    monitors_.erase(found);
}

void HealthChecks::schedule(Monitor& monitor) {
    auto& container = *monitor.container;
    auto delay = next_probe_after(container.spec()->health, container.state().health.status, container.ran_for());
    monitor.timer = timers_.post_after(delay, [this, id = monitor.container->id(), key = monitor.key] {
        Lock lock(mutex_);
        if (workers_ && !stopped_) workers_->post([this, id, key] { probe(id, key); });
    });
}

Result<void> HealthChecks::start_probe(const ContainerPointer& container, const std::string& exec_id,
                                       std::uint64_t key) {
    auto shim = container->shim();
    if (!shim) return Error(Errc::Gone, "the container has ended");
    auto spec = container->spec();
    ExecSpec exec;
    exec.command = spec->health.command;
    runtime::ExecRequest request;
    request.exec_id = exec_id;
    request.process = TRY(build_exec_process(*container, exec, security_));
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return Error::from_errno(errno, "make a socket for a health probe");
    Fd ours(ends[0]);
    runtime::Attachment attachment;
    attachment.stream = Fd(ends[1]);
    attachment.output = attachment.error = attachment.raw = true;
    request.attachment = std::move(attachment);
    {
        Lock lock(mutex_);
        TRY(drain_->add(key, std::move(ours)));
    }
    tell_(container, "exec_create", exec_id);
    tell_(container, "exec_start", exec_id);
    TRY(shim->exec(Context{}.with_timeout(start_patience), std::move(request)));
    return {};
}

void HealthChecks::probe(const std::string& container_id, std::uint64_t key) {
    ContainerPointer container;
    auto exec_id = random_hex(64);
    {
        Lock lock(mutex_);
        auto found = monitors_.find(container_id);
        if (found == monitors_.end() || found->second.key != key || stopped_) return;
        auto& monitor = found->second;
        container = monitor.container;
        monitor.exec_id = exec_id;
        monitor.begun = now_wall();
        monitor.begun_after = container->ran_for();
        probed_[exec_id] = container_id;
        monitor.timer = timers_.post_after(container->spec()->health.timeout, [this, container_id, exec_id] {
            Lock inner(mutex_);
            if (workers_ && !stopped_)
                workers_->post([this, container_id, exec_id] { timed_out(container_id, exec_id); });
        });
    }
    auto started = start_probe(container, exec_id, key);
    if (started) return;
    {
        Lock lock(mutex_);
        probed_.erase(exec_id);
    }
    finish(container_id, exec_id, -1, "OCI runtime exec failed: exec failed: " + started.error().message());
}

void HealthChecks::timed_out(const std::string& container_id, const std::string& exec_id) {
    ContainerPointer container;
    {
        Lock lock(mutex_);
        auto found = monitors_.find(container_id);
        if (found == monitors_.end() || found->second.exec_id != exec_id) return;
        container = found->second.container;
    }
    if (auto shim = container->shim()) ignore(shim->kill(exec_id, SIGKILL), "it may have just ended");
    finish(container_id, exec_id, -1,
           fmt::format("Health check exceeded timeout ({})", duration_text(container->spec()->health.timeout)));
}

bool HealthChecks::exec_exited(const std::string& exec_id, int exit_code) {
    Lock lock(mutex_);
    auto found = probed_.find(exec_id);
    if (found == probed_.end()) return false;
    auto container_id = std::move(found->second);
    probed_.erase(found);
    if (workers_ && !stopped_)
        workers_->post([this, container_id, exec_id, exit_code] { finish(container_id, exec_id, exit_code, ""); });
    return true;
}

void HealthChecks::finish(const std::string& container_id, const std::string& exec_id, int exit_code,
                          std::string output) {
    ContainerPointer container;
    bool changed = false;
    {
        Lock lock(mutex_);
        auto found = monitors_.find(container_id);
        if (found == monitors_.end() || found->second.exec_id != exec_id) return;
        auto& monitor = found->second;
        container = monitor.container;
        timers_.cancel(monitor.timer);
        auto said = drain_->take(monitor.key);
        ProbeResult result{monitor.begun, now_wall(), exit_code, output.empty() ? std::move(said) : std::move(output)};
        auto spec = container->spec();
        container->update([&](ContainerState& state) {
            changed = note_probe(state.health, std::move(result), spec->health, monitor.begun_after);
        });
        monitor.exec_id.clear();
        schedule(monitor);
    }
    if (changed) changed_(container);
}

}  // namespace pila::engine
