// SPDX-License-Identifier: Apache-2.0
#pragma once
// Bodies from and to files.

#include <string>

#include "base/fd.h"
#include "http/message.h"

namespace pila::cli {

// A request's body read from a descriptor.
class FileBody : public http::BodyReader {
public:
    explicit FileBody(FdView file) : file_(file) {}
    Result<std::size_t> read(char* buffer, std::size_t size) override;

private:
    FdView file_;
};

Result<Fd> open_for_reading(const std::string& path);  // "open PATH: no such file or directory"
Result<void> copy_to(http::BodyReader& body, int descriptor);
// Written under another name beside it and moved there once complete.
Result<void> save_to(http::BodyReader& body, const std::string& path);
// Whether save_to() could do that: the directory is there and the target is no directory or device.
Result<void> check_output(const std::string& path);

}  // namespace pila::cli
