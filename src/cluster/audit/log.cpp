// SPDX-License-Identifier: Apache-2.0
#include "cluster/audit/log.h"

#include <fcntl.h>

#include "base/log.h"
#include "os/file.h"

namespace pila::cluster::audit {

Result<std::unique_ptr<Log>> Log::open(const std::string& path) {
    auto file = TRY(os::open(path, O_WRONLY | O_CREAT | O_APPEND, 0600));
    return std::unique_ptr<Log>(new Log(std::move(file)));
}

void Log::write(std::string line) {
    line += '\n';
    Lock lock(mutex_);
    auto written = os::write_all(file_, line);
    if (!written && !has_failed_) log::error("audit log: {}", written.error().message());
    has_failed_ = !written;
}

}  // namespace pila::cluster::audit
