// SPDX-License-Identifier: Apache-2.0
#include "runtime/init_program_internal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>

#include <fmt/core.h>

#include "base/text.h"
#include "os/file.h"

namespace pila::runtime::init {

namespace {

std::string_view variable(const std::vector<std::string>& environment, std::string_view name) {
    std::string_view value;
    for (const auto& entry : environment)
        if (entry.size() > name.size() && entry[name.size()] == '=' && entry.compare(0, name.size(), name) == 0)
            value = std::string_view(entry).substr(name.size() + 1);
    return value;
}

// 0, or the errno that tells why this cannot be executed.
int not_executable(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) < 0) return errno;
    if (S_ISDIR(info.st_mode)) return EISDIR;
    return ::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) < 0 ? errno : 0;
}

Error unusable(const std::string& name, int reason) {
    auto quoted = fmt::format("exec: \"{}\"", printable(name));
    if (reason == ENOENT || reason == ENOTDIR) {
        char text[128];
        return Error(
            Errc::NotFound,
            fmt::format("{}: stat {}: {}", quoted, printable(name), to_lower(::strerror_r(reason, text, sizeof text))),
            reason);
    }
    if (reason == EISDIR) return Error(Errc::Denied, quoted + ": is a directory", reason);
    if (reason == EACCES || reason == EPERM) return Error(Errc::Denied, quoted + ": permission denied", reason);
    return Error::from_errno(reason, quoted);
}

// "" if there is none. It is the image's file: a pipe of that name must not hold up the start.
std::string read_passwd() {
    constexpr std::size_t largest_passwd = 1U << 20;
    auto file = os::open("/etc/passwd", O_RDONLY | O_NONBLOCK);
    auto info = file ? os::stat_of(*file) : Result<struct stat>(file.take_error());
    if (!info || !S_ISREG(info->st_mode)) return {};
    return os::read_all(*file, largest_passwd).value_or("");
}

}  // namespace

Result<std::string> find_program(const ProcessPlan& process) {
    if (process.args.empty() || process.args[0].empty()) return Error(Errc::Invalid, "no command specified");
    const auto& name = process.args[0];
    if (name.find('/') != std::string::npos) {
        if (int reason = not_executable(name); reason != 0) return unusable(name, reason);
        return name;
    }
    auto path = variable(process.environment, "PATH");
    if (path.empty()) path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    for (auto directory : split(path, ':')) {
        auto candidate = (directory.empty() ? "." : std::string(directory)) + "/" + name;
        if (not_executable(candidate) == 0) return candidate;
    }
    return Error(Errc::NotFound, fmt::format("exec: \"{}\": executable file not found in $PATH", printable(name)),
                 ENOENT);
}

std::vector<std::string> environment_with_home(const ProcessPlan& process) {
    auto environment = process.environment;
    for (const auto& entry : environment)
        if (entry.compare(0, 5, "HOME=") == 0) return environment;
    std::string home = "/";
    auto text = read_passwd();
    for (auto line : split(text, '\n')) {
        auto fields = split(line, ':');
        if (fields.size() < 7 || parse_uint(fields[2]) != process.uid || fields[5].empty()) continue;
        home = fields[5];
        break;
    }
    environment.push_back("HOME=" + home);
    return environment;
}

Error execute(const ProcessPlan& process, const std::string& program, const std::vector<std::string>& environment,
              int init_exe) {
    std::vector<char*> argv, envp;
    auto point_to = [](const std::string& text) { return const_cast<char*>(text.c_str()); };
    const std::string init_name = "pila-init", separator = "--";
    if (init_exe >= 0) {
        argv.push_back(point_to(init_name));
        argv.push_back(point_to(separator));
        argv.push_back(point_to(program));
    }
    for (const auto& text : process.args) argv.push_back(point_to(text));
    for (const auto& text : environment) envp.push_back(point_to(text));
    argv.push_back(nullptr);
    envp.push_back(nullptr);
    if (init_exe >= 0)
        ::syscall(SYS_execveat, init_exe, "", argv.data(), envp.data(), AT_EMPTY_PATH);
    else
        ::execve(program.c_str(), argv.data(), envp.data());
    int reason = errno;
    const auto& name = process.args[0];
    // The file is there, so what is missing is its interpreter: the shell's and Docker's wording for it.
    if (reason == ENOENT)
        return Error(Errc::NotFound, fmt::format("exec {}: no such file or directory", printable(name)), reason);
    if (reason == ENOEXEC)
        return Error(Errc::Denied, fmt::format("exec {}: exec format error", printable(name)), reason);
    return unusable(name, reason);
}

}  // namespace pila::runtime::init
