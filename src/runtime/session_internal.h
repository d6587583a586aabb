// SPDX-License-Identifier: Apache-2.0
#pragma once
// One process of a container (its first, or one of exec) as seen from its shim: where its output goes and its input
// comes from. Memory is bounded: a full stream stops reading from the process, a full process stops reading from
// streams.

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "base/fd.h"
#include "os/spawn.h"
#include "runtime/detach_keys_internal.h"
#include "runtime/launch_internal.h"
#include "runtime/log_writer_internal.h"
#include "runtime/loop_internal.h"
#include "runtime/shim_client.h"

namespace pila::runtime {

class Session {
public:
    // `log` may be null. `changed` is called after streams ended.
    Session(Loop& loop, LogWriter* log, std::function<void()> changed);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // Before the launch: pipes as the process wants them. The returned ends are for the child and closed by launched().
    Result<Stdio> prepare(const ProcessPlan& process);
    // After exec succeeded.
    void launched(Fd terminal);

    void attach(Attachment attachment);
    // Called when a client has typed the detach keys.
    void on_detached(std::function<void()> told) { detached_ = std::move(told); }
    Result<void> resize(std::uint16_t rows, std::uint16_t columns);
    // The process has ended: reads what is left even if streams are full.
    void process_ended();
    bool output_ended() const { return !sources_[0].fd && !sources_[1].fd; }
    // Gives up on output that somebody outside the container keeps open.
    void abandon_output();
    // Output has ended and every stream got all of it (or is gone).
    bool finished() const { return output_ended() && clients_.empty(); }

private:
    struct Source {
        Fd fd;
        bool paused = false;
    };
    struct Client {
        Attachment options;
        DetachKeys keys{""};
        std::string queue;  // output that the stream did not take yet
        std::size_t sent = 0;
        bool input_open = false;
        bool hung_up = false;
        bool ending = false;  // closed once the queue is empty
        std::size_t pending() const { return queue.size() - sent; }
    };

    void read_source(int index);
    void end_source(int index);
    void settle();
    void deliver(int index, std::string_view bytes);
    void queue_for(Client& client, int index, std::string_view bytes);
    void throttle();  // sources and inputs, by how full the queues are
    void client_ready(const std::shared_ptr<Client>& client, std::uint32_t events);
    bool flush(Client& client);  // false: the stream is broken
    void read_input(const std::shared_ptr<Client>& client);
    void take_input(const std::shared_ptr<Client>& client, std::string_view typed);
    void input_ended(Client& client);
    void drop(const std::shared_ptr<Client>& client);
    void watch_client(const std::shared_ptr<Client>& client);
    void write_input();
    void close_input();

    Loop& loop_;
    LogWriter* log_;
    std::function<void()> changed_, detached_;
    Source sources_[2];  // stdout (or the terminal) and stderr
    Fd input_;           // write end of stdin; with a terminal: a duplicate of its master
    std::string input_queue_;
    bool close_input_when_written_ = false, terminal_ = false, launched_ = false, ended_ = false;
    Fd child_ends_[3];
    std::list<std::shared_ptr<Client>> clients_;
};

}  // namespace pila::runtime
