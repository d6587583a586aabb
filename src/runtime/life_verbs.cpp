// SPDX-License-Identifier: Apache-2.0
// `state`, `list`, `kill`, `delete`, `pause` and `resume`.
#include <pwd.h>
#include <signal.h>
#include <algorithm>
#include <cstdio>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "os/file.h"
#include "os/spawn.h"
#include "runtime/container_record_internal.h"
#include "runtime/options_internal.h"
#include "runtime/verbs_internal.h"

namespace pila::runtime {

namespace {

struct Container {
    ContainerDirectory directory;
    Record record;
};

Result<Container> find_one(const Invocation& call, const std::vector<std::string>& words, std::size_t most = 1) {
    if (words.empty()) return Error(Errc::Invalid, "a container id is needed");
    if (words.size() > most) return Error(Errc::Invalid, "too many arguments");
    auto directory = TRY(ContainerDirectory::find(call.state_root, words[0]));
    auto record = directory.read();
    if (!record) return std::move(record).take_error().in("container " + words[0]);
    return Container{std::move(directory), record.take()};
}

json::object state_object(const ContainerDirectory& directory, const Record& record) {
    auto status = directory.status(record);
    json::object state{{"ociVersion", record.version},
                       {"id", record.id},
                       {"pid", status == Status::Stopped ? 0 : record.pid},
                       {"status", json::string_view(status_name(status).data(), status_name(status).size())},
                       {"bundle", record.bundle},
                       {"rootfs", record.root_path},
                       {"created", rfc3339_nano(record.created)}};
    if (!record.annotations.empty()) {
        json::object annotations;
        for (const auto& [key, value] : record.annotations) annotations[key] = value;
        state["annotations"] = std::move(annotations);
    }
    const auto* owner = ::getpwuid(record.owner);
    state["owner"] = owner ? std::string(owner->pw_name) : fmt::format("#{}", record.owner);
    return state;
}

// "KILL", "SIGKILL", "9", "SIGRTMIN+3"
Result<int> parse_signal(std::string_view text) {
    if (auto number = parse_uint(text); number && *number < NSIG) return static_cast<int>(*number);
    auto name = to_lower(text);
    if (name.starts_with("sig")) name.erase(0, 3);
    if (name.starts_with("rtmin")) {
        auto offset = name.size() == 5 ? std::optional<std::uint64_t>(0)
                      : name[5] == '+' ? parse_uint(name.substr(6))
                                       : std::nullopt;
        if (offset && SIGRTMIN + static_cast<int>(*offset) <= SIGRTMAX) return SIGRTMIN + static_cast<int>(*offset);
    }
    for (int number = 1; number < NSIG; ++number)
        if (const char* known = ::sigabbrev_np(number); known && to_lower(known) == name) return number;
    return Error(Errc::Invalid, "unknown signal \"" + printable(text) + "\"");
}

std::vector<Container> all_containers(const std::string& root) {
    std::vector<Container> found;
    auto names = os::list_directory(root);
    for (const auto& name : names ? *names : std::vector<std::string>{}) {
        auto directory = ContainerDirectory::find(root, name);
        auto record = directory ? directory->read() : Result<Record>(directory.take_error());
        // Just being made or removed, or not ours.
        if (record) found.push_back({directory.take(), record.take()});
    }
    return found;
}

void print_table(const std::vector<Container>& containers) {
    auto line = [](std::string_view id, std::string_view pid, std::string_view status, std::string_view bundle,
                   std::string_view created, std::string_view owner) {
        std::fputs(
            fmt::format("{:<35} {:<8} {:<9} {:<40} {:<31} {}\n", id, pid, status, bundle, created, owner).c_str(),
            stdout);
    };
    line("ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER");
    for (const auto& [directory, record] : containers) {
        auto state = state_object(directory, record);
        auto text = [&](const char* key) { return std::string(state[key].as_string().c_str()); };
        line(record.id, std::to_string(state["pid"].as_int64()), text("status"), record.bundle, text("created"),
             text("owner"));
    }
}

Result<int> set_frozen(const Invocation& call, bool frozen) {
    auto words = TRY(Options().parse_all(call.argc, call.argv));
    auto [directory, record] = TRY(find_one(call, words));
    auto status = directory.status(record);
    if (frozen && status != Status::Running && status != Status::Created)
        return Error(Errc::Conflict, fmt::format("container not running or created: {}", status_name(status)));
    if (!frozen && status != Status::Paused) return Error(Errc::Conflict, "container not paused");
    auto cgroup = TRY(cgroup_of(record));
    if (!cgroup.valid()) return Error(Errc::Unsupported, "the container has no cgroup that could be frozen");
    TRY(cgroup.freeze(frozen));
    return 0;
}

}  // namespace

Result<int> state_verb(const Invocation& call) {
    auto words = TRY(Options().parse_all(call.argc, call.argv));
    auto [directory, record] = TRY(find_one(call, words));
    auto text = to_json(state_object(directory, record));
    std::puts(text.c_str());
    return 0;
}

Result<int> list_verb(const Invocation& call) {
    std::string format = "table";
    bool quiet = false;
    TRY(Options().text("format", format, 'f').flag("quiet", quiet, 'q').parse_all(call.argc, call.argv));
    if (format != "table" && format != "json") return Error(Errc::Invalid, "option --format: must be table or json");
    auto containers = all_containers(call.state_root);
    if (quiet) {
        for (const auto& container : containers) std::puts(container.record.id.c_str());
    } else if (format == "table") {
        print_table(containers);
    } else {
        json::array states;
        for (const auto& [directory, record] : containers) states.push_back(state_object(directory, record));
        std::puts(to_json(states).c_str());
    }
    return 0;
}

Result<int> kill_verb(const Invocation& call) {
    bool all = false;
    auto words = TRY(Options().flag("all", all, 'a').parse_all(call.argc, call.argv));
    auto [directory, record] = TRY(find_one(call, words, 2));
    auto signal = TRY(parse_signal(words.size() > 1 ? words[1] : "TERM"));
    auto cgroup = TRY(cgroup_of(record));
    // Without a pid namespace of its own the end of the first process ends nothing else.
    bool everybody = all || (signal == SIGKILL && !record.own_processes);
    if (everybody && cgroup.valid()) {
        if (signal == SIGKILL) {
            TRY(cgroup.kill_all());
            return 0;
        }
        auto members = TRY(cgroup.processes());
        for (pid_t pid : members) ::kill(pid, signal);
        return 0;
    }
    auto process = TRY(open_process(record));
    auto sent = os::send_signal(process, signal);
    if (!sent && sent.error().os_errno() == ESRCH) return Error(Errc::NotFound, "container not running");
    if (!sent) return sent.take_error();
    // A process frozen by cgroup v1 dies only once it is thawed.
    if (signal == SIGKILL && cgroup.mode() == os::CgroupMode::V1 && cgroup.is_frozen()) TRY(cgroup.freeze(false));
    return 0;
}

Result<int> delete_verb(const Invocation& call) {
    bool force = false;
    auto words = TRY(Options().flag("force", force, 'f').parse_all(call.argc, call.argv));
    auto found = find_one(call, words);
    if (!found) {
        if (!force || words.size() != 1) return found.take_error();
        // Nothing, or what a killed `create` left before it wrote anything.
        auto directory = ContainerDirectory::find(call.state_root, words[0]);
        if (!directory) return directory.error().code() == Errc::NotFound ? Result<int>(0) : directory.take_error();
        if (directory->locked()) return Error(Errc::Conflict, "the container is just being made");
        TRY(directory->remove());
        return 0;
    }
    auto& [directory, record] = *found;
    auto status = directory.status(record);
    if (!force && status != Status::Stopped && status != Status::Created)
        return Error(Errc::Conflict,
                     fmt::format("cannot delete container {} that is not stopped: {}", record.id, status_name(status)));
    auto cgroup = TRY(cgroup_of(record));
    TRY(destroy_container(directory, record, cgroup, force || status == Status::Created));
    return 0;
}

Result<int> pause_verb(const Invocation& call) { return set_frozen(call, true); }
Result<int> resume_verb(const Invocation& call) { return set_frozen(call, false); }

}  // namespace pila::runtime
