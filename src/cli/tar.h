// SPDX-License-Identifier: Apache-2.0
#pragma once
// The tar format as `cp` needs it: reading what a daemon sends into a directory, and packing files for it. POSIX ustar
// with pax and GNU long names when reading; ustar with pax records when writing.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "http/message.h"

namespace pila::cli {

struct TarEntry {
    enum class Type : char {
        File = '0',
        HardLink = '1',
        SymbolicLink = '2',
        CharacterDevice = '3',
        BlockDevice = '4',
        Directory = '5',
        Fifo = '6'
    };
    Type type = Type::File;
    std::string name, link;
    std::uint32_t mode = 0644;
    std::uint64_t uid = 0, gid = 0, size = 0;
    std::int64_t modified = 0;  // Unix time
    unsigned device_major = 0, device_minor = 0;
};

class TarReader {
public:
    explicit TarReader(http::BodyReader& source) : source_(source) {}
    // false: the end. What was left of the entry before is skipped.
    Result<bool> next(TarEntry& entry);
    // Bytes of the current entry; 0 at its end.
    Result<std::size_t> read(char* buffer, std::size_t size);

private:
    Result<bool> fill(char* buffer, std::size_t size);  // false: the end before the first byte
    Result<void> skip(std::uint64_t size);
    Result<std::string> long_text(std::uint64_t size);
    Result<void> read_pax(std::uint64_t size);

    http::BodyReader& source_;
    std::uint64_t left_ = 0, padding_ = 0;
    std::string pending_name_, pending_link_;
    std::uint64_t pending_size_ = 0;
    bool has_pending_size_ = false;
};

// The header block or blocks of one entry; its bytes follow, padded with tar_padding().
std::string tar_header(const TarEntry& entry);
inline std::size_t tar_padding(std::uint64_t size) { return static_cast<std::size_t>((512 - size % 512) % 512); }

struct Extraction {
    std::string
        name;  // what the archive's root (file or directory) is called here; "": what it holds goes into `directory`
    bool keep_owner = false;
};
// Into `directory`; nothing leaves it: links are not followed, "..", absolute names and odd kinds are refused.
Result<void> extract_tar(http::BodyReader& source, FdView directory, const Extraction& extraction);

// Packs a file or a directory tree as a body to send. Names begin with `name`.
class TarSource : public http::BodyReader {
public:
    // A directory gives itself and everything below; links stay links.
    // With an empty name only what is below the directory.
    enum class Skip : std::uint8_t { No, Yes, EntryOnly };  // EntryOnly: what is below it is still looked at
    struct Options {
        std::function<Skip(const std::string& name, bool directory)> skip;
        bool owned_by_root = false;
    };
    static Result<std::unique_ptr<TarSource>> create(const std::string& path, const std::string& name) {
        return create(path, name, {});
    }
    static Result<std::unique_ptr<TarSource>> create(const std::string& path, const std::string& name, Options options);
    Result<std::size_t> read(char* buffer, std::size_t size) override;
    std::uint64_t bytes() const { return bytes_; }  // of the archive, so far

private:
    TarSource() = default;
    Result<void> refill();
    Result<void> add(const std::string& path, const std::string& name);

    struct Item {
        std::string path, name;
    };
    Options options_;
    std::vector<Item> queue_;  // last first
    Fd file_;
    std::uint64_t file_left_ = 0, file_size_ = 0;
    std::string buffer_;
    std::size_t offset_ = 0;
    std::uint64_t bytes_ = 0;
    bool ended_ = false;
};

}  // namespace pila::cli
