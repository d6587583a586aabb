// SPDX-License-Identifier: Apache-2.0
#include "os/net/netlink.h"

#include <cerrno>
#include <cstring>

#include <fmt/core.h>
#include <libmnl/libmnl.h>
#include <sys/socket.h>

#include "os/net/attributes_internal.h"

namespace pila::os::net {

static constexpr std::size_t max_message_bytes = 16U << 10;
static constexpr std::size_t messages_per_send = 100;  // their answers fit the default receive buffer
static constexpr int buffer_bytes = 32 << 20;          // a limit, not an allocation
static constexpr std::size_t receive_bytes = 64U << 10;

nlmsghdr* Batch::begin(std::uint16_t type, std::uint16_t flags, std::string doing, int tolerated) {
    // Room for a whole message now, so that nothing moves while it is filled in.
    std::size_t offset = messages_.empty() ? 0 : end_of(messages_.size() - 1);
    if (bytes_.size() < offset + max_message_bytes) bytes_.resize((offset + max_message_bytes) * 2);
    messages_.push_back({offset, std::move(doing), tolerated});
    auto* message = mnl_nlmsg_put_header(bytes_.data() + offset);
    message->nlmsg_type = type;
    message->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags | (atomic_ ? 0 : NLM_F_ACK));
    return message;
}

void* Batch::extra_header(std::size_t size) { return mnl_nlmsg_put_extra_header(current(), size); }

std::size_t Batch::end_of(std::size_t message) const {
    const auto* header = reinterpret_cast<const nlmsghdr*>(bytes_.data() + messages_[message].offset);
    return messages_[message].offset + MNL_ALIGN(header->nlmsg_len);
}

Result<NetlinkSocket> NetlinkSocket::open(int protocol) {
    Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
    if (!socket) return Error::from_errno(errno, "open netlink socket");
    return adopt(std::move(socket));
}

Result<NetlinkSocket> NetlinkSocket::adopt(Fd socket) {
    int on = 1;
    ::setsockopt(socket.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    ::setsockopt(socket.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUFFORCE, &buffer_bytes, sizeof buffer_bytes);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof buffer_bytes);
    sockaddr_nl local{};
    local.nl_family = AF_NETLINK;
    // EINVAL: bound already, by having sent something.
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&local), sizeof local) < 0 && errno != EINVAL)
        return Error::from_errno(errno, "bind netlink socket");
    return NetlinkSocket(std::move(socket));
}

Result<void> NetlinkSocket::send(const char* bytes, std::size_t size) {
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    while (::sendto(socket_.get(), bytes, size, 0, reinterpret_cast<sockaddr*>(&kernel), sizeof kernel) < 0)
        if (errno != EINTR) return Error::from_errno(errno, "send netlink message");
    return {};
}

Result<void> NetlinkSocket::run(Batch& batch) {
    if (batch.empty()) return {};
    Lock lock(*mutex_);
    if (batch.atomic_) return run_part(batch, 0, batch.size());
    Result<void> outcome;
    for (std::size_t first = 0; first < batch.size(); first += messages_per_send) {
        auto part = run_part(batch, first, std::min(first + messages_per_send, batch.size()));
        if (!part && outcome) outcome = std::move(part);
    }
    return outcome;
}

Result<void> NetlinkSocket::run_part(Batch& batch, std::size_t first, std::size_t last) {
    std::uint32_t first_sequence = sequence_;
    for (std::size_t i = first; i < last; ++i) {
        auto* header = reinterpret_cast<nlmsghdr*>(batch.bytes_.data() + batch.messages_[i].offset);
        header->nlmsg_seq = sequence_++;
        // The closing message of a transaction is never answered; the one before it stands for all.
        if (batch.atomic_ && i + 2 == last) header->nlmsg_flags |= NLM_F_ACK;
    }
    std::size_t begin = batch.messages_[first].offset;
    TRY(send(batch.bytes_.data() + begin, batch.end_of(last - 1) - begin));
    return collect(batch, first, last, first_sequence);
}

// The kernel's words for a refusal, when it has any.
static std::string_view extended_text(const nlmsghdr* answer) {
    if (!(answer->nlmsg_flags & NLM_F_ACK_TLVS)) return {};
    const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(answer));
    std::size_t offset = sizeof(nlmsgerr);
    if (!(answer->nlmsg_flags & NLM_F_CAPPED)) offset += error->msg.nlmsg_len - sizeof(nlmsghdr);
    for (const nlattr* attribute : Attributes(answer, offset)) {
        if (mnl_attr_get_type(attribute) != NLMSGERR_ATTR_MSG) continue;
        auto size = mnl_attr_get_payload_len(attribute);
        const auto* text = static_cast<const char*>(mnl_attr_get_payload(attribute));
        return {text, strnlen(text, size)};
    }
    return {};
}

Result<void> NetlinkSocket::collect(const Batch& batch, std::size_t first, std::size_t last,
                                    std::uint32_t first_sequence) {
    // The kernel has handled the request when sendto(2) returns, so every answer is already queued.
    receive_buffer_.resize(receive_bytes);
    Result<void> outcome;
    std::size_t answered = 0, expected = batch.atomic_ ? 1 : last - first;
    bool complete = false;
    while (!complete) {
        ssize_t size = ::recv(socket_.get(), receive_buffer_.data(), receive_buffer_.size(), MSG_DONTWAIT);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0 && errno == EAGAIN) break;
        if (size < 0) return Error::from_errno(errno, "receive netlink answer");
        int left = static_cast<int>(size);
        for (auto* answer = reinterpret_cast<const nlmsghdr*>(receive_buffer_.data()); mnl_nlmsg_ok(answer, left);
             answer = mnl_nlmsg_next(answer, &left)) {
            std::uint32_t position = answer->nlmsg_seq - first_sequence;
            if (answer->nlmsg_type != NLMSG_ERROR || position >= last - first) continue;  // of an earlier request
            const auto& message = batch.messages_[first + position];
            int code = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(answer))->error;
            ++answered;
            if (code == 0 || code == message.tolerated || !outcome) continue;
            auto words = extended_text(answer);
            outcome =
                Error::from_errno(code, words.empty() ? message.doing : fmt::format("{} ({})", message.doing, words));
        }
        complete = !batch.atomic_ && answered >= expected;
    }
    if (outcome && answered < expected) return Error(Errc::Internal, "netlink request was not answered");
    return outcome;
}

Result<void> NetlinkSocket::dump(Batch& batch, const std::function<void(const nlmsghdr*)>& each) {
    Lock lock(*mutex_);
    auto* request = batch.current();
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request->nlmsg_seq = sequence_++;
    const auto& doing = batch.messages_.back().doing;
    TRY(send(batch.bytes_.data() + batch.messages_.back().offset, request->nlmsg_len));
    receive_buffer_.resize(receive_bytes);
    for (;;) {
        ssize_t size = ::recv(socket_.get(), receive_buffer_.data(), receive_buffer_.size(), 0);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return Error::from_errno(errno, doing);
        int left = static_cast<int>(size);
        for (auto* answer = reinterpret_cast<const nlmsghdr*>(receive_buffer_.data()); mnl_nlmsg_ok(answer, left);
             answer = mnl_nlmsg_next(answer, &left)) {
            if (answer->nlmsg_seq != request->nlmsg_seq) continue;
            if (answer->nlmsg_type == NLMSG_DONE) return {};
            if (answer->nlmsg_type == NLMSG_ERROR) {
                int code = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(answer))->error;
                if (code == 0) return {};
                return Error::from_errno(code, doing);
            }
            each(answer);
        }
    }
}

}  // namespace pila::os::net
