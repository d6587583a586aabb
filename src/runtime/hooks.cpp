// SPDX-License-Identifier: Apache-2.0
#include "runtime/hooks_internal.h"

#include <sys/mman.h>
#include <unistd.h>
#include <cerrno>
#include <csignal>
#include <cstdio>

#include <fmt/core.h>

#include "base/text.h"
#include "os/file.h"
#include "os/spawn.h"

namespace pila::runtime {

std::string state_text(const Plan& plan, std::string_view status, pid_t pid) {
    auto text = fmt::format("{{\"ociVersion\":{},\"id\":{},\"status\":{},", json_quote(plan.bundle.version),
                            json_quote(plan.id), json_quote(status));
    if (pid > 0) text += fmt::format("\"pid\":{},", pid);
    text += "\"bundle\":" + json_quote(plan.bundle.directory);
    if (!plan.bundle.annotations.empty()) {
        text += ",\"annotations\":{";
        for (const auto& [key, value] : plan.bundle.annotations)
            text += fmt::format("{}{}:{}", text.back() == '{' ? "" : ",", json_quote(key), json_quote(value));
        text += '}';
    }
    return text + "}";
}

namespace {

// A file without a name: whoever writes or reads slowly holds up nobody.
Result<Fd> memory_file(const char* name, std::string_view bytes) {
    Fd file(::memfd_create(name, MFD_CLOEXEC));
    if (!file) return Error::from_errno(errno, std::string("make a file in memory for ") + name);
    if (!bytes.empty()) TRY(os::write_all(file, bytes));
    if (::lseek(file.get(), 0, SEEK_SET) < 0) return Error::from_errno(errno, "rewind a file in memory");
    return file;
}

std::string said(FdView output) {
    constexpr std::size_t told = 4096;
    std::string text(told, '\0');
    auto size = ::pread(output.get(), text.data(), text.size(), 0);
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return std::string(trim(text));
}

Result<void> run_hook(const HookPlan& hook, const std::string& state) {
    auto input = TRY(memory_file("state", state));
    auto output = TRY(memory_file("output", ""));
    auto child = TRY(os::spawn({.exe = hook.path,
                                .argv = hook.args,
                                .environment = hook.environment,
                                .fds = {{input.get(), 0}, {output.get(), 1}, {output.get(), 2}},
                                .die_with_parent = true}));
    auto status = os::wait_child(child.pidfd, hook.timeout_seconds > 0 ? hook.timeout_seconds * 1000 : -1);
    if (!status && status.error().code() == Errc::Timeout) {
        ignore(os::send_signal(child.pidfd, SIGKILL), "it may just have ended");
        ignore(os::wait_child(child.pidfd), "only reaps");
        return Error(Errc::Timeout,
                     fmt::format("{} ran longer than {} s and was killed", hook.path, hook.timeout_seconds));
    }
    if (!status) return status.take_error();
    if (status->code == 0) return {};
    auto reason =
        status->signal != 0 ? fmt::format("signal: {}", status->signal) : fmt::format("exit status {}", status->code);
    auto text = said(output);
    return Error(Errc::Internal, fmt::format("{}: {}{}{}", hook.path, reason, text.empty() ? "" : ": ", text));
}

}  // namespace

Result<void> run_hooks(const std::vector<HookPlan>& hooks, std::string_view kind, const std::string& state) {
    for (std::size_t i = 0; i < hooks.size(); ++i)
        TRY(run_hook(hooks[i], state).in(fmt::format("error running {} hook #{}", kind, i)));
    return {};
}

void run_hooks_to_the_last(const std::vector<HookPlan>& hooks, std::string_view kind, const std::string& state) {
    for (const auto& hook : hooks)
        if (auto ran = run_hook(hook, state); !ran)
            std::fprintf(stderr, "pila-runtime: %.*s hook: %s\n", static_cast<int>(kind.size()), kind.data(),
                         ran.error().message().c_str());
}

}  // namespace pila::runtime
