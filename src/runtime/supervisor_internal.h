// SPDX-License-Identifier: Apache-2.0
#pragma once
// The daemon's side of shim_client.h: one thread reads what all shims say; requests are sent by their callers.

#include <map>
#include <thread>
#include <unordered_map>

#include "base/mutex.h"
#include "runtime/protocol_internal.h"
#include "runtime/shim_client.h"
#include "runtime/spawner_client_internal.h"

namespace pila::runtime {

class Supervisor;

class Client final : public ShimClient {
public:
    Client(Supervisor& supervisor, std::string id, std::string state_directory)
        : supervisor_(supervisor), id_(std::move(id)), state_directory_(std::move(state_directory)) {}

    const Started& started() const override { return started_; }
    Result<void> attach(Attachment attachment) override;
    Result<pid_t> exec(const Context& context, ExecRequest request) override;
    Result<void> resize(const std::string& exec_id, std::uint16_t rows, std::uint16_t columns) override;
    Result<void> kill(const std::string& exec_id, int signal) override;
    Result<void> kill_all() override;
    Result<void> pause(bool paused) override;
    Result<std::vector<pid_t>> processes() override;
    Result<void> update(const ResourcePlan& resources) override;
    Result<void> reopen_log() override;
    Result<void> hold_ports(const PortHold& wanted) override;
    void forget() override;

private:
    friend class Supervisor;
    Result<Report> call(const Context& context, Request& request, const std::vector<int>& fds = {}) EXCLUDES(mutex_);
    Result<void> call_simple(Request& request) EXCLUDES(mutex_);
    void replied(Report report) EXCLUDES(mutex_);
    void disconnected() EXCLUDES(mutex_);
    bool connection_over() EXCLUDES(mutex_);

    Supervisor& supervisor_;
    const std::string id_, state_directory_;
    Started started_;
    std::uint64_t number_ = 0;
    // Set before the watcher knows this client, then only touched by its thread.
    Fd child_;  // pidfd; invalid for an adopted shim
    bool failed_ = false, exit_told_ = false;
    Fd socket_;  // never closed before the client is destroyed: callers may be sending

    Mutex send_mutex_;  // one parcel may be several messages
    Mutex mutex_;
    Condition answered_;
    std::uint32_t last_request_ GUARDED_BY(mutex_) = 0;
    std::map<std::uint32_t, std::optional<Report>> waiting_ GUARDED_BY(mutex_);
    // A request that an older shim may not understand: it answers without a number then. 0: none
    std::uint32_t newer_request_ GUARDED_BY(mutex_) = 0;
    bool over_ GUARDED_BY(mutex_) = false;
};

class Prepared final : public PreparedShim {
public:
    Prepared(Supervisor& supervisor, FreshShim shim) : supervisor_(supervisor), shim_(std::move(shim)) {}
    ~Prepared() override;
    FreshShim take() { return std::move(shim_); }
    Result<void> say(const std::string& request) { return send_parcel(shim_.connection, request, {}); }

private:
    Supervisor& supervisor_;
    FreshShim shim_;
};

class Supervisor final : public ShimSupervisor {
public:
    Supervisor(Fd exe, Fd group, Fd epoll, Fd stop, ShimEvents& events);
    ~Supervisor() override;

    Result<std::shared_ptr<ShimClient>> start(const Context& context, const Plan& plan, std::vector<Fd> fds,
                                              std::vector<Attachment> attachments,
                                              std::unique_ptr<PreparedShim> prepared) override;
    Result<std::unique_ptr<PreparedShim>> prepare(const std::string& cgroup_path) override;
    Result<std::shared_ptr<ShimClient>> adopt(const std::string& container_id,
                                              const std::string& state_directory) override;

    // Ends by itself; only its process is left to be waited for.
    void abandon(FreshShim shim);

private:
    void add(const std::shared_ptr<Client>& client);
    void remove(const std::shared_ptr<Client>& client);
    void watch();
    void report_came(const std::shared_ptr<Client>& client);
    void connection_ended(const std::shared_ptr<Client>& client);
    void process_ended(const std::shared_ptr<Client>& client);
    bool still_absent(const Client& client) const;
    static void kill_leftover(const std::string& state_directory);

    Fd epoll_, stop_;
    SpawnerClient spawner_;
    ShimEvents& events_;
    Mutex mutex_;
    std::unordered_map<std::uint64_t, std::shared_ptr<Client>> clients_ GUARDED_BY(mutex_);
    std::uint64_t last_number_ GUARDED_BY(mutex_) = 0;
    std::thread watcher_;
};

}  // namespace pila::runtime
