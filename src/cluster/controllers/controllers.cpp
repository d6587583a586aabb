// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/controllers.h"

#include <pthread.h>

#include "base/log.h"
#include "base/time.h"
#include "cluster/controllers/all.h"

namespace pila::cluster::controllers {

namespace {

// Delays are measured by the same clock as everything else.
std::function<Queue::Time()> steady(const std::function<std::int64_t()>& clock) {
    if (!clock) return Queue::Clock::now;
    return [clock] { return Queue::Time(std::chrono::microseconds(clock())); };
}

}  // namespace

Controllers::Controllers(api::Registry& registry, const api::Directory& directory, Options options)
    : options_(std::move(options)), queue_(steady(options_.clock)), informers_(registry.state(), directory) {
    auto clock = options_.clock;
    if (!clock) clock = [] { return now_wall().nanoseconds / 1000; };
    controllers_ = make_all({registry, directory, informers_, queue_, std::move(clock)}, options_.ca_certificate);
}

Controllers::~Controllers() {
    {
        Lock lock(mutex_);
        stopping_ = true;
        changed_.notify_all();
    }
    queue_.stop();
    for (auto& thread : threads_) thread.join();
}

Result<void> Controllers::prepare() {
    return informers_.start([this](const std::weak_ptr<Informer>& informer) { wake(informer); });
}

Result<void> Controllers::start() {
    TRY(prepare());
    threads_.emplace_back([this] {
        pthread_setname_np(pthread_self(), "control-watch");
        take_over_changes();
    });
    for (unsigned index = 0; index < options_.workers; ++index)
        threads_.emplace_back([this] {
            pthread_setname_np(pthread_self(), "control-work");
            work();
        });
    return {};
}

// On the state's writer: nothing but a note.
void Controllers::wake(std::weak_ptr<Informer> informer) {
    Lock lock(mutex_);
    woken_.push_back(std::move(informer));
    changed_.notify_one();
}

void Controllers::take_over_changes() {
    for (;;) {
        std::vector<std::weak_ptr<Informer>> woken;
        {
            Lock lock(mutex_);
            while (!stopping_ && woken_.empty()) changed_.wait(lock);
            if (stopping_) return;
            woken.swap(woken_);
        }
        for (const auto& weak : woken) {
            auto informer = weak.lock();
            if (!informer) continue;
            if (auto caught = informer->catch_up(); !caught)
                log::warning("follow {}: {}", informer->kind().resource(), caught.error().message());
        }
    }
}

void Controllers::work() {
    while (auto task = queue_.take()) run(*task);
}

void Controllers::run(const std::string& task) {
    auto bar = task.find('|');
    auto name = std::string_view(task).substr(0, bar);
    for (auto& controller : controllers_) {
        if (controller->name() != name) continue;
        auto done = controller->sync(task.substr(bar + 1));
        if (done) {
            queue_.forget(task);
        } else {
            if (!is_conflict(done.error())) log::warning("{}: {}", task, done.error().message);
            queue_.retry(task);
        }
        break;
    }
    queue_.done(task);
}

std::size_t Controllers::settle() {
    std::size_t count = 0;
    for (;;) {
        for (const auto& informer : informers_.all()) ignore(informer->catch_up(), "the state is in memory");
        auto task = queue_.take_due(queue_.now());
        if (!task) return count;
        run(*task);
        ++count;
    }
}

}  // namespace pila::cluster::controllers
