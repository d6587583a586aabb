// SPDX-License-Identifier: Apache-2.0
// -v, --mount and --tmpfs as they are written; what is wrong with them in dockerd's words.
#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "base/json_reader.h"
#include "base/text.h"
#include "engine/spec_internal.h"

namespace pila::engine {

namespace {

constexpr std::array<std::string_view, 6> propagations = {"private", "rprivate", "shared",
                                                          "rshared", "slave",    "rslave"};

bool is_propagation(std::string_view word) {
    return std::find(propagations.begin(), propagations.end(), word) != propagations.end();
}

Error invalid_mount(const MountSpec& mount, const std::string& why) {
    return Error(Errc::Invalid, fmt::format("invalid mount config for type \"{}\": {}", mount.type, why));
}

Result<void> check_target(const MountSpec& mount) {
    if (mount.target.empty()) return invalid_mount(mount, "field Target must not be empty");
    if (!mount.target.starts_with("/"))
        return invalid_mount(mount, fmt::format("invalid mount path: '{}' mount path must be absolute", mount.target));
    if (mount.target.find_first_not_of('/') == std::string::npos)
        return invalid_mount(mount, "invalid specification: destination can't be '/'");
    return {};
}

// The third part of -v. Each kind of word may be there once.
Result<void> apply_mode(MountSpec& mount) {
    auto invalid = [&] { return Error(Errc::Invalid, "invalid mode: " + mount.mode); };
    int access = 0, labels = 0, spreads = 0, copies = 0, consistencies = 0;
    for (auto option : split(mount.mode, ',')) {
        if (option == "ro" || option == "rw") {
            mount.read_only = option == "ro";
            ++access;
        } else if (option == "nocopy") {
            mount.no_copy = true;
            ++copies;
        } else if (is_propagation(option)) {
            mount.propagation = option;
            ++spreads;
        } else if (option == "z" || option == "Z") {
            ++labels;  // SELinux
        } else if (option == "consistent" || option == "cached" || option == "delegated" || option == "default") {
            ++consistencies;
        } else {
            return invalid();
        }
    }
    return access > 1 || labels > 1 || spreads > 1 || copies > 1 || consistencies > 1 ? invalid() : Result<void>{};
}

Result<void> read_bind_options(JsonReader& in, MountSpec& mount) {
    const auto* options = in.object("BindOptions");
    if (!options) return {};
    JsonReader bind(*options, "BindOptions");
    mount.propagation = bind.text("Propagation");
    mount.create_source = bind.boolean("CreateMountpoint");
    mount.recursive = !bind.boolean("NonRecursive");
    bool may_stay_writable = bind.boolean("ReadOnlyNonRecursive"), force = bind.boolean("ReadOnlyForceRecursive");
    mount.recursive_read_only = !may_stay_writable;
    TRY(bind.check());
    if (mount.type != "bind") return invalid_mount(mount, "field BindOptions must not be specified");
    if (!mount.propagation.empty() && !is_propagation(mount.propagation))
        return invalid_mount(mount, "invalid propagation mode: " + mount.propagation);
    if ((may_stay_writable || force) && !mount.read_only)
        return invalid_mount(
            mount, fmt::format("{} needs ReadOnly", force ? "ReadOnlyForceRecursive" : "ReadOnlyNonRecursive"));
    if (may_stay_writable && force)
        return invalid_mount(mount, "ReadOnlyNonRecursive and ReadOnlyForceRecursive exclude each other");
    return {};
}

Result<void> read_volume_options(JsonReader& in, MountSpec& mount) {
    const auto* options = in.object("VolumeOptions");
    if (!options) return {};
    JsonReader volume(*options, "VolumeOptions");
    mount.no_copy = volume.boolean("NoCopy");
    mount.subpath = volume.text("Subpath");
    mount.labels = volume.string_map("Labels");
    if (const auto* driver = volume.object("DriverConfig")) {
        JsonReader config(*driver, "DriverConfig");
        mount.driver = config.text("Name");
        mount.driver_options = config.string_map("Options");
        volume.absorb(config);
    }
    TRY(volume.check());
    if (mount.type != "volume") return invalid_mount(mount, "field VolumeOptions must not be specified");
    if (mount.source.empty() && !mount.subpath.empty())
        return invalid_mount(mount, "must not set Subpath when using anonymous volumes");
    return {};
}

Result<void> read_other_options(JsonReader& in, MountSpec& mount) {
    if (const auto* options = in.object("TmpfsOptions")) {
        JsonReader tmpfs(*options, "TmpfsOptions");
        if (auto size = tmpfs.integer("SizeBytes")) mount.tmpfs_options += fmt::format(",size={}", size);
        if (auto mode = tmpfs.integer("Mode")) mount.tmpfs_options += fmt::format(",mode={:o}", mode & 07777);
        TRY(tmpfs.check());
        if (mount.type != "tmpfs") return invalid_mount(mount, "field TmpfsOptions must not be specified");
    }
    if (const auto* options = in.object("ImageOptions")) {
        JsonReader image(*options, "ImageOptions");
        mount.subpath = image.text("Subpath");
        TRY(image.check());
        if (mount.type != "image") return invalid_mount(mount, "field ImageOptions must not be specified");
    }
    return {};
}

Result<void> check_source(const MountSpec& mount) {
    if (mount.type == "tmpfs" && !mount.source.empty())
        return invalid_mount(mount, "field Source must not be specified");
    if (mount.type != "bind" && mount.type != "image") return {};
    if (mount.source.empty()) return invalid_mount(mount, "field Source must not be empty");
    if (mount.type == "bind" && !mount.source.starts_with("/"))
        return invalid_mount(mount, fmt::format("invalid mount path: '{}' mount path must be absolute", mount.source));
    return {};
}

Result<MountSpec> read_mount(const json::object& object) {
    JsonReader in(object, "Mounts");
    MountSpec mount;
    mount.type = in.text("Type", "volume");
    mount.source = in.text("Source");
    mount.target = in.text("Target");
    mount.read_only = in.boolean("ReadOnly");
    in.text("Consistency");
    TRY(in.check());
    bool known = mount.type == "bind" || mount.type == "volume" || mount.type == "tmpfs" || mount.type == "image";
    if (!known) return invalid_mount(mount, "mount type unknown");
    TRY(check_target(mount));
    TRY(read_bind_options(in, mount));
    TRY(read_volume_options(in, mount));
    TRY(read_other_options(in, mount));
    TRY(check_source(mount));
    TRY(in.check());
    return mount;
}

// --tmpfs takes what mount(8) takes; others are refused before anything is made.
bool is_tmpfs_option(std::string_view option) {
    static constexpr std::array<std::string_view, 7> settings = {
        "size=", "mode=", "uid=", "gid=", "nr_inodes=", "nr_blocks=", "mpol="};
    static constexpr std::array<std::string_view, 31> flags = {
        "",        "defaults", "ro",       "rw",         "suid",        "nosuid",        "dev",        "nodev",
        "exec",    "noexec",   "sync",     "async",      "dirsync",     "remount",       "mand",       "nomand",
        "atime",   "noatime",  "diratime", "nodiratime", "bind",        "rbind",         "unbindable", "runbindable",
        "private", "rprivate", "relatime", "norelatime", "strictatime", "nostrictatime", "shared"};
    return std::find(flags.begin(), flags.end(), option) != flags.end() ||
           std::any_of(settings.begin(), settings.end(), [&](auto setting) { return option.starts_with(setting); });
}

Result<void> read_tmpfs(JsonReader& in, ContainerSpec& spec) {
    for (const auto& [target, options] : in.string_map("Tmpfs")) {
        MountSpec mount;
        mount.type = "tmpfs";
        mount.target = target;
        mount.is_tmpfs_flag = true;
        std::string strange;
        for (auto option : split(options, ','))
            if (!is_tmpfs_option(option)) strange += (strange.empty() ? "" : " ") + json_quote(option);
        if (!strange.empty()) return Error(Errc::Invalid, fmt::format("invalid tmpfs option [{}]", strange));
        if (!target.starts_with("/"))
            return Error(Errc::Invalid, fmt::format("invalid mount path: '{}' mount path must be absolute", target));
        mount.tmpfs_options = options.empty() ? "" : "," + options;
        // Over one of --mount it is mounted on top, as in dockerd; over one of -v it is a mistake.
        for (const auto& other : spec.mounts)
            if (other.target == target && other.type != "tmpfs")
                return Error(Errc::Invalid, "Duplicate mount point: " + target);
        spec.mounts.push_back(std::move(mount));
    }
    return {};
}

}  // namespace

Result<MountSpec> parse_bind(std::string_view text) {
    auto parts = split(text, ':');
    auto invalid = [&](const std::string& why = "") {
        return Error(Errc::Invalid,
                     fmt::format("invalid volume specification: '{}'{}{}", text, why.empty() ? "" : ": ", why));
    };
    if (parts.empty() || parts.size() > 3) return invalid();
    MountSpec mount;
    if (parts.size() == 1) {
        mount.target = parts[0];
    } else {
        mount.source = parts[0];
        mount.target = parts[1];
        if (mount.source.empty()) return invalid();
    }
    mount.type = mount.source.starts_with("/") ? "bind" : "volume";
    mount.create_source = true;
    if (parts.size() == 3) {
        mount.mode = parts[2];
        TRY(apply_mode(mount));
    }
    auto checked = check_target(mount);
    if (checked && mount.type == "volume" && !mount.propagation.empty())
        checked = invalid_mount(mount, "field BindOptions must not be specified");
    if (checked && mount.type == "bind" && mount.no_copy)
        checked = invalid_mount(mount, "field VolumeOptions must not be specified");
    if (!checked) return invalid(checked.error().message());
    return mount;
}

Result<void> read_mounts(const json::object& host, ContainerSpec& spec) {
    JsonReader in(host, "HostConfig");
    auto add = [&](MountSpec mount) -> Result<void> {
        for (const auto& other : spec.mounts)
            if (other.target == mount.target) return Error(Errc::Invalid, "Duplicate mount point: " + mount.target);
        spec.mounts.push_back(std::move(mount));
        return {};
    };
    for (const auto& bind : in.strings("Binds")) {
        auto mount = TRY(parse_bind(bind));
        TRY(add(std::move(mount)));
    }
    if (const auto* list = in.array("Mounts")) {
        for (const auto& item : *list) {
            if (!item.is_object()) return Error(Errc::Invalid, "invalid JSON: Mounts holds objects");
            auto mount = TRY(read_mount(item.get_object()));
            TRY(add(std::move(mount)));
        }
    }
    TRY(read_tmpfs(in, spec));
    return in.check();
}

}  // namespace pila::engine
