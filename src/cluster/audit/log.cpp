// SPDX-License-Identifier: Apache-2.0
#include "cluster/audit/log.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "os/file.h"

namespace pila::cluster::audit {

Result<std::unique_ptr<Log>> Log::open(const std::string& path) {
    int number = path == "-" ? ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)
                             : ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (number < 0) return Error::from_errno(errno, "open " + path);
    return std::unique_ptr<Log>(new Log(Fd(number)));
}

void Log::write(std::string line) {
    line += '\n';
    Lock lock(mutex_);
    auto written = os::write_all(file_, line);
    if (!written && !has_failed_) log::error("audit log: {}", written.error().message());
    has_failed_ = !written;
}

}  // namespace pila::cluster::audit
