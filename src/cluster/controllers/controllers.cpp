// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/controllers.h"

#include <pthread.h>

#include <boost/json.hpp>

#include "base/log.h"
#include "base/time.h"
#include "cluster/api/metadata.h"
#include "cluster/controllers/all.h"
#include "cluster/controllers/fields.h"

namespace pila::cluster::controllers {

namespace {

// Delays are measured by the same clock as everything else.
std::function<Queue::Time()> steady(const std::function<std::int64_t()>& clock) {
    if (!clock) return Queue::Clock::now;
    return [clock] { return Queue::Time(std::chrono::microseconds(clock())); };
}

std::function<std::int64_t()> wall(const std::function<std::int64_t()>& clock) {
    if (clock) return clock;
    return [] { return now_wall().nanoseconds / 1000; };
}

// As holder of the lease: of this cluster, whichever process serves it.
std::string identity_of(api::Registry& registry) {
    auto space = Client(registry, "leader-election").get(api::namespace_kind(), "", "kube-system");
    return "pila_" + std::string(space ? text_in(*space, "metadata.uid") : std::string_view());
}

}  // namespace

Controllers::Controllers(api::Registry& registry, const api::Directory& directory, Options options)
    : options_(std::move(options)),
      queue_(steady(options_.clock)),
      informers_(registry.state(), directory),
      election_(registry, identity_of(registry), wall(options_.clock), steady(options_.clock)) {
    controllers_ = make_all({registry, directory, informers_, queue_, wall(options_.clock)}, options_.ca_certificate);
    informers_.of(lease_kind()).add_handler([this](const ObjectPointer&, const ObjectPointer&) {
        Lock lock(mutex_);
        is_lease_changed_ = true;
        lease_changed_.notify_one();
    });
}

Controllers::~Controllers() {
    {
        Lock lock(mutex_);
        stopping_ = true;
        changed_.notify_all();
        leads_.notify_all();
        lease_changed_.notify_all();
    }
    queue_.stop();
    for (auto& thread : threads_) thread.join();
}

Result<void> Controllers::prepare() {
    return informers_.start([this](const std::weak_ptr<Informer>& informer) { wake(informer); });
}

void Controllers::start_thread(const char* name, void (Controllers::*run)()) {
    threads_.emplace_back([this, name, run] {
        pthread_setname_np(pthread_self(), name);
        (this->*run)();
    });
}

Result<void> Controllers::start() {
    TRY(prepare());
    start_thread("control-lease", &Controllers::keep_lease);
    start_thread("control-watch", &Controllers::take_over_changes);
    for (unsigned index = 0; index < options_.workers; ++index) start_thread("control-work", &Controllers::work);
    return {};
}

void Controllers::keep_lease() {
    for (;;) {
        auto next = election_.look();
        Lock lock(mutex_);
        leads_until_ = election_.leads_until();
        leads_.notify_all();
        while (!stopping_ && !is_lease_changed_ && queue_.now() < next) lease_changed_.wait_until(lock, next);
        if (stopping_) return;
        is_lease_changed_ = false;
    }
}

bool Controllers::wait_to_lead() {
    Lock lock(mutex_);
    while (!stopping_ && leads_until_ <= queue_.now()) leads_.wait(lock);
    return !stopping_;
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
    while (auto task = queue_.take()) {
        if (!wait_to_lead()) return;
        run(*task);
    }
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
