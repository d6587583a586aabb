// SPDX-License-Identifier: Apache-2.0
#include "cluster/state/state.h"

#include <algorithm>

#include <fmt/core.h>

#include "cluster/state/disk.h"
#include "cluster/state/hub.h"
#include "cluster/state/writer.h"

namespace pila::cluster::state {

namespace {

constexpr std::size_t max_key_bytes = 4096;
constexpr std::size_t max_object_bytes = 64U << 20;

Result<void> check(const Write& write) {
    auto name = collection_of(write.key);
    if (name.empty() || name.size() == write.key.size() || write.key.size() > max_key_bytes ||
        write.key.find('\0') != std::string::npos)
        return Error(Errc::Invalid, fmt::format("write {}: this is no key", write.key.substr(0, 256)));
    if (!write.bytes) return {};
    if (write.revision_at > write.bytes->size())
        return Error(Errc::Invalid,
                     fmt::format("write {}: no place for the revision at {}", write.key, write.revision_at));
    if (write.bytes->size() + write.attributes.size() > max_object_bytes)
        return Error(Errc::Exhausted, fmt::format("write {}: {} bytes are too many", write.key, write.bytes->size()));
    return {};
}

// The digits at revision_at are the revision: whoever replaces them relies on it.
bool is_whole(const Object& object) {
    return !collection_of(object.key).empty() && object.revision_at <= object.bytes.size() &&
           std::string_view(object.bytes).substr(object.revision_at).starts_with(Digits(object.revision).text());
}

Result<Tree> tree_of(std::vector<ObjectPointer>& objects) {
    std::sort(objects.begin(), objects.end(),
              [](const ObjectPointer& a, const ObjectPointer& b) { return a->key < b->key; });
    auto twice = std::adjacent_find(objects.begin(), objects.end(),
                                    [](const ObjectPointer& a, const ObjectPointer& b) { return a->key == b->key; });
    if (twice != objects.end()) return Error(Errc::Internal, fmt::format("{} is there twice", (*twice)->key));
    return Tree::of(objects);
}

class DurableState final : public State {
public:
    DurableState(std::shared_ptr<Hub> hub, std::unique_ptr<Disk> disk, Writer::Trees trees, const Options& options)
        : hub_(std::move(hub)), writer_(hub_, std::move(disk), std::move(trees), options.max_batch) {}

    Result<ObjectPointer> write(Write write) override {
        TRY(check(write));
        return writer_.write(std::move(write));
    }
    ObjectPointer get(std::string_view key) const override { return hub_->get(key); }
    Result<Page> list(std::string_view prefix, std::string_view after, std::size_t limit, Revision at) const override {
        return hub_->list(prefix, after, limit, at);
    }
    Result<std::unique_ptr<Watch>> watch(std::string prefix, Revision after, std::function<void()> wake) override {
        return hub_->watch(std::move(prefix), after, std::move(wake));
    }
    Revision revision() const override { return hub_->revision(); }
    Numbers numbers() const override { return hub_->numbers(); }

private:
    const std::shared_ptr<Hub> hub_;  // watches may live longer than the state
    Writer writer_;
};

Result<Writer::Trees> load(std::vector<ObjectPointer> objects, Hub& hub) {
    std::map<std::string, std::vector<ObjectPointer>, std::less<>> collections;
    std::vector<ObjectPointer>* into = nullptr;
    std::string_view name;
    std::map<std::string_view, std::uint64_t> bytes;
    for (auto& object : objects) {
        if (!is_whole(*object)) return Error(Errc::Internal, fmt::format("{} is damaged", object->key));
        if (!into || !object->key.starts_with(name)) {
            auto found = collections.try_emplace(std::string(collection_of(object->key))).first;
            name = found->first;
            into = &found->second;
        }
        bytes[name] += bytes_of(*object);
        into->push_back(std::move(object));
    }
    Writer::Trees trees;
    for (auto& [collection, members] : collections) {
        auto tree = TRY(tree_of(members));
        trees.emplace(collection, tree);
        hub.load(collection, std::move(tree), bytes[collection]);
    }
    return trees;
}

}  // namespace

Result<std::unique_ptr<State>> State::open(const std::string& path, const Options& options) {
    std::unique_ptr<Disk> disk;
    Disk::Loaded loaded;
    if (!path.empty()) {
        disk = TRY(Disk::open(path));
        loaded = TRY(disk->load().in("load state " + path));
    }
    auto hub = std::make_shared<Hub>(options, loaded.revision);
    auto trees = TRY(load(std::move(loaded.objects), *hub).in("load state " + path));
    return std::unique_ptr<State>(
        std::make_unique<DurableState>(std::move(hub), std::move(disk), std::move(trees), options));
}

}  // namespace pila::cluster::state
