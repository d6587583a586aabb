// SPDX-License-Identifier: Apache-2.0
#include "registry/fetch.h"

#include <fcntl.h>

#include <fmt/core.h>

#include "base/log.h"
#include "os/file.h"

namespace pila::registry {

static constexpr std::size_t piece_bytes = 256U << 10;

Fetch::~Fetch() {
    if (!path_.empty()) ignore(os::remove_file(path_), "it became content");
}

Result<void> Fetch::open(const DurableTree& tree) {
    path_ = tree.temporary();
    file_ = TRY(os::open(path_, O_RDWR | O_CREAT | O_EXCL, 0600));
    return {};
}

void Fetch::run(const Context& context, image::RegistryConnection& from, Repositories& into, const std::string& name) {
    auto guard = into.in_flight().keep(digest_);
    auto fetched = [&]() -> Result<void> {
        TRY(receive(context, from, from.session().options().attempts));
        TRY(into.tree().adopt(path_, into.blobs().path(digest_)));
        return into.add_blob(name, digest_);
    }();
    if (!fetched) log::warning("registry: fetching {} of {}: {}", digest_.text(), name, fetched.error().message());
    Lock lock(mutex_);
    ended_ = std::move(fetched);
    changed_.notify_all();
}

Result<void> Fetch::receive(const Context& context, image::RegistryConnection& from, unsigned attempts) {
    image::Hasher hasher(digest_.algorithm());
    for (unsigned failures = 0;;) {
        auto before = arrived_;  // only this thread changes it
        auto received = receive_rest(context, from, hasher);
        if (received) break;
        failures = arrived_ > before ? 1 : failures + 1;
        if (!image::is_transient(received.error(), context) || failures >= attempts) return received;
        TRY(image::wait_for_retry(context, from.session().options().retry_delay * (1U << (failures - 1))));
    }
    auto actual = hasher.finish();
    if (actual == digest_) return {};
    return Error(Errc::Invalid, fmt::format("blob {}: its content is {}", digest_.text(), actual.text()));
}

Result<void> Fetch::receive_rest(const Context& context, image::RegistryConnection& from, image::Hasher& hasher) {
    auto open = TRY(from.blob(context, digest_, arrived_));
    auto skip = arrived_ - open.start;
    auto buffer = std::make_unique_for_overwrite<char[]>(piece_bytes);
    while (auto got = TRY(open.body->read(buffer.get(), piece_bytes))) {
        auto skipped = std::min<std::uint64_t>(skip, got);
        skip -= skipped;
        std::string_view bytes(buffer.get() + skipped, got - skipped);
        if (bytes.empty()) continue;
        if (bytes.size() > size_ - arrived_)
            return Error(Errc::Invalid, fmt::format("blob {} is longer than it should be", digest_.text()));
        hasher.update(bytes);
        TRY(write(bytes));
    }
    if (arrived_ < size_) return Error(Errc::Unavailable, fmt::format("blob {} was cut short", digest_.text()));
    return {};
}

Result<void> Fetch::write(std::string_view bytes) {
    TRY(os::write_all(file_, bytes));
    Lock lock(mutex_);
    arrived_ += bytes.size();
    changed_.notify_all();
    return {};
}

Result<void> Fetch::send(const Context& context, http::BodyWriter& out, std::uint64_t start, std::uint64_t count) {
    std::stop_callback on_stop(context.stop, [this] {
        Lock lock(mutex_);
        changed_.notify_all();
    });
    while (count > 0) {
        std::uint64_t ready = 0;
        {
            Lock lock(mutex_);
            for (;;) {
                TRY(context.check());
                if (ended_ && !*ended_) return ended_->error();
                ready = arrived_ > start ? std::min(arrived_ - start, count) : 0;
                if (!ended_ && ready == count) --ready;  // the last byte waits for the checksum
                if (ready > 0) break;
                changed_.wait(lock);
            }
        }
        TRY(out.write_file(file_, start, ready));
        start += ready;
        count -= ready;
    }
    return {};
}

}  // namespace pila::registry
