// SPDX-License-Identifier: Apache-2.0
#include "os/binfmt.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>
#include <cerrno>

#include <fmt/core.h>

#include "base/text.h"
#include "os/file.h"

namespace pila::os {

bool BinfmtHandler::takes(std::string_view first_bytes) const {
    if (magic.empty() || offset + magic.size() > first_bytes.size()) return false;
    for (std::size_t i = 0; i < magic.size(); ++i)
        if (((first_bytes[offset + i] ^ magic[i]) & mask[i]) != 0) return false;
    return true;
}

static std::optional<std::string> from_hex(std::string_view text) {
    std::string bytes;
    for (; text.size() >= 2; text.remove_prefix(2)) {
        auto byte = parse_uint(text.substr(0, 2), 16);
        if (!byte) return std::nullopt;
        bytes += static_cast<char>(*byte);
    }
    return text.empty() ? std::optional(bytes) : std::nullopt;
}

std::optional<BinfmtHandler> parse_binfmt_handler(std::string name, std::string_view text) {
    BinfmtHandler handler;
    handler.name = std::move(name);
    auto lines = split(text, '\n');
    if (lines.empty() || (lines[0] != "enabled" && lines[0] != "disabled")) return std::nullopt;
    handler.enabled = lines[0] == "enabled";
    for (auto line : lines) {
        auto space = line.find(' ');
        auto key = line.substr(0, space), value = space == line.npos ? std::string_view() : line.substr(space + 1);
        if (key == "interpreter") handler.interpreter = value;
        if (key == "flags:") handler.fixed = value.find('F') != value.npos;
        if (key == "offset") handler.offset = parse_uint(value).value_or(0);
        if (key == "magic" || key == "mask") {
            auto bytes = from_hex(value);
            if (!bytes) return std::nullopt;
            (key == "magic" ? handler.magic : handler.mask) = std::move(*bytes);
        }
    }
    if (handler.mask.empty()) handler.mask.assign(handler.magic.size(), '\xff');
    if (handler.interpreter.empty() || handler.mask.size() != handler.magic.size() || handler.offset > 4096)
        return std::nullopt;
    return handler;
}

static constexpr const char* place = "/proc/sys/fs/binfmt_misc";

static bool is_mounted() {
    return os::exists(std::string(place) + "/register");  // the look itself lets systemd's automounter mount it
}

Result<std::vector<BinfmtHandler>> binfmt_handlers() {
    std::vector<BinfmtHandler> handlers;
    if (!is_mounted()) return handlers;
    for (const auto& name : TRY(list_directory(place))) {
        if (name == "register" || name == "status") continue;
        auto text = read_file(fmt::format("{}/{}", place, name), 16U << 10);
        if (!text) continue;  // just removed
        if (auto handler = parse_binfmt_handler(name, *text)) handlers.push_back(std::move(*handler));
    }
    return handlers;
}

// All of it in one write(2), which the kernel takes or refuses whole.
static Result<void> write_once(const std::string& name, const std::string& text) {
    auto path = fmt::format("{}/{}", place, name);
    auto file = TRY(os::open(path, O_WRONLY));
    if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return Error::from_errno(errno, "write " + path);
    return {};
}

static std::string escaped(std::string_view bytes) {
    std::string text;
    for (char byte : bytes) text += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
    return text;
}

Result<void> add_binfmt_handler(const std::string& name, std::string_view magic, std::string_view mask,
                                const std::string& interpreter) {
    if (!is_mounted() && ::mount("binfmt_misc", place, "binfmt_misc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) < 0)
        return Error::from_errno(errno, fmt::format("mount binfmt_misc on {}", place));
    ignore(write_once(name, "-1"), "there is none as a rule");
    auto rule = fmt::format(":{}:M::{}:{}:{}:POCF", name, escaped(magic), escaped(mask), interpreter);
    return write_once("register", rule).in(fmt::format("register {} with the kernel", interpreter));
}

}  // namespace pila::os
