// SPDX-License-Identifier: Apache-2.0
#include "registry/upstream.h"

#include <fmt/core.h>

#include "base/log.h"
#include "os/file.h"
#include "registry/service_internal.h"

namespace pila::registry {

using image::Digest;

static constexpr std::chrono::seconds ask_again_after{10};
static constexpr std::chrono::milliseconds revalidation_time{5000};

static std::int64_t monotonic_seconds() {
    return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

static bool is_outage(const Error& error) { return error.code() == Errc::Unavailable || error.code() == Errc::Timeout; }

Upstream::Upstream(const Options& options, Repositories& repositories)
    : repositories_(repositories), fetchers_("registry-fetch", 4) {
    registry_options_.insecure = options.insecure;
    registry_options_.certificates_directory = "/etc/docker/certs.d";
    registry_options_.attempts = 3;
    auth_.username = options.upstream_user;
    auth_.password = options.upstream_password;
}

Upstream::~Upstream() { stop_.request_stop(); }

Result<std::unique_ptr<Upstream>> Upstream::create(const Options& options, Repositories& repositories) {
    std::unique_ptr<Upstream> made(new Upstream(options, repositories));
    auto endpoint = TRY(http::Endpoint::parse(options.upstream).in("the registry to cache"));
    if (endpoint.scheme == "unix") return Error(Errc::Invalid, "the registry to cache: must be an http or https URL");
    if (endpoint.host == "docker.io" || endpoint.host == "index.docker.io") endpoint.host = "registry-1.docker.io";
    made->place_.verify = !image::is_insecure(endpoint.host_header(), made->registry_options_);
    made->auth_.server_address = endpoint.host_header();
    made->place_.endpoint = std::move(endpoint);
    return made;
}

std::string Upstream::name_there(const std::string& name) const {
    bool hub = place_.endpoint.host == "registry-1.docker.io";
    return hub && name.find('/') == std::string::npos ? "library/" + name : name;
}

Result<std::shared_ptr<image::RegistrySession>> Upstream::session(const Context& context) {
    {
        Lock lock(mutex_);
        if (session_) return session_;
    }
    auto opened = TRY(image::RegistrySession::open(context, {place_}, auth_, registry_options_));
    Lock lock(mutex_);
    if (!session_) session_ = std::move(opened);
    return session_;
}

Result<image::RegistryConnection> Upstream::connection(const Context& context, const std::string& name) {
    auto there = name_there(name);
    auto shared = TRY(session(context));
    return image::RegistryConnection(shared, there, fmt::format("repository:{}:pull", there));
}

Result<StoredManifest> Upstream::fetch_manifest(const Context& context, const std::string& name,
                                                const std::string& reference, const std::string& tag) {
    auto from = TRY(connection(context, name));
    auto fetched =
        TRY(image::with_retries(context, registry_options_, [&] { return from.manifest(context, reference); }));
    auto document = TRY(read_document(fetched.bytes, fetched.content_type));
    StoredManifest manifest{document.media_type, std::move(fetched.bytes), fetched.digest};
    auto guard = repositories_.in_flight().keep(manifest.digest);
    TRY(repositories_.put_manifest(name, document, manifest, tag));
    return manifest;
}

Result<Digest> Upstream::current(const Context& context, const std::string& name, const std::string& tag) {
    if (monotonic_seconds() < unreachable_until_) return Error(Errc::Unavailable, "could not be reached a moment ago");
    auto limited = context.with_timeout(revalidation_time);
    auto asked = [&]() -> Result<Digest> {
        auto from = TRY(connection(limited, name));
        return from.resolve(limited, tag);
    }();
    if (!asked && is_outage(asked.error()) && context.check()) {
        unreachable_until_ = monotonic_seconds() + ask_again_after.count();
        log::warning("registry: {}: {}", place_.endpoint.host_header(), asked.error().message());
    }
    return asked;
}

Result<StoredManifest> Upstream::manifest(const Context& context, const std::string& name,
                                          const std::string& reference) {
    if (auto digest = Digest::parse(reference); digest) {
        repositories_.touch_manifest(name, *digest);
        if (auto stored = repositories_.manifest(name, *digest)) return stored;
        return fetch_manifest(context, name, reference, "");
    }
    auto known = repositories_.tag(name, reference);
    if (!known) return fetch_manifest(context, name, reference, reference);
    repositories_.touch_manifest(name, *known);
    auto now = current(context, name, reference);
    if (!now && is_outage(now.error())) return repositories_.manifest(name, *known);
    if (!now && now.error().code() == Errc::NotFound)
        ignore(repositories_.remove_tag(name, reference), "somebody else was faster");
    if (!now) return now.take_error();
    if (*now == *known)
        if (auto stored = repositories_.manifest(name, *known)) return stored;
    return fetch_manifest(context, name, reference, reference);
}

Result<std::shared_ptr<Fetch>> Upstream::fetch(const Context& context, const std::string& name, const Digest& digest) {
    auto from = TRY(connection(context, name));
    auto size = TRY(image::with_retries(context, registry_options_, [&] { return from.blob_size(context, digest); }));
    if (!size) return Error(Errc::NotFound, "no such blob there");
    auto made = std::make_shared<Fetch>(digest, *size);
    auto key = name + "@" + digest.text();
    {
        Lock lock(mutex_);
        auto [place, first] = fetches_.emplace(key, made);
        if (!first) return place->second;
        auto opened = made->open(repositories_.tree());
        if (!opened) {
            fetches_.erase(place);
            return opened.take_error();
        }
    }
    // Goes on without its first client: the next one finds what has arrived.
    auto shared = std::make_shared<image::RegistryConnection>(std::move(from));
    fetchers_.post([this, made, shared, name, key] {
        made->run({.stop = stop_.get_token()}, *shared, repositories_, name);
        Lock lock(mutex_);
        fetches_.erase(key);
    });
    return made;
}

Result<Content> Upstream::blob(const Context& context, const std::string& name, const Digest& digest, Want want) {
    std::shared_ptr<Fetch> fetching;
    {
        Lock lock(mutex_);
        auto found = fetches_.find(name + "@" + digest.text());
        if (found != fetches_.end()) fetching = found->second;
    }
    if (!fetching && want == Want::Size) {
        auto from = TRY(connection(context, name));
        auto size = TRY(from.blob_size(context, digest));
        if (!size) return Error(Errc::NotFound, "no such blob there");
        return Content{*size, {}};
    }
    if (!fetching) {
        auto guard = repositories_.in_flight().keep(digest);
        if (repositories_.blobs().has(digest)) {  // for another name; may this one have it, too?
            auto from = TRY(connection(context, name));
            auto there = TRY(from.blob_size(context, digest));
            if (!there) return Error(Errc::NotFound, "no such blob there");
            TRY(repositories_.add_blob(name, digest));
            auto file = TRY(repositories_.blobs().open(digest));
            auto size = static_cast<std::uint64_t>(TRY(os::stat_of(file)).st_size);
            return content_of_file(std::move(file), size);
        }
        fetching = TRY(fetch(context, name, digest));
    }
    return Content{fetching->size(), [fetching, context](http::BodyWriter& out, Part part) {
                       return fetching->send(context, out, part.start, part.count);
                   }};
}

Result<std::vector<std::string>> Upstream::referrers(const Context& context, const std::string& name,
                                                     const Digest& subject) {
    auto limited = context.with_timeout(revalidation_time);
    auto from = connection(limited, name);
    auto pages = from ? from->referrers(limited, subject) : Result<std::vector<std::string>>(from.take_error());
    // OCI distribution specification 1.1, "Referrers Tag Schema": our clients would not look there, for we have lists.
    auto tag = fmt::format("{}-{}", subject.algorithm(), subject.hex()).substr(0, 128);
    if (!pages && pages.error().code() == Errc::NotFound) {
        auto tagged = manifest(context, name, tag);
        if (!tagged && tagged.error().code() == Errc::NotFound) return std::vector<std::string>();
        pages = std::vector{TRY(std::move(tagged)).bytes};
    } else if (!pages && is_outage(pages.error()) && context.check()) {
        auto known = repositories_.tag(name, tag);
        if (!known) return repositories_.referrers(name, subject);  // those that were pulled
        pages = std::vector{TRY(repositories_.manifest(name, *known)).bytes};
    }
    std::vector<std::string> found;
    for (const auto& page : TRY(std::move(pages)))
        for (auto& descriptor : TRY(read_referrers(page).in("list of referrers")))
            found.push_back(std::move(descriptor));
    return found;
}

Result<std::vector<std::string>> Upstream::tags(const Context& context, const std::string& name) {
    auto from = connection(context, name);
    auto found = from ? from->tags(context) : Result<std::vector<std::string>>(from.take_error());
    if (found || !is_outage(found.error())) return found;
    return repositories_.tags(name);
}

}  // namespace pila::registry
