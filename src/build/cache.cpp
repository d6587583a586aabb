// SPDX-License-Identifier: Apache-2.0
#include "build/cache.h"

#include <boost/json.hpp>

#include "base/failpoint.h"
#include "base/json.h"
#include "base/json_reader.h"
#include "base/log.h"

namespace pila::build {

using image::Digest;

static constexpr std::string_view prefix = "build/cache/";

static std::string key_of(const Digest& key) { return std::string(prefix) + std::string(key.hex()); }

static std::string record_of(const CacheEntry& entry) {
    return to_json(json::object{{"image", entry.image.text()},
                                {"what", entry.description},
                                {"created", entry.created.nanoseconds},
                                {"used", entry.last_used.nanoseconds},
                                {"uses", entry.uses}});
}

static Result<CacheEntry> read_record(const store::Entry& stored) {
    auto value = TRY(parse_json(stored.value));
    if (!value.is_object()) return Error(Errc::Internal, "not an object");
    JsonReader in(value.get_object());
    CacheEntry entry;
    entry.key = TRY(Digest::parse("sha256:" + stored.key.substr(prefix.size())));
    entry.image = TRY(Digest::parse(in.text("image")));
    entry.description = in.text("what");
    entry.created = {in.integer("created")};
    entry.last_used = {in.integer("used")};
    entry.uses = in.integer("uses");
    TRY(in.check());
    return entry;
}

Result<std::unique_ptr<Cache>> Cache::create(store::Store& store, image::ImageStore& images) {
    std::unique_ptr<Cache> cache(new Cache(store, images));
    Lock lock(cache->mutex_);
    for (const auto& stored : TRY(store.range(prefix))) {
        auto entry = read_record(stored);
        if (!entry) {
            log::warning("record {} is damaged and left alone: {}", stored.key, entry.error().message());
            continue;
        }
        auto key = entry->key;
        cache->entries_[key] = {entry.take()};
    }
    return cache;
}

std::optional<Cache::Hit> Cache::find(const Digest& key) {
    Digest id;
    {
        Lock lock(mutex_);
        auto found = entries_.find(key);
        if (found == entries_.end()) return std::nullopt;
        id = found->second.entry.image;
    }
    auto image = images_.find(id.text());
    if (!image) return std::nullopt;
    auto pin = images_.pin(*image);
    if (!images_.find(id.text()) || !images_.layer_directories(**image)) return std::nullopt;
    Lock lock(mutex_);
    auto found = entries_.find(key);
    if (found != entries_.end()) {
        found->second.entry.last_used = now_wall();
        ++found->second.entry.uses;
        found->second.unsaved = true;
    }
    return Hit{image.take(), std::move(pin)};
}

Result<void> Cache::put(const Digest& key, const Digest& image, const std::string& description) {
    CacheEntry entry{key, image, description, now_wall(), now_wall(), 1};
    PILA_FAILPOINT("build.cache.before-store");
    TRY(store_.put(key_of(key), record_of(entry)));
    Lock lock(mutex_);
    entries_[key] = {std::move(entry)};
    return {};
}

void Cache::save_uses() {
    std::vector<store::Change> changes;
    {
        Lock lock(mutex_);
        for (auto& [key, kept] : entries_)
            if (std::exchange(kept.unsaved, false))
                changes.push_back({.key = key_of(key), .value = record_of(kept.entry), .expect = {}});
    }
    if (changes.empty()) return;
    auto saved = store_.transact(changes);
    if (!saved) log::warning("uses of the build cache could not be stored: {}", saved.error().message());
}

std::vector<CacheEntry> Cache::list() {
    std::vector<CacheEntry> all, there;
    {
        Lock lock(mutex_);
        for (const auto& [key, kept] : entries_) all.push_back(kept.entry);
    }
    std::vector<Digest> gone;
    for (auto& entry : all) {
        if (images_.find(entry.image.text()))
            there.push_back(std::move(entry));
        else
            gone.push_back(entry.key);
    }
    ignore(forget(gone), "told again the next time");
    return there;
}

Result<void> Cache::forget(const std::vector<Digest>& keys) {
    if (keys.empty()) return {};
    std::vector<store::Change> changes;
    for (const auto& key : keys) changes.push_back({.key = key_of(key), .value = {}, .expect = {}});
    TRY(store_.transact(changes));
    Lock lock(mutex_);
    for (const auto& key : keys) entries_.erase(key);
    return {};
}

}  // namespace pila::build
