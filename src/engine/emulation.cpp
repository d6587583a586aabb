// SPDX-License-Identifier: Apache-2.0
#include "engine/emulation.h"

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>
#include <algorithm>
#include <cstring>

#include <fmt/core.h>

#include "base/log.h"
#include "base/text.h"
#include "image/image_config.h"
#include "os/binfmt.h"
#include "os/file.h"

namespace pila::engine {

namespace {

// elf(5): class, byte order and machine say for which processor a program is.
struct Processor {
    std::string_view architecture, emulator;
    unsigned char elf_class, byte_order;
    std::uint16_t machine;
};
constexpr Processor processors[] = {
    {"amd64", "x86_64", ELFCLASS64, ELFDATA2LSB, EM_X86_64},
    {"386", "i386", ELFCLASS32, ELFDATA2LSB, EM_386},
    {"arm", "arm", ELFCLASS32, ELFDATA2LSB, EM_ARM},
    {"arm64", "aarch64", ELFCLASS64, ELFDATA2LSB, EM_AARCH64},
    {"loong64", "loongarch64", ELFCLASS64, ELFDATA2LSB, 258 /* EM_LOONGARCH */},
    {"mips64le", "mips64el", ELFCLASS64, ELFDATA2LSB, EM_MIPS},
    {"ppc64le", "ppc64le", ELFCLASS64, ELFDATA2LSB, EM_PPC64},
    {"riscv64", "riscv64", ELFCLASS64, ELFDATA2LSB, EM_RISCV},
    {"s390x", "s390x", ELFCLASS64, ELFDATA2MSB, EM_S390},
};
constexpr std::size_t header_size = 20;  // up to and with e_machine

const Processor* processor_of(std::string_view architecture) {
    auto found = std::find_if(std::begin(processors), std::end(processors),
                              [&](const auto& one) { return one.architecture == architecture; });
    return found == std::end(processors) ? nullptr : found;
}

// How a program for `processor` begins.
std::string header_of(const Processor& processor, std::uint16_t type = ET_EXEC) {
    std::string header =
        "\x7f"
        "ELF";
    header += static_cast<char>(processor.elf_class);
    header += static_cast<char>(processor.byte_order);
    header += static_cast<char>(EV_CURRENT);
    header.resize(16);
    for (auto number : {type, processor.machine}) {
        char low = static_cast<char>(number & 0xff), high = static_cast<char>(number >> 8);
        bool little = processor.byte_order == ELFDATA2LSB;
        header += little ? low : high;
        header += little ? high : low;
    }
    return header;
}

// What of it counts: not the system's name, and both types of programs, ET_EXEC (2) and ET_DYN (3).
std::string mask_of(const Processor& processor) {
    std::string mask(header_size, '\xff');
    mask[EI_OSABI] = 0;
    mask[processor.byte_order == ELFDATA2LSB ? 16 : 17] = '\xfe';
    return mask;
}

// The kernel opens it once and for all mount namespaces: shared libraries would be looked for in the container.
bool is_static_program(const std::string& path) {
    auto file = os::open(path, O_RDONLY);
    if (!file || ::access(path.c_str(), X_OK) != 0) return false;
    Elf64_Ehdr header{};
    if (::pread(file->get(), &header, sizeof header, 0) != sizeof header ||
        std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
        return false;
    for (unsigned i = 0; i < std::min<unsigned>(header.e_phnum, 64); ++i) {
        Elf64_Phdr segment{};
        auto offset = static_cast<off_t>(header.e_phoff + i * sizeof segment);
        if (::pread(file->get(), &segment, sizeof segment, offset) != sizeof segment || segment.p_type == PT_INTERP)
            return false;
    }
    return true;
}

std::string installed_emulator(const Processor& processor, const std::string& search_path) {
    for (auto directory : split(search_path, ':'))
        for (auto suffix : {"-static", ""}) {
            auto path = fmt::format("{}/qemu-{}{}", directory, processor.emulator, suffix);
            if (path[0] == '/' && is_static_program(path)) return path;
        }
    return {};
}

using Handlers = std::vector<os::BinfmtHandler>;

// Those of now. A table that cannot be read has none.
Handlers registered_handlers() {
    auto handlers = os::binfmt_handlers();
    return handlers ? handlers.take() : Handlers();
}

std::string registered_emulator(const Processor& processor, const Handlers& handlers) {
    for (const auto& handler : handlers)
        if (handler.enabled && handler.fixed && handler.takes(header_of(processor))) return handler.interpreter;
    return {};
}

std::string emulator_of(const Processor& processor, const Handlers& handlers, const std::string& search_path) {
    auto program = registered_emulator(processor, handlers);
    return program.empty() ? installed_emulator(processor, search_path) : program;
}

Error no_emulator(std::string_view architecture) {
    return Error(
        Errc::NotFound,
        fmt::format("programs for {} cannot run on this {} machine: no emulator for them is installed (Debian, "
                    "Ubuntu: apt install qemu-user-static)",
                    printable(architecture), image::machine_architecture()));
}

}  // namespace

bool Emulation::is_native(std::string_view architecture) {
    auto machine = image::machine_architecture();
    return architecture == machine || !processor_of(architecture) || (machine == "amd64" && architecture == "386") ||
           (machine == "arm64" && architecture == "arm");
}

Result<Emulator> Emulation::find(std::string_view architecture) const {
    const auto* processor = processor_of(architecture);
    auto program = processor ? emulator_of(*processor, registered_handlers(), search_path_) : std::string();
    if (program.empty()) return no_emulator(architecture);
    return Emulator{std::string(architecture), std::move(program)};
}

Result<Emulator> Emulation::enable(std::string_view architecture) {
    Lock lock(mutex_);  // two containers that start at once register once
    const auto* processor = processor_of(architecture);
    if (!processor) return no_emulator(architecture);
    if (auto program = registered_emulator(*processor, registered_handlers()); !program.empty())
        return Emulator{std::string(architecture), std::move(program)};
    auto program = installed_emulator(*processor, search_path_);
    if (program.empty()) return no_emulator(architecture);
    TRY(os::add_binfmt_handler("pila-" + std::string(processor->emulator), header_of(*processor), mask_of(*processor),
                               program)
            .in("emulation of " + std::string(architecture)));
    log::info("programs for {} are run by {} from now on", architecture, program);
    return Emulator{std::string(architecture), std::move(program)};
}

std::vector<Emulator> Emulation::all() const {
    std::vector<Emulator> native, emulated;
    auto handlers = registered_handlers();
    for (const auto& processor : processors) {
        std::string architecture(processor.architecture);
        if (is_native(architecture))
            native.push_back({architecture, ""});
        else if (auto program = emulator_of(processor, handlers, search_path_); !program.empty())
            emulated.push_back({architecture, std::move(program)});
    }
    native.insert(native.end(), emulated.begin(), emulated.end());
    return native;
}

}  // namespace pila::engine
