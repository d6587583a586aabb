// SPDX-License-Identifier: Apache-2.0
#include "runtime/session_internal.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>

#include "os/file.h"

namespace pila::runtime {

namespace {

constexpr std::size_t longest_queue = 256U << 10;       // towards one stream
constexpr std::size_t longest_input_queue = 64U << 10;  // towards the process
constexpr std::size_t read_at_once = 64U << 10;

// One for all sessions: a shim has one thread, and idle ones should not hold buffers.
char read_buffer[read_at_once];

Result<void> make_pipe(Fd& read_end, Fd& write_end) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0) return Error::from_errno(errno, "create pipe");
    read_end = Fd(ends[0]);
    write_end = Fd(ends[1]);
    return {};
}

void set_nonblocking(FdView fd) { ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK); }

}  // namespace

Session::Session(Loop& loop, LogWriter* log, std::function<void()> changed)
    : loop_(loop), log_(log), changed_(std::move(changed)) {}

Session::~Session() {
    for (auto& source : sources_)
        if (source.fd) loop_.remove(source.fd);
    if (input_) loop_.remove(input_);
    for (auto& client : clients_) loop_.remove(client->options.stream);
}

Result<Stdio> Session::prepare(const ProcessPlan& process) {
    terminal_ = process.terminal;
    if (terminal_) return Stdio{};
    if (process.keep_stdin_open) {
        TRY(make_pipe(child_ends_[0], input_));
        set_nonblocking(input_);
    } else {
        child_ends_[0] = TRY(os::open("/dev/null", O_RDONLY));
    }
    TRY(make_pipe(sources_[0].fd, child_ends_[1]));
    TRY(make_pipe(sources_[1].fd, child_ends_[2]));
    return Stdio{child_ends_[0].get(), child_ends_[1].get(), child_ends_[2].get()};
}

void Session::launched(Fd terminal) {
    launched_ = true;
    for (auto& end : child_ends_) end.reset();
    if (terminal) {
        if (auto copy = terminal.duplicate()) input_ = copy.take();
        sources_[0].fd = std::move(terminal);
    }
    for (int index = 0; index < 2; ++index) {
        if (!sources_[index].fd) continue;
        set_nonblocking(sources_[index].fd);
        loop_.watch(sources_[index].fd, EPOLLIN, [this, index](std::uint32_t) { read_source(index); });
    }
    if (input_) {
        set_nonblocking(input_);
        loop_.watch(input_, 0, [this](std::uint32_t) { write_input(); });
        write_input();
    }
    throttle();
}

void Session::attach(Attachment attachment) {
    auto client = std::make_shared<Client>();
    client->keys = DetachKeys(attachment.detach_keys);
    client->input_open = attachment.input;
    auto typed = std::move(attachment.already_read);
    client->options = std::move(attachment);
    clients_.push_back(client);
    loop_.watch(client->options.stream, 0, [this, client](std::uint32_t events) { client_ready(client, events); });
    if (!typed.empty() && client->input_open) take_input(client, typed);
    if (client->options.stream) watch_client(client);
    settle();
}

Result<void> Session::resize(std::uint16_t rows, std::uint16_t columns) {
    if (!terminal_) return Error(Errc::Invalid, "resize: the process has no terminal");
    winsize size{rows, columns, 0, 0};
    if (sources_[0].fd && ::ioctl(sources_[0].fd.get(), TIOCSWINSZ, &size) < 0)
        return Error::from_errno(errno, "resize the terminal");
    return {};
}

void Session::read_source(int index) {
    auto& source = sources_[index];
    auto got = ::read(source.fd.get(), read_buffer, sizeof read_buffer);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    // A terminal without open slaves answers EIO: its end of file.
    if (got <= 0) return end_source(index);
    deliver(index, std::string_view(read_buffer, static_cast<std::size_t>(got)));
}

void Session::deliver(int index, std::string_view bytes) {
    if (log_) log_->add(index == 0 ? LogWriter::Stream::Output : LogWriter::Stream::Error, bytes, now_wall());
    // A broken stream is dropped while we go through them.
    for (auto client = clients_.begin(); client != clients_.end();) {
        auto current = *client++;
        if (!(index == 0 ? current->options.output : current->options.error) || current->ending) continue;
        queue_for(*current, index, bytes);
        if (!flush(*current))
            drop(current);
        else
            watch_client(current);
    }
    throttle();
}

void Session::queue_for(Client& client, int index, std::string_view bytes) {
    if (client.sent != 0) {
        client.queue.erase(0, client.sent);
        client.sent = 0;
    }
    if (!terminal_ && !client.options.raw) {
        auto size = static_cast<std::uint32_t>(bytes.size());
        const char header[8] = {static_cast<char>(index + 1),
                                0,
                                0,
                                0,
                                static_cast<char>(size >> 24),
                                static_cast<char>(size >> 16),
                                static_cast<char>(size >> 8),
                                static_cast<char>(size)};
        client.queue.append(header, sizeof header);
    }
    client.queue += bytes;
}

bool Session::flush(Client& client) {
    while (client.pending() > 0) {
        auto put = ::send(client.options.stream.get(), client.queue.data() + client.sent, client.pending(),
                          MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
        client.sent += static_cast<std::size_t>(put);
    }
    client.sent = 0;
    client.queue.clear();
    if (client.queue.capacity() > longest_input_queue) client.queue.shrink_to_fit();
    return true;
}

void Session::throttle() {
    bool full =
        std::any_of(clients_.begin(), clients_.end(), [](auto& client) { return client->pending() >= longest_queue; });
    for (auto& source : sources_)
        if (source.fd) loop_.change(source.fd, full && !ended_ ? 0U : static_cast<std::uint32_t>(EPOLLIN));
}

void Session::watch_client(const std::shared_ptr<Client>& client) {
    std::uint32_t events = EPOLLHUP;  // registers it: hang-ups are reported even when nothing is asked for
    if (client->pending() > 0) events |= EPOLLOUT;
    bool takes_input = client->input_open && input_queue_.size() < longest_input_queue;
    if (takes_input) events |= EPOLLIN;
    // Gone, but what it had typed is still to be read: looked at again when the process has taken some.
    if (client->hung_up && !takes_input) events = 0;
    loop_.change(client->options.stream, events);
}

void Session::client_ready(const std::shared_ptr<Client>& client, std::uint32_t events) {
    if ((events & EPOLLIN) != 0 && client->input_open) read_input(client);
    if (!client->options.stream) return;
    if ((events & EPOLLOUT) != 0 && !flush(*client)) return drop(client);
    // EPOLLHUP: both directions are closed. What was typed before comes first.
    if ((events & (EPOLLHUP | EPOLLERR)) != 0) client->hung_up = true;
    if (client->hung_up && !client->input_open) return drop(client);
    if (client->ending && client->pending() == 0) return drop(client);
    watch_client(client);
    throttle();
}

void Session::read_input(const std::shared_ptr<Client>& client) {
    auto got = ::recv(client->options.stream.get(), read_buffer, longest_input_queue / 4, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got < 0) return drop(client);
    if (got == 0) {
        // Only its sending side is closed as far as we know: output goes on.
        input_ended(*client);
        return;
    }
    take_input(client, std::string_view(read_buffer, static_cast<std::size_t>(got)));
}

void Session::take_input(const std::shared_ptr<Client>& client, std::string_view typed) {
    bool detached = client->keys.filter(typed, input_queue_);
    write_input();
    if (!detached) return;
    client->options.close_stdin_when_gone = false;  // the user left, the process is to live on
    client->input_open = false;
    client->ending = true;
    if (detached_) detached_();
    if (client->pending() == 0) drop(client);
}

void Session::input_ended(Client& client) {
    if (!client.input_open) return;
    client.input_open = false;
    input_queue_ += client.keys.held();
    if (client.options.close_stdin_when_gone && !terminal_) close_input_when_written_ = true;
    write_input();
}

void Session::drop(const std::shared_ptr<Client>& client) {
    auto found = std::find(clients_.begin(), clients_.end(), client);
    if (found == clients_.end()) return;
    auto keep = client;
    clients_.erase(found);
    input_ended(*keep);
    loop_.remove(keep->options.stream);
    // Closing a socket with unread input resets the connection, and the client might lose the end of the output.
    for (int i = 0; keep->ending && i < 64; ++i)
        if (::recv(keep->options.stream.get(), read_buffer, sizeof read_buffer, MSG_DONTWAIT) <= 0) break;
    // The daemon may hold another descriptor of this connection: end it, not only our copy.
    ::shutdown(keep->options.stream.get(), keep->ending ? SHUT_WR : SHUT_RDWR);
    keep->options.stream.reset();
    throttle();
    changed_();
}

void Session::write_input() {
    while (input_ && !input_queue_.empty()) {
        auto put = ::write(input_.get(), input_queue_.data(), input_queue_.size());
        if (put < 0 && errno == EINTR) continue;
        if (put < 0 && errno == EAGAIN) break;
        if (put < 0) {
            close_input();  // nobody reads it any more
            break;
        }
        input_queue_.erase(0, static_cast<std::size_t>(put));
    }
    // Without an input there is nowhere to put it; before the launch it waits.
    if ((launched_ && !input_) || ended_) input_queue_.clear();
    if (input_queue_.empty() && close_input_when_written_) close_input();
    if (input_) loop_.change(input_, input_queue_.empty() ? 0U : static_cast<std::uint32_t>(EPOLLOUT));
    for (auto& client : clients_) watch_client(client);
}

void Session::close_input() {
    if (!input_) return;
    loop_.remove(input_);
    input_.reset();
    input_queue_ = {};
}

void Session::process_ended() {
    ended_ = true;
    close_input();
    throttle();
    settle();
}

// Streams end once there is nothing more to come.
void Session::settle() {
    if (!ended_ || !output_ended()) return;
    for (auto client = clients_.begin(); client != clients_.end();) {
        auto current = *client++;
        current->ending = true;
        if (current->pending() == 0) drop(current);
    }
}

void Session::end_source(int index) {
    auto& source = sources_[index];
    loop_.remove(source.fd);
    source.fd.reset();
    if (log_) log_->end(index == 0 ? LogWriter::Stream::Output : LogWriter::Stream::Error, now_wall());
    settle();
    changed_();
}

void Session::abandon_output() {
    for (int index = 0; index < 2; ++index)
        if (sources_[index].fd) end_source(index);
}

}  // namespace pila::runtime
