// SPDX-License-Identifier: Apache-2.0
#include "network/dns_server.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <thread>
#include <unordered_map>

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/random.h"
#include "network/dns_message.h"
#include "network/dns_sockets.h"
#include "network/resolv_conf.h"

namespace pila::network {

namespace {

using os::net::IpAddress;
using os::net::SocketAddress;
using Clock = std::chrono::steady_clock;

constexpr std::uint16_t dns_port = 53;
constexpr auto server_timeout = std::chrono::milliseconds(2000);  // then the next one is asked
constexpr auto query_timeout = std::chrono::seconds(5);           // what resolvers in containers wait
constexpr auto connection_timeout = std::chrono::seconds(10);
constexpr std::size_t max_under_way = 2048, max_under_way_each = 256, max_connections_each = 32;
constexpr int datagrams_per_turn = 32;
constexpr std::size_t max_datagram = 4096;  // queries are far smaller

struct Client {
    DnsClient settings;
    DnsSockets sockets;
    std::atomic<bool> forward{true};
    std::size_t under_way = 0, connections = 0;  // the serving thread's
};
using ClientPtr = std::shared_ptr<Client>;

// A stream with length-prefixed messages, either side.
struct Stream {
    Fd socket;
    std::string in, out;
};

struct Connection {  // of a container
    ClientPtr client;
    Stream stream;
    Clock::time_point deadline;
};

struct Forwarded {  // a query that somebody else has to answer
    ClientPtr client;
    dns::Query query;
    std::string message;
    sockaddr_storage from{};  // UDP
    socklen_t from_size = 0;
    std::uint64_t connection = 0;  // TCP
    std::vector<IpAddress> servers;
    std::size_t next_server = 0;
    std::uint16_t upstream_id = 0;
    Stream upstream;  // one datagram or stream socket per server asked
    Clock::time_point deadline, give_up;
    bool tcp() const { return connection != 0; }
};

class Server final : public DnsServer {
public:
    Server(HelperClient& helper, const NameTable& names) : helper_(helper), names_(names) {}
    ~Server() override;

    Result<void> serve(const DnsClient& client, FdView space) override;
    void set_forwarding(const std::string& container_id, bool forward) override;
    void stop(const std::string& container_id) override;
    bool serves(const std::string& container_id) const override;

private:
    enum class Kind : std::uint64_t { Wake, Datagrams, Listener, Connection, Upstream };
    static std::uint64_t tag(Kind kind, std::uint64_t id) { return static_cast<std::uint64_t>(kind) << 56 | id; }

    Result<void> start() REQUIRES(mutex_);
    void run();
    int next_timeout() const;
    void expire();
    void handle(const epoll_event& event);
    bool watch(int fd, std::uint32_t events, std::uint64_t data, int operation = EPOLL_CTL_ADD);
    ClientPtr client(std::uint64_t id) const;

    void read_datagrams(const ClientPtr& client);
    void accept_connections(const ClientPtr& client);
    void serve_connection(std::uint64_t id, std::uint32_t events);
    void close_connection(std::uint64_t id);
    void answer_connection(std::uint64_t id, const std::string& message);

    std::optional<dns::Answers> answer_locally(const Client& client, const dns::Query& query) const;
    void forward(Forwarded query);
    bool ask_next(std::uint64_t id, Forwarded& query);
    void upstream_ready(std::uint64_t id, std::uint32_t events);
    std::optional<std::string> read_upstream(Forwarded& query, bool& failed);
    void finish(std::uint64_t id, const std::string& message);
    void reply(Forwarded& query, const std::string& message);

    HelperClient& helper_;
    const NameTable& names_;
    Fd epoll_, wake_;
    std::atomic<bool> stopping_{false};

    mutable Mutex mutex_;
    std::unordered_map<std::string, std::uint64_t> by_container_ GUARDED_BY(mutex_);
    std::unordered_map<std::uint64_t, ClientPtr> clients_ GUARDED_BY(mutex_);
    std::uint64_t next_client_ GUARDED_BY(mutex_) = 1;
    std::thread thread_;

    // The serving thread's alone.
    std::map<std::uint64_t, Connection> connections_;
    std::map<std::uint64_t, Forwarded> forwarded_;
    std::uint64_t next_id_ = 1;
    HostResolvers resolvers_;
};

Server::~Server() {
    stopping_ = true;
    if (!thread_.joinable()) return;
    std::uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one);
    thread_.join();
}

bool Server::watch(int fd, std::uint32_t events, std::uint64_t data, int operation) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = data;
    return ::epoll_ctl(epoll_.get(), operation, fd, &event) == 0;
}

Result<void> Server::start() {
    if (thread_.joinable()) return {};
    epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
    wake_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!epoll_ || !wake_ || !watch(wake_.get(), EPOLLIN, tag(Kind::Wake, 0)))
        return Error::from_errno(errno, "prepare name server");
    thread_ = std::thread([this] {
        ::pthread_setname_np(::pthread_self(), "net-dns");
        run();
    });
    return {};
}

Result<void> Server::serve(const DnsClient& settings, FdView space) {
    auto client = std::make_shared<Client>();
    client->settings = settings;
    client->forward = settings.forward;
    client->sockets = TRY(open_dns_sockets(helper_, space));
    stop(settings.container_id);
    Lock lock(mutex_);
    TRY(start());
    auto id = next_client_++;
    clients_[id] = client;
    by_container_[settings.container_id] = id;
    if (!watch(client->sockets.udp.get(), EPOLLIN, tag(Kind::Datagrams, id)) ||
        !watch(client->sockets.tcp.get(), EPOLLIN, tag(Kind::Listener, id)))
        return Error::from_errno(errno, "watch name server sockets");
    return {};
}

void Server::set_forwarding(const std::string& container_id, bool forward) {
    Lock lock(mutex_);
    auto found = by_container_.find(container_id);
    if (found != by_container_.end()) clients_.at(found->second)->forward = forward;
}

void Server::stop(const std::string& container_id) {
    ClientPtr last;  // closed behind the lock: the last close may end a namespace
    Lock lock(mutex_);
    auto found = by_container_.find(container_id);
    if (found == by_container_.end()) return;
    last = clients_.at(found->second);
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, last->sockets.udp.get(), nullptr);
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, last->sockets.tcp.get(), nullptr);
    clients_.erase(found->second);
    by_container_.erase(found);
}

bool Server::serves(const std::string& container_id) const {
    Lock lock(mutex_);
    return by_container_.contains(container_id);
}

ClientPtr Server::client(std::uint64_t id) const {
    Lock lock(mutex_);
    auto found = clients_.find(id);
    return found == clients_.end() ? nullptr : found->second;
}

void Server::run() {
    epoll_event events[64];
    while (!stopping_) {
        int count = ::epoll_wait(epoll_.get(), events, 64, next_timeout());
        if (count < 0 && errno != EINTR) {
            log::error("network: name server: {}", std::strerror(errno));
            return;
        }
        for (int i = 0; i < count; ++i) handle(events[i]);
        expire();
    }
}

int Server::next_timeout() const {
    auto next = Clock::time_point::max();
    for (const auto& [id, query] : forwarded_) next = std::min(next, query.deadline);
    for (const auto& [id, connection] : connections_) next = std::min(next, connection.deadline);
    if (next == Clock::time_point::max()) return -1;
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(next - Clock::now()).count() + 1;
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 10'000));
}

void Server::expire() {
    auto now = Clock::now();
    std::vector<std::uint64_t> late_queries, late_connections;
    for (const auto& [id, query] : forwarded_)
        if (query.deadline <= now) late_queries.push_back(id);
    for (const auto& [id, connection] : connections_)
        if (connection.deadline <= now) late_connections.push_back(id);
    for (auto id : late_queries) {
        auto found = forwarded_.find(id);
        if (!ask_next(id, found->second)) finish(id, "");
    }
    for (auto id : late_connections) close_connection(id);
}

void Server::handle(const epoll_event& event) {
    auto kind = static_cast<Kind>(event.data.u64 >> 56);
    std::uint64_t id = event.data.u64 & ~(0xffULL << 56);
    if (kind == Kind::Connection) return serve_connection(id, event.events);
    if (kind == Kind::Upstream) return upstream_ready(id, event.events);
    if (kind == Kind::Wake) return;
    auto owner = client(id);
    if (!owner) return;
    if (kind == Kind::Datagrams)
        read_datagrams(owner);
    else
        accept_connections(owner);
}

std::optional<dns::Answers> Server::answer_locally(const Client& client, const dns::Query& query) const {
    if (query.klass != dns::class_in) return std::nullopt;
    const auto& asker = client.settings.container_id;
    dns::Answers answers;
    if (query.type == dns::type_ptr) {
        auto address = dns::reverse_address(query.name);
        auto name = address ? names_.reverse(asker, *address) : std::nullopt;
        if (!name) return std::nullopt;
        answers.pointer = *name;
        return answers;
    }
    auto found = names_.lookup(asker, query.name);
    if (!found) return std::nullopt;
    // A name of ours without an address of this kind exists all the same: an empty answer, nobody else is asked.
    if (query.type == dns::type_a || query.type == dns::type_any)
        answers.addresses.insert(answers.addresses.end(), found->ipv4.begin(), found->ipv4.end());
    if (query.type == dns::type_aaaa || query.type == dns::type_any)
        answers.addresses.insert(answers.addresses.end(), found->ipv6.begin(), found->ipv6.end());
    if (answers.addresses.size() > 1)
        std::rotate(answers.addresses.begin(),
                    answers.addresses.begin() + static_cast<std::ptrdiff_t>(random_number(answers.addresses.size())),
                    answers.addresses.end());
    return answers;
}

void Server::read_datagrams(const ClientPtr& client) {
    char buffer[max_datagram];
    for (int i = 0; i < datagrams_per_turn; ++i) {
        Forwarded query;
        query.from_size = sizeof query.from;
        ssize_t size = ::recvfrom(client->sockets.udp.get(), buffer, sizeof buffer, MSG_TRUNC,
                                  reinterpret_cast<sockaddr*>(&query.from), &query.from_size);
        if (size < 0) return;
        if (static_cast<std::size_t>(size) > sizeof buffer) continue;
        query.message.assign(buffer, static_cast<std::size_t>(size));
        auto parsed = dns::parse_query(query.message);
        if (!parsed) continue;
        query.client = client;
        query.query = std::move(*parsed);
        if (auto answers = answer_locally(*client, query.query))
            reply(query, dns::make_answer(query.query, *answers, query.query.udp_size));
        else
            forward(std::move(query));
    }
}

// The answer, or (nobody answered) a failure.
void Server::reply(Forwarded& query, const std::string& message) {
    const std::string& out =
        message.empty() ? dns::make_answer(query.query, {dns::Code::ServerFailure, {}, {}}, dns::max_message) : message;
    if (query.tcp()) return answer_connection(query.connection, out);
    bool fits = out.size() <= query.query.udp_size;
    const std::string& sent = fits ? out : dns::truncated_answer(query.query);
    ::sendto(query.client->sockets.udp.get(), sent.data(), sent.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
             reinterpret_cast<sockaddr*>(&query.from), query.from_size);
}

void Server::forward(Forwarded query) {
    bool allowed =
        query.client->forward && query.client->under_way < max_under_way_each && forwarded_.size() < max_under_way;
    if (allowed)
        query.servers = query.client->settings.servers.empty() ? resolvers_.current() : query.client->settings.servers;
    if (query.servers.empty()) return reply(query, "");
    query.give_up = Clock::now() + query_timeout;
    auto id = next_id_++;
    ++query.client->under_way;
    auto entry = forwarded_.emplace(id, std::move(query)).first;
    if (!ask_next(id, entry->second)) finish(id, "");
}

// false: there is nobody left to ask, or no time.
bool Server::ask_next(std::uint64_t id, Forwarded& query) {
    auto now = Clock::now();
    while (query.next_server < query.servers.size() && now < query.give_up) {
        const auto& server = query.servers[query.next_server++];
        bool last = query.next_server == query.servers.size();
        // A socket of its own per question: the source port is as hard to guess as the id.
        int type = query.tcp() ? SOCK_STREAM : SOCK_DGRAM;
        query.upstream = {};
        query.upstream.socket = Fd(::socket(static_cast<int>(server.family()), type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        auto to = SocketAddress::of(server, dns_port);
        if (!query.upstream.socket) return false;
        if (::connect(query.upstream.socket.get(), to.get(), to.size) < 0 && errno != EINPROGRESS) continue;
        query.upstream_id = static_cast<std::uint16_t>(random_number(65536));
        dns::set_id(query.message, query.upstream_id);
        query.deadline = last ? query.give_up : std::min(query.give_up, now + server_timeout);
        if (query.tcp()) {
            auto size = query.message.size();
            query.upstream.out = {static_cast<char>(size >> 8), static_cast<char>(size & 0xff)};
            query.upstream.out += query.message;
        } else if (::send(query.upstream.socket.get(), query.message.data(), query.message.size(), MSG_NOSIGNAL) < 0) {
            continue;
        }
        std::uint32_t events = query.tcp() ? EPOLLIN | EPOLLOUT : EPOLLIN;
        if (watch(query.upstream.socket.get(), events, tag(Kind::Upstream, id))) return true;
    }
    return false;
}

// One whole message from a stream, length prefix taken off.
std::optional<std::string> take_message(std::string& in) {
    if (in.size() < 2) return std::nullopt;
    std::size_t size =
        static_cast<std::size_t>(static_cast<std::uint8_t>(in[0])) << 8 | static_cast<std::uint8_t>(in[1]);
    if (in.size() < 2 + size) return std::nullopt;
    std::string message = in.substr(2, size);
    in.erase(0, 2 + size);
    return message;
}

// false: closed or broken.
bool read_stream(Stream& stream, std::size_t limit) {
    char buffer[8192];
    for (;;) {
        ssize_t size = ::recv(stream.socket.get(), buffer, sizeof buffer, 0);
        if (size < 0) return errno == EAGAIN || errno == EINTR;
        if (size == 0) return false;
        stream.in.append(buffer, static_cast<std::size_t>(size));
        if (stream.in.size() > limit) return false;
    }
}

bool write_stream(Stream& stream) {
    while (!stream.out.empty()) {
        ssize_t size = ::send(stream.socket.get(), stream.out.data(), stream.out.size(), MSG_NOSIGNAL);
        if (size < 0) return errno == EAGAIN || errno == EINTR;
        stream.out.erase(0, static_cast<std::size_t>(size));
    }
    return true;
}

std::optional<std::string> Server::read_upstream(Forwarded& query, bool& failed) {
    if (query.tcp()) {
        bool open = write_stream(query.upstream) && read_stream(query.upstream, dns::max_message + 2);
        auto message = take_message(query.upstream.in);
        failed = !message && !open;
        return message;
    }
    char buffer[dns::max_message];
    ssize_t size = ::recv(query.upstream.socket.get(), buffer, sizeof buffer, 0);
    failed = size < 0 && errno != EAGAIN && errno != EINTR;
    if (size < 0) return std::nullopt;
    return std::string(buffer, static_cast<std::size_t>(size));
}

void Server::upstream_ready(std::uint64_t id, std::uint32_t events) {
    auto found = forwarded_.find(id);
    if (found == forwarded_.end()) return;
    auto& query = found->second;
    bool failed = false;
    auto message = read_upstream(query, failed);
    if (message && dns::answers_query(*message, query.upstream_id, query.query)) {
        dns::set_id(*message, query.query.id);
        return finish(id, *message);
    }
    // Something else arrived (a forged answer, perhaps): the true one may still come.
    if (failed || (events & (EPOLLERR | EPOLLHUP) && !query.tcp())) {
        if (!ask_next(id, query)) finish(id, "");
        return;
    }
    if (query.tcp() && query.upstream.out.empty())
        watch(query.upstream.socket.get(), EPOLLIN, tag(Kind::Upstream, id), EPOLL_CTL_MOD);
}

void Server::finish(std::uint64_t id, const std::string& message) {
    auto found = forwarded_.find(id);
    if (found == forwarded_.end()) return;
    Forwarded query = std::move(found->second);
    forwarded_.erase(found);
    --query.client->under_way;
    reply(query, message);
}

void Server::accept_connections(const ClientPtr& client) {
    for (;;) {
        Fd socket(::accept4(client->sockets.tcp.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!socket) return;
        if (client->connections >= max_connections_each) continue;
        auto id = next_id_++;
        if (!watch(socket.get(), EPOLLIN, tag(Kind::Connection, id))) continue;
        ++client->connections;
        connections_.emplace(id, Connection{client, {std::move(socket), {}, {}}, Clock::now() + connection_timeout});
    }
}

void Server::close_connection(std::uint64_t id) {
    auto found = connections_.find(id);
    if (found == connections_.end()) return;
    --found->second.client->connections;
    connections_.erase(found);
}

void Server::serve_connection(std::uint64_t id, std::uint32_t events) {
    auto found = connections_.find(id);
    if (found == connections_.end()) return;
    auto& connection = found->second;
    bool open = !(events & EPOLLOUT) || write_stream(connection.stream);
    open = open && read_stream(connection.stream, dns::max_message + 2);
    while (auto message = take_message(connection.stream.in)) {
        auto parsed = dns::parse_query(*message);
        if (!parsed) return close_connection(id);
        Forwarded query;
        query.client = connection.client;
        query.query = std::move(*parsed);
        query.message = std::move(*message);
        query.connection = id;
        connection.deadline = Clock::now() + connection_timeout;
        if (auto answers = answer_locally(*query.client, query.query))
            reply(query, dns::make_answer(query.query, *answers, dns::max_message));
        else
            forward(std::move(query));
        if (!connections_.contains(id)) return;
    }
    if (!open) close_connection(id);
}

void Server::answer_connection(std::uint64_t id, const std::string& message) {
    auto found = connections_.find(id);
    if (found == connections_.end()) return;
    auto& stream = found->second.stream;
    // A client that asks and never reads is no client.
    if (stream.out.size() > 4 * dns::max_message) return close_connection(id);
    stream.out.push_back(static_cast<char>(message.size() >> 8));
    stream.out.push_back(static_cast<char>(message.size() & 0xff));
    stream.out += message;
    if (!write_stream(stream)) return close_connection(id);
    watch(stream.socket.get(), stream.out.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT, tag(Kind::Connection, id),
          EPOLL_CTL_MOD);
}

}  // namespace

std::unique_ptr<DnsServer> DnsServer::create(HelperClient& helper, const NameTable& names) {
    return std::make_unique<Server>(helper, names);
}

}  // namespace pila::network
