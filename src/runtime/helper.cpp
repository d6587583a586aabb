// SPDX-License-Identifier: Apache-2.0
#include "runtime/helper.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "os/helper_protocol.h"

namespace helper = pila::os::helper;

namespace {

struct Helper {
    int home = -1;  // the namespace the daemon lives in
    int received = -1;
    int answer_fds[2];
    int answer_count = 0;
    const char* step = "";
};

int fail(Helper& state, const char* step) {
    state.step = step;
    return errno ? errno : EIO;
}

int write_sysctl(const char* path, const char* value) {
    int fd = ::open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return errno;
    ssize_t size = static_cast<ssize_t>(std::strlen(value));
    int error = ::write(fd, value, static_cast<std::size_t>(size)) == size ? 0 : errno;
    ::close(fd);
    return error;
}

// The loopback link of every namespace has index 1.
int bring_up_loopback(int netlink) {
    struct {
        nlmsghdr header;
        ifinfomsg link;
    } request{};
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = RTM_NEWLINK;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    request.link.ifi_index = 1;
    request.link.ifi_flags = request.link.ifi_change = IFF_UP;
    if (::send(netlink, &request, sizeof request, 0) < 0) return errno;
    alignas(nlmsghdr) char answer[1024];
    ssize_t size = ::recv(netlink, answer, sizeof answer, 0);
    if (size < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(nlmsgerr)))) return size < 0 ? errno : EPROTO;
    nlmsgerr result;
    std::memcpy(&result, answer + NLMSG_HDRLEN, sizeof result);
    return -result.error;
}

int open_netlink(Helper& state) {
    int netlink = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (netlink >= 0) state.answer_fds[state.answer_count++] = netlink;
    return netlink;
}

// What Docker sets for containers, and no IPv6 on links to come (lo keeps ::1): the daemon turns it on for the links
// that have an IPv6 network. A kernel without one of them does without it.
void set_namespace_defaults() {
    write_sysctl("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
    write_sysctl("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
    write_sysctl("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
}

// A network namespace that belongs to a user namespace can only be made from within that, and nobody comes back from
// there: a child makes it and is asked for it.
int unshare_within(Helper& state) {
    int answer[2];
    if (::pipe2(answer, O_CLOEXEC) < 0) return fail(state, "make a pipe");
    pid_t child = ::fork();
    if (child == 0) {
        int error = ::setns(state.received, CLONE_NEWUSER) < 0 || ::unshare(CLONE_NEWNET) < 0 ? errno : 0;
        if (::write(answer[1], &error, sizeof error) != sizeof error) ::_exit(1);
        ::pause();
        ::_exit(0);
    }
    ::close(answer[1]);
    int error = child < 0 ? errno : EPIPE;
    if (child > 0 && ::read(answer[0], &error, sizeof error) == sizeof error && error == 0) {
        char path[40];
        std::snprintf(path, sizeof path, "/proc/%d/ns/net", child);
        int space = ::open(path, O_RDONLY | O_CLOEXEC);
        if (space >= 0) state.answer_fds[state.answer_count++] = space;
        error = space < 0 || ::setns(space, CLONE_NEWNET) < 0 ? errno : 0;
    }
    ::close(answer[0]);
    if (child > 0) {
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
    }
    errno = error;
    return error ? fail(state, "make a network namespace in a user namespace") : 0;
}

int unshare_here(Helper& state) {
    if (::unshare(CLONE_NEWNET) < 0) return fail(state, "make a network namespace");
    int space = ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (space < 0) return fail(state, "open the new network namespace");
    state.answer_fds[state.answer_count++] = space;
    PILA_CRASHPOINT("helper.namespace.made");
    return 0;
}

int new_namespace(Helper& state) {
    int error = state.received >= 0 ? unshare_within(state) : unshare_here(state);
    if (error) return error;
    int netlink = open_netlink(state);
    if (netlink < 0) return fail(state, "open netlink socket");
    errno = bring_up_loopback(netlink);
    if (errno) return fail(state, "bring up lo");
    set_namespace_defaults();
    return 0;
}

int open_socket(Helper& state, const helper::Request& request) {
    int type = request.type | SOCK_CLOEXEC;
    int socket = ::socket(request.domain, type, request.protocol);
    if (socket < 0) return fail(state, "create socket");
    state.answer_fds[state.answer_count++] = socket;
    PILA_CRASHPOINT("helper.socket.made");
    int on = 1;
    if (request.reuse_address) ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (request.address_size &&
        ::bind(socket, reinterpret_cast<const sockaddr*>(request.address), request.address_size) < 0)
        return fail(state, "bind socket");
    if (request.backlog > 0 && ::listen(socket, request.backlog) < 0) return fail(state, "listen on socket");
    return 0;
}

int write_namespace_sysctl(Helper& state, const helper::Request& request) {
    char path[sizeof request.path + 16];
    // Only what belongs to the namespace; "..", too, would lead out of it.
    if (std::strncmp(request.path, "net/", 4) != 0 || std::strstr(request.path, "..")) {
        errno = EINVAL;
        return fail(state, "name of sysctl");
    }
    std::snprintf(path, sizeof path, "/proc/sys/%s", request.path);
    errno = write_sysctl(path, request.value);
    return errno ? fail(state, "write sysctl") : 0;
}

int enter_and(Helper& state, const helper::Request& request) {
    if (state.received < 0 || ::setns(state.received, CLONE_NEWNET) < 0) return fail(state, "enter network namespace");
    switch (request.operation) {
        case helper::Operation::OpenSocket: return open_socket(state, request);
        case helper::Operation::WriteSysctl: return write_namespace_sysctl(state, request);
        case helper::Operation::Join: return open_netlink(state) < 0 ? fail(state, "open netlink socket") : 0;
        default: errno = ENOSYS; return fail(state, "unknown request");
    }
}

// false: the daemon is gone.
bool receive(Helper& state, helper::Request& request) {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    iovec part{&request, sizeof request};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t size;
    while ((size = ::recvmsg(helper::socket_fd, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) {
    }
    if (size <= 0) return false;
    auto* rights = CMSG_FIRSTHDR(&message);
    if (rights && rights->cmsg_type == SCM_RIGHTS && rights->cmsg_len == CMSG_LEN(sizeof(int)))
        std::memcpy(&state.received, CMSG_DATA(rights), sizeof(int));
    if (size != sizeof request) request.magic = 0;
    request.path[sizeof request.path - 1] = request.value[sizeof request.value - 1] = '\0';
    if (request.address_size > sizeof request.address) request.address_size = 0;
    return true;
}

bool answer(Helper& state, std::uint64_t sequence, int error) {
    helper::Reply reply{};
    reply.magic = helper::magic;
    reply.error = error;
    reply.sequence = sequence;
    std::strncpy(reply.step, state.step, sizeof reply.step - 1);
    int count = error ? 0 : state.answer_count;
    alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = {};
    iovec part{&reply, sizeof reply};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (count) {
        std::size_t bytes = sizeof(int) * static_cast<std::size_t>(count);
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(bytes);
        auto* rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(bytes);
        std::memcpy(CMSG_DATA(rights), state.answer_fds, bytes);
    }
    ssize_t sent;
    while ((sent = ::sendmsg(helper::socket_fd, &message, MSG_NOSIGNAL)) < 0 && errno == EINTR) {
    }
    return sent >= 0;
}

}  // namespace

int helper_main(int, char**) {
    ::prctl(PR_SET_NAME, "pila-helper");
    Helper state;
    state.home = ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (state.home < 0) {
        std::perror("pila-runtime helper: open own network namespace");
        return 1;
    }
    helper::Request request;
    while (receive(state, request)) {
        PILA_CRASHPOINT("helper.received");
        int error = EPROTO;
        errno = 0;
        if (request.magic == helper::magic)
            error =
                request.operation == helper::Operation::NewNamespace ? new_namespace(state) : enter_and(state, request);
        // Staying in a container's namespace would keep it alive, and a failure here leaves no safe state.
        if (::setns(state.home, CLONE_NEWNET) < 0) return 1;
        PILA_CRASHPOINT("helper.before-answer");
        bool delivered = answer(state, request.sequence, error);
        for (int i = 0; i < state.answer_count; ++i) ::close(state.answer_fds[i]);
        if (state.received >= 0) ::close(state.received);
        state.received = -1;
        state.answer_count = 0;
        state.step = "";
        PILA_CRASHPOINT("helper.answered");
        if (!delivered) return 0;
    }
    return 0;
}
