// SPDX-License-Identifier: Apache-2.0
#pragma once
// Requests to the daemon's Docker API, in the version both sides speak. Errors read as docker's command line shows
// them. Threads: one at a time; another() gives a second connection.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/fwd.hpp>

#include "base/json.h"
#include "cli/cli.h"
#include "http/client.h"

namespace pila::cli {

inline constexpr int newest_api = 50, oldest_api = 24;

// "?a=1&b=x%20y", in the order of adding.
class QueryText {
public:
    QueryText& add(std::string_view name, std::string_view value);
    QueryText& add_if(bool condition, std::string_view name, std::string_view value) {
        return condition ? add(name, value) : *this;
    }
    const std::string& text() const { return text_; }

private:
    std::string text_;
};

struct Call {
    std::string method = "GET";
    std::string path;  // without version
    QueryText query;
    std::string body;
    std::string content_type = "application/json";
    http::Headers headers;
    http::BodyReader* streamed_body = nullptr;
};

// One part of a path: '/', ':' and '@' stay, as names of images have them.
std::string path_part(std::string_view name);

class Api {
public:
    static Result<std::unique_ptr<Api>> connect(const GlobalOptions& global);
    Result<std::unique_ptr<Api>> another() const;

    int minor() const { return minor_; }  // 41 for API 1.41
    const std::string& server_os() const { return server_os_; }
    bool is_pila() const { return is_pila_; }  // rather than dockerd; true while nobody was asked
    const GlobalOptions& global() const { return global_; }

    // A status below 400; the body is still to be read.
    Result<http::ClientResponse> open(const Call& call);
    Result<std::string> text(const Call& call);
    Result<json::value> json(const Call& call);
    Result<void> done(const Call& call);  // the answer's body does not matter
    Result<http::Client::Upgraded> upgrade(const Call& call);

private:
    Api(const GlobalOptions& global, http::Endpoint endpoint, std::unique_ptr<http::Client> client)
        : global_(global), endpoint_(std::move(endpoint)), client_(std::move(client)) {}
    Result<void> negotiate();
    http::ClientRequest request(const Call& call) const;
    Error unreachable(const Error& error) const;
    static Error refusal(http::ClientResponse& response);

    const GlobalOptions& global_;
    http::Endpoint endpoint_;
    std::unique_ptr<http::Client> client_;
    Context context_;
    int minor_ = newest_api;
    std::string server_os_ = "linux";
    bool is_pila_ = true;
};

// --filter a=b --filter a=c -> {"a":{"b":true,"c":true}}
class Filters {
public:
    Result<void> add(std::string_view text);  // "name=value"
    void add(std::string_view name, std::string_view value);
    bool has(std::string_view name) const;
    bool empty() const { return items_.empty(); }
    std::string text() const;  // JSON

private:
    std::vector<std::pair<std::string, std::vector<std::string>>> items_;  // sorted by name
};

// Prints the message; the exit code for it.
int fail(const Error& error);
int fail(std::string_view message);

// `action` for each name, several at a time when there are several; prints names that worked and then the errors.
// An error of the code `harmless` is printed but does not make the verb fail.
using ForEach = Result<void> (*)(Api& api, const std::string& name, const void* options);
int for_each(Api& api, const std::vector<std::string>& names, ForEach action, const void* options,
             std::optional<Errc> harmless = {});

}  // namespace pila::cli
