// SPDX-License-Identifier: Apache-2.0
#include <sys/wait.h>
#include <atomic>
#include <csignal>
#include <set>
#include <thread>

#include <doctest/doctest.h>

#include "base/random.h"
#include "image/image_test_util.h"

using namespace pila;
using namespace pila::image;
using namespace pila::image::test;

namespace {

std::string layer_of(int number) {
    TarBuilder tar;
    for (int i = 0; i < 30; ++i)
        tar.file("dir-" + std::to_string(number) + "/file-" + std::to_string(i),
                 std::string(3000, static_cast<char>('a' + number)));
    return tar.finish();
}

struct Archive {
    std::string bytes, name;
    Digest id;
};

// Images that share their lowest layers.
std::vector<Archive> archives() {
    std::vector<Archive> all;
    std::vector<std::string> layers;
    std::vector<Digest> digests;
    for (int i = 0; i < 4; ++i) {
        layers.push_back(layer_of(i));
        digests.push_back(Digest::of(layers.back()));
        auto config = config_json(digests);
        auto name = "image-" + std::to_string(i) + ":1";
        all.push_back({docker_archive(layers, config, {name}), name, Digest::of(config)});
    }
    return all;
}

// Every image that is listed is whole.
void check_whole(ImageStore& images) {
    auto& layers = dynamic_cast<Images&>(images).layers();
    for (const auto& image : images.list()) {
        CHECK(images.layer_directories(*image).ok());
        for (const auto& layer : image->layers) {
            auto reader = layers.open_tar(layer);
            REQUIRE(reader.ok());
            CHECK(Digest::of(read_to_end(**reader)) == layer);
        }
    }
}

}  // namespace

TEST_CASE("loads and removals at once never meet half of anything") {
    TemporaryDirectory directory;
    auto node = store::Store::open(directory.path + "/node.db", store::Durability::Relaxed).take();
    auto images = ImageStore::create(directory.path, *node).take();
    auto all = archives();
    std::atomic<int> problems = 0;
    std::vector<std::thread> threads;
    for (std::size_t worker = 0; worker < 4; ++worker)
        threads.emplace_back([&, worker] {
            for (std::size_t round = 0; round < 8; ++round) {
                const auto& archive = all[(worker + round) % all.size()];
                MemoryReader body(archive.bytes);
                if (!images->load({}, body, {})) ++problems;
                auto found = images->find(archive.name);  // another thread may have removed it
                if (found && (*found)->id != archive.id) ++problems;
                auto removed = images->remove(all[(worker * 3 + round) % all.size()].name, true, true, {});
                if (!removed && removed.error().code() != Errc::NotFound && removed.error().code() != Errc::Conflict)
                    ++problems;
            }
        });
    for (auto& thread : threads) thread.join();
    CHECK(problems == 0);
    check_whole(*images);
    for (const auto& image : images->list()) CHECK(images->remove(image->id.text(), true, true, {}).ok());
    dynamic_cast<Images&>(*images).layers().janitor().finish_all();
    CHECK(os::list_directory(directory.path + "/layers")->empty());
    CHECK(os::list_directory(directory.path + "/tmp")->empty());
}

TEST_CASE("a process killed at any moment of a load or removal leaves whole images only") {
    auto all = archives();
    TemporaryDirectory directory;
    for (int round = 0; round < 12; ++round) {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        pid_t child = ::fork();
        if (child == 0) {
            auto node = store::Store::open(directory.path + "/node.db", store::Durability::Relaxed);
            if (!node) ::_exit(1);
            auto images = ImageStore::create(directory.path, **node);
            if (!images || !(*images)->recover() || ::write(ends[1], "x", 1) != 1) ::_exit(1);
            for (std::size_t i = 0;; ++i) {
                MemoryReader body(all[i % 4].bytes);
                if (!(*images)->load({}, body, {})) ::_exit(1);
                ignore((*images)->remove(all[(i + 2) % 4].name, true, true, {}), "not there at first");
            }
        }
        ::close(ends[1]);
        char ready;
        CHECK(::read(ends[0], &ready, 1) == 1);
        ::close(ends[0]);
        std::this_thread::sleep_for(std::chrono::milliseconds(random_number(60)));  // a random moment is the point
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);

        auto node = store::Store::open(directory.path + "/node.db", store::Durability::Relaxed).take();
        auto images = ImageStore::create(directory.path, *node).take();
        REQUIRE(images->recover().ok());
        check_whole(*images);
        std::set<std::string> used;
        for (const auto& image : images->list())
            for (const auto& layer : image->layers) used.emplace(layer.hex());
        dynamic_cast<Images&>(*images).layers().janitor().finish_all();
        CHECK(os::list_directory(directory.path + "/tmp")->empty());
        CHECK(os::list_directory(directory.path + "/layers")->size() == used.size());
    }
}
