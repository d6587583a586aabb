// SPDX-License-Identifier: Apache-2.0
#include "image/tar.h"

#include <algorithm>
#include <cstring>

#include <fmt/core.h>

#include "base/text.h"
#include "image/tar_internal.h"

namespace pila::image {

namespace {

constexpr std::uint64_t max_meta_bytes = 1U << 20;  // of one extended header or long name, as Go has it
constexpr int max_meta_headers = 16;                // before one entry
constexpr std::uint64_t max_entries = 8'000'000;
constexpr std::uint64_t max_trailing_bytes = 64U << 20;
constexpr std::uint64_t max_regions = 1U << 20;

Error damaged(std::string_view what) { return Error(Errc::Invalid, fmt::format("read tar: {}", what)); }

bool has_content(char flag) { return flag == '0' || flag == '\0' || flag == '7' || flag == 'S'; }

TarType type_of(char flag, const std::string& path) {
    switch (flag) {
        case '\0': return path.ends_with('/') ? TarType::Directory : TarType::File;
        case '0':
        case '7':
        case 'S': return TarType::File;
        case '1': return TarType::HardLink;
        case '2': return TarType::SymbolicLink;
        case '3': return TarType::CharacterDevice;
        case '4': return TarType::BlockDevice;
        case '5': return TarType::Directory;
        case '6': return TarType::Fifo;
        default: return TarType::Other;
    }
}

}  // namespace

Result<bool> TarReader::fill() {
    if (!current_.bytes.empty()) return true;
    if (at_end_) return false;
    current_ = TRY(from_.next());
    at_end_ = current_.bytes.empty();
    return !at_end_;
}

Result<std::string_view> TarReader::block() {
    bool more = TRY(fill());
    if (!more) return std::string_view();
    if (current_.bytes.size() >= sizeof block_) {
        std::memcpy(block_, current_.bytes.data(), sizeof block_);
        current_.bytes.remove_prefix(sizeof block_);
    } else {
        std::size_t have = 0;
        while (have < sizeof block_) {
            more = TRY(fill());
            if (!more) return damaged("it ends in the middle of a header");
            auto part = std::min(sizeof block_ - have, current_.bytes.size());
            std::memcpy(block_ + have, current_.bytes.data(), part);
            current_.bytes.remove_prefix(part);
            have += part;
        }
    }
    TRY(tell({block_, sizeof block_}));
    return std::string_view(block_, sizeof block_);
}

Result<void> TarReader::skip(std::uint64_t count) {
    while (count > 0) {
        bool more = TRY(fill());
        if (!more) return damaged("it ends in the middle of an entry");
        auto part = static_cast<std::size_t>(std::min<std::uint64_t>(count, current_.bytes.size()));
        TRY(tell(current_.bytes.substr(0, part)));
        current_.bytes.remove_prefix(part);
        count -= part;
    }
    return {};
}

Result<Chunk> TarReader::content() {
    if (content_left_ == 0) return Chunk{};
    bool more = TRY(fill());
    if (!more) return damaged("it ends in the middle of an entry");
    auto part = static_cast<std::size_t>(std::min<std::uint64_t>(content_left_, current_.bytes.size()));
    Chunk chunk = current_.part(0, part);
    if (tell_content_) TRY(tell(chunk.bytes));
    current_.bytes.remove_prefix(part);
    content_left_ -= part;
    return chunk;
}

Result<std::string> TarReader::meta_content(std::uint64_t size) {
    if (size > max_meta_bytes) return damaged(fmt::format("an extended header of {} bytes", size));
    std::string bytes;
    auto padded = (size + 511) / 512 * 512;
    while (bytes.size() < padded) {
        auto part = TRY(block());
        if (part.empty()) return damaged("it ends in the middle of a header");
        bytes += part;
    }
    bytes.resize(size);
    return bytes;
}

Result<bool> TarReader::read_header(Header& header) {
    for (int zeros = 0; zeros < 2; ++zeros) {
        auto bytes = TRY(block());
        if (bytes.empty()) return false;
        if (std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; })) continue;
        if (zeros > 0) return damaged("a single zero block inside");
        std::memcpy(header.bytes, bytes.data(), sizeof header.bytes);
        TRY(header.check());
        return true;
    }
    return false;
}

Result<bool> TarReader::next(TarEntry& entry) {
    if (++entries_ > max_entries)
        return Error(Errc::Exhausted, fmt::format("read tar: more than {} entries", max_entries));
    TRY(skip(std::exchange(content_left_, 0)));
    TRY(skip(std::exchange(padding_, 0)));
    tell_content_ = false;
    Header header;
    Extended extended;
    std::string long_name, long_link;
    for (int metas = 0;; ++metas) {
        if (metas > max_meta_headers) return damaged("too many extended headers before an entry");
        bool more = TRY(read_header(header));
        if (!more && metas > 0) return damaged("an extended header without an entry");
        if (!more) return false;
        char flag = header.type_flag();
        if (flag != 'x' && flag != 'g' && flag != 'X' && flag != 'L' && flag != 'K') break;
        auto size = TRY(header.size());
        auto text = TRY(meta_content(size));
        if (flag == 'x' || flag == 'X') TRY(extended.parse(text));
        // A global header says nothing that Docker would heed.
        if (flag == 'L') long_name = text.substr(0, text.find('\0'));
        if (flag == 'K') long_link = text.substr(0, text.find('\0'));
    }
    entry = TarEntry();
    TRY(header.fill(entry));
    if (!long_name.empty()) entry.path = std::move(long_name);
    if (!long_link.empty()) entry.link = std::move(long_link);
    TRY(extended.apply(entry));
    if (entry.path.empty()) return damaged("an entry without a name");
    entry.type = type_of(entry.type_flag, entry.path);
    bool header_only = entry.type != TarType::File && entry.type != TarType::Other;
    if (header_only && !(entry.type == TarType::Directory && has_content(entry.type_flag))) entry.size = 0;
    if (entry.size > static_cast<std::uint64_t>(INT64_MAX) - 1024) return damaged("an entry of impossible size");
    content_left_ = entry.size;
    padding_ = (512 - entry.size % 512) % 512;
    if (entry.type_flag == 'S') TRY(read_old_sparse(header, entry));
    if (extended.sparse_in_content) TRY(read_sparse_map(entry));
    return true;
}

static Result<void> check_regions(const TarEntry& entry) {
    std::uint64_t at = 0, total = 0;
    for (const auto& region : entry.regions) {
        if (region.offset < at || region.size > entry.real_size || region.offset > entry.real_size - region.size)
            return damaged("a sparse map that contradicts itself");
        at = region.offset + region.size;
        total += region.size;
    }
    if (total > entry.size) return damaged("a sparse map larger than its content");
    return {};
}

// Four regions in the header, 21 in each block that follows (GNU tar manual, "Storing Sparse Files", old format).
Result<void> TarReader::read_old_sparse(const Header& header, TarEntry& entry) {
    entry.sparse = true;
    entry.real_size = TRY(header.number(483, 12));
    std::string_view where(header.bytes + 386, 96);
    bool extended = header.bytes[482] != 0;
    std::string more;
    for (;;) {
        for (std::size_t at = 0; at + 24 <= where.size(); at += 24) {
            if (where[at] == 0) break;
            auto offset = TRY(parse_tar_number(where.substr(at, 12)));
            auto size = TRY(parse_tar_number(where.substr(at + 12, 12)));
            entry.regions.push_back({offset, size});
        }
        if (!extended) break;
        if (entry.regions.size() > max_regions) return damaged("a sparse map without end");
        auto bytes = TRY(block());
        if (bytes.empty()) return damaged("it ends in the middle of a header");
        more = bytes;
        where = std::string_view(more).substr(0, 504);
        extended = more[504] != 0;
    }
    return check_regions(entry);
}

// pax 1.0: the map is lines of decimal numbers at the start of the content, padded to whole blocks; 0.0 and 0.1 have it
// in the extended header.
Result<void> TarReader::read_sparse_map(TarEntry& entry) {
    if (!entry.regions.empty()) return check_regions(entry);
    std::string text;
    std::size_t at = 0;
    auto number = [&]() -> Result<std::uint64_t> {
        std::size_t end;
        while ((end = text.find('\n', at)) == std::string::npos) {
            if (content_left_ < 512 || text.size() > max_regions * 40) return damaged("a sparse map without end");
            content_left_ -= 512;
            text += TRY(block());
        }
        auto value = parse_uint(std::string_view(text).substr(at, end - at));
        if (!value || *value > static_cast<std::uint64_t>(INT64_MAX))
            return damaged("a sparse map that is not numbers");
        at = end + 1;
        return *value;
    };
    auto count = TRY(number());
    if (count > max_regions) return damaged("a sparse map without end");
    for (std::uint64_t i = 0; i < count; ++i) {
        auto offset = TRY(number());
        auto size = TRY(number());
        entry.regions.push_back({offset, size});
    }
    entry.size = content_left_;
    return check_regions(entry);
}

Result<void> TarReader::drain() {
    std::uint64_t count = 0;
    for (;;) {
        bool more = TRY(fill());
        if (!more) return {};
        count += current_.bytes.size();
        if (count > max_trailing_bytes) return damaged("endless bytes after the end of the archive");
        TRY(tell(current_.bytes));
        current_ = {};
    }
}

}  // namespace pila::image
