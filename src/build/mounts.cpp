// SPDX-License-Identifier: Apache-2.0
#include "build/mounts.h"

#include <fmt/core.h>

#include "base/text.h"

namespace pila::build {

namespace {

Error invalid(std::string text) { return Error(Errc::Invalid, std::move(text)); }

Result<bool> flag_of(std::string_view key, std::string_view value, bool has_value) {
    if (!has_value || value == "true" || value == "1") return true;
    if (value == "false" || value == "0") return false;
    return invalid(fmt::format("invalid value for {}: {}", key, printable(value)));
}

Result<std::uint64_t> size_of(std::string_view text) {
    std::uint64_t unit = 1;
    auto lower = to_lower(text);
    std::string_view number = lower;
    if (number.ends_with('b')) number.remove_suffix(1);
    if (number.ends_with('k')) unit = 1U << 10;
    if (number.ends_with('m')) unit = 1U << 20;
    if (number.ends_with('g')) unit = 1U << 30;
    if (unit > 1) number.remove_suffix(1);
    auto value = parse_uint(number);
    if (!value || *value > UINT64_MAX / unit) return invalid(fmt::format("invalid size: {}", printable(text)));
    return *value * unit;
}

Result<void> set(RunMount& mount, std::string_view key, std::string_view value, bool has_value) {
    using Type = RunMount::Type;
    auto number = [&](int base) -> Result<std::uint32_t> {
        auto parsed = parse_uint(value, base);
        if (!parsed || *parsed > UINT32_MAX) return invalid(fmt::format("invalid value for {}: {}", key, value));
        return static_cast<std::uint32_t>(*parsed);
    };
    auto only = [&](bool allowed) {
        return allowed ? Result<void>() : Result<void>(invalid(fmt::format("unexpected key '{}' for this mount", key)));
    };
    if (key == "ro" || key == "readonly") {
        mount.read_only = TRY(flag_of(key, value, has_value));
    } else if (key == "rw" || key == "readwrite") {
        bool writable = TRY(flag_of(key, value, has_value));
        mount.read_only = !writable;
    } else if (key == "required") {
        mount.required = TRY(flag_of(key, value, has_value));
        return only(mount.type == Type::Secret);
    } else if (!has_value) {
        return invalid(fmt::format("invalid field '{}' must be a key=value pair", printable(key)));
    } else if (key == "target" || key == "dst" || key == "destination") {
        mount.target = value;
    } else if (key == "source" || key == "src") {
        mount.source = value;
    } else if (key == "from") {
        mount.from = value;
        return only(mount.type == Type::Bind || mount.type == Type::Cache);
    } else if (key == "id") {
        mount.id = value;
    } else if (key == "sharing") {
        if (value != "shared" && value != "private" && value != "locked")
            return invalid(fmt::format("unsupported sharing value \"{}\"", printable(value)));
        mount.sharing = value;
        return only(mount.type == Type::Cache);
    } else if (key == "env") {
        mount.variable = value;
        return only(mount.type == Type::Secret);
    } else if (key == "mode") {
        mount.mode = TRY(number(8)) & 07777U;
    } else if (key == "uid") {
        mount.uid = TRY(number(10));
    } else if (key == "gid") {
        mount.gid = TRY(number(10));
    } else if (key == "size") {
        mount.size = TRY(size_of(value));
        return only(mount.type == Type::Tmpfs);
    } else {
        return invalid(fmt::format("unexpected key '{}'", printable(key)));
    }
    return {};
}

}  // namespace

Result<RunMount> parse_mount(std::string_view text) {
    RunMount mount;
    auto fields = split(text, ',');
    auto each = [&](auto action) -> Result<void> {
        for (auto field : fields) {
            auto equals = field.find('=');
            bool has_value = equals != std::string_view::npos;
            TRY(action(to_lower(field.substr(0, equals)), has_value ? field.substr(equals + 1) : "", has_value));
        }
        return {};
    };
    bool writable_by_default = false;
    TRY(each([&](const std::string& key, std::string_view value, bool) -> Result<void> {
        if (key != "type") return {};
        if (value == "bind")
            mount.type = RunMount::Type::Bind;
        else if (value == "cache")
            mount.type = RunMount::Type::Cache;
        else if (value == "tmpfs")
            mount.type = RunMount::Type::Tmpfs;
        else if (value == "secret")
            mount.type = RunMount::Type::Secret;
        else if (value == "ssh")
            return Error(Errc::Unsupported, "--mount=type=ssh is not supported: give keys with --mount=type=secret");
        else
            return invalid(fmt::format("unsupported mount type \"{}\"", printable(value)));
        return {};
    }));
    writable_by_default = mount.type == RunMount::Type::Cache || mount.type == RunMount::Type::Tmpfs;
    mount.read_only = !writable_by_default;
    TRY(each([&](const std::string& key, std::string_view value, bool has_value) -> Result<void> {
        return key == "type" ? Result<void>() : set(mount, key, value, has_value);
    }));
    if (mount.type == RunMount::Type::Secret) {
        if (mount.id.empty()) mount.id = mount.source.empty() ? mount.target : mount.source;
        if (auto slash = mount.id.rfind('/');
            slash != std::string::npos && mount.source.empty() && mount.id == mount.target)
            mount.id.erase(0, slash + 1);
        if (mount.id.empty()) return invalid("a secret mount needs an id or a target");
        if (mount.target.empty() && mount.variable.empty())
            mount.target = "/run/secrets/" + mount.id.substr(mount.id.rfind('/') + 1);
        return mount;
    }
    if (mount.target.empty()) return invalid("target is required");
    if (mount.id.empty()) mount.id = mount.target;
    return mount;
}

}  // namespace pila::build
