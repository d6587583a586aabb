// SPDX-License-Identifier: Apache-2.0
#include <yaml-cpp/yaml.h>
#include <algorithm>

#include <fmt/core.h>

#include "base/text.h"
#include "engine/cdi.h"

namespace pila::engine {

namespace {

constexpr std::size_t max_text = 1U << 20, max_devices = 1024, max_items = 4096;

Error wrong(const std::string& what) { return Error(Errc::Invalid, "CDI specification: " + what); }

bool is_label(std::string_view text, std::string_view further) {
    auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
    return !text.empty() && plain(text.front()) && plain(text.back()) &&
           std::all_of(text.begin(), text.end(),
                       [&](char c) { return plain(c) || further.find(c) != std::string_view::npos; });
}

bool is_kind(std::string_view kind) {
    auto slash = kind.find('/');
    return slash != std::string_view::npos && is_label(kind.substr(0, slash), "-_.") &&
           is_label(kind.substr(slash + 1), "-_");
}

// Aliases make a small text a large tree: everything that is looked at counts.
class Walker {
public:
    Result<CdiSpec> spec(const YAML::Node& root) {
        if (!root.IsMap()) return wrong("must be a mapping");
        CdiSpec spec;
        auto version = TRY(text(root, "cdiVersion"));
        if (version.empty()) return wrong("cdiVersion is missing");
        spec.kind = TRY(text(root, "kind"));
        if (!is_kind(spec.kind)) return wrong(fmt::format("invalid kind {}", json_quote(spec.kind)));
        spec.edits = TRY(edits(root));
        auto devices = TRY(list(root, "devices"));
        if (devices.size() > max_devices) return wrong(fmt::format("more than {} devices", max_devices));
        for (const auto& node : devices) {
            if (!node.IsMap()) return wrong("devices: must be mappings");
            CdiDevice device;
            device.name = TRY(text(node, "name"));
            if (!is_label(device.name, "-_.:"))
                return wrong(fmt::format("invalid device name {}", json_quote(device.name)));
            for (const auto& other : spec.devices)
                if (other.name == device.name) return wrong(fmt::format("device {} is there twice", device.name));
            device.edits = TRY(edits(node));
            spec.devices.push_back(std::move(device));
        }
        if (spec.devices.empty()) return wrong("no devices");
        return spec;
    }

private:
    Result<void> count(std::size_t more) {
        items_ += more;
        return items_ > max_items ? Result<void>(wrong(fmt::format("more than {} items", max_items))) : Result<void>{};
    }
    Result<std::string> scalar(const YAML::Node& node, const char* key) {
        TRY(count(1));
        if (!node.IsScalar()) return wrong(fmt::format("{}: must be text", key));
        if (node.Scalar().find('\0') != std::string::npos) return wrong(fmt::format("{}: holds a zero byte", key));
        return node.Scalar();
    }
    Result<std::string> text(const YAML::Node& map, const char* key) {
        auto node = map[key];
        return node && !node.IsNull() ? scalar(node, key) : Result<std::string>(std::string());
    }
    Result<std::optional<std::int64_t>> number(const YAML::Node& map, const char* key) {
        auto written = TRY(text(map, key));
        if (written.empty()) return std::optional<std::int64_t>();
        bool octal = written.starts_with("0o") || (written.size() > 1 && written[0] == '0' && written[1] != 'x');
        auto digits = written.substr(written.starts_with("0o") ? 2 : 0);
        auto value = parse_uint(digits, octal ? 8 : 10);
        if (!value || *value > 0xffffffffU) return wrong(fmt::format("{}: must be a number", key));
        return std::optional(static_cast<std::int64_t>(*value));
    }
    Result<std::vector<YAML::Node>> list(const YAML::Node& map, const char* key) {
        std::vector<YAML::Node> nodes;
        auto node = map[key];
        if (!node || node.IsNull()) return nodes;
        if (!node.IsSequence()) return wrong(fmt::format("{}: must be a list", key));
        TRY(count(node.size()));
        for (const auto& item : node) nodes.push_back(item);
        return nodes;
    }
    Result<std::vector<std::string>> texts(const YAML::Node& map, const char* key) {
        std::vector<std::string> all;
        auto nodes = TRY(list(map, key));
        for (const auto& node : nodes) all.push_back(TRY(scalar(node, key)));
        return all;
    }

    Result<CdiDeviceNode> device_node(const YAML::Node& map) {
        if (!map.IsMap()) return wrong("deviceNodes: must be mappings");
        CdiDeviceNode node;
        node.path = TRY(text(map, "path"));
        node.host_path = TRY(text(map, "hostPath"));
        node.type = TRY(text(map, "type"));
        node.permissions = TRY(text(map, "permissions"));
        node.major = TRY(number(map, "major"));
        node.minor = TRY(number(map, "minor"));
        node.mode = TRY(number(map, "fileMode"));
        node.uid = TRY(number(map, "uid"));
        node.gid = TRY(number(map, "gid"));
        if (!node.path.starts_with("/")) return wrong(fmt::format("device node {}: path must be absolute", node.path));
        if (!node.type.empty() && node.type != "b" && node.type != "c" && node.type != "u" && node.type != "p")
            return wrong(fmt::format("device node {}: invalid type {}", node.path, json_quote(node.type)));
        if (node.permissions.find_first_not_of("rwm") != std::string::npos)
            return wrong(
                fmt::format("device node {}: invalid permissions {}", node.path, json_quote(node.permissions)));
        return node;
    }
    Result<CdiMount> mount(const YAML::Node& map) {
        if (!map.IsMap()) return wrong("mounts: must be mappings");
        CdiMount mount;
        mount.host_path = TRY(text(map, "hostPath"));
        mount.container_path = TRY(text(map, "containerPath"));
        mount.type = TRY(text(map, "type"));
        mount.options = TRY(texts(map, "options"));
        if (!mount.host_path.starts_with("/") || !mount.container_path.starts_with("/"))
            return wrong("mounts: hostPath and containerPath must be absolute");
        return mount;
    }
    Result<CdiEdits> edits(const YAML::Node& owner) {
        CdiEdits edits;
        auto map = owner["containerEdits"];
        if (!map || map.IsNull()) return edits;
        if (!map.IsMap()) return wrong("containerEdits: must be a mapping");
        edits.environment = TRY(texts(map, "env"));
        for (const auto& variable : edits.environment)
            if (variable.find('=') == std::string::npos || variable[0] == '=')
                return wrong(fmt::format("env: invalid variable {}", json_quote(variable)));
        auto nodes = TRY(list(map, "deviceNodes"));
        for (const auto& node : nodes) edits.nodes.push_back(TRY(device_node(node)));
        auto mounts = TRY(list(map, "mounts"));
        for (const auto& node : mounts) edits.mounts.push_back(TRY(mount(node)));
        auto groups = TRY(texts(map, "additionalGids"));
        for (const auto& group : groups) {
            auto id = parse_uint(group);
            if (!id || *id > 0x7fffffff) return wrong("additionalGids: must be group numbers");
            edits.groups.push_back(static_cast<std::uint32_t>(*id));
        }
        for (const char* key : {"hooks", "netDevices"}) {
            auto asked = TRY(list(map, key));
            if (!asked.empty()) edits.unsupported.emplace_back(key);
        }
        if (auto rdt = map["intelRdt"]; rdt && !rdt.IsNull()) edits.unsupported.emplace_back("intelRdt");
        return edits;
    }

    std::size_t items_ = 0;
};

}  // namespace

bool is_cdi_name(std::string_view text) {
    auto equals = text.find('=');
    return equals != std::string_view::npos && is_kind(text.substr(0, equals)) &&
           is_label(text.substr(equals + 1), "-_.:");
}

Result<CdiSpec> parse_cdi_spec(std::string_view text) {
    if (text.size() > max_text) return wrong("more than 1 MiB");
    try {
        return Walker().spec(YAML::Load(std::string(text)));
    } catch (const YAML::Exception& failure) {
        return wrong(failure.what());
    }
}

}  // namespace pila::engine
