// SPDX-License-Identifier: Apache-2.0
// Figures, not checks: PILA_SPEED_ARCHIVE=archive image-test -tc="speed*"

#include <fcntl.h>
#include <chrono>
#include <cstdlib>

#include <doctest/doctest.h>

#include "base/random.h"
#include "image/image_test_util.h"

using namespace pila;
using namespace pila::image;
using namespace pila::image::test;

namespace {

double milliseconds_since(std::chrono::steady_clock::time_point begin) {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

class NullWriter final : public http::BodyWriter {
public:
    Result<void> write(std::string_view bytes) override {
        count += bytes.size();
        return {};
    }
    std::uint64_t count = 0;
};

}  // namespace

TEST_CASE("speed of load, load again, save, remove") {
    const char* archive = std::getenv("PILA_SPEED_ARCHIVE");
    if (!archive) return;
    for (int round = 0; round < 3; ++round) {
        TemporaryDirectory directory;
        auto node = store::Store::open(directory.path + "/node.db", store::Durability::Relaxed).take();
        auto images = ImageStore::create(directory.path, *node).take();
        Context context;
        std::string line;
        std::string name;
        auto step = [&](const char* what, auto action) {
            auto begin = std::chrono::steady_clock::now();
            action();
            line += std::string(what) + " " + std::to_string(static_cast<int>(milliseconds_since(begin))) + " ms  ";
        };
        for (const char* what : {"load", "again"})
            step(what, [&] {
                FileReader body(os::open(archive, O_RDONLY).take());
                auto loaded = images->load(context, body, {});
                REQUIRE_MESSAGE(loaded.ok(), loaded.error().message());
                name = loaded->front();
            });
        step("save", [&] {
            NullWriter out;
            REQUIRE(images->save(context, {name}, out).ok());
        });
        step("remove", [&] { REQUIRE(images->remove(name, true, true, {}).ok()); });
        MESSAGE(line);
    }
}

TEST_CASE("speed of commit, 50 MB in 1 and in 5000 files") {
    if (!std::getenv("PILA_SPEED_ARCHIVE")) return;
    TemporaryDirectory directory;
    auto node = store::Store::open(directory.path + "/node.db", store::Durability::Relaxed).take();
    auto images = ImageStore::create(directory.path, *node).take();
    for (int files : {1, 5000}) {
        auto upper = directory.path + "/upper-" + std::to_string(files);
        REQUIRE(os::make_directories(upper).ok());
        std::string content = random_bytes(static_cast<std::size_t>(50'000'000 / files));
        for (int i = 0; i < files; ++i)
            REQUIRE(os::replace_file(upper + "/" + std::to_string(i), content, 0644, os::Sync::No).ok());
        std::string line = std::to_string(files) + " files:";
        for (int round = 0; round < 5; ++round) {
            auto begin = std::chrono::steady_clock::now();
            auto image = images->commit({}, {.upper_directory = upper});
            REQUIRE(image.ok());
            line += " " + std::to_string(static_cast<int>(milliseconds_since(begin))) + " ms";
            REQUIRE(images->remove((*image)->id.text(), true, true, {}).ok());
        }
        MESSAGE(line);
    }
}
