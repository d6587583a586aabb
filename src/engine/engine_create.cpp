// SPDX-License-Identifier: Apache-2.0
// Creating a container: settings, name, volumes, writable layer, record. Nothing of it remains if a step fails.
#include <algorithm>

#include <fmt/core.h>

#include "base/failpoint.h"
#include "base/json_reader.h"
#include "base/random.h"
#include "base/text.h"
#include "engine/engine.h"
#include "os/capability.h"
#include "os/file.h"

namespace pila::engine {

namespace {

// Undoes what was done so far unless the creation succeeds.
class Undo {
public:
    ~Undo() {
        for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) (*step)();
    }
    void add(std::function<void()> step) { steps_.push_back(std::move(step)); }
    void release() { steps_.clear(); }

private:
    std::vector<std::function<void()>> steps_;
};

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
    if (spec.shares_network_of_container()) {
        if (!spec.ports.empty() || spec.publish_all)
            return Error(Errc::Invalid, "conflicting options: port publishing and the container type network mode");
        if (!spec.dns.empty()) return Error(Errc::Invalid, "conflicting options: dns and the network mode");
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

}  // namespace

// One entry of inspect's Mounts per mount: -v/--mount, --tmpfs, the image's VOLUMEs, --volumes-from.
static Result<std::vector<VolumeMount>> resolve_volumes(const ContainerSpec& spec, Volumes& volumes,
                                                        ContainerTable& table, Undo& undo) {
    std::vector<VolumeMount> resolved;
    auto covered = [&](const std::string& target) {
        return std::any_of(resolved.begin(), resolved.end(),
                           [&](const auto& one) { return one.destination == target; });
    };
    auto add_volume = [&](std::string name, const std::string& target, bool writable) -> Result<void> {
        bool existed = !name.empty() && volumes.find(name).ok();
        auto volume = TRY(volumes.create(std::move(name), {}, {}));
        if (!existed) undo.add([&volumes, name = volume.name] { ignore(volumes.remove(name), "half-made container"); });
        resolved.push_back(
            {"volume", volume.name, volume.mountpoint, target, "local", writable ? "z" : "ro", "", writable});
        return {};
    };
    for (const auto& mount : spec.mounts) {
        if (mount.type == "tmpfs") {
            resolved.push_back({"tmpfs", "", "", mount.target, "", mount.tmpfs_options, "", !mount.read_only});
        } else if (mount.type == "volume") {
            TRY(add_volume(mount.source, mount.target, !mount.read_only));
        } else {
            if (!os::exists(mount.source)) {
                if (!mount.create_source)
                    return Error(Errc::Invalid, fmt::format("invalid mount config for type \"bind\": bind source path "
                                                            "does not exist: {}",
                                                            mount.source));
                TRY(os::make_directories(mount.source));
            }
            resolved.push_back({"bind", "", mount.source, mount.target, "", mount.read_only ? "ro" : "",
                                mount.propagation.empty() ? "rprivate" : mount.propagation, !mount.read_only});
        }
    }
    for (const auto& from : spec.volumes_from) {
        auto colon = from.find(':');
        auto other = TRY(table.find(from.substr(0, colon)));
        for (auto volume : other->volumes()) {
            if (covered(volume.destination)) continue;
            if (colon != std::string::npos && from.substr(colon + 1) == "ro") volume.writable = false;
            resolved.push_back(std::move(volume));
        }
    }
    for (const auto& target : spec.anonymous_volumes)
        if (!covered(target)) TRY(add_volume("", target, true));
    return resolved;
}

// Volumes that are still empty take over what the image has at their place.
static Result<void> fill_volumes(const ContainerSpec& spec, const std::vector<VolumeMount>& mounts,
                                 snapshot::Snapshots& snapshots, const std::vector<std::string>& layers,
                                 const os::UserNamespace* ids) {
    Fd root;
    for (const auto& mount : mounts) {
        if (mount.type != "volume") continue;
        auto asked = std::find_if(spec.mounts.begin(), spec.mounts.end(),
                                  [&](const auto& one) { return one.target == mount.destination; });
        if (asked != spec.mounts.end() && asked->no_copy) continue;
        if (!TRY(os::list_directory(mount.source)).empty()) continue;
        if (!root) root = TRY(snapshots.mount_readonly(layers, ids));
        TRY(copy_up(root, mount.destination, mount.source).in("filling volume " + mount.name));
    }
    return {};
}

Result<Created> Engine::create_container(const Context& context, std::string_view name, const json::object& body) {
    TRY(context.check());
    auto id = random_hex(64);
    auto image_name = JsonReader(body).text("Image");
    if (image_name.empty()) return Error(Errc::Invalid, "Config cannot be empty in order to create a container");
    auto image = TRY(parts_.images.find(image_name));
    auto settled = body;
    auto warnings = TRY(settle_host_config(settled, groups_.limits(), options_.logs));
    auto spec = std::make_shared<const ContainerSpec>(TRY(make_spec(settled, image->config, id)));
    TRY(check_modes(*spec, table_));
    auto users = TRY(user_namespace_of(*spec));

    Undo undo;
    auto chosen = TRY(pick_name(table_, name, id));
    undo.add([&] { table_.release_name(chosen, id); });
    auto volumes = TRY(resolve_volumes(*spec, volumes_, table_, undo));
    auto layers = TRY(parts_.images.layer_directories(*image));
    TRY(parts_.snapshots.prepare(id));
    undo.add([&] { ignore(parts_.snapshots.remove(id), "half-made container"); });
    TRY(fill_volumes(*spec, volumes, parts_.snapshots, layers, users ? &*users : nullptr));

    ContainerIdentity identity{id, now_wall(), image->id, {}};
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
