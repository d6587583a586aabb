// SPDX-License-Identifier: Apache-2.0
#pragma once
// `pila-runtime shim`: owns one running container (shim_client.h). One thread.

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "os/cgroup.h"
#include "runtime/launch_internal.h"
#include "runtime/loop_internal.h"
#include "runtime/protocol_internal.h"
#include "runtime/relay_internal.h"
#include "runtime/session_internal.h"

namespace pila::runtime {

// What all shims of a machine have in common.
struct ShimSurroundings {
    std::function<void(const std::string& id)> show_name;  // in ps
    os::CgroupLayout layout;
    Fd self_exe;  // pila-runtime itself, for --init
};

class Shim {
public:
    Shim(Loop loop, ShimSurroundings surroundings)
        : show_name_(std::move(surroundings.show_name)),
          loop_(std::move(loop)),
          layout_(std::move(surroundings.layout)),
          self_exe_(std::move(surroundings.self_exe)) {}

    // Takes the first request from `control`, starts the container and serves until it is over.
    Result<void> run(Fd control);

private:
    struct Control {
        Fd socket;
    };
    struct Exec {
        std::unique_ptr<Session> session;
        std::optional<Launch> launch;  // until exec succeeded
        Fd pidfd;
        int serial = 0;
        std::uint32_t request = 0;
        std::shared_ptr<Control> asked_by;
        std::optional<ExitRecord> record;
        bool draining = false, reported = false;
    };

    // shim.cpp: the container's life
    Result<void> prepare(const std::string& cgroup_path);
    Result<void> start(Request request, std::vector<Fd> fds, FdView control);
    Result<void> hold_ports(std::vector<Fd>& fds);
    Result<void> change_ports(const std::string& wanted, std::vector<Fd>& fds);  // shim_ports.cpp
    Result<void> launch_container(std::vector<Fd> fds, FdView control);
    void container_ended();
    void output_settled();
    void finish_container();
    void abandon_start();
    bool over() const;

    // shim_control.cpp: requests
    void listen();
    void add_control(Fd socket);
    void drop_control(const std::shared_ptr<Control>& control);
    void serve(const std::shared_ptr<Control>& control);
    Result<Report> answer(const std::shared_ptr<Control>& control, Request& request, std::vector<Fd>& fds);
    void reply(const std::shared_ptr<Control>& control, const Report& report, const std::vector<int>& fds = {});
    void broadcast(const Report& report);
    Result<void> kill(const std::string& exec_id, int signal);
    void report_exit(const std::shared_ptr<Control>& control);

    void report_rotation();
    void report_detached(const std::string& exec_id);

    // shim_oom.cpp
    void watch_memory();
    void stop_watching_memory();
    void memory_event();
    void drain_memory_events();
    void report_out_of_memory();

    // shim_exec.cpp
    Result<void> begin_exec(const std::shared_ptr<Control>& control, Request& request, std::vector<Fd>& fds);
    void exec_progress(const std::string& id);
    void exec_ended(const std::string& id);
    void exec_settled(const std::string& id);
    void report_exec(const std::string& id, Exec& exec);
    void end_execs();

    std::function<void(const std::string& id)> show_name_;
    Loop loop_;
    os::CgroupLayout layout_;  // until the start
    Plan plan_;                // without what only the start needed
    os::Cgroup cgroup_;
    bool cgroup_made_ = false;
    LogWriter log_;
    std::unique_ptr<Session> session_;
    pid_t pid_ = -1;
    Fd pidfd_, listener_, self_exe_;
    Fd root_;           // the daemon's to drop: ShimEvents::container_exited
    Fd memory_events_;  // v1: eventfd of memory.oom_control; v2: inotify of memory.events
    std::uint64_t oom_kills_ = 0;
    std::vector<Fd> held_;
    std::vector<std::unique_ptr<Relay>> relays_;
    std::optional<ExitRecord> exit_;
    bool reported_ = false, forgotten_ = false, lingered_ = false;
    std::list<std::shared_ptr<Control>> controls_;
    std::map<std::string, Exec> execs_;
    int next_exec_ = 0;
    std::vector<Report> unheard_;  // exec exits while no daemon was there
};

ExitRecord exit_record_of(const os::ExitStatus& status);
int shim_main(Fd control, ShimSurroundings surroundings);

}  // namespace pila::runtime
