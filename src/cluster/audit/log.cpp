// SPDX-License-Identifier: Apache-2.0
#include "cluster/audit/log.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/time.h"
#include "os/file.h"

namespace pila::cluster::audit {

namespace {

constexpr std::int64_t second = 1'000'000'000, day = 86'400 * second;

// "/var/log/audit.log": files put aside are "/var/log/" "audit-" TIME ".log".
struct Names {
    explicit Names(std::string_view path) {
        const auto slash = path.rfind('/');
        directory = path.substr(0, slash + 1);
        const auto file = path.substr(slash + 1);
        const auto dot = std::min(file.rfind('.'), file.size());
        prefix = std::string(file.substr(0, dot)) + "-";
        extension = file.substr(dot);
    }
    std::string directory, prefix, extension;
};

// "2026-11-24T05-10-00.000", the form that kube-apiserver's log has.
std::string in_name(WallTime time) {
    constexpr std::string_view form = "2026-11-24T05-10-00.000";
    // An odd one: none of the fraction's digits is left out.
    time.nanoseconds += 1 - time.nanoseconds % 2;
    auto text = rfc3339_nano(time).substr(0, form.size());
    text[13] = text[16] = '-';
    return text;
}

std::optional<WallTime> time_of(std::string_view name, const Names& names) {
    if (!name.starts_with(names.prefix) || !name.ends_with(names.extension)) return std::nullopt;
    std::string text(name.substr(names.prefix.size()));
    if (text.size() != in_name({}).size() + names.extension.size()) return std::nullopt;
    text.resize(text.size() - names.extension.size());
    if (text[13] != '-' || text[16] != '-') return std::nullopt;
    text[13] = text[16] = ':';
    return parse_rfc3339(text + "Z");
}

Result<Fd> open_file(const std::string& path) { return os::open(path, O_WRONLY | O_CREAT | O_APPEND, 0600); }

}  // namespace

Result<std::unique_ptr<Log>> Log::open(LogOptions options) {
    auto file = TRY(open_file(options.path));
    std::unique_ptr<Log> log(new Log(std::move(options), std::move(file)));
    if (auto removed = log->remove_old(); !removed) log::warning("audit log: {}", removed.error().message());
    return log;
}

void Log::write(std::string line) {
    line += '\n';
    Lock lock(mutex_);
    auto written = append(line);
    if (!written && !has_failed_) log::error("audit log: {}", written.error().message());
    has_failed_ = !written;
}

Result<void> Log::append(const std::string& line) {
    // Asked each time: others may have emptied the file.
    auto now = TRY(os::stat_of(file_));
    Result<void> done;
    if (S_ISREG(now.st_mode) && now.st_size > 0 &&
        static_cast<std::uint64_t>(now.st_size) + line.size() > options_.max_bytes) {
        done = put_aside();
        now = TRY(os::stat_of(file_));
    }
    auto written = os::write_all(file_, line);
    if (written) return done;
    // No half of a line stays.
    if (S_ISREG(now.st_mode)) [[maybe_unused]]
        auto cut = ::ftruncate(file_.get(), now.st_size);
    return written;
}

// Should it fail, lines go on to where they went.
Result<void> Log::put_aside() {
    const Names names(options_.path);
    auto time = now_wall();
    std::string aside;
    for (;; time.nanoseconds += second / 1000) {
        aside = names.directory + names.prefix + in_name(time) + names.extension;
        if (!os::exists(aside)) break;
    }
    auto renamed = os::rename(options_.path, aside);
    if (!renamed && renamed.error().code() != Errc::NotFound) return renamed;
    file_ = TRY(open_file(options_.path));
    return remove_old();
}

Result<void> Log::remove_old() const {
    if (!options_.max_backups && !options_.max_days) return {};
    const Names names(options_.path);
    std::vector<std::pair<std::string, WallTime>> aside;  // oldest first
    for (auto& name : TRY(os::list_directory(names.directory)))
        if (auto time = time_of(name, names)) aside.emplace_back(std::move(name), *time);
    const auto too_many =
        options_.max_backups && aside.size() > options_.max_backups ? aside.size() - options_.max_backups : 0;
    const auto oldest = now_wall().nanoseconds - static_cast<std::int64_t>(options_.max_days) * day;
    for (std::size_t i = 0; i < aside.size(); ++i) {
        const bool is_late = options_.max_days && aside[i].second.nanoseconds < oldest;
        if (i < too_many || is_late) TRY(os::remove_file(names.directory + aside[i].first));
    }
    return {};
}

}  // namespace pila::cluster::audit
