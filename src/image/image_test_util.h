// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the tests and fuzz targets of this room share: archives made in memory, bodies, a store in a temporary
// directory.

#include <unistd.h>
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "http/message.h"
#include "image/image_store_internal.h"
#include "os/file.h"

namespace pila::image::test {

class MemoryReader final : public http::BodyReader {
public:
    // `at_most` a read, to try every kind of cut.
    explicit MemoryReader(std::string bytes, std::size_t at_most = 1 << 20)
        : bytes_(std::move(bytes)), at_most_(at_most) {}
    Result<std::size_t> read(char* buffer, std::size_t size) override {
        auto part = std::min({size, at_most_, bytes_.size() - at_});
        bytes_.copy(buffer, part, at_);
        at_ += part;
        return part;
    }

private:
    std::string bytes_;
    std::size_t at_most_, at_ = 0;
};

class MemoryWriter final : public http::BodyWriter {
public:
    Result<void> write(std::string_view more) override {
        bytes += more;
        return {};
    }
    std::string bytes;
};

inline std::string read_to_end(http::BodyReader& reader) {
    std::string bytes;
    char buffer[5000];
    for (;;) {
        auto got = reader.read(buffer, sizeof buffer);
        if (!got) return "(" + got.error().message() + ")";
        if (*got == 0) return bytes;
        bytes.append(buffer, *got);
    }
}

// One ustar header and content at a time; fields can be spoilt before the checksum is made.
struct TarFields {
    std::string path, link;
    char type = '0';
    unsigned mode = 0644, uid = 0, gid = 0;
    long long mtime = 1'700'000'000;
    unsigned device_major = 0, device_minor = 0;
    std::string size_field;  // instead of the content's size
};

class TarBuilder {
public:
    TarBuilder& add(const TarFields& fields, std::string_view content = "") {
        char header[512] = {};
        std::memcpy(header, fields.path.data(), std::min<std::size_t>(fields.path.size(), 100));
        octal(header + 100, 8, fields.mode);
        octal(header + 108, 8, fields.uid);
        octal(header + 116, 8, fields.gid);
        octal(header + 124, 12, content.size());
        if (!fields.size_field.empty())
            std::memcpy(header + 124, fields.size_field.data(), std::min<std::size_t>(12, fields.size_field.size()));
        octal(header + 136, 12, static_cast<unsigned long long>(fields.mtime));
        header[156] = fields.type;
        std::memcpy(header + 157, fields.link.data(), std::min<std::size_t>(fields.link.size(), 100));
        std::memcpy(header + 257, "ustar\00000", 8);
        octal(header + 329, 8, fields.device_major);
        octal(header + 337, 8, fields.device_minor);
        seal(header);
        bytes_.append(header, sizeof header);
        bytes_ += content;
        pad();
        return *this;
    }
    TarBuilder& file(const std::string& path, std::string_view content, unsigned mode = 0644) {
        return add({.path = path, .mode = mode}, content);
    }
    TarBuilder& directory(const std::string& path, unsigned mode = 0755) {
        return add({.path = path, .type = '5', .mode = mode});
    }
    TarBuilder& symlink(const std::string& path, const std::string& to) {
        return add({.path = path, .link = to, .type = '2', .mode = 0777});
    }
    TarBuilder& hardlink(const std::string& path, const std::string& to) {
        return add({.path = path, .link = to, .type = '1'});
    }
    // Records for the next entry.
    TarBuilder& pax(const std::vector<std::pair<std::string, std::string>>& records, char type = 'x') {
        std::string text;
        for (const auto& [key, value] : records) {
            std::size_t rest = key.size() + value.size() + 3, length = rest + 1;
            while (std::to_string(length).size() + rest != length) length = std::to_string(length).size() + rest;
            text += std::to_string(length) + " " + key + "=" + value + "\n";
        }
        return add({.path = "PaxHeaders/x", .type = type}, text);
    }
    TarBuilder& raw(std::string_view bytes) {
        bytes_ += bytes;
        return *this;
    }
    std::string finish() const { return bytes_ + std::string(1024, '\0'); }
    const std::string& unfinished() const { return bytes_; }

    static void seal(char* header) {
        std::memset(header + 148, ' ', 8);
        unsigned sum = 0;
        for (int i = 0; i < 512; ++i) sum += static_cast<unsigned char>(header[i]);
        octal(header + 148, 7, sum);
    }

private:
    static void octal(char* at, int width, unsigned long long value) {
        at[width - 1] = '\0';
        for (int i = width - 2; i >= 0; --i, value >>= 3) at[i] = static_cast<char>('0' + (value & 7));
    }
    void pad() { bytes_.append((512 - bytes_.size() % 512) % 512, '\0'); }
    std::string bytes_;
};

struct TemporaryDirectory {
    std::string path;
    TemporaryDirectory() {
        const char* base = std::getenv("TMPDIR");
        path = std::string(base ? base : "/tmp") + "/pila-image-XXXXXX";
        if (!::mkdtemp(path.data())) std::abort();
    }
    ~TemporaryDirectory() { ignore(os::remove_tree(path), "left over at worst"); }
};

// A minimal configuration of an image with these layers.
inline std::string config_json(const std::vector<Digest>& layers, const std::string& extra = "") {
    std::string text = R"({"architecture":"amd64","os":"linux","config":{"Cmd":["/bin/sh"],"Env":["PATH=/bin"]},)" +
                       extra + R"("created":"2024-01-02T03:04:05Z","rootfs":{"type":"layers","diff_ids":[)";
    for (const auto& layer : layers) text += (&layer == layers.data() ? "\"" : ",\"") + layer.text() + "\"";
    return text + "]}}";
}

// What `docker save` of 20.10 writes: ID/layer.tar, then the configuration, then the manifest.
inline std::string docker_archive(const std::vector<std::string>& layers, const std::string& config,
                                  const std::vector<std::string>& tags) {
    TarBuilder tar;
    std::string paths, names;
    for (std::size_t i = 0; i < layers.size(); ++i) {
        auto directory = std::string(63, '0') + std::to_string(i);
        tar.directory(directory + "/");
        tar.file(directory + "/VERSION", "1.0");
        tar.file(directory + "/layer.tar", layers[i]);
        paths += (i ? ",\"" : "\"") + directory + "/layer.tar\"";
    }
    for (const auto& tag : tags) names += (&tag == tags.data() ? "\"" : ",\"") + tag + "\"";
    auto name = std::string(Digest::of(config).hex()) + ".json";
    tar.file(name, config);
    tar.file("manifest.json",
             R"([{"Config":")" + name + R"(","RepoTags":[)" + names + R"(],"Layers":[)" + paths + "]}]");
    return tar.finish();
}

}  // namespace pila::image::test
