// SPDX-License-Identifier: Apache-2.0
// What container and exec have in common with their callers: labels, descriptors, terminals, listeners.
#include "runtime/bundle_internal.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <climits>
#include <cstdlib>

#include <fmt/core.h>

#include "base/text.h"
#include "os/file.h"
#include "os/socket.h"
#include "runtime/hooks_internal.h"

namespace pila::runtime {

Result<void> check_labels(ProcessPlan& process, const std::string& mount_label) {
    bool labels = !process.selinux_label.empty() || !mount_label.empty();
    if (labels && !os::exists("/sys/fs/selinux/enforce"))
        return Error(Errc::Unsupported, fmt::format("{}: SELinux is not enabled on this machine",
                                                    mount_label.empty() ? "process.selinuxLabel" : "linux.mountLabel"));
    if (process.apparmor_profile.empty()) return {};
    auto enabled = os::read_file("/sys/module/apparmor/parameters/enabled", 16);
    if (enabled && enabled->starts_with("Y")) return {};
    if (process.apparmor_profile != "unconfined")
        return Error(Errc::Unsupported, "process.apparmorProfile: AppArmor is not enabled on this machine");
    process.apparmor_profile.clear();
    return {};
}

Result<void> pass_descriptors(std::int64_t preserved, ProcessPlan& process) {
    std::int64_t listening = 0;
    const char *count = ::getenv("LISTEN_FDS"), *whose = ::getenv("LISTEN_PID"), *names = ::getenv("LISTEN_FDNAMES");
    // sd_listen_fds(3)
    if (count && (!whose || parse_int(whose) == ::getpid())) listening = parse_int(count).value_or(0);
    if (preserved < 0 || preserved + listening > 1024)
        return Error(Errc::Invalid, "--preserve-fds: at most 1024 descriptors");
    for (std::int64_t fd = 3; fd < 3 + preserved + listening; ++fd)
        if (::fcntl(static_cast<int>(fd), F_GETFD) < 0)
            return Error(Errc::Invalid, fmt::format("--preserve-fds, LISTEN_FDS: descriptor {} is not open", fd));
    process.extras.preserved_fds = static_cast<unsigned>(preserved + listening);
    if (listening == 0) return {};
    process.environment.push_back(fmt::format("LISTEN_FDS={}", listening));
    process.environment.emplace_back("LISTEN_PID=1");
    if (names) process.environment.push_back(std::string("LISTEN_FDNAMES=") + names);
    return {};
}

Result<void> send_terminal(FdView console_socket, FdView terminal) {
    if (terminal.get() < 0) return Error(Errc::Internal, "the process made no terminal");
    return os::send_message(console_socket, "/dev/ptmx", {terminal.get()})
        .in("send the terminal over --console-socket");
}

Result<void> send_listener(const Plan& plan, FdView listener, std::string_view status, pid_t process, pid_t container) {
    const auto& path = plan.bundle.seccomp_listener;
    auto socket = TRY(os::connect_unix(path, SOCK_STREAM).in("linux.seccomp.listenerPath"));
    auto text = fmt::format("{{\"ociVersion\":{},\"fds\":[\"seccompFd\"],\"pid\":{},", json_quote(plan.bundle.version),
                            process);
    if (!plan.bundle.seccomp_metadata.empty())
        text += fmt::format("\"metadata\":{},", json_quote(plan.bundle.seccomp_metadata));
    text += "\"state\":" + state_text(plan, status, container) + "}";
    return os::send_message(socket, text, {listener.get()}).in("linux.seccomp.listenerPath");
}

std::string absolute_path(const std::string& path) {
    if (path.empty() || path[0] == '/') return path;
    char here[PATH_MAX];
    return ::getcwd(here, sizeof here) ? std::string(here) + "/" + path : path;
}

}  // namespace pila::runtime
