// SPDX-License-Identifier: Apache-2.0
#include "http/head.h"

#include <algorithm>
#include <ctime>

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/status.hpp>

#include "base/text.h"
#include "http/text.h"

namespace pila::http {

namespace beast = boost::beast;
using beast::error_code;

bool is_token(std::string_view text) {
    constexpr std::string_view others = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
        return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || others.find(c) != others.npos;
    });
}

bool is_field_value(std::string_view text) {
    return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

bool list_has(std::string_view list, std::string_view member) {
    for (auto item : split(list, ','))
        if (same_name(trim(item), member)) return true;
    return false;
}

std::size_t head_size(std::string_view bytes, std::size_t seen) {
    auto at = bytes.find("\r\n\r\n", seen < 3 ? 0 : seen - 3);
    return at == std::string_view::npos ? 0 : at + 4;
}

namespace {

// What both kinds of head have in common, collected as the parser calls back.
struct Collected {
    Headers headers;
    std::string first, second;  // method and target
    int status = 0, version = 11;
    int lengths = 0, codings = 0, hosts = 0;
    std::uint64_t length = 0;
    bool bad_coding = false, bad_length = false;
    bool close = false, keep = false, expects_continue = false;

    void field(beast::http::field known, std::string_view name, std::string_view value) {
        using beast::http::field;
        switch (known) {
            case field::content_length: {
                ++lengths;
                auto number = parse_uint(value);
                bad_length = bad_length || !number || value.empty();
                length = number.value_or(0);
                break;
            }
            case field::transfer_encoding:
                ++codings;
                bad_coding = bad_coding || !same_name(value, "chunked");
                break;
            case field::connection:
                close = close || list_has(value, "close");
                keep = keep || list_has(value, "keep-alive");
                break;
            case field::host: ++hosts; break;
            case field::expect: expects_continue = same_name(value, "100-continue"); break;
            default: break;
        }
        headers.add(std::string(name), std::string(value));
    }
};

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

template <bool IsRequest>
class HeadParser : public beast::http::basic_parser<IsRequest> {
public:
    explicit HeadParser(Collected& into) : into_(into) {}

private:
    using Text = beast::string_view;
    void on_request_impl(beast::http::verb, Text method, Text target, int version, error_code&) override {
        into_.first = view(method);
        into_.second = view(target);
        into_.version = version;
    }
    void on_response_impl(int status, Text, int version, error_code&) override {
        into_.status = status;
        into_.version = version;
    }
    void on_field_impl(beast::http::field known, Text name, Text value, error_code&) override {
        into_.field(known, view(name), view(value));
    }
    void on_header_impl(error_code&) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
    std::size_t on_body_impl(Text body, error_code&) override { return body.size(); }
    void on_chunk_header_impl(std::uint64_t, Text, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, Text body, error_code&) override { return body.size(); }
    void on_finish_impl(error_code&) override {}

    Collected& into_;
};

template <bool IsRequest>
Result<Collected> collect(std::string_view bytes) {
    Collected collected;
    HeadParser<IsRequest> parser(collected);
    parser.header_limit(static_cast<std::uint32_t>(bytes.size() + 1));
    parser.body_limit(boost::none);
    error_code error;
    auto used = parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
    if (error)
        return Error(Errc::Invalid,
                     "malformed " + std::string(IsRequest ? "request" : "response") + ": " + error.message());
    if (used != bytes.size() || !parser.is_header_done()) return Error(Errc::Invalid, "malformed header");
    return collected;
}

// RFC 3986 section 3.3. Dot segments are refused rather than resolved: no honest client sends them.
Result<void> check_path(std::string_view path) {
    if (path.find('\0') != std::string_view::npos) return Error(Errc::Invalid, "request target with a NUL byte");
    for (auto segment : split(path, '/'))
        if (segment == "." || segment == "..") return Error(Errc::Invalid, "request target with a dot segment");
    return {};
}

Result<void> split_target(RequestHead& head) {
    std::string_view target = head.target;
    if (head.method == "OPTIONS" && target == "*") {
        head.path = "*";
        return {};
    }
    if (auto scheme = target.find("://"); scheme != std::string_view::npos && target.front() != '/') {
        auto slash = target.find('/', scheme + 3);
        target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
    }
    if (target.empty() || target.front() != '/') return Error(Errc::Invalid, "request target is not a path");
    target = target.substr(0, target.find('#'));
    auto mark = target.find('?');
    if (mark != std::string_view::npos) head.query = target.substr(mark + 1);
    auto path = percent_decode(target.substr(0, mark));
    if (!path) return Error(Errc::Invalid, "request target with a malformed escape");
    TRY(check_path(*path));
    head.path = std::move(*path);
    return {};
}

}  // namespace

Result<RequestHead> parse_request_head(std::string_view bytes) {
    auto collected = TRY(collect<true>(bytes));
    RequestHead head;
    head.method = std::move(collected.first);
    head.target = std::move(collected.second);
    head.minor_version = collected.version - 10;
    head.headers = std::move(collected.headers);
    head.keep_alive = head.minor_version == 0 ? collected.keep : !collected.close;
    head.expects_continue = collected.expects_continue && head.minor_version > 0;
    if (collected.lengths > 1 || collected.bad_length)
        return Error(Errc::Invalid, "malformed or repeated Content-Length");
    if (collected.codings > 0 && collected.lengths > 0)
        return Error(Errc::Invalid, "both Content-Length and Transfer-Encoding");
    if (collected.codings > 1 || collected.bad_coding || (collected.codings > 0 && head.minor_version == 0))
        return Error(Errc::Invalid, "transfer coding other than chunked");
    if (collected.hosts > 1 || (collected.hosts == 0 && head.minor_version > 0))
        return Error(Errc::Invalid, "missing or repeated Host header");
    if (collected.codings > 0)
        head.framing.kind = BodyKind::Chunked;
    else if (collected.length > 0)
        head.framing = {BodyKind::Length, collected.length};
    TRY(split_target(head));
    return head;
}

Result<ResponseHead> parse_response_head(std::string_view bytes, std::string_view request_method) {
    auto collected = TRY(collect<false>(bytes));
    ResponseHead head;
    head.status = collected.status;
    head.minor_version = collected.version - 10;
    head.headers = std::move(collected.headers);
    head.keep_alive = head.minor_version == 0 ? collected.keep : !collected.close;
    if (head.status < 100) return Error(Errc::Invalid, "malformed response: status " + std::to_string(head.status));
    if (collected.bad_length) return Error(Errc::Invalid, "malformed Content-Length in response");
    if (collected.codings > 1 || collected.bad_coding)
        return Error(Errc::Invalid, "transfer coding other than chunked in response");
    if (request_method == "HEAD" || head.status < 200 || head.status == 204 || head.status == 304) return head;
    if (collected.codings > 0)
        head.framing.kind = BodyKind::Chunked;
    else if (collected.lengths > 0)
        head.framing = {collected.length > 0 ? BodyKind::Length : BodyKind::None, collected.length};
    else
        head.framing.kind = BodyKind::UntilClose;
    if (head.framing.kind == BodyKind::UntilClose) head.keep_alive = false;
    return head;
}

std::string_view reason_phrase(int status) {
    auto reason = beast::http::obsolete_reason(static_cast<beast::http::status>(status));
    return view(reason);
}

std::string_view date_now() {
    thread_local char text[40];
    thread_local std::time_t written = 0;
    timespec now;
    ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != written) {
        std::tm parts;
        ::gmtime_r(&now.tv_sec, &parts);
        // Not strftime: month and day names must not follow the locale.
        static constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
        static constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        std::snprintf(text, sizeof text, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[parts.tm_wday % 7],
                      static_cast<unsigned>(parts.tm_mday) % 100, months[parts.tm_mon % 12],
                      static_cast<unsigned>(parts.tm_year + 1900) % 10000, static_cast<unsigned>(parts.tm_hour) % 100,
                      static_cast<unsigned>(parts.tm_min) % 100, static_cast<unsigned>(parts.tm_sec) % 100);
        written = now.tv_sec;
    }
    return text;
}

}  // namespace pila::http
