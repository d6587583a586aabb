// SPDX-License-Identifier: Apache-2.0
#include "http/tls.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <algorithm>
#include <cerrno>
#include <climits>

#include <fmt/core.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/text.h"
#include "crypto/openssl.h"

namespace pila::http {

namespace {

using crypto::Deleter;
using Ssl = std::unique_ptr<SSL, Deleter<SSL_free>>;
using SslContext = std::unique_ptr<SSL_CTX, Deleter<SSL_CTX_free>>;
using BioMethod = std::unique_ptr<BIO_METHOD, Deleter<BIO_meth_free>>;

Error tls_error(Errc code, std::string_view doing) {
    std::string reason = "unknown reason";
    if (auto number = ERR_get_error()) {
        char text[256];
        ERR_error_string_n(number, text, sizeof text);
        // "error:0A000086:SSL routines::certificate verify failed": people need the last part only.
        std::string_view whole = text;
        auto at = whole.rfind(':');
        reason = printable(at == std::string_view::npos ? whole : whole.substr(at + 1));
    }
    ERR_clear_error();
    return Error(code, std::string(doing) + ": " + reason);
}

// OpenSSL's own socket BIO calls write(2), which raises SIGPIPE, and needs a non-blocking descriptor.
int descriptor(BIO* bio) { return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio))); }

int bio_write(BIO* bio, const char* bytes, int size) {
    BIO_clear_retry_flags(bio);
    auto sent = ::send(descriptor(bio), bytes, static_cast<std::size_t>(size), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
    return static_cast<int>(sent);
}

int bio_read(BIO* bio, char* buffer, int size) {
    BIO_clear_retry_flags(bio);
    auto got = ::recv(descriptor(bio), buffer, static_cast<std::size_t>(size), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
    if (got == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    return static_cast<int>(got);
}

long bio_control(BIO* bio, int command, long, void*) {
    if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) ? 1 : 0;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

const BIO_METHOD* socket_method() {
    static const BioMethod method = [] {
        BioMethod made(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket without signals"));
        BIO_meth_set_write(made.get(), bio_write);
        BIO_meth_set_read(made.get(), bio_read);
        BIO_meth_set_ctrl(made.get(), bio_control);
        BIO_meth_set_create(made.get(), [](BIO* bio) { return BIO_set_init(bio, 1), 1; });
        return made;
    }();
    return method.get();
}

// Over a socket that outlives it.
Result<Ssl> session_over(SSL_CTX* context, const Fd& socket) {
    Ssl ssl(SSL_new(context));
    BIO* bio = ssl ? BIO_new(socket_method()) : nullptr;
    if (!bio) return tls_error(Errc::Internal, "TLS connection");
    BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(socket.get())));
    SSL_set_bio(ssl.get(), bio, bio);
    return ssl;
}

std::shared_ptr<const ClientCertificate> named_by(X509& certificate) {
    auto named = std::make_shared<ClientCertificate>();
    const auto* name = X509_get_subject_name(&certificate);
    auto names = crypto::name_entries(name, NID_commonName);
    if (!names.empty()) named->common_name = names.front();
    named->organizations = crypto::name_entries(name, NID_organizationName);
    return named;
}

class OpenSslSession : public TlsSession {
public:
    OpenSslSession(Ssl ssl, bool verify) : ssl_(std::move(ssl)), verify_(verify) {}

    Result<Step> try_read(char* buffer, std::size_t size) override {
        ERR_clear_error();
        return after(SSL_read(ssl_.get(), buffer, clamp(size)), "read from TLS connection");
    }
    Result<Step> try_write(const char* bytes, std::size_t size) override {
        ERR_clear_error();
        return after(SSL_write(ssl_.get(), bytes, clamp(size)), "write to TLS connection");
    }
    Result<Step> try_handshake() {
        ERR_clear_error();
        return after(SSL_connect(ssl_.get()), "TLS handshake");
    }
    void goodbye() override {
        if (!broken_) SSL_shutdown(ssl_.get());
        ERR_clear_error();
    }
    bool has_buffered() const override { return SSL_pending(ssl_.get()) > 0; }
    bool is_established() const override { return SSL_is_init_finished(ssl_.get()) == 1; }
    std::shared_ptr<const ClientCertificate> client_certificate(bool& is_bad) override {
        if (!client_known_ && is_established()) {
            client_known_ = true;
            using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
            Certificate shown(SSL_get1_peer_certificate(ssl_.get()));
            if (shown && SSL_is_server(ssl_.get()) == 1) {
                client_is_bad_ = SSL_get_verify_result(ssl_.get()) != X509_V_OK;
                if (!client_is_bad_) client_ = named_by(*shown);
            }
        }
        is_bad = client_is_bad_;
        return client_;
    }
    SSL* get() const { return ssl_.get(); }

private:
    static int clamp(std::size_t size) { return static_cast<int>(std::min<std::size_t>(size, INT_MAX)); }

    Result<Step> after(int result, std::string_view doing) {
        if (result > 0) return Step{.bytes = static_cast<std::size_t>(result)};
        int os_errno = errno;
        switch (SSL_get_error(ssl_.get(), result)) {
            case SSL_ERROR_WANT_READ: return Step{.wait = POLLIN};
            case SSL_ERROR_WANT_WRITE: return Step{.wait = POLLOUT};
            case SSL_ERROR_ZERO_RETURN: return Step{.end = true};
            case SSL_ERROR_SYSCALL:
                broken_ = true;
                if (ERR_peek_error() != 0) return tls_error(Errc::Unavailable, doing);
                if (os_errno != 0) return Error::from_errno(os_errno, doing).with_code(Errc::Unavailable);
                return Error(Errc::Unavailable, std::string(doing) + ": connection closed");
            default: broken_ = true; return refused(doing);
        }
    }
    Error refused(std::string_view doing) const {
        if (SSL_is_server(ssl_.get()) == 1) {
            // What is not read when the socket closes would destroy the alert, or the answer: it says why.
            int socket = descriptor(SSL_get_wbio(ssl_.get()));
            char rest[4096];
            for (int pieces = 0; pieces < 64; ++pieces)
                if (::recv(socket, rest, sizeof rest, MSG_DONTWAIT) != sizeof rest) break;
            static constexpr std::string_view answer =
                "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
                "Client sent an HTTP request to an HTTPS server.\n";
            if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST)
                ::send(socket, answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        }
        auto verdict = SSL_get_verify_result(ssl_.get());
        if (verdict == X509_V_OK || !verify_) return tls_error(Errc::Unavailable, doing);
        ERR_clear_error();
        return Error(Errc::Denied,
                     std::string(doing) + ": certificate not trusted: " + X509_verify_cert_error_string(verdict));
    }

    Ssl ssl_;
    const bool verify_;
    std::shared_ptr<const ClientCertificate> client_;
    bool client_known_ = false, client_is_bad_ = false;
    bool broken_ = false;  // after a fatal error OpenSSL forbids SSL_shutdown
};

bool is_address(const std::string& host) {
    in6_addr address;
    return ::inet_pton(AF_INET, host.c_str(), &address) == 1 || ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

class OpenSslContext : public TlsContext {
public:
    OpenSslContext(SslContext context, bool verify, std::string name)
        : context_(std::move(context)), verify_(verify), name_(std::move(name)) {}

    Result<Channel> connect(Fd socket, const std::string& host, const Patience& patience) override {
        auto ssl = TRY(session_over(context_.get(), socket));
        TRY(name_peer(ssl.get(), name_.empty() ? host : name_));
        auto session = std::make_unique<OpenSslSession>(std::move(ssl), verify_);
        auto* handshake = session.get();
        Channel channel(std::move(socket), std::move(session));
        for (;;) {
            auto step = TRY(handshake->try_handshake().in("connect " + host));
            if (step.bytes > 0) return channel;
            if (step.end) return Error(Errc::Unavailable, "connect " + host + ": closed during TLS handshake");
            TRY(channel.wait(step.wait, patience).in("TLS handshake with " + host));
        }
    }

private:
    Result<void> name_peer(SSL* ssl, const std::string& host) const {
        bool address = is_address(host);
        // RFC 6066 section 3: addresses are not server names.
        if (!address && SSL_set_tlsext_host_name(ssl, host.c_str()) != 1)
            return tls_error(Errc::Invalid, "TLS name " + host);
        if (!verify_) return {};
        auto* parameters = SSL_get0_param(ssl);
        X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        bool set = address ? X509_VERIFY_PARAM_set1_ip_asc(parameters, host.c_str()) == 1
                           : SSL_set1_host(ssl, host.c_str()) == 1;
        if (!set) return tls_error(Errc::Invalid, "TLS name " + host);
        return {};
    }

    SslContext context_;
    const bool verify_;
    const std::string name_;  // "": as it is connected to
};

class OpenSslAcceptor : public TlsAcceptor {
public:
    OpenSslAcceptor(SslContext context, bool verify) : context_(std::move(context)), verify_(verify) {}
    Result<std::unique_ptr<TlsSession>> accept(const Fd& socket) override {
        auto ssl = TRY(session_over(context_.get(), socket));
        SSL_set_accept_state(ssl.get());
        return std::unique_ptr<TlsSession>(std::make_unique<OpenSslSession>(std::move(ssl), verify_));
    }

private:
    SslContext context_;
    const bool verify_;
};

Result<void> use_certificate(SSL_CTX* context, const std::string& certificate, const std::string& key,
                             const std::string& whose) {
    if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1)
        return tls_error(Errc::Invalid, fmt::format("load {} certificate {}", whose, certificate));
    if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return tls_error(Errc::Invalid, fmt::format("load {} key {}", whose, key));
    return {};
}

Result<SslContext> make_context(const SSL_METHOD* method) {
    ERR_clear_error();
    SslContext context(SSL_CTX_new(method));
    if (!context) return tls_error(Errc::Internal, "initialise TLS");
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_mode(context.get(),
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    return context;
}

}  // namespace

Result<std::shared_ptr<TlsAcceptor>> TlsAcceptor::create(const ServerTls& settings) {
    auto context = TRY(make_context(TLS_server_method()));
    SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    TRY(use_certificate(context.get(), settings.certificate, settings.key, "server"));
    bool verify = !settings.client_ca.empty();
    if (verify) {
        const auto* file = settings.client_ca.c_str();
        auto* names = SSL_load_client_CA_file(file);
        if (!names || SSL_CTX_load_verify_locations(context.get(), file, nullptr) != 1)
            return tls_error(Errc::Invalid, "load CA certificates " + settings.client_ca);
        SSL_CTX_set_client_CA_list(context.get(), names);
        // Optional: the verdict is kept for client_certificate().
        if (settings.clients_may_have_none)
            SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
        else
            SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
    // A session that is resumed was verified by the same server: OpenSSL wants that said.
    static constexpr unsigned char name[] = "pila";
    SSL_CTX_set_session_id_context(context.get(), name, sizeof name - 1);
    return std::shared_ptr<TlsAcceptor>(std::make_shared<OpenSslAcceptor>(std::move(context), verify));
}

// False: there is no certificate in it.
static bool trust(SSL_CTX* context, const std::string& certificates) {
    using Bio = std::unique_ptr<BIO, decltype(&::BIO_free)>;
    using Certificate = std::unique_ptr<X509, decltype(&::X509_free)>;
    Bio text(::BIO_new_mem_buf(certificates.data(), static_cast<int>(certificates.size())), ::BIO_free);
    bool any = false;
    while (text) {
        Certificate one(::PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr), ::X509_free);
        if (!one || X509_STORE_add_cert(SSL_CTX_get_cert_store(context), one.get()) != 1) break;
        any = true;
    }
    ERR_clear_error();  // the end of the text is one
    return any;
}

Result<std::shared_ptr<TlsContext>> TlsContext::for_client(const ClientOptions& options) {
    auto context = TRY(make_context(TLS_client_method()));
    SSL_CTX_set_verify(context.get(), options.verify_peer ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
    if (options.verify_peer) {
        bool loaded = !options.ca_certificates.empty() ? trust(context.get(), options.ca_certificates)
                      : options.ca_file.empty()
                          ? SSL_CTX_set_default_verify_paths(context.get()) == 1
                          : SSL_CTX_load_verify_locations(context.get(), options.ca_file.c_str(), nullptr) == 1;
        if (!loaded) return tls_error(Errc::Invalid, "load CA certificates " + options.ca_file);
    }
    if (!options.client_certificate.empty()) {
        const auto& key = options.client_key.empty() ? options.client_certificate : options.client_key;
        TRY(use_certificate(context.get(), options.client_certificate, key, "client"));
    }
    return std::shared_ptr<TlsContext>(
        std::make_shared<OpenSslContext>(std::move(context), options.verify_peer, options.server_name));
}

}  // namespace pila::http
