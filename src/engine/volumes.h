// SPDX-License-Identifier: Apache-2.0
#pragma once
// Volumes of the "local" driver: directories that outlive containers. Files: DATA_DIR/volumes/NAME/_data; records in
// the node store under "volume/NAME". Threads: any.

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/mutex.h"
#include "base/time.h"
#include "os/user_namespace.h"
#include "store/store.h"

namespace pila::engine {

struct Volume {
    std::string name, mountpoint;
    WallTime created;
    std::map<std::string, std::string> labels, options;
    bool anonymous = false;
};

class Volumes {
public:
    // New volumes belong to root of `ids`.
    Volumes(std::string data_directory, store::Store& store, os::IdMap ids = {})
        : directory_(std::move(data_directory) + "/volumes"), store_(store), ids_(std::move(ids)) {}
    Result<void> load();

    // An existing one of that name is returned as it is. name "": a random one, anonymous.
    Result<Volume> create(std::string name, std::map<std::string, std::string> labels,
                          std::map<std::string, std::string> options);
    Result<Volume> find(std::string_view name) const;  // NotFound: "get NAME: no such volume"
    std::vector<Volume> list() const;
    Result<void> remove(std::string_view name);  // the caller knows that nobody uses it

    // Volumes that are mounts of their own are mounted while somebody uses them.
    Result<void> use(const std::string& name, const std::string& user);
    void release(const std::string& name, const std::string& user);
    void release_unused();  // after recovery: what a killed daemon left mounted

private:
    Result<void> finish_removals();
    Result<void> make_data(const std::string& mountpoint) const;

    std::string directory_;
    store::Store& store_;
    const os::IdMap ids_;
    mutable Mutex mutex_;
    std::map<std::string, Volume, std::less<>> volumes_ GUARDED_BY(mutex_);
    mutable Mutex mounts_;  // long: a mount of a file server takes its time. Taken before mutex_
    std::map<std::string, std::set<std::string>> users_ GUARDED_BY(mounts_);
};

// Fills an empty volume with what `source` (a directory below the image's root, by descriptor) holds: ownership, mode,
// times, links and xattrs kept. Done once, when the volume is first used.
Result<void> copy_up(FdView root, const std::string& path, const std::string& volume_directory);

}  // namespace pila::engine
