// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/core.h>

#include "base/text.h"
#include "image/tar_internal.h"

namespace pila::image {

static Error damaged(std::string_view what) { return Error(Errc::Invalid, fmt::format("read tar: {}", what)); }

Result<std::uint64_t> parse_tar_number(std::string_view field) {
    if (!field.empty() && (field[0] & 0x80) != 0) {
        if ((field[0] & 0x40) != 0) return damaged("a negative number");
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < field.size(); ++i) {
            auto digit = static_cast<unsigned char>(i == 0 ? field[i] & 0x7f : field[i]);
            if ((value >> 55) != 0) return damaged("a number beyond 63 bits");
            value = value << 8 | digit;
        }
        return value;
    }
    auto from = field.find_first_not_of(std::string_view(" \0", 2));
    if (from == std::string_view::npos) return std::uint64_t{0};
    field.remove_prefix(from);
    field = field.substr(0, field.find_first_of(std::string_view(" \0", 2)));
    auto value = parse_uint(field, 8);
    if (!value || *value > static_cast<std::uint64_t>(INT64_MAX)) return damaged("a number that is none");
    return *value;
}

Result<timespec> parse_pax_time(std::string_view text) {
    auto dot = text.find('.');
    auto whole = text.substr(0, dot);
    bool negative = whole.starts_with('-');
    auto seconds = parse_int(whole.empty() || whole == "-" ? std::string_view("0") : whole);
    // Go's bounds are those of its time type; ext4 stores 34 bits. Beyond a few thousand years nobody means it.
    constexpr std::int64_t most = 1LL << 40;
    if (!seconds || *seconds > most || *seconds < -most) return damaged("a time that is none");
    std::int64_t nanoseconds = 0;
    if (dot != std::string_view::npos) {
        auto digits = std::string(text.substr(dot + 1, 9));
        auto rest = text.substr(dot + 1);
        if (!std::all_of(rest.begin(), rest.end(), [](char c) { return c >= '0' && c <= '9'; }))
            return damaged("a time that is none");
        digits.resize(9, '0');
        nanoseconds = *parse_int(digits);
    }
    if (negative && nanoseconds > 0) return timespec{*seconds - 1, 1'000'000'000 - nanoseconds};
    return timespec{*seconds, nanoseconds};
}

Result<void> TarReader::Header::check() const {
    // Some old writers summed signed bytes.
    std::uint64_t plain = 0;
    std::int64_t with_signs = 0;
    for (std::size_t i = 0; i < sizeof bytes; ++i) {
        char byte = i >= 148 && i < 156 ? ' ' : bytes[i];
        plain += static_cast<unsigned char>(byte);
        with_signs += static_cast<signed char>(byte);
    }
    auto stored = number(148, 8);
    if (!stored || (*stored != plain && static_cast<std::int64_t>(*stored) != with_signs))
        return damaged("invalid tar header");
    return {};
}

Result<void> TarReader::Header::fill(TarEntry& entry) const {
    entry.path = text(0, 100);
    entry.link = text(157, 100);
    entry.type_flag = type_flag();
    entry.mode = static_cast<std::uint32_t>(TRY(number(100, 8))) & 07777;
    // Ids beyond 32 bits exist only in damaged archives, or where a pax record says better.
    entry.uid = static_cast<std::uint32_t>(TRY(number(108, 8)));
    entry.gid = static_cast<std::uint32_t>(TRY(number(116, 8)));
    entry.size = TRY(size());
    // Times before 1970 are written in negative base 256 by some.
    auto seconds = number(136, 12);
    if (seconds) entry.modified.tv_sec = static_cast<time_t>(std::min<std::uint64_t>(*seconds, 1ULL << 40));
    if (std::string_view(bytes + 257, 5) == "ustar") {
        if (entry.type_flag == '3' || entry.type_flag == '4') {
            entry.device_major = static_cast<std::uint32_t>(TRY(number(329, 8)));
            entry.device_minor = static_cast<std::uint32_t>(TRY(number(337, 8)));
        }
        bool posix = bytes[262] == '\0';
        bool star = std::string_view(bytes + 508, 4) == std::string_view("tar\0", 4);
        auto prefix = posix ? text(345, star ? 131 : 155) : std::string_view();
        if (!prefix.empty()) entry.path = std::string(prefix) + "/" + entry.path;
    }
    return {};
}

Result<void> TarReader::Extended::parse(std::string_view text) {
    while (!text.empty()) {
        auto space = text.find(' ');
        auto length = parse_uint(text.substr(0, space));
        if (space == std::string_view::npos || !length || *length <= space + 1 || *length > text.size())
            return damaged("an extended header of wrong length");
        auto record = text.substr(space + 1, *length - space - 1);
        text.remove_prefix(*length);
        auto equals = record.find('=');
        if (record.back() != '\n' || equals == std::string_view::npos || equals == 0)
            return damaged("an extended header without key or end");
        record.remove_suffix(1);
        TRY(take_record(record.substr(0, equals), record.substr(equals + 1)));
    }
    return {};
}

Result<void> TarReader::Extended::take_record(std::string_view key, std::string_view value) {
    bool is_name = key == "path" || key == "linkpath" || key == "GNU.sparse.name";
    if (is_name && value.find('\0') != std::string_view::npos) return damaged("a name with a zero byte");
    if (key == "GNU.sparse.offset" || key == "GNU.sparse.numbytes") {
        auto number = parse_uint(value);
        if (!number || *number > static_cast<std::uint64_t>(INT64_MAX))
            return damaged("a sparse map that is not numbers");
        if (key == "GNU.sparse.offset")
            regions.push_back({*number, 0});
        else if (regions.empty())
            return damaged("a sparse map out of order");
        else
            regions.back().size = *number;
        return {};
    }
    records.insert_or_assign(std::string(key), std::string(value));
    return {};
}

Result<void> TarReader::Extended::apply(TarEntry& entry) {
    if (auto* path = get("path")) entry.path = *path;
    if (auto* link = get("linkpath")) entry.link = *link;
    struct Number {
        const char* key;
        std::uint64_t most;
        std::uint64_t value = 0;
        bool present = false;
    } numbers[] = {{"size", INT64_MAX}, {"uid", UINT32_MAX}, {"gid", UINT32_MAX}};
    for (auto& number : numbers) {
        auto* text = get(number.key);
        if (!text) continue;
        auto value = parse_uint(*text);
        if (!value || *value > number.most) return damaged(fmt::format("an impossible {}", number.key));
        number.value = *value;
        number.present = true;
    }
    if (numbers[0].present) entry.size = numbers[0].value;
    if (numbers[1].present) entry.uid = static_cast<std::uint32_t>(numbers[1].value);
    if (numbers[2].present) entry.gid = static_cast<std::uint32_t>(numbers[2].value);
    if (auto* time = get("mtime")) entry.modified = TRY(parse_pax_time(*time));
    if (auto* time = get("atime")) entry.accessed = TRY(parse_pax_time(*time));
    constexpr std::string_view xattr = "SCHILY.xattr.";
    for (auto record = records.lower_bound(xattr); record != records.end() && record->first.starts_with(xattr);
         ++record)
        entry.xattrs.emplace(record->first.substr(xattr.size()), record->second);
    return apply_sparse(entry);
}

Result<void> TarReader::Extended::apply_sparse(TarEntry& entry) {
    auto* major = get("GNU.sparse.major");
    auto* minor = get("GNU.sparse.minor");
    bool version_1 = major && minor && *major == "1" && *minor == "0";
    auto* map = get("GNU.sparse.map");
    if (!version_1 && !map && regions.empty()) return {};
    if (entry.type_flag != '0' && entry.type_flag != '\0') return {};
    entry.sparse = true;
    sparse_in_content = true;
    if (auto* name = get("GNU.sparse.name")) entry.path = *name;
    auto* size = get("GNU.sparse.realsize");
    if (!size) size = get("GNU.sparse.size");
    auto real = size ? parse_uint(*size) : std::nullopt;
    if (!real || *real > static_cast<std::uint64_t>(INT64_MAX)) return damaged("a sparse file without a size");
    entry.real_size = *real;
    if (version_1) return {};
    if (map) {
        auto parts = split(*map, ',');
        if (parts.size() % 2 != 0) return damaged("a sparse map that is not numbers");
        for (std::size_t i = 0; i < parts.size(); i += 2) {
            auto offset = parse_uint(parts[i]), count = parse_uint(parts[i + 1]);
            if (!offset || !count) return damaged("a sparse map that is not numbers");
            regions.push_back({*offset, *count});
        }
    }
    entry.regions = regions;
    return {};
}

}  // namespace pila::image
