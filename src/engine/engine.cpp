// SPDX-License-Identifier: Apache-2.0
#include "engine/engine.h"

#include "base/log.h"
#include "base/timer_queue.h"
#include "engine/apparmor.h"
#include "engine/container_files.h"
#include "engine/health_checks.h"
#include "engine/lingering_roots.h"
#include "engine/log_compressor.h"
#include "engine/log_follower.h"
#include "engine/stats_hub.h"
#include "os/file.h"

namespace pila::engine {

Engine::Engine(EngineOptions options, Parts parts, ControlGroups groups)
    : options_(std::move(options)),
      parts_(parts),
      groups_(std::move(groups)),
      table_(parts.store),
      volumes_(options_.data_directory, parts.store, options_.id_map),
      emulation_(options_.emulator_path) {}

Result<std::unique_ptr<Engine>> Engine::create(EngineOptions options, Parts parts) {
    if (options.cgroup_parent.empty()) options.cgroup_parent = "/" + options.instance;
    auto groups = TRY(ControlGroups::create(options.cgroup_parent));
    std::unique_ptr<Engine> engine(new Engine(std::move(options), parts, std::move(groups)));
    TRY(os::make_directories(engine->options_.data_directory + "/containers", 0711));
    TRY(os::make_directories(engine->options_.run_directory + "/containers", 0700));
    TRY(set_default_seccomp(engine->options_.seccomp_profile, engine->security_).in("--seccomp-profile"));
    TRY(engine->check_remap().in("--userns-remap"));
    TRY(engine->table_.load().in("reading container records"));
    TRY(engine->volumes_.load().in("reading volume records"));
    auto profile = load_apparmor_profile(engine->options_.run_directory);
    if (!profile) log::warning("containers run without an AppArmor profile: {}", profile.error().message());
    engine->security_.apparmor_profile = std::move(profile).value_or("");
    engine->files_ = std::make_unique<ContainerFiles>(*engine);
    engine->follower_ = TRY(LogFollower::create());
    engine->compressor_ = std::make_unique<LogCompressor>();
    engine->timers_ = std::make_unique<TimerQueue>();
    engine->lingering_ = std::make_unique<LingeringRoots>();
    engine->background_ = std::make_unique<WorkQueue>("background", 2);
    engine->exits_ = std::make_unique<WorkQueue>("exits", 2);
    engine->health_ = std::make_unique<HealthChecks>(
        *engine->timers_, engine->security_,
        [made = engine.get()](const ContainerPointer& container) { made->health_changed(container); },
        [made = engine.get()](const ContainerPointer& container, const char* action, const std::string& exec_id) {
            made->publish_exec({{}, {}, "pila", "health check"}, *container, action, container->spec()->health.command,
                               exec_id);
        });
    engine->stats_ = std::make_unique<StatsHub>(*engine->timers_, *engine->background_, engine->groups_);
    engine->supervisor_ = TRY(runtime::ShimSupervisor::create(engine->options_.runtime_exe, *engine));
    return engine;
}

Engine::~Engine() {
    if (stats_) stats_->stop();
    if (health_) health_->stop();
    // No new events first, then what they left to do; each owner joins its threads.
    supervisor_.reset();
    timers_.reset();
    exits_.reset();
    background_.reset();
    health_.reset();
    follower_.reset();
    compressor_.reset();
}

void Engine::health_changed(const ContainerPointer& container) {
    auto transition = transitions_.lock(container->id());
    auto state = container->state();
    if (!state.is_running() || !table_.by_id(container->id())) return;
    ignore(table_.save_state(*container), "the next change is stored again");
    publish({{}, {}, "pila", "health check"}, *container,
            "health_status: " + std::string(name_of(state.health.status)));
}

image::ImageUse Engine::image_user(const image::Digest& id) const {
    image::ImageUse use;
    for (const auto& container : table_.list()) {
        if (container->identity().image_id != id) continue;
        use = {container->short_id(), container->state().is_running()};
        if (use.running) break;
    }
    return use;
}

Result<Engine::Held> Engine::hold(std::string_view reference) {
    auto container = TRY(find(reference));
    auto guard = operations_.lock(container->id());
    if (!table_.by_id(container->id())) return Error(Errc::NotFound, fmt::format("No such container: {}", reference));
    return Held{std::move(container), std::move(guard)};
}

Result<void> Engine::rename(const Context& context, std::string_view reference, std::string_view name) {
    TRY(find(reference));
    if (name.empty()) return Error(Errc::Invalid, "Neither old nor new names may be empty");
    auto wanted = TRY(checked_name(name).in("Error when allocating new name"));
    auto [container, guard] = TRY(hold(reference));
    auto old = container->name();
    if (wanted == old) return Error(Errc::Invalid, "Renaming a container with the same name as its current name");
    TRY(table_.reserve_name(wanted, container->id()).in("Error when allocating new name"));
    container->set_name(wanted);
    auto saved = table_.save_spec(*container);
    if (!saved) {
        container->set_name(old);
        table_.release_name(wanted, container->id());
        return saved;
    }
    table_.release_name(old, container->id());
    parts_.networks.rename_container(container->id(), wanted);
    publish(context, *container, "rename", {{"oldName", "/" + old}});
    return {};
}

Result<void> Engine::resize(std::string_view reference, std::uint16_t rows, std::uint16_t columns) {
    auto container = TRY(find(reference));
    auto shim = container->shim();
    if (!shim || !container->state().is_running())
        return Error(Errc::Conflict, "container " + container->id() + " is not running");
    return shim->resize("", rows, columns);
}

}  // namespace pila::engine
