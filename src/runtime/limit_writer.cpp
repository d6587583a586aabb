// SPDX-License-Identifier: Apache-2.0
#include "runtime/limit_writer_internal.h"

#include <fmt/core.h>

#include "base/text.h"
#include "os/file.h"

namespace pila::runtime {

LimitWriter::~LimitWriter() {
    for (auto step = written_.rbegin(); step != written_.rend(); ++step)
        // An empty value needs a line of its own: a write(2) of no bytes is none.
        ignore(cgroup_.write(step->controller, step->file, step->former.empty() ? "\n" : step->former),
               "the error that led here is the one to report");
}

bool LimitWriter::has(std::string_view controller, const std::string& file) const {
    auto directory = cgroup_.directory(controller);
    return !directory.empty() && os::exists(directory + "/" + file);
}

Result<void> LimitWriter::set_over(std::string_view controller, const std::string& file, std::string_view value,
                                   std::string former) {
    TRY(cgroup_.write(controller, file, value));
    if (remember_ == Remember::Yes) written_.push_back({std::string(controller), file, std::move(former)});
    return {};
}

Result<void> LimitWriter::set(std::string_view controller, const std::string& file, std::string_view value) {
    std::string former;
    if (remember_ == Remember::Yes) {
        auto text = TRY(cgroup_.read(controller, file));
        former = trim(std::string_view(text).substr(0, text.find('\n')));
    }
    return set_over(controller, file, value, std::move(former));
}

Result<void> LimitWriter::set_device(std::string_view controller, const std::string& file, const DeviceLimit& device,
                                     std::string_view value, std::string_view none) {
    auto key = fmt::format("{}:{} ", device.major, device.minor);
    auto former = key + std::string(none);
    if (remember_ == Remember::Yes) {
        auto text = TRY(cgroup_.read(controller, file));
        for (auto line : split(text, '\n'))
            if (line.starts_with(key)) former = line;
    }
    return set_over(controller, file, key + std::string(value), std::move(former));
}

}  // namespace pila::runtime
