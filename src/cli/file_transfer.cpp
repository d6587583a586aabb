// SPDX-License-Identifier: Apache-2.0
#include "cli/file_transfer.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>
#include <array>
#include <cerrno>

#include "base/random.h"
#include "cli/streams.h"
#include "os/file.h"

namespace pila::cli {

namespace {

// Go spells the reasons in lower case.
std::string reason(int number) {
    switch (number) {
        case ENOENT: return "no such file or directory";
        case EACCES: return "permission denied";
        case EISDIR: return "is a directory";
        case ENOTDIR: return "not a directory";
        default: return Error::from_errno(number, "").message();
    }
}

std::string directory_of(const std::string& path) {
    auto slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Result<std::size_t> FileBody::read(char* buffer, std::size_t size) { return os::read_some(file_, buffer, size); }

Result<Fd> open_for_reading(const std::string& path) {
    auto file = os::open(path, O_RDONLY);
    if (file) return file;
    return Error(file.error().code(), fmt::format("open {}: {}", path, reason(file.error().os_errno())),
                 file.error().os_errno());
}

Result<void> copy_to(http::BodyReader& body, int descriptor) {
    std::array<char, 64 << 10> buffer;
    for (;;) {
        auto got = TRY(body.read(buffer.data(), buffer.size()));
        if (got == 0) return {};
        TRY(write_fully(descriptor, std::string_view(buffer.data(), got)));
    }
}

Result<void> check_output(const std::string& path) {
    auto directory = directory_of(path);
    struct stat status {};
    if (::stat(directory.c_str(), &status) != 0)
        return Error(Errc::NotFound, fmt::format("invalid output path: stat {}: {}", directory, reason(errno)));
    if (::lstat(path.c_str(), &status) != 0) return {};
    if (S_ISLNK(status.st_mode)) return Error(Errc::Invalid, "cannot write to a symbolic link directly");
    if (S_ISDIR(status.st_mode)) return Error(Errc::Invalid, fmt::format("cannot write to a directory: {}", path));
    if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode))
        return Error(Errc::Invalid, fmt::format("got a device: {}", path));
    return {};
}

Result<void> save_to(http::BodyReader& body, const std::string& path) {
    auto temporary = fmt::format("{}/.tmp-{}", directory_of(path), random_hex(12));
    auto file = TRY(os::open(temporary, O_WRONLY | O_CREAT | O_EXCL, 0600));
    auto finish = [&]() -> Result<void> {
        TRY(copy_to(body, file.get()));
        TRY(std::move(file).close());
        return os::rename(temporary, path);
    };
    auto done = finish();
    if (!done) ::unlink(temporary.c_str());
    return done;
}

}  // namespace pila::cli
