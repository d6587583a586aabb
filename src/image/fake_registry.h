// SPDX-License-Identifier: Apache-2.0
#pragma once
// For tests: a registry in memory with faults to order, on a loopback port. Threads: the server's; state behind a
// mutex.

#include <map>
#include <mutex>
#include <set>

#include "base/text.h"
#include "crypto/base64.h"
#include "http/test_support.h"
#include "image/registry_manifest.h"

namespace pila::image::test {

struct Faults {
    std::map<std::string, std::string> replaced;  // digest -> other bytes
    std::map<std::string, int> cut_after;         // digest -> the first transfer ends after so many bytes
    bool no_ranges = false;
    bool stall = false;             // blobs begin and never go on
    int failures = 0;               // requests that are answered 503 first
    std::string redirect_blobs_to;  // URL prefix
    std::string user, password;     // wanted as Basic
    std::string token_realm;        // Bearer instead
    bool token_never_good = false;
    std::string expired_token;  // the token that is refused once
    bool refuse_mounts = false;
    bool break_upload = false;  // the first piece arrives in half
};

class FakeRegistry {
public:
    FakeRegistry() : server_([this](http::Request& request) { return answer(request); }) {}

    std::string host() const { return "127.0.0.1:" + std::to_string(server_.port); }
    std::string url() const { return server_.url(); }

    Faults faults;
    std::map<std::string, std::string> blobs, manifests;  // digest -> bytes; "NAME:REFERENCE" -> bytes
    std::map<std::string, std::string> types;             // of manifests, by digest
    std::vector<std::string> log;                         // "METHOD target"
    std::vector<std::string> authorizations;              // of all requests, "" for none
    std::vector<std::string> ranges;

    // A layer's bytes, as they are.
    LayerBlob add_layer(const std::string& bytes, const std::string& media_type = media::oci_layer) {
        auto digest = Digest::of(bytes);
        blobs[digest.text()] = bytes;
        return {digest, bytes.size(), media_type};
    }
    Digest add_image(const std::string& name, const std::string& tag, const std::string& config,
                     const std::vector<LayerBlob>& layers) {
        Manifest manifest;
        manifest.media_type = media::oci_manifest;
        manifest.config = {Digest::of(config), config.size(), media::oci_config, std::nullopt};
        manifest.layers = layers;
        blobs[Digest::of(config).text()] = config;
        return add_manifest(name, tag, write_manifest(manifest), media::oci_manifest);
    }
    Digest add_manifest(const std::string& name, const std::string& tag, const std::string& bytes,
                        const std::string& type) {
        auto digest = Digest::of(bytes);
        manifests[name + ":" + tag] = manifests[name + ":" + digest.text()] = bytes;
        types[digest.text()] = type;
        return digest;
    }
    std::size_t count(const std::string& prefix) {
        std::lock_guard lock(mutex_);
        return static_cast<std::size_t>(
            std::count_if(log.begin(), log.end(), [&](const auto& line) { return line.starts_with(prefix); }));
    }

private:
    static http::Response failure(int status, const std::string& code, const std::string& message = "text") {
        return http::Response::json(status,
                                    R"({"errors":[{"code":")" + code + R"(","message":")" + message + R"("}]})");
    }

    http::Response answer(http::Request& request) {
        std::lock_guard lock(mutex_);
        log.push_back(request.method + " " + request.target);
        authorizations.emplace_back(request.headers.get("Authorization"));
        if (request.path == "/token") return give_token(request);
        if (!authorized(request)) return challenge();
        if (request.path == "/v2/") return http::Response::json(200, "{}");
        if (faults.failures > 0) {
            --faults.failures;
            return failure(503, "UNAVAILABLE");
        }
        if (request.path == "/loop" || request.path.starts_with("/away/")) return elsewhere(request);
        auto path = std::string_view(request.path).substr(4);
        if (auto at = path.find("/blobs/uploads/"); at != path.npos) return upload(request, path.substr(at + 15));
        if (auto at = path.find("/blobs/"); at != path.npos) return blob(request, std::string(path.substr(at + 7)));
        if (auto at = path.find("/manifests/"); at != path.npos)
            return manifest(request, std::string(path.substr(0, at)), std::string(path.substr(at + 11)));
        if (path.ends_with("/tags/list")) return http::Response::json(200, R"({"tags":["one","two"]})");
        return failure(404, "UNSUPPORTED");
    }

    bool authorized(const http::Request& request) {
        if (request.path == "/loop" || request.path.starts_with("/away/")) return true;
        auto got = request.headers.get("Authorization");
        if (!faults.token_realm.empty()) {
            if (faults.token_never_good || got.substr(0, 7) != "Bearer ") return false;
            return got.substr(7) != std::exchange(faults.expired_token, "") && got.substr(7, 6) == "token-";
        }
        return faults.user.empty() || got == "Basic " + crypto::base64_encode(faults.user + ":" + faults.password);
    }
    http::Response challenge() {
        auto response = failure(401, "UNAUTHORIZED", "authentication required");
        response.headers.add("WWW-Authenticate", faults.token_realm.empty() ? std::string("Basic realm=\"test\"")
                                                                            : "Bearer realm=\"" + faults.token_realm +
                                                                                  "\",service=\"the service\"");
        return response;
    }
    http::Response give_token(const http::Request& request) {
        bool refresh = request.method == "POST";
        auto wanted = "Basic " + crypto::base64_encode(faults.user + ":" + faults.password);
        if (refresh) {
            auto form = http::Query::parse(request.body->read_all(10'000).take());
            if (form.get("refresh_token") != "identity") return failure(401, "UNAUTHORIZED");
        } else if (!faults.user.empty() && request.headers.get("Authorization") != wanted) {
            return failure(401, "UNAUTHORIZED");
        }
        auto token = "token-" + std::to_string(++tokens_);
        return http::Response::json(
            200, R"({"access_token":")" + token + R"(","expires_in":300,"refresh_token":"identity"})");
    }

    http::Response elsewhere(const http::Request& request) {
        if (request.path.starts_with("/away/")) return http::Response::text(200, blobs[request.path.substr(6)]);
        auto response = http::Response::empty(307);
        response.headers.add("Location", "/loop");
        return response;
    }

    http::Response manifest(http::Request& request, const std::string& name, const std::string& reference) {
        if (request.method == "PUT") {
            auto bytes = request.body->read_all(1 << 20).take();
            auto digest = add_manifest(name, reference, bytes, std::string(request.headers.get("Content-Type")));
            auto response = http::Response::empty(201);
            response.headers.add("Docker-Content-Digest", digest.text());
            return response;
        }
        auto found = manifests.find(name + ":" + reference);
        if (found == manifests.end()) return failure(404, "MANIFEST_UNKNOWN", "manifest unknown");
        auto digest = Digest::of(found->second).text();
        auto response =
            http::Response::text(200, faults.replaced.contains(digest) ? faults.replaced[digest] : found->second);
        response.headers.set("Content-Type", types[digest]);
        return response;
    }

    http::Response blob(http::Request& request, const std::string& digest) {
        auto found = blobs.find(digest);
        if (found == blobs.end()) return failure(404, "BLOB_UNKNOWN");
        if (request.method == "HEAD") {
            auto response = http::Response::empty(200);
            response.headers.add("Content-Length", std::to_string(found->second.size()));
            return response;
        }
        http::Response response;
        if (!faults.redirect_blobs_to.empty()) {
            response = http::Response::empty(307);
            auto to = faults.redirect_blobs_to;
            response.headers.add("Location", to.ends_with("/loop") ? to : to + digest);
            return response;
        }
        auto bytes = faults.replaced.contains(digest) ? faults.replaced[digest] : found->second;
        auto range = request.headers.get("Range");
        ranges.emplace_back(range);
        std::size_t start = 0;
        if (!range.empty() && !faults.no_ranges) {
            start = parse_uint(range.substr(6, range.size() - 7)).value_or(0);
            response.status = 206;
            response.headers.add("Content-Range", "bytes " + std::to_string(start) + "-" +
                                                      std::to_string(bytes.size() - 1) + "/" +
                                                      std::to_string(bytes.size()));
        }
        bytes.erase(0, start);
        response.headers.add("Content-Length", std::to_string(bytes.size()));
        auto most = bytes.size();
        if (auto cut = faults.cut_after.find(digest); cut != faults.cut_after.end()) {
            most = static_cast<std::size_t>(cut->second);
            faults.cut_after.erase(cut);
        }
        bool stall = faults.stall;
        auto stop = request.context.stop;
        response.produce = [bytes, most, stall, stop](http::BodyWriter& out) -> Result<void> {
            TRY(out.write(std::string_view(bytes).substr(0, stall ? 1 : most)));
            if (stall) ignore(wait_until_stopped(stop), "a test's server");
            return {};  // short of its length: the server closes the connection
        };
        return response;
    }
    static Result<void> wait_until_stopped(const std::stop_token& stop) {
        std::mutex mutex;
        std::condition_variable_any never;
        std::unique_lock lock(mutex);
        never.wait(lock, stop, [] { return false; });
        return {};
    }

    http::Response upload(http::Request& request, std::string_view session) {
        if (request.method == "POST") {
            auto mounted = std::string(request.query.get("mount"));
            if (!mounted.empty() && !faults.refuse_mounts && blobs.contains(mounted)) return http::Response::empty(201);
            auto response = http::Response::empty(202);
            response.headers.add("Location",
                                 std::string(request.path) + "session-" + std::to_string(++sessions_) + "?state=x");
            return response;
        }
        auto key = std::string(session);
        if (request.method == "DELETE") return http::Response::empty(204);
        if (request.method == "PATCH" && std::exchange(faults.break_upload, false)) {
            std::string half(10U << 20, '\0');
            for (std::size_t got = 0; got < half.size();)
                got += request.body->read(half.data() + got, half.size() - got).take();
            uploads_[key] += half;
            return failure(503, "UNAVAILABLE");
        }
        auto body = request.body->read_all(256 << 20);
        if (body) uploads_[key] += *body;
        if (request.method == "PUT") {
            auto digest = std::string(request.query.get("digest"));
            if (Digest::of(uploads_[key]).text() != digest) return failure(400, "DIGEST_INVALID");
            blobs[digest] = uploads_[key];
            return http::Response::empty(201);
        }
        auto response = http::Response::empty(request.method == "GET" ? 204 : 202);
        response.headers.add("Location", std::string(request.path) + "?state=y");
        response.headers.add("Range", "0-" + std::to_string(uploads_[key].empty() ? 0 : uploads_[key].size() - 1));
        return response;
    }

    std::mutex mutex_;
    int tokens_ = 0, sessions_ = 0;
    std::map<std::string, std::string> uploads_;
    http::test::TestServer server_;
};

}  // namespace pila::image::test
