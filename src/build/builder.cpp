// SPDX-License-Identifier: Apache-2.0
#include "build/builder.h"

#include <sys/stat.h>
#include <algorithm>

#include <fmt/core.h>

#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "build/job.h"
#include "os/file.h"
#include "snapshot/snapshot.h"

namespace pila::build {

static std::string directory_of_caches(engine::Engine& engine) {
    return engine.options().data_directory + "/build-cache";
}

Result<std::unique_ptr<Builder>> Builder::create(engine::Engine& engine) {
    std::unique_ptr<Builder> builder(new Builder(engine));
    builder->cache_ = TRY(Cache::create(engine.parts().store, engine.parts().images));
    // Secrets of builds that a killed daemon was doing.
    for (const auto& name : TRY(os::list_directory(engine.options().run_directory)))
        if (name.starts_with("build-"))
            ignore(os::remove_tree(engine.options().run_directory + "/" + name), "gone with the machine");
    return builder;
}

Builder::~Builder() = default;

Result<std::shared_ptr<Job>> Builder::prepare(const Context& context, BuildRequest request, http::BodyReader* body) {
    auto target = TRY(parse_platform(request.platform));
    auto work = engine_.parts().images.work_directory();
    auto files = request.remote.empty() ? BuildContext::unpack(context, work, body)
                                        : BuildContext::fetch(context, work, request.remote);
    if (!files) return files.take_error();
    auto text = TRY((*files)->take_dockerfile(request.dockerfile));
    auto recipe = TRY(parse_recipe(text));
    auto job = std::make_shared<Job>(*this, std::move(request), std::move(recipe), files.take(), std::move(target));
    TRY(job->prepare());
    return job;
}

bool Builder::cancel(const std::string& id) {
    Lock lock(mutex_);
    auto [begin, end] = running_.equal_range(id);
    for (auto one = begin; one != end; ++one) one->second.request_stop();
    return begin != end;
}

Result<Builder::CacheDirectory> Builder::cache_directory(const Context& context, const std::string& id,
                                                         Sharing sharing) {
    auto name = std::string(image::Digest::of(id).hex().substr(0, 32));
    {
        Lock lock(mutex_);
        std::stop_callback wake(context.stop, [this] { released_.notify_all(); });
        while (sharing == Sharing::Locked && directories_in_use_.contains(name)) {
            TRY(context.check());
            // The stop may come between the check and the wait.
            released_.wait_until(lock, std::chrono::steady_clock::now() + std::chrono::seconds(1));
        }
        for (int copy = 1; sharing == Sharing::Private && directories_in_use_.contains(name); ++copy)
            name = fmt::format("{}-{}", name.substr(0, 32), copy);
        ++directories_in_use_[name];
    }
    CacheDirectory made;
    made.held = std::shared_ptr<void>(nullptr, [this, name](void*) {
        Lock lock(mutex_);
        auto found = directories_in_use_.find(name);
        if (--found->second == 0) directories_in_use_.erase(found);
        released_.notify_all();
    });
    auto directory = fmt::format("{}/{}", directory_of_caches(engine_), name);
    made.path = directory + "/data";
    TRY(os::make_directories(directory_of_caches(engine_), 0700));
    auto fresh = os::make_directory(directory, 0711);
    if (!fresh && fresh.error().code() != Errc::AlreadyExists) return fresh.take_error();
    if (fresh) TRY(os::replace_file(directory + "/id", id, 0600, os::Sync::No));
    made.fresh = !os::exists(made.path);
    if (made.fresh) TRY(os::make_directory(made.path, 0755));
    return made;
}

// Those that no image was built over, parents last.
std::vector<image::ImagePointer> Builder::steps_without_image() {
    auto& images = engine_.parts().images;
    auto steps = images.steps();
    std::map<image::Digest, image::ImagePointer> by_id;
    for (const auto& step : steps) by_id[step->id] = step;
    std::set<image::Digest> kept;
    auto keep = [&](image::Digest id) {
        for (auto step = by_id.find(id); step != by_id.end() && kept.insert(id).second; step = by_id.find(id))
            id = step->second->parent;
    };
    for (const auto& image : images.list()) keep(image->parent);
    std::erase_if(steps, [&](const auto& step) { return kept.contains(step->id); });
    std::sort(steps.begin(), steps.end(), [](const auto& a, const auto& b) { return a->created > b->created; });
    return steps;
}

std::vector<CacheUse> Builder::usage() {
    auto& images = engine_.parts().images;
    std::map<image::Digest, CacheEntry> entries;
    for (auto& entry : cache_->list()) entries[entry.image] = std::move(entry);
    std::map<image::Digest, int> users;
    auto steps = images.steps();
    for (const auto& image : images.list())
        for (const auto& layer : image->layers) ++users[layer];
    std::vector<CacheUse> uses;
    for (const auto& step : steps) {
        CacheUse use;
        use.id = std::string(step->id.hex().substr(0, 25));
        use.parent = std::string(step->parent.hex().substr(0, 25));
        use.type = "regular";
        use.created = use.last_used = step->created;
        use.description = step->history.empty() ? "" : step->history.back().created_by;
        if (auto entry = entries.find(step->id); entry != entries.end()) {
            use.created = entry->second.created;
            use.last_used = entry->second.last_used;
            use.uses = entry->second.uses;
        }
        bool has_layer = !step->history.empty() && !step->history.back().empty_layer && !step->layers.empty();
        if (has_layer) {
            use.size = images.layer_size(step->layers.back());
            use.shared = users.contains(step->layers.back());
        }
        uses.push_back(std::move(use));
    }
    auto names = os::list_directory(directory_of_caches(engine_));
    for (const auto& name : names ? *names : std::vector<std::string>()) {
        auto path = directory_of_caches(engine_) + "/" + name;
        CacheUse use;
        use.id = name;
        use.type = "exec.cachemount";
        use.description = "cached mount " + os::read_file(path + "/id", 4096).value_or("");
        use.size = snapshot::tree_size(path + "/data").value_or(0);
        struct stat info {};
        if (::stat(path.c_str(), &info) == 0) use.created = use.last_used = {info.st_mtim.tv_sec * 1'000'000'000};
        Lock lock(mutex_);
        use.in_use = directories_in_use_.contains(name);
        uses.push_back(std::move(use));
    }
    return uses;
}

Result<void> Builder::prune_directories(CachePruned& pruned, WallTime until, const std::set<std::string>& ids) {
    auto names = os::list_directory(directory_of_caches(engine_));
    if (!names) return {};
    for (const auto& name : *names) {
        auto path = directory_of_caches(engine_) + "/" + name;
        struct stat info {};
        if (!ids.empty() && !ids.contains(name)) continue;
        if (::stat((path + "/data").c_str(), &info) == 0 && info.st_mtim.tv_sec > until.seconds()) continue;
        auto size = snapshot::tree_size(path + "/data").value_or(0);
        auto grave = fmt::format("{}/cache-{}", engine_.parts().images.work_directory(), random_hex(8));
        {
            Lock lock(mutex_);
            if (directories_in_use_.contains(name)) continue;
            TRY(os::rename(path, grave));
        }
        TRY(os::remove_tree(grave));
        pruned.deleted.push_back(name);
        pruned.reclaimed += size;
    }
    return {};
}

Result<CachePruned> Builder::prune(bool all, WallTime until, const std::set<std::string>& ids) {
    CachePruned pruned;
    auto& images = engine_.parts().images;
    auto candidates = steps_without_image();
    if (all) candidates = images.steps();
    std::map<image::Digest, WallTime> used;
    for (const auto& entry : cache_->list()) used[entry.image] = entry.last_used;
    std::vector<image::Digest> doomed;
    std::map<std::string, std::uint64_t> sizes;
    std::set<image::Digest> layers_before;
    for (const auto& step : candidates) {
        auto last = used.contains(step->id) ? used[step->id] : step->created;
        auto id = std::string(step->id.hex().substr(0, 25));
        if (last > until || (!ids.empty() && !ids.contains(id))) continue;
        doomed.push_back(step->id);
        layers_before.insert(step->layers.begin(), step->layers.end());
    }
    std::map<image::Digest, std::uint64_t> layer_sizes;
    for (const auto& layer : layers_before) layer_sizes[layer] = images.layer_size(layer);
    auto removed = TRY(images.remove_steps(doomed));
    for (const auto& id : removed.deleted) pruned.deleted.push_back(id.substr(7, 25));
    std::set<image::Digest> left;
    for (const auto& list : {images.list(), images.steps()})
        for (const auto& image : list) left.insert(image->layers.begin(), image->layers.end());
    for (const auto& [layer, size] : layer_sizes)
        if (!left.contains(layer)) pruned.reclaimed += size;
    // Entries that lead to images go with all the rest; those that lead to nothing always.
    std::vector<image::Digest> keys;
    if (all && ids.empty())
        for (const auto& entry : cache_->list())
            if (!(entry.last_used > until)) keys.push_back(entry.key);
    TRY(cache_->forget(keys));
    static_cast<void>(cache_->list());
    if (all) TRY(prune_directories(pruned, until, ids));
    return pruned;
}

}  // namespace pila::build
