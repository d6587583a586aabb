// SPDX-License-Identifier: Apache-2.0
#include "http/message.h"

#include <unistd.h>
#include <algorithm>
#include <cerrno>

#include "http/text.h"

namespace pila::http {

void Headers::set(std::string name, std::string value) {
    std::erase_if(items_, [&](const auto& item) { return same_name(item.first, name); });
    items_.emplace_back(std::move(name), std::move(value));
}

void Headers::add(std::string name, std::string value) { items_.emplace_back(std::move(name), std::move(value)); }

std::string_view Headers::get(std::string_view name) const {
    for (const auto& [key, value] : items_)
        if (same_name(key, name)) return value;
    return {};
}

bool Headers::has(std::string_view name) const {
    return std::any_of(items_.begin(), items_.end(), [&](const auto& item) { return same_name(item.first, name); });
}

// application/x-www-form-urlencoded: "+" is a space; a malformed escape stays as it is, as browsers and Go's
// client-side helpers produce names that contain a bare "%".
static std::string form_decode(std::string_view text) {
    std::string plain(text);
    std::replace(plain.begin(), plain.end(), '+', ' ');
    auto decoded = percent_decode(plain);
    return decoded ? *decoded : plain;
}

Query Query::parse(std::string_view text) {
    Query query;
    while (!text.empty()) {
        auto end = std::min(text.find('&'), text.size());
        auto pair = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (pair.empty()) continue;
        auto equals = pair.find('=');
        auto value = equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1);
        query.items_.emplace_back(form_decode(pair.substr(0, equals)), form_decode(value));
    }
    return query;
}

std::string_view Query::get(std::string_view name) const {
    for (const auto& [key, value] : items_)
        if (key == name) return value;
    return {};
}

bool Query::has(std::string_view name) const {
    return std::any_of(items_.begin(), items_.end(), [&](const auto& item) { return item.first == name; });
}

std::vector<std::string_view> Query::all(std::string_view name) const {
    std::vector<std::string_view> values;
    for (const auto& [key, value] : items_)
        if (key == name) values.push_back(value);
    return values;
}

bool Query::flag(std::string_view name, bool otherwise) const {
    if (!has(name)) return otherwise;
    auto value = get(name);
    auto is = [&](std::string_view word) { return same_name(value, word); };
    return !(value.empty() || is("0") || is("no") || is("false") || is("none"));
}

std::string percent_encode(std::string_view text) {
    static constexpr char digits[] = "0123456789ABCDEF";
    std::string encoded;
    encoded.reserve(text.size());
    for (char c : text) {
        auto byte = static_cast<unsigned char>(c);
        bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                          c == '.' || c == '_' || c == '~';
        if (unreserved) {
            encoded += c;
        } else {
            encoded += '%';
            encoded += digits[byte >> 4];
            encoded += digits[byte & 15];
        }
    }
    return encoded;
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::optional<std::string> percent_decode(std::string_view text) {
    std::string decoded;
    decoded.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            decoded += text[i];
            continue;
        }
        if (i + 2 >= text.size()) return std::nullopt;
        int high = hex_value(text[i + 1]);
        int low = hex_value(text[i + 2]);
        if (high < 0 || low < 0) return std::nullopt;
        decoded += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return decoded;
}

Result<std::string> BodyReader::read_all(std::size_t max_bytes) {
    std::string all;
    for (;;) {
        constexpr std::size_t step = 16U << 10;
        auto had = all.size();
        all.resize(had + step);
        auto got = TRY(read(all.data() + had, step));
        all.resize(had + got);
        if (got == 0) return all;
        if (all.size() > max_bytes)
            return Error(Errc::Exhausted, "body of more than " + std::to_string(max_bytes) + " bytes");
    }
}

Result<void> BodyWriter::write_file(FdView file, std::uint64_t start, std::uint64_t count) {
    constexpr std::size_t piece = 256U << 10;
    auto buffer = std::make_unique_for_overwrite<char[]>(std::min<std::uint64_t>(count, piece));
    while (count > 0) {
        auto got = ::pread(file.get(), buffer.get(), std::min<std::uint64_t>(count, piece), static_cast<off_t>(start));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return Error::from_errno(errno, "read file to send");
        if (got == 0) return Error(Errc::Internal, "file to send is shorter than it was");
        TRY(write({buffer.get(), static_cast<std::size_t>(got)}));
        start += static_cast<std::uint64_t>(got);
        count -= static_cast<std::uint64_t>(got);
    }
    return {};
}

static Response typed(int status, const char* type, std::string body) {
    Response response;
    response.status = status;
    response.headers.add("Content-Type", type);
    response.body = std::move(body);
    return response;
}

Response Response::json(int status, std::string body) { return typed(status, "application/json", std::move(body)); }

Response Response::text(int status, std::string body) {
    return typed(status, "text/plain; charset=utf-8", std::move(body));
}

Response Response::empty(int status) {
    Response response;
    response.status = status;
    return response;
}

}  // namespace pila::http
