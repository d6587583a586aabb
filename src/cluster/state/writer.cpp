// SPDX-License-Identifier: Apache-2.0
#include "cluster/state/writer.h"

#include <pthread.h>

#include <algorithm>

#include <fmt/core.h>

namespace pila::cluster::state {

namespace {

// A batch of large objects is one commit only as long as that does not keep its callers waiting.
constexpr std::size_t max_batch_bytes = 8U << 20;

// `head` and `tail` around the digits, in exactly the memory they take: it is kept for as long as the object.
std::string with_digits(std::string_view head, Revision revision, std::string_view tail) {
    Digits digits(revision);
    std::string bytes;
    bytes.reserve(head.size() + digits.text().size() + tail.size());
    return bytes.append(head).append(digits.text()).append(tail);
}

std::string fitted(std::string text) {
    text.shrink_to_fit();
    return text;
}

ObjectPointer object_of(Write& write, Revision revision, const ObjectPointer& previous) {
    auto object = std::make_shared<Object>();
    std::string_view bytes = *write.bytes;
    object->bytes = with_digits(bytes.substr(0, write.revision_at), revision, bytes.substr(write.revision_at));
    object->key = fitted(std::move(write.key));
    object->attributes = fitted(std::move(write.attributes));
    object->revision = revision;
    object->create_revision = previous ? previous->create_revision : revision;
    object->revision_at = write.revision_at;
    return object;
}

ObjectPointer last_state_of(const Object& previous, Revision revision) {
    auto object = std::make_shared<Object>();
    std::string_view bytes = previous.bytes;
    auto digits = Digits(previous.revision).text().size();
    object->bytes =
        with_digits(bytes.substr(0, previous.revision_at), revision, bytes.substr(previous.revision_at + digits));
    object->key = previous.key;
    object->attributes = previous.attributes;
    object->revision = revision;
    object->create_revision = previous.create_revision;
    object->revision_at = previous.revision_at;
    object->is_deleted = true;
    return object;
}

Result<void> check(const Write& write, const ObjectPointer& previous) {
    if (write.expect == 0 && previous)
        return Error(Errc::AlreadyExists,
                     fmt::format("{} is there already, at revision {}", write.key, previous->revision));
    if (!previous && (!write.bytes || write.expect.value_or(0) != 0))
        return Error(Errc::NotFound, fmt::format("{} is not there", write.key));
    if (write.expect && previous && *write.expect != previous->revision)
        return Error(Errc::Conflict,
                     fmt::format("{} is at revision {}, not {}", write.key, previous->revision, *write.expect));
    return {};
}

}  // namespace

// One batch's changes, which nobody sees before they are committed.
struct Writer::Work {
    Trees trees;  // of the collections it changes
    std::vector<Event> events;
    Revision revision = 0;
};

// Not std::atomic's wait(): that yields a few times first, which on a busy machine costs more than sleeping.
void Writer::Pending::wait() {
    Lock lock(mutex_);
    while (!is_answered_) changed_.wait(lock);
}

void Writer::Pending::answer() {
    {
        Lock lock(mutex_);
        is_answered_ = true;
    }
    changed_.notify_one();
}

Writer::Writer(std::shared_ptr<Hub> hub, std::unique_ptr<Disk> disk, Trees trees, std::size_t max_batch)
    : hub_(std::move(hub)),
      disk_(std::move(disk)),
      max_batch_(std::max<std::size_t>(max_batch, 1)),
      trees_(std::move(trees)),
      revision_(hub_->revision()),
      thread_([this] { run(); }) {}

Writer::~Writer() {
    {
        Lock lock(mutex_);
        is_stopping_ = true;
        changed_.notify_one();
    }
    thread_.join();
}

Result<ObjectPointer> Writer::write(Write write) {
    auto pending = std::make_shared<Pending>(std::move(write));
    {
        Lock lock(mutex_);
        if (is_stopping_) return Error(Errc::Unavailable, "write " + pending->write.key + ": shutting down");
        waiting_.push_back(pending);
        if (is_idle_) changed_.notify_one();
    }
    pending->wait();
    return std::move(pending->result);
}

Writer::Batch Writer::take() {
    Batch batch;
    std::size_t bytes = 0;
    Lock lock(mutex_);
    while (waiting_.empty() && !is_stopping_) {
        is_idle_ = true;
        changed_.wait(lock);
        is_idle_ = false;
    }
    while (!waiting_.empty() && batch.size() < max_batch_ && bytes < max_batch_bytes) {
        const auto& content = waiting_.front()->write.bytes;
        bytes += content ? content->size() : 0;
        batch.push_back(std::move(waiting_.front()));
        waiting_.pop_front();
    }
    return batch;
}

void Writer::run() {
    ::pthread_setname_np(::pthread_self(), "state-writer");
    for (;;) {
        auto batch = take();
        if (batch.empty()) return;
        process(batch);
        if (disk_) disk_->tidy();
    }
}

Result<ObjectPointer> Writer::apply(Write& write, Work& work) {
    auto name = collection_of(write.key);
    auto touched = work.trees.find(name);
    auto committed = trees_.find(name);
    auto previous = touched != work.trees.end() ? touched->second.find(write.key)
                    : committed != trees_.end() ? committed->second.find(write.key)
                                                : nullptr;
    TRY(check(write, previous));
    if (touched == work.trees.end())
        touched = work.trees.emplace(std::string(name), committed != trees_.end() ? committed->second : Tree()).first;
    Event event;
    event.previous = previous;
    if (write.bytes) {
        event.type = previous ? EventType::Modified : EventType::Added;
        event.object = object_of(write, ++work.revision, previous);
        touched->second.put(event.object, edit_);
    } else {
        event.type = EventType::Deleted;
        event.object = last_state_of(*previous, ++work.revision);
        touched->second.remove(write.key, edit_);
    }
    auto object = event.object;
    work.events.push_back(std::move(event));
    return object;
}

Result<void> Writer::commit(Work& work) {
    if (disk_) TRY(disk_->commit(work.events, work.revision).in("commit"));
    std::vector<Hub::Part> parts;
    for (auto& [name, tree] : work.trees) {
        auto& kept = trees_[name];
        kept = tree;
        parts.push_back({trees_.find(name)->first, std::move(tree), {}});
    }
    for (auto& event : work.events) {
        auto name = collection_of(event.object->key);
        for (auto& part : parts)
            if (part.collection == name) {
                part.events.push_back(std::move(event));
                break;
            }
    }
    revision_ = work.revision;
    hub_->publish(std::move(parts), revision_, std::chrono::steady_clock::now());
    return {};
}

void Writer::process(Batch& batch) {
    Work work;
    work.revision = revision_;
    ++edit_;
    for (auto& pending : batch) pending->result = apply(pending->write, work);
    if (!work.events.empty()) {
        // Even a refusal may rest on a change of this batch that did not come about.
        if (auto committed = commit(work); !committed)
            for (auto& pending : batch) pending->result = committed.error();
    }
    for (auto& pending : batch) pending->answer();
}

}  // namespace pila::cluster::state
