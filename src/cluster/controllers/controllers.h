// SPDX-License-Identifier: Apache-2.0
#pragma once
// What makes a cluster do what its objects wish, as far as that needs no node: one runtime, and the controllers on it
// (Kubernetes' kube-controller-manager). Threads: `workers` run controllers while we hold the lease of those who may
// (election.h), one keeps it, one takes over what changed; all of them sleep while nothing does.

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cluster/controllers/controller.h"
#include "cluster/controllers/election.h"

namespace pila::cluster::controllers {

struct Options {
    unsigned workers = 4;
    std::string ca_certificate;           // what pods trust: kube-root-ca.crt
    std::function<std::int64_t()> clock;  // microseconds since 1970; empty: the machine's
};

class Controllers {
public:
    Controllers(api::Registry& registry, const api::Directory& directory, Options options);
    ~Controllers();  // waits for what is under way
    Controllers(const Controllers&) = delete;
    Controllers& operator=(const Controllers&) = delete;

    Result<void> start();

    // Instead of start(), for tests: prepare(), then settle() does on the caller's thread whatever is due by
    // Options::clock until nothing is, and says how much that was.
    Result<void> prepare();
    std::size_t settle();

private:
    void start_thread(const char* name, void (Controllers::*run)());
    void work();
    bool wait_to_lead();  // false: we stop
    void keep_lease();
    void take_over_changes();
    void run(const std::string& task);
    void wake(std::weak_ptr<Informer> informer);

    const Options options_;
    Mutex mutex_;  // before the informers: the state wakes them until they are gone
    Condition changed_;
    std::vector<std::weak_ptr<Informer>> woken_ GUARDED_BY(mutex_);
    Condition leads_, lease_changed_;
    Queue::Time leads_until_ GUARDED_BY(mutex_) = Queue::Time::min();
    bool is_lease_changed_ GUARDED_BY(mutex_) = false;
    bool stopping_ GUARDED_BY(mutex_) = false;

    Queue queue_;
    Informers informers_;
    Election election_;
    std::vector<std::unique_ptr<Controller>> controllers_;
    std::vector<std::thread> threads_;
};

}  // namespace pila::cluster::controllers
