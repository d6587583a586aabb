// SPDX-License-Identifier: Apache-2.0
#include "image/janitor.h"

#include <fcntl.h>
#include <unistd.h>
#include <cstring>
#include <exception>

#include "base/log.h"
#include "base/text.h"
#include "os/file.h"

namespace pila::image {

static constexpr std::chrono::seconds sync_delay{5};

Janitor::Janitor(std::string data_directory) : data_directory_(std::move(data_directory)), thread_([this] { run(); }) {}

Janitor::~Janitor() {
    {
        Lock lock(mutex_);
        stop_ = true;
        changed_.notify_all();
    }
    thread_.join();
}

void Janitor::remove(std::string tree) {
    Lock lock(mutex_);
    trees_.push_back(std::move(tree));
    changed_.notify_all();
}

void Janitor::sync_then_unlink(std::string mark) {
    Lock lock(mutex_);
    marks_.push_back(std::move(mark));
    sync_at_ = std::chrono::steady_clock::now() + sync_delay;
    changed_.notify_all();
}

void Janitor::finish_all() {
    Lock lock(mutex_);
    hurry_ = true;
    changed_.notify_all();
    while (busy_ || !trees_.empty() || !marks_.empty()) changed_.wait(lock);
    hurry_ = false;
}

void Janitor::run() {
    ::pthread_setname_np(::pthread_self(), "image-janitor");
    for (;;) {
        std::string tree;
        std::vector<std::string> marks;
        {
            Lock lock(mutex_);
            busy_ = false;
            changed_.notify_all();
            for (;;) {
                if (stop_) return;
                if (!trees_.empty()) {
                    tree = std::move(trees_.front());
                    trees_.pop_front();
                    break;
                }
                bool due = hurry_ || std::chrono::steady_clock::now() >= sync_at_;
                if (!marks_.empty() && due) {
                    marks.swap(marks_);
                    break;
                }
                if (marks_.empty())
                    changed_.wait(lock);
                else
                    changed_.wait_until(lock, sync_at_);
            }
            busy_ = true;
        }
        try {
            if (!tree.empty()) {
                auto removed = os::remove_tree(tree);
                if (!removed) log::warning("image store: {}", removed.error().message());
            } else {
                sync(marks);
            }
        } catch (const std::exception& exception) {
            log::error("image store: janitor: {}", exception.what());
        }
    }
}

void Janitor::sync(const std::vector<std::string>& marks) {
    auto directory = os::open(data_directory_, O_RDONLY | O_DIRECTORY);
    if (!directory || ::syncfs(directory->get()) < 0) {
        log::warning("image store: new layers stay marked as unsynced: {}",
                     directory ? std::strerror(errno) : directory.error().message().c_str());
        return;
    }
    for (const auto& mark : marks) ::unlink(mark.c_str());  // gone with its layer: fine
}

std::string boot_id() {
    auto text = os::read_file("/proc/sys/kernel/random/boot_id", 128);
    return text ? std::string(trim(*text)) : std::string();
}

}  // namespace pila::image
