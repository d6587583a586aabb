// SPDX-License-Identifier: Apache-2.0
#include "registry/collector.h"

#include <pthread.h>
#include <ctime>

#include "base/log.h"
#include "os/file.h"

namespace pila::registry {

using image::Digest;
using Clock = std::chrono::steady_clock;

// Deletions come in groups.
static constexpr std::chrono::seconds calm_down{3}, again_after{3600};

Collector::Collector(Repositories& repositories, Uploads& uploads, Rules rules)
    : repositories_(repositories), uploads_(uploads), rules_(std::move(rules)) {
    due_ = Clock::now() + calm_down;  // what expired while nobody looked
    thread_ = std::thread([this] { loop(); });
}

Collector::~Collector() {
    {
        Lock lock(mutex_);
        stopping_ = true;
        changed_.notify_all();
    }
    thread_.join();
}

void Collector::hurry() {
    Lock lock(mutex_);
    auto soon = Clock::now() + calm_down;
    if (!due_ || *due_ > soon) due_ = soon;
    changed_.notify_all();
}

void Collector::expect_upload() {
    Lock lock(mutex_);
    auto then = Clock::now() + rules_.expiry + calm_down;
    if (due_ && *due_ <= then) return;
    due_ = then;
    changed_.notify_all();
}

void Collector::loop() {
    ::pthread_setname_np(::pthread_self(), "registry-gc");
    for (;;) {
        {
            Lock lock(mutex_);
            while (!stopping_ && (!due_ || Clock::now() < *due_)) {
                if (due_)
                    changed_.wait_until(lock, *due_);
                else
                    changed_.wait(lock);
            }
            if (stopping_) return;
            due_.reset();
        }
        run();
    }
}

void Collector::run() {
    Lock running(running_);
    auto upload = uploads_.expire(rules_.expiry);
    next_.reset();
    repositories_.in_flight().begin_collection();
    if (auto collected = collect(); !collected) {
        log::warning("registry: no garbage is collected for now: {}", collected.error().message());
        next_ = ::time(nullptr) + again_after.count();
    }
    repositories_.in_flight().end_collection();

    auto next = upload;
    if (next_) {
        auto left = std::chrono::seconds(std::max<std::int64_t>(*next_ - ::time(nullptr), 1));
        next = next ? std::min(*next, left) : left;
    }
    if (!next) return;
    Lock lock(mutex_);
    auto then = Clock::now() + *next + calm_down;
    if (!due_ || *due_ > then) due_ = then;
    changed_.notify_all();
}

static void take_earlier(std::optional<std::int64_t>& next, std::int64_t then) {
    next = next ? std::min(*next, then) : then;
}

// All or nothing: what cannot be read must not count as what refers to nothing.
Result<void> Collector::collect() {
    if (rules_.keep) TRY(forget_unused());
    auto live = TRY(mark());
    sweep(live);
    return {};
}

// A cache need not have what nobody asked for lately. Its blobs follow when they have expired, too.
Result<void> Collector::forget_unused() {
    auto now = ::time(nullptr);
    for (const auto& name : TRY(repositories_.names()))
        for (const auto& use : TRY(repositories_.manifest_uses(name))) {
            auto until = use.seconds + rules_.keep->count();
            if (until > now) {
                take_earlier(next_, until);
                continue;
            }
            log::info("registry: {} of {} was not asked for any more", use.digest.text(), name);
            ignore(repositories_.remove_manifest(name, use.digest), "tried again the next time");
        }
    return {};
}

// What manifests name, and what was used so lately that a manifest may still come to name it.
Result<std::set<Digest>> Collector::mark() {
    std::set<Digest> live;
    auto now = ::time(nullptr);
    for (const auto& name : TRY(repositories_.all_names())) {
        std::set<Digest> named;
        for (const auto& digest : TRY(repositories_.manifests(name))) {
            live.insert(digest);
            auto manifest = repositories_.manifest(name, digest);
            if (!manifest && manifest.error().code() == Errc::NotFound) continue;  // deleted meanwhile
            if (!manifest) return manifest.take_error();
            auto document = TRY(read_document(manifest->bytes, manifest->media_type).in(digest.text()));
            named.insert(document.blobs.begin(), document.blobs.end());
        }
        live.insert(named.begin(), named.end());
        for (const auto& use : TRY(repositories_.layer_uses(name))) {
            if (named.contains(use.digest)) continue;
            auto until = use.seconds + rules_.expiry.count();
            if (until > now) {
                live.insert(use.digest);
                take_earlier(next_, until);
                continue;
            }
            repositories_.in_flight().unless_kept(use.digest, [&] { repositories_.forget_blob(name, use.digest); });
        }
    }
    return live;
}

void Collector::sweep(const std::set<Digest>& live) {
    std::size_t removed = 0;
    auto root = repositories_.tree().root() + "/blobs/";
    for (const std::string algorithm : {"sha256", "sha512"}) {
        auto names = os::list_directory(root + algorithm);
        if (!names) continue;
        for (const auto& hex : *names) {
            auto digest = Digest::parse(algorithm + ":" + hex);
            if (!digest) continue;
            if (live.contains(*digest)) {
                // What the engine pulled from here lies there twice until now.
                if (auto twin = rules_.twin(*digest); !twin.empty())
                    ignore(repositories_.share_content(*digest, twin), "two copies are as good");
                continue;
            }
            repositories_.in_flight().unless_kept(*digest, [&] {
                if (repositories_.blobs().remove(*digest)) ++removed;
            });
        }
    }
    if (removed > 0) log::info("registry: {} blobs were garbage", removed);
}

}  // namespace pila::registry
