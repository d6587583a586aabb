// SPDX-License-Identifier: Apache-2.0
#pragma once
// Garbage: uploads nobody goes on with, blobs of no manifest. One thread, asleep until something was deleted or may
// have expired. Runs beside pushes: in_flight.h says why that is safe.

#include <functional>
#include <thread>

#include "registry/uploads.h"

namespace pila::registry {

class Collector {
public:
    struct Rules {
        std::chrono::seconds expiry;                            // of uploads, of blobs without a manifest
        std::optional<std::chrono::seconds> keep;               // a cache: how long manifests stay that nobody asks for
        std::function<std::string(const image::Digest&)> twin;  // a file elsewhere with that content; "": none
    };
    Collector(Repositories& repositories, Uploads& uploads, Rules rules);
    ~Collector();

    void hurry();          // something was deleted: soon
    void expect_upload();  // one began: when it has expired, at the latest
    void run();            // now, on the caller's thread

private:
    void loop();
    Result<void> collect();
    Result<void> forget_unused();
    Result<std::set<image::Digest>> mark();
    void sweep(const std::set<image::Digest>& live);

    Repositories& repositories_;
    Uploads& uploads_;
    const Rules rules_;
    Mutex running_;                                          // one run at a time
    std::optional<std::int64_t> next_ GUARDED_BY(running_);  // when something more will have expired

    Mutex mutex_;
    Condition changed_;
    std::optional<MonotonicTime> due_ GUARDED_BY(mutex_);
    bool stopping_ GUARDED_BY(mutex_) = false;
    std::thread thread_;
};

}  // namespace pila::registry
