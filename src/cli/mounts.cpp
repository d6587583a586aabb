// SPDX-License-Identifier: Apache-2.0
#include "cli/mounts.h"

#include <fmt/core.h>
#include <unistd.h>
#include <algorithm>
#include <vector>

#include <boost/json/object.hpp>

#include "base/json.h"
#include "base/text.h"
#include "cli/csv.h"
#include "cli/units.h"

namespace pila::cli {

namespace {

Error invalid(std::string message) { return Error(Errc::Invalid, std::move(message)); }

std::string absolute(std::string_view path) {
    if (path.starts_with('/')) return std::string(path);
    char directory[4096];
    if (!::getcwd(directory, sizeof directory)) return std::string(path);
    // As Go's filepath.Join: "." and ".." are resolved in the text.
    std::vector<std::string_view> kept;
    std::string whole = fmt::format("{}/{}", directory, path);
    for (auto part : split(whole, '/')) {
        if (part.empty() || part == ".") continue;
        if (part == ".." && !kept.empty())
            kept.pop_back();
        else if (part != "..")
            kept.push_back(part);
    }
    std::string clean;
    for (auto part : kept) clean += "/" + std::string(part);
    return clean.empty() ? "/" : clean;
}

// What the fields of one --mount say, before the parts are put together.
struct Mount {
    std::string type = "volume", source, target, consistency;
    bool read_only = false;
    json::object bind, volume, tmpfs, image, driver, driver_options, labels;
    bool has_bind = false, has_volume = false, has_tmpfs = false, has_image = false;
};

Result<bool> flag_value(std::string_view key, std::string_view value, bool has_value) {
    if (!has_value) return true;
    auto parsed = parse_go_bool(value);
    if (!parsed) return invalid(fmt::format("invalid value for {}: {}", key, value));
    return *parsed;
}

Result<void> set_recursion(Mount& mount, std::string_view value) {
    mount.has_bind = true;
    if (value == "enabled") return {};
    if (value == "disabled")
        mount.bind["NonRecursive"] = true;
    else if (value == "writable")
        mount.bind["ReadOnlyNonRecursive"] = true;
    else if (value == "readonly")
        mount.bind["ReadOnlyForceRecursive"] = true;
    else
        return invalid(
            fmt::format("invalid value for bind-recursive: {} (must be \"enabled\", \"disabled\", "
                        "\"writable\", or \"readonly\")",
                        value));
    return {};
}

void set_pair(json::object& into, std::string_view text) {
    auto equals = text.find('=');
    into[text.substr(0, equals)] = equals == std::string_view::npos ? std::string_view() : text.substr(equals + 1);
}

Result<void> set_volume_or_tmpfs(Mount& mount, std::string_view key, std::string_view value, bool has_value,
                                 std::string_view field) {
    if (key.starts_with("volume-")) mount.has_volume = true;
    if (key.starts_with("tmpfs-")) mount.has_tmpfs = true;
    if (key == "volume-nocopy") {
        bool yes = TRY(flag_value(key, value, has_value));
        if (yes) mount.volume["NoCopy"] = true;
    } else if (key == "volume-subpath")
        mount.volume["Subpath"] = value;
    else if (key == "volume-label")
        set_pair(mount.labels, value);
    else if (key == "volume-driver")
        mount.driver["Name"] = value;
    else if (key == "volume-opt")
        set_pair(mount.driver_options, value);
    else if (key == "image-subpath") {
        mount.has_image = true;
        mount.image["Subpath"] = value;
    } else if (key == "tmpfs-size") {
        auto size = parse_ram_size(value);
        if (!size) return invalid(fmt::format("invalid value for {}: {}", key, value));
        mount.tmpfs["SizeBytes"] = *size;
    } else if (key == "tmpfs-mode") {
        auto mode = parse_uint(value, 8);
        if (!mode || *mode > UINT32_MAX) return invalid(fmt::format("invalid value for {}: {}", key, value));
        mount.tmpfs["Mode"] = *mode;
    } else {
        return invalid(fmt::format("unexpected key '{}' in '{}'", key, field));
    }
    return {};
}

Result<void> set_field(Mount& mount, std::string_view field) {
    auto equals = field.find('=');
    bool has_value = equals != std::string_view::npos;
    auto key = to_lower(field.substr(0, equals));
    auto value = has_value ? field.substr(equals + 1) : std::string_view();
    bool alone = key == "readonly" || key == "ro" || key == "volume-nocopy" || key == "bind-nonrecursive";
    if (!has_value && !alone) return invalid(fmt::format("invalid field '{}' must be a key=value pair", field));
    if (key == "type")
        mount.type = to_lower(value);
    else if (key == "source" || key == "src") {
        bool relative = value.starts_with("./") || value.starts_with("../") || value == "." || value == "..";
        mount.source = relative ? absolute(value) : std::string(value);
    } else if (key == "target" || key == "dst" || key == "destination")
        mount.target = value;
    else if (key == "readonly" || key == "ro")
        mount.read_only = TRY(flag_value(key, value, has_value));
    else if (key == "consistency")
        mount.consistency = to_lower(value);
    else if (key == "bind-propagation") {
        mount.has_bind = true;
        mount.bind["Propagation"] = to_lower(value);
    } else if (key == "bind-nonrecursive") {
        mount.has_bind = true;
        bool yes = TRY(flag_value(key, value, has_value));
        if (yes) mount.bind["NonRecursive"] = true;
    } else if (key == "bind-recursive")
        TRY(set_recursion(mount, value));
    else
        TRY(set_volume_or_tmpfs(mount, key, value, has_value, field));
    return {};
}

json::object to_object(Mount& mount) {
    json::object out;
    out["Type"] = mount.type;
    if (!mount.source.empty()) out["Source"] = mount.source;
    out["Target"] = mount.target;
    if (mount.read_only) out["ReadOnly"] = true;
    if (!mount.consistency.empty()) out["Consistency"] = mount.consistency;
    if (mount.has_bind) out["BindOptions"] = mount.bind;
    if (mount.has_volume) {
        if (!mount.driver_options.empty()) mount.driver["Options"] = mount.driver_options;
        if (!mount.labels.empty()) mount.volume["Labels"] = mount.labels;
        mount.volume["DriverConfig"] = mount.driver;
        out["VolumeOptions"] = mount.volume;
    }
    if (mount.has_image) out["ImageOptions"] = mount.image;
    if (mount.has_tmpfs) out["TmpfsOptions"] = mount.tmpfs;
    return out;
}

}  // namespace

Result<std::string> parse_mount(std::string_view text) {
    Mount mount;
    for (const auto& field : TRY(split_csv(text))) TRY(set_field(mount, field));
    if (mount.type.empty()) return invalid("type is required");
    if (mount.target.empty()) return invalid("target is required");
    auto mixed = [&](std::string_view kind) {
        return invalid(fmt::format("cannot mix '{}-*' options with mount type '{}'", kind, mount.type));
    };
    if (mount.has_volume && mount.type != "volume") return mixed("volume");
    if (mount.has_image && mount.type != "image") return mixed("image");
    if (mount.has_bind && mount.type != "bind") return mixed("bind");
    if (mount.has_tmpfs && mount.type != "tmpfs") return mixed("tmpfs");
    if (mount.bind.contains("ReadOnlyForceRecursive")) {
        if (!mount.read_only)
            return invalid("option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction");
        auto* propagation = mount.bind.if_contains("Propagation");
        if (!propagation || propagation->get_string() != "rprivate")
            return invalid(
                "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction");
    }
    if (mount.bind.contains("ReadOnlyNonRecursive") && !mount.read_only)
        return invalid("option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction");
    return to_json(to_object(mount));
}

std::string mount_needs_newer_api(std::string_view mount, int api_minor) {
    if (api_minor >= 44) return "";
    bool asks = mount.find("\"ReadOnlyForceRecursive\":true") != std::string_view::npos;
    return asks ? "bind-recursive=readonly requires API v1.44 or later" : "";
}

Result<VolumeSpec> parse_volume(std::string_view text) {
    if (text.empty()) return invalid("invalid empty volume spec");
    VolumeSpec spec;
    if (text.size() <= 2) return VolumeSpec{true, ""};
    // A single letter before a colon is taken for a Windows drive.
    std::vector<std::string> fields(1);
    for (char c : text) {
        bool drive = fields.back().size() == 1 && std::isalpha(static_cast<unsigned char>(fields.back()[0]));
        if (c == ':' && !drive)
            fields.emplace_back();
        else
            fields.back() += c;
    }
    if (fields.size() > 3) return invalid(fmt::format("invalid spec: {}: too many colons", text));
    if (std::any_of(fields.begin(), fields.end(), [](auto& field) { return field.empty(); }))
        return invalid(fmt::format("invalid spec: {}: empty section between colons", text));
    if (fields.size() == 1) return VolumeSpec{true, ""};
    spec.bind = text;
    if (fields[0].starts_with('.')) spec.bind = absolute(fields[0]) + std::string(text.substr(fields[0].size()));
    return spec;
}

}  // namespace pila::cli
