// SPDX-License-Identifier: Apache-2.0
// Containers in user namespaces (--userns-remap, decision 040).
#include <fcntl.h>

#include <fmt/core.h>

#include "engine/engine.h"
#include "engine/user_remap.h"
#include "os/file.h"

namespace pila::engine {

Result<void> Engine::check_remap() {
    if (options_.id_map.empty()) return {};
    auto ids = TRY(os::UserNamespace::create(options_.id_map));
    return parts_.snapshots.check_mapping(ids);
}

Result<std::optional<os::UserNamespace>> Engine::user_namespace_of(const ContainerSpec& spec) const {
    std::optional<os::UserNamespace> none;
    // Who shares a namespace with another container shares its users too: they own it.
    for (const auto* mode : {&spec.network_mode, &spec.pid_mode, &spec.ipc_mode}) {
        if (!mode->starts_with("container:")) continue;
        auto other = table_.find(std::string_view(*mode).substr(10));
        if (!other || !(*other)->state().is_running()) return none;  // the start itself says so
        auto directory = TRY(os::open(fmt::format("/proc/{}", (*other)->state().pid), O_PATH | O_DIRECTORY));
        auto map = TRY(map_of_process(directory));
        if (map.empty()) return none;
        auto fd = TRY(os::open_at(directory, "ns/user", O_RDONLY));
        return std::optional(os::UserNamespace{std::move(fd), std::move(map)});
    }
    if (options_.id_map.empty() || !wants_remap(spec)) return none;
    TRY(check_remapped(spec));
    return std::optional(TRY(os::UserNamespace::create(options_.id_map)));
}

}  // namespace pila::engine
