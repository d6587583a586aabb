// SPDX-License-Identifier: Apache-2.0
#pragma once
// The two kinds of header a TarReader meets.

#include "image/tar.h"

namespace pila::image {

// Octal text, or base 256 with the first bit set (negative values are refused).
Result<std::uint64_t> parse_tar_number(std::string_view field);
// "123.456", "-1.5": pax times.
Result<timespec> parse_pax_time(std::string_view text);

struct TarReader::Header {
    char bytes[512];

    Result<void> check() const;  // its checksum
    char type_flag() const { return bytes[156]; }
    Result<std::uint64_t> size() const { return number(124, 12); }
    Result<std::uint64_t> number(std::size_t at, std::size_t length) const {
        return parse_tar_number(std::string_view(bytes + at, length));
    }
    std::string_view text(std::size_t at, std::size_t length) const {
        std::string_view field(bytes + at, length);
        return field.substr(0, field.find('\0'));
    }
    Result<void> fill(TarEntry& entry) const;
};

// The records of the extended headers before an entry.
struct TarReader::Extended {
    std::map<std::string, std::string, std::less<>> records;
    std::vector<SparseRegion> regions;  // pax 0.0
    bool sparse_in_content = false;

    Result<void> parse(std::string_view text);
    Result<void> apply(TarEntry& entry);

private:
    Result<void> take_record(std::string_view key, std::string_view value);
    Result<void> apply_sparse(TarEntry& entry);
    const std::string* get(std::string_view key) const {
        auto found = records.find(key);
        return found == records.end() || found->second.empty() ? nullptr : &found->second;
    }
};

}  // namespace pila::image
