// SPDX-License-Identifier: Apache-2.0
#include "runtime/state_files_internal.h"

#include <fmt/core.h>
#include <unistd.h>

#include "base/text.h"
#include "os/file.h"

namespace pila::runtime {

static constexpr std::size_t largest_record = 4096;

// proc_pid_stat(5): field 22; the name in field 2 may hold blanks and parentheses.
Result<ProcessName> process_name(pid_t pid) {
    auto text = TRY(os::read_file(fmt::format("/proc/{}/stat", pid), largest_record));
    auto end_of_name = text.rfind(')');
    if (end_of_name == std::string::npos) return Error(Errc::Internal, "unexpected form of /proc/PID/stat");
    auto fields = split(std::string_view(text).substr(end_of_name + 2), ' ');
    auto started = fields.size() > 19 ? parse_uint(fields[19]) : std::nullopt;
    if (!started) return Error(Errc::Internal, "unexpected form of /proc/PID/stat");
    return ProcessName{pid, *started};
}

bool still_runs(const ProcessName& name) {
    auto now = process_name(name.pid);
    return now && now->started == name.started;
}

// Start times begin anew with each boot, and boots resemble each other: the same number may well have the same time
// again.
static std::string boot_id() {
    return std::string(trim(os::read_file("/proc/sys/kernel/random/boot_id", largest_record).value_or("")));
}

static std::vector<std::int64_t> numbers_of(std::string_view text) {
    std::vector<std::int64_t> numbers;
    for (auto word : split(trim(text), ' '))
        if (auto number = parse_int(word)) numbers.push_back(*number);
    return numbers;
}

Result<void> write_pid_record(const std::string& state_directory, const PidRecord& record) {
    // Of an earlier run of the container: its end must not be taken for that of this one.
    auto removed = os::remove_file(state_directory + "/exit");
    if (!removed && removed.error().code() != Errc::NotFound) return removed;
    auto text = fmt::format("{} {} {} {}\n{}\n", record.container.pid, record.container.started, record.shim.pid,
                            record.shim.started, boot_id());
    return os::replace_file(state_directory + "/pid", text, 0600, os::Sync::No);
}

Result<PidRecord> read_pid_record(const std::string& state_directory) {
    auto text = TRY(os::read_file(state_directory + "/pid", largest_record));
    auto lines = split(text, '\n');
    auto numbers = numbers_of(lines.front());
    if (lines.size() > 1 && !lines[1].empty() && lines[1] != boot_id())
        return Error(Errc::NotFound, "the processes of " + state_directory + " ended with an earlier boot");
    if (numbers.size() != 4) return Error(Errc::Invalid, "malformed pid record in " + state_directory);
    return PidRecord{{static_cast<pid_t>(numbers[0]), static_cast<std::uint64_t>(numbers[1])},
                     {static_cast<pid_t>(numbers[2]), static_cast<std::uint64_t>(numbers[3])}};
}

Result<void> write_exit_record(const std::string& state_directory, const ExitRecord& record) {
    auto text = fmt::format("{} {} {}\n", record.code, record.oom_killed ? 1 : 0, record.finished_at.nanoseconds);
    return os::replace_file(state_directory + "/exit", text, 0600, os::Sync::No);
}

Result<ExitRecord> read_exit_record(const std::string& state_directory) {
    auto numbers = numbers_of(TRY(os::read_file(state_directory + "/exit", largest_record)));
    if (numbers.size() != 3) return Error(Errc::Invalid, "malformed exit record in " + state_directory);
    return ExitRecord{static_cast<int>(numbers[0]), numbers[1] != 0, WallTime{numbers[2]}};
}

std::string shim_socket_path(const std::string& state_directory) { return state_directory + "/shim.sock"; }

}  // namespace pila::runtime
