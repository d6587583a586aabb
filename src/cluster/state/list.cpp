// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <climits>

#include <fmt/core.h>

#include "cluster/state/hub.h"

namespace pila::cluster::state {

namespace {

// What a key was before the changes that are undone, and whether it is there now.
struct Undone {
    ObjectPointer before;  // null: it was not there
    ObjectPointer now;     // only its key counts when it is deleted
};

// The least key that begins with neither `prefix` nor anything before it. A prefix ends before 0xff: it has a '/'.
std::string end_of(std::string_view prefix) {
    std::string end(prefix);
    while (static_cast<unsigned char>(end.back()) == UCHAR_MAX) end.pop_back();
    end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
    return end;
}

// The first change of a key tells what it was before, the last one what it is now.
std::vector<Undone> by_key(std::vector<Undone> changes) {
    std::stable_sort(changes.begin(), changes.end(),
                     [](const Undone& a, const Undone& b) { return a.now->key < b.now->key; });
    std::vector<Undone> keys;
    for (auto& change : changes) {
        if (!keys.empty() && keys.back().now->key == change.now->key)
            keys.back().now = std::move(change.now);
        else
            keys.push_back(std::move(change));
    }
    return keys;
}

}  // namespace

struct Hub::Snapshot {
    Tree tree;
    std::vector<Undone> undone;  // of keys after the list's beginning, in order of changes
    Revision revision = 0;
};

Result<Hub::Snapshot> Hub::snapshot(std::string_view prefix, std::string_view after, Revision at) const {
    Snapshot snapshot;
    Lock lock(mutex_);
    snapshot.revision = at == 0 ? revision_ : at;
    if (at > revision_)
        return Error(Errc::Unavailable,
                     fmt::format("list {}: revision {} is in the future, now is {}", prefix, at, revision_));
    auto found = collections_.find(collection_of(prefix));
    auto floor = found == collections_.end() ? loaded_ : found->second.floor;
    if (at != 0 && at < floor)
        return Error(Errc::Gone,
                     fmt::format("list {}: revision {} has left the window, which begins at {}", prefix, at, floor));
    if (found == collections_.end()) return snapshot;
    const auto& collection = found->second;
    snapshot.tree = collection.tree;
    for (auto i = collection.after(snapshot.revision); i < collection.end(); ++i) {
        const auto& event = collection.changes[i - collection.first].event;
        if (event.object->key.starts_with(prefix) && event.object->key > after)
            snapshot.undone.push_back({event.previous, event.object});
    }
    return snapshot;
}

Result<Page> Hub::list(std::string_view prefix, std::string_view after, std::size_t limit, Revision at) const {
    if (collection_of(prefix).empty()) return Error(Errc::Invalid, fmt::format("list {}: no collection", prefix));
    auto snapshot = TRY(this->snapshot(prefix, after, at));
    Page page;
    page.revision = snapshot.revision;
    const auto& tree = snapshot.tree;
    auto undone = by_key(std::move(snapshot.undone));
    auto end = tree.rank(end_of(prefix));
    std::string from(prefix);
    if (after >= prefix) from.assign(after).push_back('\0');  // the next key that there can be
    auto begin = tree.rank(from);
    auto here = end > begin ? end - begin : 0;  // objects of the newest state that are still to come
    if (limit == 0) limit = SIZE_MAX;
    page.objects.reserve(std::min(limit, here + undone.size()));

    Tree::Cursor cursor(tree, from);
    auto next = undone.begin();
    while (page.objects.size() < limit && (here > 0 || next != undone.end())) {
        const auto* object = here > 0 ? cursor.get() : nullptr;
        bool is_undone = next != undone.end() && (!object || next->now->key <= (*object)->key);
        bool is_here = object && (!is_undone || next->now->key == (*object)->key);
        if (!is_undone) page.objects.push_back(*object);
        if (is_undone && next->before) page.objects.push_back(next->before);
        if (is_undone) ++next;
        if (is_here) {
            cursor.next();
            --here;
        }
    }
    page.remaining = here;
    for (; next != undone.end(); ++next) {
        if (next->before) ++page.remaining;
        if (!next->now->is_deleted) --page.remaining;
    }
    return page;
}

}  // namespace pila::cluster::state
