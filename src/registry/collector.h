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
    // `twin`: a file outside of the registry with that content, "" for none.
    using Twin = std::function<std::string(const image::Digest&)>;
    Collector(Repositories& repositories, Uploads& uploads, std::chrono::seconds expiry, Twin twin);
    ~Collector();

    void hurry();          // something was deleted: soon
    void expect_upload();  // one began: when it has expired, at the latest
    void run();            // now, on the caller's thread

private:
    void loop();
    std::set<image::Digest> mark();
    void sweep(const std::set<image::Digest>& live);

    Repositories& repositories_;
    Uploads& uploads_;
    const std::chrono::seconds expiry_;
    const Twin twin_;
    Mutex running_;                                            // one run at a time
    std::optional<std::int64_t> oldest_ GUARDED_BY(running_);  // when the next blob without a manifest expires

    Mutex mutex_;
    Condition changed_;
    std::optional<MonotonicTime> due_ GUARDED_BY(mutex_);
    bool stopping_ GUARDED_BY(mutex_) = false;
    std::thread thread_;
};

}  // namespace pila::registry
