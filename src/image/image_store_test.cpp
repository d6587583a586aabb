// SPDX-License-Identifier: Apache-2.0
#include "image/image_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "image/image_test_util.h"
#include "image/layer_commit.h"
#include "image/overlay_form.h"

using namespace pila;
using namespace pila::image;
using namespace pila::image::test;

namespace {

struct Fixture {
    TemporaryDirectory directory;
    std::unique_ptr<store::Store> node =
        store::Store::open(directory.path + "/node.db", store::Durability::Relaxed).take();
    std::unique_ptr<ImageStore> images = ImageStore::create(directory.path, *node).take();
    Context context;
    std::string said;
    ProgressSink sink = [this](const Progress& progress) { said += progress.stream; };

    Result<std::vector<std::string>> load(const std::string& archive) {
        MemoryReader body(archive, 1000);
        return images->load(context, body, sink);
    }
    void reopen() {
        images.reset();
        images = ImageStore::create(directory.path, *node).take();
    }
    Images& internals() { return dynamic_cast<Images&>(*images); }
    std::string entries(const std::string& below) {
        internals().layers().janitor().finish_all();
        return join(os::list_directory(directory.path + "/" + below).take(), " ");
    }
    static std::string join(const std::vector<std::string>& texts, const std::string& separator) {
        std::string out;
        for (const auto& text : texts) out += (out.empty() ? "" : separator) + text;
        return out;
    }
};

std::string message_of(const Error& error) { return error.message(); }

const std::string layer_one = TarBuilder().directory("etc/").file("etc/name", "one").finish();
const std::string layer_two =
    TarBuilder().directory("etc/").file("etc/name", "two").file("bin/tool", "#!", 0755).finish();

}  // namespace

TEST_CASE("a docker archive is loaded, found by all its names, and still there after reopening") {
    Fixture fixture;
    auto config = config_json({Digest::of(layer_one), Digest::of(layer_two)});
    auto id = Digest::of(config);
    auto loaded = fixture.load(docker_archive({layer_one, layer_two}, config, {"test:1", "registry.local:5000/a/b:2"}));
    REQUIRE_MESSAGE(loaded.ok(), loaded.error().message());
    CHECK(fixture.said == "Loaded image: test:1\nLoaded image: registry.local:5000/a/b:2\n");
    CHECK(*loaded == std::vector<std::string>{"test:1", "registry.local:5000/a/b:2"});
    CHECK(fixture.entries("tmp") == "");
    for (int pass = 0; pass < 2; ++pass) {
        for (const std::string& name :
             {std::string("test:1"), std::string("docker.io/library/test:1"), id.text(), std::string(id.hex()),
              std::string(id.hex().substr(0, 12)), id.text().substr(0, 12), std::string(id.hex().substr(0, 1)),
              std::string("registry.local:5000/a/b:2")}) {
            auto image = fixture.images->find(name);
            REQUIRE_MESSAGE(image.ok(), name);
            CHECK((*image)->id == id);
            CHECK((*image)->config_json == config);
            CHECK((*image)->tags.size() == 2);
            CHECK((*image)->size == 8);
            CHECK((*image)->config.command == std::vector<std::string>{"/bin/sh"});
            auto directories = fixture.images->layer_directories(**image).take();
            REQUIRE(directories.size() == 2);
            CHECK(*os::read_file(directories[0] + "/etc/name", 10) == "two");
            CHECK(*os::read_file(directories[1] + "/etc/name", 10) == "one");
        }
        CHECK(fixture.images->find("test").error().message() == "No such image: test:latest");
        CHECK(fixture.images->find("sha256:" + std::string(64, '0')).error().code() == Errc::NotFound);
        fixture.reopen();
        REQUIRE(fixture.images->recover().ok());
    }
}

TEST_CASE("loading again is harmless, moves names, and says so") {
    Fixture fixture;
    auto first = config_json({Digest::of(layer_one)});
    auto second = config_json({Digest::of(layer_one), Digest::of(layer_two)});
    REQUIRE(fixture.load(docker_archive({layer_one}, first, {"a:1"})).ok());
    REQUIRE(fixture.load(docker_archive({layer_one}, first, {"a:1"})).ok());
    REQUIRE(fixture.load(docker_archive({layer_one, layer_two}, second, {"a:1"})).ok());
    CHECK(fixture.said.find("The image a:1 already exists, renaming the old one with ID " + Digest::of(first).text() +
                            " to empty string\n") != std::string::npos);
    CHECK((*fixture.images->find("a:1"))->id == Digest::of(second));
    CHECK((*fixture.images->find(Digest::of(first).text()))->tags.empty());
    CHECK(fixture.images->list().size() == 2);
    fixture.said.clear();
    REQUIRE(fixture.load(docker_archive({layer_two}, config_json({Digest::of(layer_two)}), {})).ok());
    CHECK(fixture.said == "Loaded image ID: " + Digest::of(config_json({Digest::of(layer_two)})).text() + "\n");
}

TEST_CASE("a layer known by its name in the archive is only hashed, and not believed") {
    Fixture fixture;
    auto big = TarBuilder().file("a", std::string(200'000, 'a')).finish();
    auto changed = big;
    changed[150'000] = 'b';
    auto config = config_json({Digest::of(big)});
    auto archive = docker_archive({big}, config, {"a:1"});
    REQUIRE(fixture.load(archive).ok());
    REQUIRE(fixture.load(archive).ok());
    auto other = docker_archive({changed}, config_json({Digest::of(changed)}), {"b:1"});
    CHECK(fixture.load(other).error().message().find("is not what it was when it was loaded last") !=
          std::string::npos);
    CHECK(fixture.load(other).ok());
    REQUIRE(fixture.images->remove("a:1", true, true, {}).ok());
    CHECK_FALSE(fixture.load(archive).ok());  // the same name, size and beginning have come to mean the other one
    REQUIRE(fixture.load(archive).ok());
    CHECK(fixture.images->layer_directories(**fixture.images->find("a:1")).ok());
}

TEST_CASE("archives that lie are refused and leave nothing") {
    Fixture fixture;
    auto good = config_json({Digest::of(layer_one)});
    auto refused = [&](const std::string& archive) {
        auto loaded = fixture.load(archive);
        REQUIRE_FALSE(loaded.ok());
        CHECK(fixture.images->list().empty());
        CHECK(fixture.entries("tmp") == "");
        CHECK(fixture.entries("layers") == "");
        return message_of(loaded.error());
    };
    CHECK(refused(docker_archive({layer_two}, good, {"a:1"})).find("invalid diffID for layer 0: expected \"sha256:") ==
          0);
    CHECK(refused(docker_archive({layer_one, layer_two}, good, {"a:1"})) ==
          "invalid manifest, layers length mismatch: expected 2, got 1");
    CHECK(refused(docker_archive({layer_one}, good, {"A:1"})).find("repository name must be lowercase") !=
          std::string::npos);
    CHECK(refused(docker_archive({layer_one}, config_json({Digest::of(layer_one)}, "\"os\":\"windows\","), {})) ==
          "cannot load windows image on linux");
    CHECK(refused(docker_archive({layer_one}, "{}", {})).find("no rootfs") != std::string::npos);
    CHECK(refused(docker_archive({layer_one}, "[", {})).find("archive: ") == 0);
    auto whole = docker_archive({layer_one}, good, {"a:1"});
    CHECK(refused(whole.substr(0, 2000)).find("it ends in the middle") != std::string::npos);
    CHECK(refused("hello").find("it ends in the middle") != std::string::npos);
    CHECK(refused(std::string(4096, 'x')) == "read tar: invalid tar header");
    CHECK(refused("").find("neither manifest.json nor index.json") != std::string::npos);
    CHECK(refused(TarBuilder().file("../x", "1").finish()).find("outside") != std::string::npos);
    CHECK(
        refused(TarBuilder().symlink("a", "b").symlink("b", "a").file("manifest.json", R"([{"Config":"a"}])").finish())
            .find("no a in it") != std::string::npos);
}

TEST_CASE("import makes an image of one layer") {
    Fixture fixture;
    MemoryReader body(layer_one);
    auto image = fixture.images->import(fixture.context, body, {.reference = "imported", .message = ""});
    REQUIRE_MESSAGE(image.ok(), image.error().message());
    CHECK((*image)->tags == std::vector<std::string>{"imported:latest"});
    CHECK((*image)->history.size() == 1);
    CHECK((*image)->history[0].comment == "Imported from -");
    CHECK((*image)->layers == std::vector<Digest>{Digest::of(layer_one)});
    fixture.reopen();
    CHECK(fixture.images->find("imported").ok());
}

TEST_CASE("remove: names, then the image, its layers with the last user") {
    Fixture fixture;
    auto first = config_json({Digest::of(layer_one)});
    auto second = config_json({Digest::of(layer_one), Digest::of(layer_two)});
    REQUIRE(fixture.load(docker_archive({layer_one}, first, {"a:1", "a:2"})).ok());
    REQUIRE(fixture.load(docker_archive({layer_one, layer_two}, second, {"b:1"})).ok());
    std::string container;
    bool running = false;
    InUse in_use = [&](const Digest& id) {
        return id == Digest::of(first) ? ImageUse(container, running) : ImageUse();
    };

    auto removed = fixture.images->remove("a:1", false, true, in_use);
    REQUIRE(removed.ok());
    CHECK(removed->untagged == std::vector<std::string>{"a:1"});
    CHECK(removed->deleted.empty());

    container = std::string(64, 'c');
    auto id = std::string(Digest::of(first).hex().substr(0, 12));
    CHECK(message_of(fixture.images->remove("a:2", false, true, in_use).error()) ==
          "conflict: unable to remove repository reference \"a:2\" (must force) - container cccccccccccc is using its "
          "referenced image " +
              id);
    CHECK(message_of(fixture.images->remove(id, false, true, in_use).error()) ==
          "conflict: unable to delete " + id +
              " (must be forced) - image is being used by stopped container cccccccccccc");
    running = true;
    CHECK(message_of(fixture.images->remove(id, true, true, in_use).error()) ==
          "conflict: unable to delete " + id +
              " (cannot be forced) - image is being used by running container cccccccccccc");
    running = false;
    CHECK(
        message_of(
            fixture.images->remove(id, true, true, [](const Digest&) { return std::string("abc (running)"); }).error())
            .ends_with("(cannot be forced) - image is being used by running container abc"));
    removed = fixture.images->remove("a:2", true, true, in_use);
    REQUIRE(removed.ok());
    CHECK(removed->deleted == std::vector<std::string>{Digest::of(first).text()});
    CHECK(fixture.images->list().size() == 1);
    CHECK(fixture.images->find("a:2").error().code() == Errc::NotFound);
    fixture.reopen();
    CHECK(fixture.images->find(Digest::of(first).text()).ok());  // for the container that still uses it
    CHECK(fixture.images->list().size() == 1);

    container.clear();
    removed = fixture.images->remove("b:1", false, true, in_use);
    REQUIRE(removed.ok());
    CHECK(removed->untagged == std::vector<std::string>{"b:1"});
    auto chains = chain_ids({Digest::of(layer_one), Digest::of(layer_two)});
    CHECK(removed->deleted == std::vector<std::string>{Digest::of(second).text(), chains[1].text(), chains[0].text()});
    CHECK(fixture.entries("layers") == "");
    CHECK(fixture.entries("tmp") == "");
    CHECK(fixture.images->remove("b:1", true, true, in_use).error().code() == Errc::NotFound);
}

TEST_CASE("tag and untag") {
    Fixture fixture;
    REQUIRE(fixture.load(docker_archive({layer_one}, config_json({Digest::of(layer_one)}), {"a:1"})).ok());
    REQUIRE(fixture.images->tag("a:1", "b").ok());
    REQUIRE(fixture.images->tag("b", "host.example:80/x/y:z").ok());
    CHECK(fixture.images->tag("a:1", "c@sha256:" + std::string(64, '0')).error().message() ==
          "refusing to create a tag with a digest reference");
    CHECK(fixture.images->tag("none", "c").error().message() == "No such image: none:latest");
    CHECK((*fixture.images->find("a:1"))->tags.size() == 3);
    auto id = std::string((*fixture.images->find("a:1"))->id.hex().substr(0, 12));
    CHECK(message_of(fixture.images->remove(id, false, true, {}).error()) ==
          "conflict: unable to delete " + id + " (must be forced) - image is referenced in multiple repositories");
    auto removed = fixture.images->remove(id, true, true, {});
    REQUIRE(removed.ok());
    CHECK(removed->untagged.size() == 3);
    CHECK(fixture.images->list().empty());
}

TEST_CASE("recover deletes what no image has") {
    Fixture fixture;
    REQUIRE(fixture.load(docker_archive({layer_one}, config_json({Digest::of(layer_one)}), {"a:1"})).ok());
    REQUIRE(os::make_directories(fixture.directory.path + "/tmp/layer-x/tree").ok());
    auto orphan = fixture.directory.path + "/layers/" + std::string(64, 'a');
    REQUIRE(os::make_directories(orphan + "/tree").ok());
    REQUIRE(os::replace_file(orphan + "/size", "1 2\n").ok());
    REQUIRE(os::replace_file(fixture.directory.path + "/blobs/sha256/" + std::string(64, 'b'), "1").ok());
    fixture.reopen();
    REQUIRE(fixture.images->recover().ok());
    CHECK(fixture.entries("tmp") == "");
    CHECK(fixture.entries("layers") == std::string(Digest::of(layer_one).hex()));
    CHECK(fixture.entries("blobs/sha256") == "");
    CHECK(fixture.images->find("a:1").ok());
}

namespace {

std::string saved(ImageStore& images, const std::vector<std::string>& names) {
    Context context;
    MemoryWriter out;
    auto result = images.save(context, names, out);
    return result ? out.bytes : "error: " + result.error().message();
}

}  // namespace

TEST_CASE("what is saved can be loaded elsewhere, and layers come back byte for byte") {
    Fixture here, there;
    // Everything that could go wrong on the way back: an overwritten file, a hard link, pax, odd padding, trailing
    // zeros.
    auto odd = TarBuilder()
                   .directory("d/", 0700)
                   .file("d/a", std::string(100'000, 'a'))
                   .file("d/b", "first")
                   .file("d/b", "second")
                   .hardlink("d/c", "d/a")
                   .pax({{"path", "d/" + std::string(150, 'n')}, {"mtime", "1700000000.123456789"}, {"comment", "x"}})
                   .file("short", std::string(1, 'z'))
                   .file("d/x/y", "inside")
                   .file("d/x", "now a file")
                   .symlink("l", "d/a")
                   .finish() +
               std::string(8192, '\0');
    auto config = config_json({Digest::of(layer_one), Digest::of(odd), Digest::of(layer_one)});
    REQUIRE(here.load(docker_archive({layer_one, odd, layer_one}, config, {"test:1", "test:2", "other:1"})).ok());
    auto archive = saved(*here.images, {"test", std::string(Digest::of(config).hex())});
    CHECK(archive.substr(0, 6) != "error:");
    REQUIRE(there.load(archive).ok());
    CHECK(there.said == "Loaded image: test:1\nLoaded image: test:2\n");
    CHECK((*there.images->find("test:2"))->id == Digest::of(config));
    auto& layers = there.internals().layers();
    CHECK(read_to_end(**layers.open_tar(Digest::of(odd))) == odd);
    CHECK(saved(*there.images, {"test"}) == saved(*here.images, {"test"}));
    CHECK(saved(*here.images, {"none"}) == "error: No such image: none");
    CHECK(saved(*here.images, {"none:1"}) == "error: reference does not exist");
    CHECK(saved(*here.images, {"Bad:1"}) == "error: invalid reference format: repository name must be lowercase");

    auto file = there.directory.path + "/layers/" + std::string(Digest::of(odd).hex()) + "/tree/d/a";
    REQUIRE(os::write_file(file, "X").ok());
    CHECK(saved(*there.images, {"test"}).find("was changed on disk") != std::string::npos);
}

TEST_CASE("the pure OCI layout of the same archive is loaded too") {
    Fixture here, there;
    auto config = config_json({Digest::of(layer_one)});
    REQUIRE(here.load(docker_archive({layer_one}, config, {"test:1"})).ok());
    auto archive = saved(*here.images, {"test"});
    // Without Docker's manifest, only index.json says what is in it.
    auto at = archive.find("manifest.json");
    REQUIRE(at != std::string::npos);
    archive.replace(at, 8, "manifesT");
    TarBuilder::seal(archive.data() + at);
    REQUIRE(there.load(archive).ok());
    CHECK(there.said == "Loaded image: test:1\n");
    CHECK((*there.images->find("test:1"))->id == Digest::of(config));
}

TEST_CASE("commit makes a child with one more layer") {
    if (::geteuid() != 0) {
        MESSAGE("skipped: whiteouts need root");
        return;
    }
    Fixture fixture;
    REQUIRE(fixture.load(docker_archive({layer_one}, config_json({Digest::of(layer_one)}), {"base:1"})).ok());
    auto upper = fixture.directory.path + "/upper";
    REQUIRE(os::make_directories(upper + "/etc/opaque").ok());
    REQUIRE(os::replace_file(upper + "/etc/new", "12345").ok());
    REQUIRE(::link((upper + "/etc/new").c_str(), (upper + "/etc/same").c_str()) == 0);
    REQUIRE(::mknod((upper + "/etc/name").c_str(), S_IFCHR, 0) == 0);
    REQUIRE(::mkfifo((upper + "/fifo").c_str(), 0640) == 0);
    REQUIRE(mark_opaque(*os::open(upper + "/etc/opaque", O_RDONLY)).ok());
    REQUIRE(::chown((upper + "/etc/new").c_str(), 1000, 1001) == 0);
    REQUIRE(::chmod((upper + "/etc/new").c_str(), 04755) == 0);
    CommitRequest request;
    request.parent = *fixture.images->find("base:1");
    request.upper_directory = upper;
    request.reference = "child:1";
    request.author = "me";
    request.message = "why";
    request.config = request.parent->config;
    request.config.command = {"sh", "-c", "x"};
    request.changes = {"ENV PATH=$PATH:/x"};
    auto child = fixture.images->commit(fixture.context, request);
    REQUIRE_MESSAGE(child.ok(), child.error().message());
    CHECK((*child)->tags == std::vector<std::string>{"child:1"});
    CHECK((*child)->parent == request.parent->id);
    CHECK((*child)->layers.size() == 2);
    CHECK((*child)->config.environment == std::vector<std::string>{"PATH=/bin:/x"});
    CHECK((*child)->config.author == "me");
    CHECK((*child)->history.back().created_by == "sh -c x");
    CHECK((*child)->history.back().comment == "why");
    auto tree = fixture.images->layer_directories(**child)->front();
    struct stat info {};
    REQUIRE(::stat((tree + "/etc/new").c_str(), &info) == 0);
    CHECK((info.st_mode & 07777) == 04755);
    CHECK(info.st_uid == 1000);
    CHECK(info.st_nlink == 2);
    REQUIRE(::stat((tree + "/etc/name").c_str(), &info) == 0);
    CHECK(is_whiteout(info));
    CHECK(is_opaque(*os::open(tree + "/etc/opaque", O_RDONLY)));

    // Unpacked from its own tar it is the same again.
    auto& images = fixture.internals();
    auto tar = read_to_end(**images.layers().open_tar((*child)->layers[1]));
    CHECK(Digest::of(tar) == (*child)->layers[1]);
    MemoryChunks chunks(tar);
    auto again = images.layers().unpack(fixture.context, chunks, LayerStore::KeepTar::No);
    REQUIRE(again.ok());
    auto twice = commit_layer(fixture.context, images.layers(), again->path() + "/tree");
    REQUIRE(twice.ok());
    CHECK(twice->layer.diff_id == (*child)->layers[1]);
    REQUIRE(::stat((again->path() + "/tree/etc/new").c_str(), &info) == 0);
    CHECK((info.st_mode & 07777) == 04755);
    CHECK(is_opaque(*os::open(again->path() + "/tree/etc/opaque", O_RDONLY)));

    auto id = std::string(request.parent->id.hex().substr(0, 12));
    CHECK(fixture.images->remove(id, true, true, {}).error().message() ==
          "conflict: unable to delete " + id + " (cannot be forced) - image has dependent child images");

    // Nothing changed: a step in the history, no layer.
    request.upper_directory = fixture.directory.path + "/nothing";
    request.reference.clear();
    REQUIRE(os::make_directory(request.upper_directory).ok());
    auto empty = fixture.images->commit(fixture.context, request);
    REQUIRE(empty.ok());
    CHECK((*empty)->layers.size() == 1);
    CHECK((*empty)->history.back().empty_layer);
}

TEST_CASE("layers that may not have reached the disk are checked after a crash of the machine") {
    Fixture fixture;
    auto config = config_json({Digest::of(layer_one), Digest::of(layer_two)});
    REQUIRE(fixture.load(docker_archive({layer_one, layer_two}, config, {"a:1"})).ok());
    fixture.entries("tmp");
    auto layer = [&](const std::string& tar) {
        return fixture.directory.path + "/layers/" + std::string(Digest::of(tar).hex());
    };
    CHECK_FALSE(os::exists(layer(layer_one) + "/unsynced"));
    for (const auto& tar : {layer_one, layer_two})
        REQUIRE(os::replace_file(layer(tar) + "/unsynced", "another-boot").ok());
    REQUIRE(::truncate((layer(layer_two) + "/tree/etc/name").c_str(), 0) == 0);
    fixture.reopen();
    REQUIRE(fixture.images->recover().ok());
    fixture.entries("tmp");
    CHECK(os::exists(layer(layer_one)));
    CHECK_FALSE(os::exists(layer(layer_one) + "/unsynced"));
    CHECK_FALSE(os::exists(layer(layer_two)));
    CHECK(fixture.images->layer_directories(**fixture.images->find("a:1")).error().message().find("is not there") !=
          std::string::npos);
    // Loading it again mends it.
    REQUIRE(fixture.load(docker_archive({layer_one, layer_two}, config, {"a:1"})).ok());
    CHECK(fixture.images->layer_directories(**fixture.images->find("a:1")).ok());
}
