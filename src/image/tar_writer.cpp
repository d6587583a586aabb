// SPDX-License-Identifier: Apache-2.0
#include "image/tar_writer.h"

#include <algorithm>
#include <cstring>

#include <fmt/core.h>

namespace pila::image {

namespace {

constexpr char zeros[1024] = {};
constexpr std::uint64_t max_octal_7 = 07777777;       // in 8 bytes with a terminator
constexpr std::uint64_t max_octal_11 = 077777777777;  // in 12

using Records = std::vector<std::pair<std::string, std::string>>;

bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0 && c != 0; });
}

void put_octal(char* field, int width, std::uint64_t value) {
    field[width - 1] = '\0';
    for (int i = width - 2; i >= 0; --i, value >>= 3) field[i] = static_cast<char>('0' + (value & 7));
}

void put_text(char* field, std::size_t width, std::string_view text) {
    std::memcpy(field, text.data(), std::min(width, text.size()));
}

char flag_of(TarType type) {
    switch (type) {
        case TarType::HardLink: return '1';
        case TarType::SymbolicLink: return '2';
        case TarType::CharacterDevice: return '3';
        case TarType::BlockDevice: return '4';
        case TarType::Directory: return '5';
        case TarType::Fifo: return '6';
        default: return '0';
    }
}

// name <= 100 bytes, or prefix/name at a slash. false: pax has to say it.
bool put_path(char* header, std::string_view path) {
    if (!is_ascii(path)) return false;
    if (path.size() <= 100) {
        put_text(header, 100, path);
        return true;
    }
    if (path.size() > 256) return false;
    auto slash = path.substr(0, std::min<std::size_t>(path.size() - 1, 156)).rfind('/');
    if (slash == std::string_view::npos || slash == 0 || slash > 155 || path.size() - slash - 1 > 100) return false;
    put_text(header + 345, 155, path.substr(0, slash));
    put_text(header, 100, path.substr(slash + 1));
    return true;
}

void seal(char* header) {
    std::memcpy(header + 257, "ustar\00000", 8);
    std::memset(header + 148, ' ', 8);
    std::uint64_t sum = 0;
    for (int i = 0; i < 512; ++i) sum += static_cast<unsigned char>(header[i]);
    put_octal(header + 148, 7, sum);
}

// "LENGTH key=value\n", the length counting itself.
std::string record_text(std::string_view key, std::string_view value) {
    auto rest = key.size() + value.size() + 3;
    auto length = rest + 1;
    while (std::to_string(length).size() + rest != length) length = std::to_string(length).size() + rest;
    return fmt::format("{} {}={}\n", length, key, value);
}

std::string extended_header(const Records& records, std::string_view path) {
    std::string text;
    for (const auto& [key, value] : records) text += record_text(key, value);
    char header[512] = {};
    auto base = path.ends_with('/') ? path.substr(0, path.size() - 1) : path;
    base = base.substr(base.rfind('/') + 1);
    std::string name = "PaxHeaders.0/";
    for (char c : base.substr(0, 80)) name += (c & 0x80) != 0 ? '_' : c;
    put_text(header, 100, name);
    put_octal(header + 100, 8, 0644);
    put_octal(header + 108, 8, 0);
    put_octal(header + 116, 8, 0);
    put_octal(header + 124, 12, text.size());
    put_octal(header + 136, 12, 0);
    header[156] = 'x';
    put_octal(header + 329, 8, 0);
    put_octal(header + 337, 8, 0);
    seal(header);
    return std::string(header, sizeof header) + text + std::string(tar_padding(text.size()));
}

std::string time_text(const timespec& time) {
    auto seconds = static_cast<std::int64_t>(time.tv_sec);
    auto nanoseconds = static_cast<std::int64_t>(time.tv_nsec);
    bool negative = seconds < 0;
    if (negative && nanoseconds > 0) {
        ++seconds;
        nanoseconds = 1'000'000'000 - nanoseconds;
    }
    auto text = fmt::format("{}{}", negative ? "-" : "", negative ? -seconds : seconds);
    if (nanoseconds == 0) return text;
    auto fraction = fmt::format(".{:09}", nanoseconds);
    return text + fraction.substr(0, fraction.find_last_not_of('0') + 1);
}

void put_number(char* field, int width, std::uint64_t value, std::uint64_t most, std::string_view key,
                Records& records) {
    put_octal(field, width, value > most ? 0 : value);
    if (value > most) records.emplace_back(key, std::to_string(value));
}

}  // namespace

Result<std::string> tar_header(const TarEntry& entry) {
    char header[512] = {};
    Records records;
    if (!put_path(header, entry.path)) {
        put_text(header, 100, is_ascii(entry.path) ? std::string_view(entry.path) : std::string_view("_"));
        records.emplace_back("path", entry.path);
    }
    if (entry.link.size() > 100 || !is_ascii(entry.link))
        records.emplace_back("linkpath", entry.link);
    else
        put_text(header + 157, 100, entry.link);
    put_octal(header + 100, 8, entry.mode & 07777);
    put_number(header + 108, 8, entry.uid, max_octal_7, "uid", records);
    put_number(header + 116, 8, entry.gid, max_octal_7, "gid", records);
    put_number(header + 124, 12, entry.size, max_octal_11, "size", records);
    auto seconds = static_cast<std::int64_t>(entry.modified.tv_sec);
    bool fits = seconds >= 0 && static_cast<std::uint64_t>(seconds) <= max_octal_11;
    put_octal(header + 136, 12, fits ? static_cast<std::uint64_t>(seconds) : 0);
    if (!fits || entry.modified.tv_nsec != 0) records.emplace_back("mtime", time_text(entry.modified));
    header[156] = flag_of(entry.type);
    put_octal(header + 329, 8, entry.device_major & max_octal_7);
    put_octal(header + 337, 8, entry.device_minor & max_octal_7);
    if (entry.device_major > max_octal_7 || entry.device_minor > max_octal_7)
        return Error(Errc::Invalid, fmt::format("write tar: device number of {} does not fit", entry.path));
    for (const auto& [name, value] : entry.xattrs) records.emplace_back("SCHILY.xattr." + name, value);
    seal(header);
    std::string bytes;
    if (!records.empty()) bytes = extended_header(records, entry.path);
    bytes.append(header, sizeof header);
    return bytes;
}

std::string_view tar_padding(std::uint64_t size) { return {zeros, (512 - size % 512) % 512}; }
std::string_view tar_end() { return {zeros, sizeof zeros}; }

}  // namespace pila::image
