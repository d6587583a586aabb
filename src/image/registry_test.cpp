// SPDX-License-Identifier: Apache-2.0
#include "image/registry.h"

#include <algorithm>
#include <condition_variable>
#include <thread>

#include <doctest/doctest.h>

#include "image/compression.h"
#include "image/fake_registry.h"
#include "image/image_test_util.h"

using namespace pila;
using namespace pila::image;
using namespace pila::image::test;
using namespace std::chrono_literals;

namespace {

std::string gzip(const std::string& bytes) {
    std::string out;
    auto compressor = gzip_compressor([&](std::string_view more) {
        out += more;
        return Result<void>{};
    });
    REQUIRE(compressor->write(bytes));
    REQUIRE(compressor->finish());
    return out;
}

std::string zstd(const std::string& bytes) {
    std::string out;
    auto compressor = zstd_compressor([&](std::string_view more) {
        out += more;
        return Result<void>{};
    });
    REQUIRE(compressor->write(bytes));
    REQUIRE(compressor->finish());
    return out;
}

std::string noise(std::size_t size) {
    std::string bytes(size, '\0');
    std::uint32_t state = 1;
    for (char& c : bytes) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    return bytes;
}

const std::string tar_one = TarBuilder().file("etc/one", "1").finish();
const std::string tar_two = TarBuilder().file("etc/two", noise(300'000)).finish();
const std::string tar_three = TarBuilder().file("etc/three", "3").finish();

struct Fixture {
    FakeRegistry remote;
    TemporaryDirectory directory;
    std::unique_ptr<store::Store> node =
        store::Store::open(directory.path + "/node.db", store::Durability::Relaxed).take();
    std::unique_ptr<ImageStore> images = ImageStore::create(directory.path, *node).take();
    RegistryOptions options{.stall_timeout = 5s, .retry_delay = 1ms};
    PullRequest request;
    std::vector<std::string> lines;
    Context context;

    std::string name(const std::string& rest = "test/image:tag") const { return remote.host() + "/" + rest; }
    ProgressSink sink() {
        return [this](const Progress& progress) {
            if (progress.total == 0)
                lines.push_back(progress.id.empty() ? progress.status : progress.id + ": " + progress.status);
        };
    }
    Result<PullResult> pull(const std::string& what = "test/image:tag") {
        return Registry::create(*images, options)
            ->pull(context, what.find("127.") == 0 ? what : name(what), request, sink());
    }
    Result<std::vector<PushResult>> push(const std::string& what, const RegistryAuth& auth = {}) {
        return Registry::create(*images, options)->push(context, what, false, auth, sink());
    }
    std::string error_of_pull() {
        auto pulled = pull();
        CHECK(os::list_directory(directory.path + "/tmp").take().empty());
        if (pulled) return "(pulled)";
        CHECK(images->list().empty());
        return pulled.error().message();
    }
    std::size_t entries(const std::string& below) {
        return os::list_directory(directory.path + "/" + below).take().size();
    }
    bool said(const std::string& line) const { return std::find(lines.begin(), lines.end(), line) != lines.end(); }
};

struct Pullable : Fixture {
    std::string config = config_json({Digest::of(tar_one), Digest::of(tar_two), Digest::of(tar_three)});
    std::vector<LayerBlob> layers = {remote.add_layer(gzip(tar_one), media::oci_layer_gzip),
                                     remote.add_layer(zstd(tar_two), media::oci_layer_zstd),
                                     remote.add_layer(tar_three)};
    Digest digest = remote.add_image("test/image", "tag", config, layers);
    std::string id(int layer) const { return short_id(layers[static_cast<std::size_t>(layer)].digest.text()); }
};

}  // namespace

TEST_CASE("pull: gzip, zstd and plain layers, names, progress, and again") {
    Pullable fixture;
    auto pulled = fixture.pull();
    REQUIRE_MESSAGE(pulled.ok(), pulled.error().message());
    CHECK(pulled->newer);
    CHECK(pulled->digest == fixture.digest);
    CHECK(pulled->image->id == Digest::of(fixture.config));
    CHECK(pulled->image->tags == std::vector<std::string>{fixture.name()});
    CHECK(pulled->image->repo_digests ==
          std::vector<std::string>{fixture.name("test/image") + "@" + fixture.digest.text()});
    auto directories = fixture.images->layer_directories(*pulled->image).take();
    CHECK(os::read_file(directories.at(0) + "/etc/three", 10).take() == "3");
    CHECK(fixture.lines.front() == "tag: Pulling from test/image");
    for (const char* line : {"Pulling fs layer", "Verifying Checksum", "Download complete", "Pull complete"})
        for (int layer : {0, 1, 2}) CHECK(fixture.said(fixture.id(layer) + ": " + line));
    CHECK(fixture.lines.at(fixture.lines.size() - 2) == "Digest: " + fixture.digest.text());
    CHECK(fixture.lines.back() == "Status: Downloaded newer image for " + fixture.name());

    fixture.lines.clear();
    auto requests = fixture.remote.count("GET /v2/test/image/blobs/");
    CHECK_FALSE(fixture.pull()->newer);
    CHECK(fixture.lines.back() == "Status: Image is up to date for " + fixture.name());
    CHECK(fixture.remote.count("GET /v2/test/image/blobs/") == requests);

    // Another image with two of the layers: only what is missing is fetched.
    fixture.remote.add_image("test/image", "tag", config_json({Digest::of(tar_one), Digest::of(tar_three)}),
                             {fixture.layers[0], fixture.layers[2]});
    fixture.lines.clear();
    CHECK(fixture.pull()->newer);
    CHECK(fixture.said(fixture.id(0) + ": Already exists"));
    CHECK(fixture.remote.count("GET /v2/test/image/blobs/") == requests + 1);
}

TEST_CASE("pull by digest makes no tag, and survives reopening with its manifest") {
    Pullable fixture;
    auto by_digest = "test/image@" + fixture.digest.text();
    auto pulled = fixture.pull(by_digest);
    REQUIRE(pulled);
    CHECK(pulled->image->tags.empty());
    CHECK(fixture.lines.back() == "Status: Downloaded newer image for " + fixture.name(by_digest));
    fixture.images.reset();
    fixture.images = ImageStore::create(fixture.directory.path, *fixture.node).take();
    REQUIRE(fixture.images->recover());
    CHECK(fixture.images->find(fixture.name(by_digest)));
    CHECK(fixture.entries("blobs/sha256") == 4);  // three layers as they came, the manifest
    REQUIRE(fixture.images->remove(fixture.name(by_digest), false, true, {}));
    CHECK(fixture.entries("blobs/sha256") == 0);
}

TEST_CASE("pull of an index takes the platform that is wanted") {
    Pullable fixture;
    auto other = config_json({Digest::of(tar_one)}, R"("variant":"x",)");
    auto size = [&](const Digest& digest) {
        return std::to_string(fixture.remote.manifests["test/image:" + digest.text()].size());
    };
    auto second = fixture.remote.add_image("test/image", "other", other, {fixture.layers[0]});
    auto entry = [&](const Digest& digest, const std::string& architecture) {
        return R"({"mediaType":")" + std::string(media::oci_manifest) + R"(","digest":")" + digest.text() +
               R"(","size":)" + size(digest) + R"(,"platform":{"os":"linux","architecture":")" + architecture + "\"}}";
    };
    auto index = R"({"schemaVersion":2,"mediaType":")" + std::string(media::oci_index) + R"(","manifests":[)" +
                 entry(second, "s390x") + "," + entry(fixture.digest, "amd64") + "]}";
    auto digest = fixture.remote.add_manifest("test/image", "tag", index, media::oci_index);
    fixture.request.platform = "linux/amd64";
    auto pulled = fixture.pull();
    REQUIRE_MESSAGE(pulled.ok(), pulled.error().message());
    CHECK(pulled->digest == digest);
    CHECK(pulled->image->id == Digest::of(fixture.config));
    fixture.request.platform = "linux/riscv64";
    CHECK(fixture.pull().error().message() == "no matching manifest for linux/riscv64 in the manifest list entries");
    fixture.request.platform = "linux/arm64";
    CHECK(fixture.pull("test/image:other").error().message().find("does not provide the specified platform") !=
          std::string::npos);
    // Goes back as the manifest of its platform, byte for byte.
    REQUIRE(fixture.images->tag(fixture.name(), fixture.name("copy/of:1")));
    auto pushed = fixture.push(fixture.name("copy/of:1"));
    REQUIRE(pushed);
    CHECK(pushed->at(0).digest == fixture.digest);
}

TEST_CASE("pull refuses content that is not what its digest says") {
    Pullable fixture;
    auto& replaced = fixture.remote.faults.replaced;
    SUBCASE("layer") {
        replaced[fixture.layers[1].digest.text()] = zstd(TarBuilder().file("etc/two", noise(300'001)).finish());
        CHECK(fixture.error_of_pull().find("blob sha256:") != std::string::npos);
    }
    SUBCASE("layer of the right size") {
        auto other = tar_three;
        other[512] = '4';
        replaced[fixture.layers[2].digest.text()] = other;
        CHECK(fixture.error_of_pull().find("filesystem layer verification failed") != std::string::npos);
    }
    SUBCASE("configuration") {
        auto other = fixture.config;
        other.back() = ' ';
        replaced[Digest::of(fixture.config).text()] = other;
        CHECK(fixture.error_of_pull().find("its content is sha256:") != std::string::npos);
    }
    SUBCASE("configuration that never ends") {
        replaced[Digest::of(fixture.config).text()] = fixture.config + std::string(1 << 20, ' ');
        CHECK(fixture.error_of_pull().find("body of more than") != std::string::npos);
    }
    SUBCASE("diff ids of other layers") {
        fixture.remote.add_image("test/image", "tag", fixture.config,
                                 {fixture.layers[2], fixture.layers[1], fixture.layers[0]});
        CHECK(fixture.error_of_pull().find("it unpacks to sha256:") != std::string::npos);
    }
    SUBCASE("fewer layers") {
        fixture.remote.add_image("test/image", "tag", fixture.config, {fixture.layers[0]});
        CHECK(fixture.error_of_pull().find("do not belong together") != std::string::npos);
    }
    SUBCASE("a size that lies") {
        auto layers = fixture.layers;
        layers[1].size -= 1;
        fixture.remote.add_image("test/image", "tag", fixture.config, layers);
        CHECK(fixture.error_of_pull().find("more than the") != std::string::npos);
    }
    SUBCASE("manifest, by digest") {
        replaced[fixture.digest.text()] = "{}";
        auto pulled = fixture.pull("test/image@" + fixture.digest.text());
        REQUIRE_FALSE(pulled);
        CHECK(pulled.error().message().find("its content is") != std::string::npos);
    }
    CHECK(fixture.entries("blobs/sha256") <= 2);  // layers that were right may stay until recover()
}

TEST_CASE("a transfer that breaks goes on where it was") {
    Pullable fixture;
    const auto& digest = fixture.layers[1].digest.text();
    fixture.remote.faults.cut_after[digest] = 100'000;
    SUBCASE("with ranges") {
        REQUIRE(fixture.pull());
        auto& ranges = fixture.remote.ranges;
        CHECK(std::find(ranges.begin(), ranges.end(), "bytes=100000-") != ranges.end());
        CHECK(fixture.said(fixture.id(1) + ": Retrying in 1 second"));
    }
    SUBCASE("without ranges") {
        fixture.remote.faults.no_ranges = true;
        REQUIRE(fixture.pull());
    }
    SUBCASE("not for ever") {
        fixture.remote.faults.replaced[digest] = zstd(tar_two).substr(0, 1000);
        CHECK(fixture.error_of_pull() != "(pulled)");
        CHECK(fixture.remote.count("GET /v2/test/image/blobs/" + digest) <= fixture.options.attempts);
    }
    SUBCASE("503 is tried again") {
        fixture.remote.faults.failures = 3;
        REQUIRE(fixture.pull());
    }
}

TEST_CASE("a registry that stalls is given up, and a cancelled pull ends at once") {
    Pullable fixture;
    fixture.remote.faults.stall = true;
    SUBCASE("stall") {
        fixture.options.stall_timeout = 50ms;
        fixture.options.attempts = 2;
        CHECK(fixture.error_of_pull().find("stalled") != std::string::npos);
    }
    SUBCASE("cancelled") {
        std::stop_source stop;
        fixture.context.stop = stop.get_token();
        std::jthread canceller([&] {
            while (fixture.remote.count("GET /v2/test/image/blobs/") == 0) std::this_thread::yield();
            stop.request_stop();
        });
        CHECK(fixture.error_of_pull().find("cancelled") != std::string::npos);
    }
}

TEST_CASE("redirects: followed without credentials, bounded") {
    Pullable fixture;
    FakeRegistry elsewhere;
    fixture.remote.faults.user = fixture.request.auth.username = "me";
    fixture.remote.faults.password = fixture.request.auth.password = "secret";
    SUBCASE("to another server") {
        elsewhere.blobs = fixture.remote.blobs;
        fixture.remote.faults.redirect_blobs_to = elsewhere.url() + "/away/";
        auto pulled = fixture.pull();
        REQUIRE_MESSAGE(pulled.ok(), pulled.error().message());
        CHECK(elsewhere.authorizations.size() == 4);
        for (const auto& seen : elsewhere.authorizations) CHECK(seen.empty());
    }
    SUBCASE("in a circle") {
        fixture.remote.faults.redirect_blobs_to = fixture.remote.url() + "/loop";
        CHECK(fixture.error_of_pull().find("redirects") != std::string::npos);
        CHECK(fixture.remote.count("GET /loop") <= 8);
    }
}

TEST_CASE("authentication: Basic, tokens, and what does not help") {
    Pullable fixture;
    auto& faults = fixture.remote.faults;
    auto& auth = fixture.request.auth;
    faults.user = "me";
    faults.password = "secret";
    SUBCASE("Basic") {
        CHECK(fixture.error_of_pull().find("no basic auth credentials") != std::string::npos);
        auth = {.username = "me", .password = "wrong"};
        CHECK(fixture.error_of_pull().find("unauthorized: authentication required") != std::string::npos);
        CHECK(fixture.remote.log.size() < 10);
        auth.password = "secret";
        CHECK(fixture.pull());
    }
    SUBCASE("tokens") {
        faults.token_realm = fixture.remote.url() + "/token";
        auth = {.username = "me", .password = "wrong"};
        CHECK(fixture.error_of_pull().find("incorrect username or password") != std::string::npos);
        auth.password = "secret";
        CHECK(fixture.pull());
        CHECK(
            fixture.remote.count(
                "GET /token?account=me&client_id=pila&scope=repository%3Atest%2Fimage%3Apull&service=the%20service") ==
            2);
    }
    SUBCASE("a token that expires on the way") {
        faults.token_realm = fixture.remote.url() + "/token";
        faults.expired_token = "token-1";
        auth = {.username = "me", .password = "secret"};
        CHECK(fixture.pull());
        CHECK(fixture.remote.count("GET /token") == 2);
    }
    SUBCASE("identity token") {
        faults.token_realm = fixture.remote.url() + "/token";
        auth = {.identity_token = "identity"};
        CHECK(fixture.pull());
        CHECK(fixture.remote.count("POST /token") == 1);
    }
    SUBCASE("a registry that never has enough") {
        faults.token_realm = fixture.remote.url() + "/token";
        faults.token_never_good = true;
        auth = {.username = "me", .password = "secret"};
        CHECK(fixture.error_of_pull().find("pull access denied for " + fixture.name("test/image")) == 0);
        CHECK(fixture.remote.log.size() < 12);
    }
}

TEST_CASE("names that are not there, in Docker's words") {
    Pullable fixture;
    CHECK(fixture.pull("test/image:no").error().message() ==
          "manifest for " + fixture.name("test/image:no") + " not found: manifest unknown: manifest unknown");
    CHECK(fixture.pull("test/image:no").error().code() == Errc::NotFound);
    CHECK(fixture.pull("127.0.0.1:1/x").error().message().find("Connection refused") != std::string::npos);
    CHECK(fixture.push("nothing/here").error().message() ==
          "An image does not exist locally with the tag: nothing/here");
}

TEST_CASE("mirrors are asked first, without credentials, and passed over when they fail") {
    Pullable mirror;
    Fixture fixture;
    fixture.options.mirrors = {"http://127.0.0.1:1", mirror.remote.url() + "/"};
    fixture.request.auth = {.username = "me", .password = "secret"};
    mirror.remote.add_image("library/short", "latest", mirror.config, mirror.layers);
    auto pulled =
        Registry::create(*fixture.images, fixture.options)->pull({}, "short", fixture.request, fixture.sink());
    REQUIRE_MESSAGE(pulled.ok(), pulled.error().message());
    CHECK(pulled->image->tags == std::vector<std::string>{"short:latest"});
    for (const auto& seen : mirror.remote.authorizations) CHECK(seen.empty());
}

TEST_CASE("push: new blobs, existing ones, mounted ones, and byte for byte") {
    Pullable fixture;
    REQUIRE(fixture.pull());
    REQUIRE(fixture.images->tag(fixture.name(), fixture.name("other/name:1")));
    FakeRegistry empty;
    auto elsewhere = empty.host() + "/a/b:1";
    REQUIRE(fixture.images->tag(fixture.name(), elsewhere));
    SUBCASE("to another registry") {
        auto pushed = fixture.push(elsewhere);
        REQUIRE_MESSAGE(pushed.ok(), pushed.error().message());
        CHECK(pushed->at(0).digest == fixture.digest);
        CHECK(empty.blobs == fixture.remote.blobs);
        CHECK(empty.manifests["a/b:1"] == fixture.remote.manifests["test/image:tag"]);
        CHECK(fixture.lines.back() ==
              "1: digest: " + fixture.digest.text() + " size: " + std::to_string(pushed->at(0).size));
        CHECK(fixture.said(short_id(Digest::of(tar_two).text()) + ": Pushed"));
        fixture.lines.clear();
        REQUIRE(fixture.push(elsewhere));
        CHECK(fixture.said(short_id(Digest::of(tar_two).text()) + ": Layer already exists"));
    }
    SUBCASE("to another name of the same registry") {
        for (const auto& layer : fixture.layers) fixture.remote.blobs.erase(layer.digest.text());
        auto pushed = fixture.push(fixture.name("other/name:1"));
        REQUIRE_MESSAGE(pushed.ok(), pushed.error().message());
        CHECK(fixture.remote.count("POST /v2/other/name/blobs/uploads/?mount=") == 3);
        CHECK(fixture.remote.blobs.contains(fixture.layers[1].digest.text()));
    }
    SUBCASE("with credentials, failing first") {
        empty.faults.user = "me";
        empty.faults.password = "secret";
        CHECK(fixture.push(elsewhere).error().message().find("no basic auth credentials") != std::string::npos);
        CHECK_FALSE(fixture.push(elsewhere, {.username = "me", .password = "wrong"}));
        empty.faults.failures = 3;
        auto pushed = fixture.push(elsewhere, {.username = "me", .password = "secret"});
        CHECK_MESSAGE(pushed.ok(), (pushed ? "" : pushed.error().message()));
    }
}

TEST_CASE("push of an image that was loaded compresses its layers, once") {
    Fixture fixture;
    auto config = config_json({Digest::of(tar_one), Digest::of(tar_two)});
    MemoryReader archive(docker_archive({tar_one, tar_two}, config, {fixture.name("loaded/image:1")}));
    REQUIRE(fixture.images->load({}, archive, nullptr));
    auto first = fixture.push(fixture.name("loaded/image:1"));
    REQUIRE_MESSAGE(first.ok(), first.error().message());
    auto second = fixture.push(fixture.name("loaded/image:1"));
    REQUIRE(second);
    CHECK(first->at(0).digest == second->at(0).digest);
    CHECK(fixture.remote.types[first->at(0).digest.text()] == media::docker_manifest);
    REQUIRE(fixture.images->remove(Digest::of(config).text(), true, true, {}));
    auto back = fixture.pull("loaded/image:1");
    REQUIRE_MESSAGE(back.ok(), back.error().message());
    CHECK(back->image->id == Digest::of(config));
}

TEST_CASE("large blobs go in pieces, and a broken upload goes on") {
    Fixture fixture;
    auto large = TarBuilder().file("noise", noise(70U << 20)).finish();
    auto config = config_json({Digest::of(large)});
    MemoryReader archive(docker_archive({large}, config, {fixture.name("large/image:1")}));
    REQUIRE(fixture.images->load({}, archive, nullptr));
    fixture.remote.faults.break_upload = true;
    auto pushed = fixture.push(fixture.name("large/image:1"));
    REQUIRE_MESSAGE(pushed.ok(), (pushed ? "" : pushed.error().message()));
    CHECK(fixture.remote.count("PATCH ") == 2);  // 64 MiB, of which 10 arrive; and the rest from there
    CHECK(fixture.remote.count("GET /v2/large/image/blobs/uploads/") == 1);
    CHECK(fixture.remote.blobs.contains(fixture.images->find(fixture.name("large/image:1")).take()->id.text()));
}

TEST_CASE("login") {
    Fixture fixture;
    auto& faults = fixture.remote.faults;
    faults.user = "me";
    faults.password = "secret";
    auto login = [&](const std::string& password) {
        return Registry::create(*fixture.images, fixture.options)
            ->login({}, {.username = "me", .password = password, .server_address = fixture.remote.url()});
    };
    CHECK(login("secret")->status == "Login Succeeded");
    CHECK(login("secret")->identity_token.empty());
    CHECK(login("wrong").error().code() == Errc::Unauthenticated);
    faults.token_realm = fixture.remote.url() + "/token";
    CHECK(login("secret")->identity_token == "identity");
    CHECK(login("wrong").error().code() == Errc::Unauthenticated);
}
