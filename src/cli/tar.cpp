// SPDX-License-Identifier: Apache-2.0
#include "cli/tar.h"

#include <fmt/core.h>
#include <algorithm>
#include <array>
#include <cstring>

#include "base/text.h"

namespace pila::cli {

namespace {

constexpr std::size_t block = 512;
constexpr std::uint64_t max_text = 1U << 20;  // names, pax records

Error malformed(std::string_view why) { return Error(Errc::Invalid, fmt::format("malformed tar archive: {}", why)); }

std::string_view text_at(const char* header, std::size_t offset, std::size_t size) {
    std::string_view text(header + offset, size);
    return text.substr(0, std::min(text.find('\0'), text.size()));
}

// Octal digits, or big-endian binary when the first bit is set (GNU).
Result<std::uint64_t> number_at(const char* header, std::size_t offset, std::size_t size) {
    auto first = static_cast<unsigned char>(header[offset]);
    if (first & 0x80) {
        if (first != 0x80) return malformed("number out of range");
        std::uint64_t value = 0;
        for (std::size_t i = 1; i < size; ++i) {
            if (value >> 56) return malformed("number out of range");
            value = value << 8 | static_cast<unsigned char>(header[offset + i]);
        }
        return value;
    }
    auto digits = trim(text_at(header, offset, size));
    if (digits.empty()) return std::uint64_t{0};
    auto value = parse_uint(digits, 8);
    if (!value) return malformed("bad number");
    return *value;
}

bool checksum_fits(const char* header) {
    auto stored = number_at(header, 148, 8);
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < block; ++i) sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(header[i]);
    return stored && *stored == sum;
}

void put_octal(char* header, std::size_t offset, std::size_t size, std::uint64_t value) {
    auto text = fmt::format("{:0{}o}", value, size - 1);
    if (text.size() < size) std::memcpy(header + offset, text.data(), text.size());
}

std::string pax_record(std::string_view key, std::string_view value) {
    std::size_t length = key.size() + value.size() + 3;
    for (std::size_t digits = 1;; ++digits)
        if (auto whole = length + digits; std::to_string(whole).size() == digits)
            return fmt::format("{} {}={}\n", whole, key, value);
}

std::string plain_header(const TarEntry& entry, char type) {
    char header[block] = {};
    auto put = [&](std::size_t offset, std::string_view text, std::size_t size) {
        std::memcpy(header + offset, text.data(), std::min(text.size(), size));
    };
    put(0, entry.name, 100);
    put_octal(header, 100, 8, entry.mode & 07777);
    put_octal(header, 108, 8, std::min<std::uint64_t>(entry.uid, 07777777));
    put_octal(header, 116, 8, std::min<std::uint64_t>(entry.gid, 07777777));
    put_octal(header, 124, 12, entry.size);
    put_octal(header, 136, 12, static_cast<std::uint64_t>(std::max<std::int64_t>(entry.modified, 0)));
    header[156] = type;
    put(157, entry.link, 100);
    put(257, std::string_view("ustar\00000", 8), 8);
    put_octal(header, 329, 8, entry.device_major);
    put_octal(header, 337, 8, entry.device_minor);
    std::uint64_t sum = 8 * ' ';
    for (char c : header) sum += static_cast<unsigned char>(c);
    put(148, fmt::format("{:06o}", sum) + std::string("\0 ", 2), 8);
    return std::string(header, block);
}

}  // namespace

std::string tar_header(const TarEntry& entry) {
    std::string records;
    if (entry.name.size() > 100) records += pax_record("path", entry.name);
    if (entry.link.size() > 100) records += pax_record("linkpath", entry.link);
    if (entry.size > 077777777777ULL) records += pax_record("size", std::to_string(entry.size));
    if (entry.uid > 07777777) records += pax_record("uid", std::to_string(entry.uid));
    if (entry.gid > 07777777) records += pax_record("gid", std::to_string(entry.gid));
    auto whole = plain_header(entry, static_cast<char>(entry.type));
    if (records.empty()) return whole;
    TarEntry extension;
    extension.name = "PaxHeaders/" + entry.name.substr(0, 80);
    extension.size = records.size();
    auto padding = tar_padding(records.size());
    return plain_header(extension, 'x') + records + std::string(padding, '\0') + whole;
}

Result<bool> TarReader::fill(char* buffer, std::size_t size) {
    std::size_t have = 0;
    while (have < size) {
        auto got = TRY(source_.read(buffer + have, size - have));
        if (got == 0 && have == 0) return false;
        if (got == 0) return malformed("cut short");
        have += got;
    }
    return true;
}

Result<void> TarReader::skip(std::uint64_t size) {
    std::array<char, 16 << 10> buffer;
    while (size > 0) {
        auto part = static_cast<std::size_t>(std::min<std::uint64_t>(size, buffer.size()));
        bool there = TRY(fill(buffer.data(), part));
        if (!there) return malformed("cut short");
        size -= part;
    }
    return {};
}

Result<std::string> TarReader::long_text(std::uint64_t size) {
    if (size > max_text) return malformed("name too long");
    std::string text(size, '\0');
    bool there = size == 0 || TRY(fill(text.data(), text.size()));
    if (!there) return malformed("cut short");
    TRY(skip(tar_padding(size)));
    return text;
}

Result<void> TarReader::read_pax(std::uint64_t size) {
    auto text = TRY(long_text(size));
    std::string_view rest = text;
    while (!rest.empty()) {
        auto space = rest.find(' ');
        auto length = space == std::string_view::npos ? std::nullopt : parse_uint(rest.substr(0, space));
        if (!length || *length <= space + 1 || *length > rest.size() || rest[*length - 1] != '\n')
            return malformed("bad pax record");
        auto record = rest.substr(space + 1, *length - space - 2);
        rest.remove_prefix(*length);
        auto equals = record.find('=');
        if (equals == std::string_view::npos) return malformed("bad pax record");
        auto key = record.substr(0, equals), value = record.substr(equals + 1);
        if (key == "path")
            pending_name_ = value;
        else if (key == "linkpath")
            pending_link_ = value;
        else if (key == "size") {
            auto number = parse_uint(value);
            if (!number) return malformed("bad pax size");
            pending_size_ = *number;
            has_pending_size_ = true;
        }
    }
    return {};
}

Result<bool> TarReader::next(TarEntry& entry) {
    TRY(skip(left_));
    TRY(skip(padding_));
    left_ = padding_ = 0;
    for (;;) {
        char header[block];
        bool there = TRY(fill(header, block));
        if (!there || std::all_of(header, header + block, [](char c) { return c == 0; })) return false;
        if (!checksum_fits(header)) return malformed("bad checksum");
        auto size = TRY(number_at(header, 124, 12));
        char type = header[156];
        if (type == 'L' || type == 'K') {
            auto text = TRY(long_text(size));
            (type == 'L' ? pending_name_ : pending_link_) = text.substr(0, std::min(text.find('\0'), text.size()));
            continue;
        }
        if (type == 'x') {
            TRY(read_pax(size));
            continue;
        }
        if (type == 'g') {
            TRY(skip(size));
            TRY(skip(tar_padding(size)));
            continue;
        }
        if (type == '\0' || type == '7') type = '0';
        if (type < '0' || type > '6')
            return malformed(fmt::format("unknown kind of entry {:#x}", static_cast<unsigned char>(type)));
        entry = {};
        entry.type = static_cast<TarEntry::Type>(type);
        entry.name = text_at(header, 0, 100);
        bool posix = std::memcmp(header + 257, "ustar\0", 6) == 0;
        if (auto prefix = text_at(header, 345, 155); posix && !prefix.empty())
            entry.name = std::string(prefix) + "/" + entry.name;
        entry.link = text_at(header, 157, 100);
        entry.mode = static_cast<std::uint32_t>(TRY(number_at(header, 100, 8)) & 07777);
        entry.uid = TRY(number_at(header, 108, 8));
        entry.gid = TRY(number_at(header, 116, 8));
        entry.modified = static_cast<std::int64_t>(TRY(number_at(header, 136, 12)));
        entry.size = has_pending_size_ ? pending_size_ : size;
        if (!pending_name_.empty()) entry.name = std::move(pending_name_);
        if (!pending_link_.empty()) entry.link = std::move(pending_link_);
        pending_name_.clear();
        pending_link_.clear();
        has_pending_size_ = false;
        left_ = entry.size;
        padding_ = tar_padding(entry.size);
        return true;
    }
}

Result<std::size_t> TarReader::read(char* buffer, std::size_t size) {
    auto part = static_cast<std::size_t>(std::min<std::uint64_t>(size, left_));
    if (part == 0) return part;
    auto got = TRY(source_.read(buffer, part));
    if (got == 0) return malformed("cut short");
    left_ -= got;
    return got;
}

}  // namespace pila::cli
