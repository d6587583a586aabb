// SPDX-License-Identifier: Apache-2.0
#include "engine/exec.h"

#include "base/json_reader.h"
#include "base/random.h"

namespace pila::engine {

Result<ExecSpec> parse_exec(const json::object& body) {
    JsonReader in(body);
    ExecSpec spec;
    spec.command = in.strings("Cmd");
    spec.environment = in.strings("Env");
    spec.user = in.text("User");
    spec.working_directory = in.text("WorkingDir");
    spec.detach_keys = in.text("DetachKeys");
    spec.tty = in.boolean("Tty");
    spec.attach_stdin = in.boolean("AttachStdin");
    spec.attach_stdout = in.boolean("AttachStdout");
    spec.attach_stderr = in.boolean("AttachStderr");
    spec.privileged = in.boolean("Privileged");
    if (const auto* size = in.array("ConsoleSize");
        size && size->size() == 2 && (*size)[0].is_int64() && (*size)[1].is_int64()) {
        spec.rows = static_cast<std::uint16_t>((*size)[0].get_int64());
        spec.columns = static_cast<std::uint16_t>((*size)[1].get_int64());
    }
    TRY(in.check());
    if (spec.command.empty()) return Error(Errc::Invalid, "No exec command specified");
    return spec;
}

static constexpr std::chrono::minutes keep_ended{5};

void Execs::drop_old() {
    auto oldest = std::chrono::steady_clock::now() - keep_ended;
    std::erase_if(execs_, [&](const auto& item) {
        return item.second.phase == Exec::Phase::Ended && item.second.ended < oldest;
    });
}

std::string Execs::add(const std::string& container_id, ExecSpec spec) {
    Exec exec;
    exec.id = random_hex(64);
    exec.container_id = container_id;
    exec.spec = std::move(spec);
    auto id = exec.id;
    Lock lock(mutex_);
    drop_old();
    execs_.emplace(id, std::move(exec));
    return id;
}

Result<Exec> Execs::find(const std::string& id) const {
    Lock lock(mutex_);
    auto found = execs_.find(id);
    if (found == execs_.end()) return Error(Errc::NotFound, "No such exec instance: " + id);
    return found->second;
}

Result<Exec> Execs::begin(const std::string& id) {
    Lock lock(mutex_);
    auto found = execs_.find(id);
    if (found == execs_.end()) return Error(Errc::NotFound, "No such exec instance: " + id);
    if (found->second.phase != Exec::Phase::Created)
        return Error(Errc::Conflict, "Error: Exec command " + id + " is already running");
    found->second.phase = Exec::Phase::Running;
    return found->second;
}

void Execs::set_running(const std::string& id, pid_t pid) {
    Lock lock(mutex_);
    if (auto found = execs_.find(id); found != execs_.end()) found->second.pid = pid;
}

void Execs::set_ended(const std::string& id, int exit_code) {
    Lock lock(mutex_);
    auto found = execs_.find(id);
    if (found == execs_.end()) return;
    found->second.phase = Exec::Phase::Ended;
    found->second.exit_code = exit_code;
    found->second.ended = std::chrono::steady_clock::now();
}

void Execs::forget_container(const std::string& container_id) {
    Lock lock(mutex_);
    std::erase_if(execs_, [&](const auto& item) { return item.second.container_id == container_id; });
}

std::vector<std::string> Execs::of_container(const std::string& container_id) const {
    std::vector<std::string> ids;
    Lock lock(mutex_);
    for (const auto& [id, exec] : execs_)
        if (exec.container_id == container_id && exec.phase != Exec::Phase::Ended) ids.push_back(id);
    return ids;
}

}  // namespace pila::engine
