// SPDX-License-Identifier: Apache-2.0
// Creating a container: settings, name, volumes, writable layer, record. Nothing of it remains if a step fails.
#include <algorithm>

#include <fmt/core.h>

#include "base/failpoint.h"
#include "base/json_reader.h"
#include "base/random.h"
#include "base/text.h"
#include "engine/engine.h"
#include "engine/host_config_check.h"
#include "engine/undo.h"
#include "image/image_config.h"
#include "image/platform.h"
#include "os/capability.h"
#include "os/file.h"

namespace pila::engine {

namespace {

Result<std::string> pick_name(ContainerTable& table, std::string_view wanted, const std::string& id) {
    if (!wanted.empty()) {
        auto name = TRY(checked_name(wanted));
        TRY(table.reserve_name(name, id));
        return name;
    }
    for (int attempt = 0; attempt < 20; ++attempt) {
        auto name = random_name(attempt);
        if (table.reserve_name(name, id)) return name;
    }
    auto name = id.substr(0, 12);
    TRY(table.reserve_name(name, id));
    return name;
}

Result<void> check_modes(const ContainerSpec& spec, ContainerTable& table) {
    if (spec.full_command().empty()) return Error(Errc::Invalid, "no command specified");
    for (const auto* mode : {&spec.network_mode, &spec.pid_mode, &spec.ipc_mode}) {
        if (!mode->starts_with("container:")) continue;
        // Not 404: the docker client would take it for a missing image and pull that.
        auto other = table.find(std::string_view(*mode).substr(10));
        if (!other) return other.take_error().with_code(Errc::Conflict);
    }
    for (const auto& link : spec.links) {
        auto name = link.substr(0, link.find(':'));
        auto other = table.find(name);
        if (!other)
            return Error(Errc::Invalid, fmt::format("could not get container for {0}: No such container: {0}", name));
    }
    TRY(check_security(spec));
    if (!spec.stop_signal.empty()) TRY(parse_signal(spec.stop_signal));
    for (auto [field, names] : {std::pair{"CapAdd", &spec.cap_add}, std::pair{"CapDrop", &spec.cap_drop}})
        for (const auto& name : *names) {
            if (to_lower(name) == "all" || os::capability_by_name(name)) continue;
            std::string full;
            for (char c : name) full += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
            if (!full.starts_with("CAP_")) full.insert(0, "CAP_");
            return Error(Errc::Invalid, fmt::format("invalid {}: unknown capability: \"{}\"", field, full));
        }
    return {};
}

Result<std::vector<std::string>> settle_host_config(json::object& body, const HostLimits& host,
                                                    const LogDefaults& log_defaults) {
    auto& given = body["HostConfig"];
    if (given.is_null()) given = json::object{};
    if (!given.is_object()) return std::vector<std::string>();  // make_spec tells a wrong type
    auto& host_config = given.get_object();
    TRY(settle_log_config(host_config, log_defaults));
    auto warnings = TRY(settle_resources(host_config, host, LimitsFor::Creation));
    TRY(check_restart_policy(host_config));
    return warnings;
}

image::Platform platform_of(const image::Image& image) {
    return {image.config.os, image.config.architecture, image.config.variant};
}

Result<void> check_platform(const image::Image& image, std::string_view name, std::string_view platform) {
    if (platform.empty()) return {};
    auto wanted = TRY(image::Platform::parse(platform)), offered = platform_of(image);
    if (offered.fitness_for(wanted) > 0) return {};
    // 404, by which the docker client knows that it has to pull.
    return Error(Errc::NotFound,
                 fmt::format("image with reference {} was found but its platform ({}) does not match the "
                             "specified platform ({})",
                             name, offered.text(), wanted.text()));
}

std::string foreign_image_warning(const image::Image& image) {
    return fmt::format(
        "The requested image's platform ({}) does not match the detected host platform (linux/{}) and no "
        "specific platform was requested",
        platform_of(image).text(), image::machine_architecture());
}

}  // namespace

Result<Created> Engine::create_container(const Context& context, std::string_view name, const json::object& body,
                                         const CreateOptions& options) {
    TRY(context.check());
    auto id = random_hex(64);
    auto image_name = JsonReader(body).text("Image");
    if (image_name.empty()) return Error(Errc::Invalid, "Config cannot be empty in order to create a container");
    auto image = TRY(parts_.images.find(image_name));
    TRY(check_platform(*image, image_name, options.platform));
    TRY(check_host_config(body));
    auto settled = body;
    auto warnings = TRY(settle_host_config(settled, groups_.limits(), options_.logs));
    if (options.platform.empty() && !Emulation::is_native(image->config.architecture))
        warnings.push_back(foreign_image_warning(*image));
    auto spec = std::make_shared<const ContainerSpec>(TRY(make_spec(settled, image->config, id)));
    TRY(check_modes(*spec, table_));
    auto users = TRY(user_namespace_of(*spec));

    Undo undo;
    auto chosen = TRY(pick_name(table_, name, id));
    undo.add([&] { table_.release_name(chosen, id); });
    auto volumes = TRY(resolve_volumes(context, *spec, undo));
    auto layers = TRY(parts_.images.layer_directories(*image));
    TRY(parts_.snapshots.prepare(id));
    undo.add([&] { ignore(parts_.snapshots.remove(id), "half-made container"); });
    TRY(fill_volumes(*spec, volumes, layers, users ? &*users : nullptr));

    ContainerIdentity identity{id, now_wall(), image->id, {}, options.lifetime == Lifetime::Operation};
    for (auto layer = image->layers.rbegin(); layer != image->layers.rend(); ++layer)
        identity.layers.push_back(layer->text());
    auto container = std::make_shared<Container>(std::move(identity), chosen, spec, std::move(volumes));
    PILA_FAILPOINT("engine.create.before-store");
    TRY(table_.add(container).in("storing container " + chosen));
    undo.release();
    PILA_FAILPOINT("engine.create.after-store");
    publish(context, *container, "create");
    return Created{id, std::move(warnings)};
}

}  // namespace pila::engine
