// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include "base/failpoint.h"
#include "base/text.h"
#include "engine/engine.h"
#include "engine/lingering_roots.h"
#include "os/file.h"

namespace pila::engine {

static void set_variable(std::vector<std::string>& environment, const std::string& assignment) {
    auto name = assignment.substr(0, assignment.find('=')) + "=";
    std::erase_if(environment, [&](const auto& item) { return item.starts_with(name); });
    environment.push_back(assignment);
}

static image::ImageConfig config_of(const ContainerSpec& spec, const image::ImageConfig& parent) {
    auto config = parent;
    config.user = spec.user;
    config.working_directory = spec.working_directory;
    config.stop_signal = spec.stop_signal;
    config.environment = spec.environment;
    config.command = spec.command;
    config.has_command = !spec.command.empty();
    config.entrypoint = spec.entrypoint;
    config.has_entrypoint = !spec.entrypoint.empty();
    config.exposed_ports = spec.exposed_ports;
    config.volumes = spec.anonymous_volumes;
    config.labels = spec.labels;
    config.hostname = spec.hostname;
    config.domainname = spec.domainname;
    return config;
}

// What the request's own configuration says wins (POST /commit with a body).
static void overlay(image::ImageConfig& config, const image::ImageConfig& own) {
    auto take = [](auto& target, const auto& source) {
        if (!source.empty()) target = source;
    };
    take(config.user, own.user);
    take(config.working_directory, own.working_directory);
    take(config.stop_signal, own.stop_signal);
    for (const auto& variable : own.environment) set_variable(config.environment, variable);
    if (own.has_command) {
        config.command = own.command;
        config.has_command = true;
    }
    if (own.has_entrypoint) {
        config.entrypoint = own.entrypoint;
        config.has_entrypoint = true;
    }
    for (const auto& [key, value] : own.labels) config.labels[key] = value;
}

Result<void> Engine::take_changes(std::string_view reference, const std::string& directory) {
    auto [container, guard] = TRY(hold(reference));
    if (container->state().is_running())
        return Error(Errc::Conflict, fmt::format("container {} is still running", container->name()));
    lingering_->let_go(container->id());  // a directory that is mounted for writing may not be under another overlay
    return os::rename(parts_.snapshots.upper_directory(container->id()), directory);
}

Result<image::ImagePointer> Engine::commit(const Context& context, const CommitOptions& options) {
    auto [container, guard] = TRY(hold(options.container));
    auto spec = container->spec();
    auto parent = TRY(parts_.images.find(container->identity().image_id.text()));
    image::CommitRequest request;
    request.parent = parent;
    request.upper_directory = parts_.snapshots.upper_directory(container->id());
    request.reference = options.reference;
    request.author = options.author;
    request.message = options.message;
    request.container_id = container->id();
    request.changes = options.changes;
    request.config = config_of(*spec, parent->config);
    if (options.config) overlay(request.config, *options.config);

    auto shim = container->shim();
    bool freeze = options.pause && shim && container->state().status == Status::Running;
    if (freeze) TRY(shim->pause(true).in("pausing for the commit"));
    PILA_FAILPOINT("engine.commit.frozen");
    auto image = parts_.images.commit(context, request);
    if (freeze) ignore(shim->pause(false), "the container may have been killed while frozen");
    auto made = TRY(std::move(image));
    publish(context, *container, "commit",
            {{"comment", options.message}, {"imageID", made->id.text()}, {"imageRef", options.reference}});
    return made;
}

}  // namespace pila::engine
