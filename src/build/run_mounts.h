// SPDX-License-Identifier: Apache-2.0
#pragma once
// The mounts of one RUN: what they are made of, what of them is part of the cache key, what they leave behind.

#include <boost/json/fwd.hpp>

#include "build/mounts.h"
#include "build/stage_run.h"

namespace pila::build {

class RunMounts {
public:
    static Result<RunMounts> read(StageRun& stage, const image::Instruction& instruction);

    // What a RUN without them would not have seen; contents of caches and secrets are not part of it.
    const std::vector<std::string>& key_parts() const { return key_parts_; }
    // Makes what is to be mounted. `script`: to be executed as /dev/pipes/NAME, if there is one.
    Result<void> prepare(const std::string& script_name, const std::string& script);
    boost::json::array container_mounts() const;                                  // as of POST /containers/create
    const std::vector<std::string>& environment() const { return environment_; }  // secrets
    // Mount points that had to be made in the container go again, if nothing was put there.
    void remove_stubs(const std::string& changes) const;

private:
    struct Prepared {
        std::string type, source, target, subpath;
        bool read_only = false;
        std::uint64_t size = 0;
        std::optional<std::uint32_t> mode;
    };
    explicit RunMounts(StageRun& stage) : stage_(&stage) {}
    Result<void> prepare_bind(const RunMount& mount);
    Result<void> prepare_cache(const RunMount& mount);
    Result<void> prepare_secret(const RunMount& mount);
    Result<std::string> copy_of(const RunMount& mount);  // a directory that may be written
    Result<SourceTree> tree_of(const RunMount& mount);
    Result<void> note_stubs();

    StageRun* stage_;
    std::vector<RunMount> mounts_;
    std::vector<Prepared> prepared_;
    std::vector<std::string> key_parts_, environment_;
    std::vector<std::vector<std::string>> stubs_;  // of each target what was missing, outermost first
    std::vector<std::shared_ptr<void>> held_;
    std::size_t written_ = 0;
};

}  // namespace pila::build
