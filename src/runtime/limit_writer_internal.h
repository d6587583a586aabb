// SPDX-License-Identifier: Apache-2.0
#pragma once
// Writes limits of a group so that a change that fails half-way leaves what was there before.

#include <string>
#include <string_view>
#include <vector>

#include "os/cgroup.h"
#include "runtime/plan.h"

namespace pila::runtime {

class LimitWriter {
public:
    // Remember::No: of a group that is new, which goes away when its start fails; it spares the reading.
    enum class Remember : std::uint8_t { No, Yes };
    LimitWriter(const os::Cgroup& cgroup, Remember remember) : cgroup_(cgroup), remember_(remember) {}
    // Undoes everything unless keep() was called.
    ~LimitWriter();
    LimitWriter(const LimitWriter&) = delete;
    LimitWriter& operator=(const LimitWriter&) = delete;
    void keep() { written_.clear(); }

    const os::Cgroup& cgroup() const { return cgroup_; }
    bool has(std::string_view controller, const std::string& file) const;
    // A file of one line that reads as it is written.
    Result<void> set(std::string_view controller, const std::string& file, std::string_view value);
    // A file of lines "MAJOR:MINOR value"; `none`: what to write for a device without a line.
    Result<void> set_device(std::string_view controller, const std::string& file, const DeviceLimit& device,
                            std::string_view value, std::string_view none);
    // The same with a former value that the caller knows.
    Result<void> set_over(std::string_view controller, const std::string& file, std::string_view value,
                          std::string former);

private:
    struct Written {
        std::string controller, file, former;
    };
    const os::Cgroup& cgroup_;
    const Remember remember_;
    std::vector<Written> written_;
};

// resources.cpp, resources_v1.cpp, resources_v2.cpp
Result<void> set_rdma(LimitWriter& writer, const ResourcePlan::Rdma& device);
Result<void> set_limits_v1(LimitWriter& writer, const ResourcePlan& resources);
// 2..262144 of cgroup v1 onto 1..10000 of v2.
std::uint64_t weight_of_shares(std::uint64_t shares);
Result<void> set_limits_v2(LimitWriter& writer, const ResourcePlan& resources);

}  // namespace pila::runtime
