// SPDX-License-Identifier: Apache-2.0
#include "engine/process_list.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include <fmt/core.h>

#include "base/fd.h"
#include "base/text.h"
#include "os/file.h"
#include "os/spawn.h"

namespace pila::engine {

static constexpr int patience_ms = 10'000;
static constexpr std::size_t max_output_bytes = 16U << 20;
static constexpr std::string_view white_space = " \t\n\v\f\r";

static std::vector<std::string> fields_of(std::string_view line) {
    std::vector<std::string> fields;
    for (std::size_t at = 0; (at = line.find_first_not_of(white_space, at)) != std::string_view::npos;) {
        auto end = std::min(line.find_first_of(white_space, at), line.size());
        fields.emplace_back(line.substr(at, end - at));
        at = end;
    }
    return fields;
}

Result<void> check_ps_arguments(std::string_view arguments) {
    auto words = fields_of(arguments);
    for (std::size_t i = 0; i < words.size(); ++i) {
        auto equals = words[i].find('=');
        if (i == 0 || equals == std::string::npos) continue;
        auto key = words[i].substr(0, equals), title = words[i].substr(equals + 1);
        if (title.empty() && i + 1 < words.size()) title = words[i + 1];
        if (title.starts_with("PID") && key != "pid")
            return Error(Errc::Invalid, fmt::format("specifying \"{}={}\" is not allowed", key, title));
    }
    return {};
}

Result<ProcessList> parse_process_table(std::string_view output, const std::vector<pid_t>& wanted) {
    auto lines = split(output, '\n');
    ProcessList list;
    list.titles = fields_of(lines.front());
    auto pid_title = std::find(list.titles.begin(), list.titles.end(), "PID");
    if (pid_title == list.titles.end()) return Error(Errc::Internal, "Couldn't find PID field in ps output");
    auto pid_index = static_cast<std::size_t>(pid_title - list.titles.begin());
    auto last = list.titles.size() - 1;
    bool of_wanted = false;  // the last process id seen
    for (std::size_t i = 1; i < lines.size(); ++i) {
        auto cells = fields_of(lines[i]);
        if (cells.size() <= pid_index) continue;
        if (const auto& text = cells[pid_index]; text != "-") {
            auto pid = parse_int(text);
            if (!pid) return Error(Errc::Internal, fmt::format("Unexpected pid '{}' in ps output", text));
            of_wanted = std::find(wanted.begin(), wanted.end(), *pid) != wanted.end();
        }
        if (!of_wanted) continue;
        // What is too much belongs to the last column, the command.
        for (std::size_t extra = last + 1; extra < cells.size(); ++extra) cells[last] += " " + cells[extra];
        cells.resize(last + 1);
        list.processes.push_back(std::move(cells));
    }
    return list;
}

static Result<std::string> find_ps() {
    const char* search = std::getenv("PATH");
    for (auto directory : split(search ? search : "/usr/bin:/bin", ':')) {
        auto path = fmt::format("{}/ps", directory);
        if (directory.starts_with('/') && ::access(path.c_str(), X_OK) == 0) return path;
    }
    return Error(Errc::Internal, "ps: executable file not found in $PATH (package procps)");
}

static Result<std::string> run_ps(const std::string& program, std::vector<std::string> arguments) {
    auto memory_file = [](const char* name) -> Result<Fd> {
        Fd file(::memfd_create(name, MFD_CLOEXEC));
        if (!file) return Error::from_errno(errno, "make a memory file for the output of ps");
        return file;
    };
    // Files rather than pipes: nobody has to read while it runs.
    auto output = TRY(memory_file("ps-output")), errors = TRY(memory_file("ps-errors"));
    auto nothing = TRY(os::open("/dev/null", O_RDONLY));
    os::Spawn what;
    what.exe = program;
    what.argv = std::move(arguments);
    what.argv.insert(what.argv.begin(), "ps");
    what.environment = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"};
    what.fds = {{nothing.get(), 0}, {output.get(), 1}, {errors.get(), 2}};
    auto child = TRY(os::spawn(what).in("ps"));
    auto ended = os::wait_child(child.pidfd, patience_ms);
    if (!ended) {
        ignore(os::send_signal(child.pidfd, SIGKILL), "it may have just ended");
        ignore(os::wait_child(child.pidfd), "only reaps");
        return std::move(ended).take_error().in("ps");
    }
    auto text_of = [](const Fd& file) -> Result<std::string> {
        ::lseek(file.get(), 0, SEEK_SET);
        return os::read_all(file, max_output_bytes);
    };
    if (ended->code == 0) return text_of(output);
    auto complaint = TRY(text_of(errors));
    auto first_line = complaint.substr(0, complaint.find('\n'));
    if (first_line.empty()) first_line = fmt::format("exit status {}", ended->code);
    return Error(Errc::Internal, "ps: " + printable(first_line));
}

Result<ProcessList> list_processes(std::string_view arguments, const std::vector<pid_t>& wanted) {
    if (arguments.empty()) arguments = "-ef";
    TRY(check_ps_arguments(arguments));
    std::vector<std::string> words;
    for (auto word : split(arguments, ' ')) words.emplace_back(word);
    std::string only = "-q";
    for (pid_t pid : wanted) only += fmt::format("{}{}", only.size() > 2 ? "," : "", pid);
    auto program = TRY(find_ps());
    auto narrowed = words;
    narrowed.push_back(only);
    // Some options (f, --forest, ...) do not go together with -q: then all processes, and we choose.
    auto output = run_ps(program, narrowed);
    if (!output) output = run_ps(program, words);
    if (!output) return output.take_error();
    return parse_process_table(*output, wanted);
}

}  // namespace pila::engine
