// SPDX-License-Identifier: Apache-2.0
// Mounts of containers: from what was asked for to what inspect shows; what they need while the container runs.
#include <fcntl.h>
#include <algorithm>

#include <fmt/core.h>

#include "base/log.h"
#include "base/text.h"
#include "engine/engine.h"
#include "engine/plan_builder.h"
#include "engine/undo.h"
#include "os/file.h"

namespace pila::engine {

namespace {

Result<void> check_driver(const std::string& driver, const std::string& volume) {
    if (driver.empty() || driver == "local") return {};
    // Not 404: the docker client would take it for a missing image and pull that.
    return Error(Errc::Invalid, fmt::format("create {0}: error looking up volume plugin {1}: plugin \"{1}\" not found",
                                            volume, driver));
}

Result<VolumeMount> bind_mount(const MountSpec& mount) {
    if (!os::exists(mount.source)) {
        if (!mount.create_source)
            return Error(Errc::Invalid, fmt::format("invalid mount config for type \"bind\": bind source path does not "
                                                    "exist: {}",
                                                    mount.source));
        TRY(os::make_directories(mount.source));
    }
    VolumeMount resolved{"bind",
                         "",
                         mount.source,
                         mount.target,
                         "",
                         mount.mode,
                         mount.propagation.empty() ? "rprivate" : mount.propagation,
                         !mount.read_only};
    resolved.recursive = mount.recursive;
    resolved.recursive_read_only = mount.recursive_read_only;
    return resolved;
}

struct VolumesFrom {
    std::string container;
    bool read_only = false;
};
Result<VolumesFrom> parse_volumes_from(const std::string& text) {
    auto colon = text.find(':');
    VolumesFrom from{text.substr(0, colon)};
    if (from.container.empty()) return Error(Errc::Invalid, "volumes-from specification cannot be an empty string");
    if (colon == std::string::npos) return from;
    auto mode = text.substr(colon + 1);
    for (auto option : split(mode, ',')) {
        if (option != "ro" && option != "rw" && option != "z" && option != "Z")
            return Error(Errc::Invalid, "invalid mode: " + mode);
        from.read_only |= option == "ro";
    }
    return from;
}

bool covers(const std::vector<VolumeMount>& mounts, const std::string& target) {
    return std::any_of(mounts.begin(), mounts.end(), [&](const auto& one) { return one.destination == target; });
}

}  // namespace

Result<VolumeMount> Engine::volume_mount(const Context& context, const MountSpec& mount,
                                         const std::string& default_driver, Undo& undo) {
    TRY(check_driver(mount.driver.empty() ? default_driver : mount.driver, mount.source));
    bool existed = !mount.source.empty() && volumes_.find(mount.source).ok();
    auto volume = TRY(volumes_.create(mount.source, mount.labels, mount.driver_options));
    if (!existed) {
        undo.add([this, name = volume.name] { ignore(volumes_.remove(name), "half-made container"); });
        publish_volume(context, volume.name, "create");
    }
    // What -v did not say is "z", as dockerd shows it; anonymous ones have nothing.
    auto mode = !mount.mode.empty() ? mount.mode : mount.source.empty() ? "" : "z";
    VolumeMount resolved{"volume", volume.name, volume.mountpoint, mount.target, "local", mode, "", !mount.read_only};
    resolved.subpath = mount.subpath;
    return resolved;
}

Result<std::vector<VolumeMount>> Engine::resolve_volumes(const Context& context, const ContainerSpec& spec,
                                                         Undo& undo) {
    std::vector<VolumeMount> resolved;
    for (const auto& mount : spec.mounts) {
        if (mount.type == "tmpfs") {
            resolved.push_back({"tmpfs", "", "", mount.target, "", mount.tmpfs_options, "", !mount.read_only});
            resolved.back().listed = !mount.is_tmpfs_flag;
        } else if (mount.type == "volume") {
            resolved.push_back(TRY(volume_mount(context, mount, mount.create_source ? spec.volume_driver : "", undo)));
        } else if (mount.type == "image") {
            auto image = parts_.images.find(mount.source);
            if (!image) return image.take_error().with_code(Errc::Invalid).in("image mount on " + mount.target);
            resolved.push_back({"image", "", mount.source, mount.target, "", "", "", false});
            resolved.back().subpath = mount.subpath;
        } else {
            resolved.push_back(TRY(bind_mount(mount)));
        }
    }
    for (const auto& text : spec.volumes_from) {
        auto from = TRY(parse_volumes_from(text));
        auto other = table_.find(from.container);
        if (!other) return other.take_error().with_code(Errc::Conflict);  // not 404, see above
        for (auto volume : (*other)->volumes()) {
            if (covers(resolved, volume.destination)) continue;
            if (volume.type != "tmpfs") volume.mode.clear();
            volume.writable = volume.writable && !from.read_only;
            resolved.push_back(std::move(volume));
        }
    }
    for (const auto& target : spec.anonymous_volumes) {
        MountSpec mount;
        mount.target = target;
        if (!covers(resolved, target)) resolved.push_back(TRY(volume_mount(context, mount, spec.volume_driver, undo)));
    }
    return resolved;
}

// Volumes that are still empty take over what the image has at their place.
Result<void> Engine::fill_volumes(const ContainerSpec& spec, const std::vector<VolumeMount>& mounts,
                                  const std::vector<std::string>& layers, const os::UserNamespace* ids) {
    Fd root;
    for (const auto& mount : mounts) {
        if (mount.type != "volume" || !mount.subpath.empty()) continue;
        auto asked = std::find_if(spec.mounts.begin(), spec.mounts.end(),
                                  [&](const auto& one) { return one.target == mount.destination; });
        if (asked != spec.mounts.end() && asked->no_copy) continue;
        // One that cannot be mounted tells when the container starts.
        auto user = "filling " + mount.destination;
        if (!volumes_.use(mount.name, user)) continue;
        auto fill = [&]() -> Result<void> {
            if (!TRY(os::list_directory(mount.source)).empty()) return {};
            if (!root) root = TRY(parts_.snapshots.mount_readonly(layers, ids));
            return copy_up(root, mount.destination, mount.source).in("filling volume " + mount.name);
        };
        auto filled = fill();
        volumes_.release(mount.name, user);
        TRY(std::move(filled));
    }
    return {};
}

namespace {

// Of the mount that `path` is on: its place and its optional fields.
struct HoldingMount {
    std::string place, fields;
};
Result<HoldingMount> mount_holding(const std::string& path) {
    auto text = TRY(os::read_file("/proc/self/mountinfo", 16U << 20));
    HoldingMount best{"/", ""};
    for (auto line : split(text, '\n')) {
        auto fields = split(line, ' ');
        if (fields.size() < 7) continue;
        std::string place(fields[4]);
        bool holds = place == "/" || path == place || path.starts_with(place + "/");
        if (!holds || place.size() < best.place.size()) continue;
        best = {place, ""};
        for (std::size_t i = 6; i < fields.size() && fields[i] != "-"; ++i) best.fields += std::string(fields[i]) + " ";
    }
    return best;
}

Result<void> check_propagation(const VolumeMount& mount) {
    bool shared = mount.propagation.ends_with("shared"), slave = mount.propagation.ends_with("slave");
    if (mount.type != "bind" || (!shared && !slave)) return {};
    auto holding = TRY(mount_holding(mount.source));
    bool is_shared = holding.fields.find("shared:") != std::string::npos;
    bool is_slave = holding.fields.find("master:") != std::string::npos;
    if (is_shared || (slave && is_slave)) return {};
    return Error(Errc::Unavailable, fmt::format("path {} is mounted on {} but it is not a {} mount", mount.source,
                                                holding.place, shared ? "shared" : "shared or slave"));
}

}  // namespace

Result<void> Engine::use_volumes(const Container& container, const std::vector<VolumeMount>& mounts) {
    for (const auto& mount : mounts) {
        TRY(check_propagation(mount));
        if (mount.type == "volume") TRY(volumes_.use(mount.name, container.id()));
    }
    return {};
}

void Engine::release_volumes(const Container& container) {
    for (const auto& mount : container.volumes())
        if (mount.type == "volume") volumes_.release(mount.name, container.id());
}

void Engine::publish_volume(const Context& context, const std::string& name, const char* action,
                            std::map<std::string, std::string> attributes) {
    attributes["driver"] = "local";
    parts_.journal.publish(context, "volume", action, name, std::move(attributes));
}

void Engine::publish_volumes(const Context& context, const Container& container, const std::vector<VolumeMount>& mounts,
                             const char* action) {
    for (const auto& mount : mounts) {
        if (mount.type != "volume") continue;
        std::map<std::string, std::string> attributes{{"container", container.id()}};
        if (std::string_view(action) == "mount") {
            attributes["destination"] = mount.destination;
            attributes["read/write"] = mount.writable ? "true" : "false";
            attributes["propagation"] = mount.propagation;
        }
        publish_volume(context, mount.name, action, std::move(attributes));
    }
}

std::string Engine::volume_user(const std::string& name) const {
    for (const auto& container : table_.list())
        for (const auto& mount : container->volumes())
            if (mount.type == "volume" && mount.name == name) return container->id();
    return {};
}

// Those that another container took over by --volumes-from stay with it. The container is in no table any more.
void Engine::remove_anonymous_volumes(const Context& context, const Container& container) {
    for (const auto& mount : container.volumes()) {
        if (mount.type != "volume") continue;
        auto known = volumes_.find(mount.name);
        if (!known || !known->anonymous || !volume_user(mount.name).empty()) continue;
        if (volumes_.remove(mount.name)) publish_volume(context, mount.name, "destroy");
    }
}

// By descriptor, resolved by the kernel below the volume's or image's root: whoever shares the volume may be turning
// parts of the path into links meanwhile.
Result<std::vector<MountSource>> Engine::open_mount_sources(const std::vector<VolumeMount>& mounts,
                                                            const os::UserNamespace* ids) {
    std::vector<MountSource> sources;
    for (const auto& mount : mounts) {
        if (mount.type != "image" && mount.subpath.empty()) continue;
        Fd source;
        if (mount.type == "image") {
            auto image = TRY(parts_.images.find(mount.source));
            auto layers = TRY(parts_.images.layer_directories(*image));
            source = TRY(parts_.snapshots.mount_readonly(layers, ids));
        } else {
            source = TRY(os::open(mount.source, O_PATH | O_DIRECTORY));
        }
        if (!mount.subpath.empty()) {
            auto below = os::open_in_root(source, mount.subpath, O_PATH);
            if (!below)
                return Error(Errc::Invalid, fmt::format("cannot access path {}/{}: {}",
                                                        mount.type == "image" ? mount.source : mount.name,
                                                        mount.subpath, below.error().message()));
            // The descriptor of an image's root goes with this: its mount must be held as well.
            sources.push_back({"", std::move(source)});
            source = below.take();
        }
        sources.push_back({mount.destination, std::move(source)});
    }
    return sources;
}

}  // namespace pila::engine
