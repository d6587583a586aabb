// SPDX-License-Identifier: Apache-2.0
#include "os/socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>

#include <fmt/core.h>

#include "os/file.h"

namespace pila::os {

static constexpr std::size_t max_message_bytes = 200U << 10;
static constexpr std::size_t max_message_fds = 16;

Result<std::pair<Fd, Fd>> message_socket_pair() {
    int fds[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
        return Error::from_errno(errno, "create socket pair");
    return std::pair{Fd(fds[0]), Fd(fds[1])};
}

namespace {

struct Address {
    sockaddr_un value{};
    Fd directory;  // keeps /proc/self/fd/N valid while the address is in use
};

Result<Address> address_of(const std::string& path) {
    Address address;
    address.value.sun_family = AF_UNIX;
    std::string shorter = path;
    if (path.size() >= sizeof address.value.sun_path) {
        auto slash = path.find_last_of('/');
        if (slash == std::string::npos) return Error(Errc::Invalid, "socket name too long: " + path);
        address.directory = TRY(open(path.substr(0, slash), O_PATH | O_DIRECTORY));
        shorter = fmt::format("/proc/self/fd/{}/{}", address.directory.get(), path.substr(slash + 1));
        if (shorter.size() >= sizeof address.value.sun_path)
            return Error(Errc::Invalid, "socket name too long: " + path);
    }
    std::memcpy(address.value.sun_path, shorter.c_str(), shorter.size() + 1);
    return address;
}

}  // namespace

Result<Fd> listen_unix(const std::string& path, int type, mode_t mode, int backlog) {
    auto address = TRY(address_of(path));
    Fd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    if (!socket) return Error::from_errno(errno, "create socket");
    // fchmod before bind sets the mode of the file that bind creates: never reachable with a wider one.
    if (::fchmod(socket.get(), mode) < 0) return Error::from_errno(errno, "mode of socket " + path);
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address.value), sizeof address.value) < 0)
        return Error::from_errno(errno, "bind " + path);
    if (::chmod(path.c_str(), mode) < 0) return Error::from_errno(errno, "mode of socket " + path);
    if (::listen(socket.get(), backlog) < 0) return Error::from_errno(errno, "listen on " + path);
    return socket;
}

Result<Fd> connect_unix(const std::string& path, int type) {
    auto address = TRY(address_of(path));
    Fd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    if (!socket) return Error::from_errno(errno, "create socket");
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address.value), sizeof address.value) < 0)
        return Error::from_errno(errno, "connect " + path);
    return socket;
}

Result<void> send_message(FdView socket, std::string_view bytes, const std::vector<int>& fds) {
    if (bytes.empty() || bytes.size() > max_message_bytes || fds.size() > max_message_fds)
        return Error(Errc::Internal, fmt::format("message of {} bytes and {} descriptors", bytes.size(), fds.size()));
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * max_message_fds)] = {};
    if (!fds.empty()) {
        header.msg_control = control;
        header.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
        auto* rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
        std::memcpy(CMSG_DATA(rights), fds.data(), sizeof(int) * fds.size());
    }
    while (::sendmsg(socket.get(), &header, MSG_NOSIGNAL) < 0)
        if (errno != EINTR) return Error::from_errno(errno, "send message");
    return {};
}

Result<Message> receive_message(FdView socket, int timeout_ms) {
    if (timeout_ms >= 0) {
        pollfd waiting{socket.get(), POLLIN, 0};
        int ready;
        while ((ready = ::poll(&waiting, 1, timeout_ms)) < 0)
            if (errno != EINTR) return Error::from_errno(errno, "wait for message");
        if (ready == 0) return Error(Errc::Timeout, fmt::format("no message within {} ms", timeout_ms));
    }
    // MSG_TRUNC makes recv return the real length of the next message, so the buffer fits it exactly.
    ssize_t size;
    while ((size = ::recv(socket.get(), nullptr, 0, MSG_PEEK | MSG_TRUNC)) < 0)
        if (errno != EINTR) return Error::from_errno(errno, "receive message");
    if (size == 0) return Error(Errc::Unavailable, "the other side closed the connection");
    Message message;
    message.bytes.resize(static_cast<std::size_t>(size));
    iovec part{message.bytes.data(), message.bytes.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * max_message_fds)];
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    ssize_t got;
    while ((got = ::recvmsg(socket.get(), &header, MSG_CMSG_CLOEXEC)) < 0)
        if (errno != EINTR) return Error::from_errno(errno, "receive message");
    message.bytes.resize(static_cast<std::size_t>(got));
    for (auto* item = CMSG_FIRSTHDR(&header); item; item = CMSG_NXTHDR(&header, item)) {
        if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS) continue;
        auto count = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd;
            std::memcpy(&fd, CMSG_DATA(item) + i * sizeof(int), sizeof fd);
            message.fds.emplace_back(fd);
        }
    }
    return message;
}

Result<PeerCredentials> peer_credentials(FdView socket) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
        return Error::from_errno(errno, "peer credentials");
    return PeerCredentials{credentials.pid, credentials.uid, credentials.gid};
}

}  // namespace pila::os
