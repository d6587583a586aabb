// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <unistd.h>
#include <atomic>

#include <doctest/doctest.h>

#include "crypto/base64.h"
#include "image/text_reader.h"
#include "os/file.h"
#include "registry/authority.h"
#include "registry/collector.h"
#include "registry/document.h"
#include "registry/names.h"
#include "registry/ranges.h"
#include "registry/rights.h"
#include "registry/tokens.h"
#include "registry/uploads.h"

namespace pila::registry {

using image::Digest;

TEST_CASE("names of repositories and tags") {
    for (const char* good : {"a", "a/b", "a-b", "a--b", "a.b", "a_b", "a__b", "0", "a/b/c/d", "x1/y2.z3"})
        CHECK_MESSAGE(is_repository_name(good), good);
    for (const char* bad :
         {"", "/", "a/", "/a", "a//b", "A", "a..b", "a___b", "-a", "a-", "a.-b", "_a", "a b", "a:b", ".", ".."})
        CHECK_FALSE_MESSAGE(is_repository_name(bad), bad);
    CHECK(is_repository_name(std::string(255, 'a')));
    CHECK_FALSE(is_repository_name(std::string(256, 'a')));
    for (const char* good : {"a", "_a", "1.0", "A-b_c.d"}) CHECK(is_tag(good));
    for (const char* bad : {"", ".a", "-a", "a/b", "a:b", "a b"}) CHECK_FALSE(is_tag(bad));
    CHECK(is_tag(std::string(128, 'a')));
    CHECK_FALSE(is_tag(std::string(129, 'a')));
}

TEST_CASE("routes: what is meant stands at the end") {
    auto check = [](const char* path, Resource resource, const char* name, const char* reference) {
        auto route = parse_route(path);
        REQUIRE_MESSAGE(route, path);
        CHECK_MESSAGE(route->resource == resource, path);
        CHECK(route->name == name);
        CHECK(route->reference == reference);
    };
    check("/v2/", Resource::Base, "", "");
    check("/v2", Resource::Base, "", "");
    check("/v2/_catalog", Resource::Catalog, "", "");
    check("/token", Resource::Token, "", "");
    check("/v2/a/b/tags/list", Resource::Tags, "a/b", "");
    check("/v2/a/manifests/v1", Resource::Manifest, "a", "v1");
    check("/v2/a/blobs/sha256:0", Resource::Blob, "a", "sha256:0");
    check("/v2/a/blobs/uploads/", Resource::Uploads, "a", "");
    check("/v2/a/blobs/uploads", Resource::Uploads, "a", "");
    check("/v2/a/blobs/uploads/id", Resource::Upload, "a", "id");
    check("/v2/a/referrers/sha256:0", Resource::Referrers, "a", "sha256:0");
    check("/v2/tags/list/manifests/x", Resource::Manifest, "tags/list", "x");
    check("/v2/blobs/uploads/tags/list", Resource::Tags, "blobs/uploads", "");
    for (const char* path : {"/", "/v1/", "/v2/a", "/v2/a/b", "/v2/manifests/x", "/v2/a/uploads/x", "/v2/a/tags/other"})
        CHECK_FALSE_MESSAGE(parse_route(path), path);
}

TEST_CASE("ranges") {
    auto part = [](const char* header, std::uint64_t size) {
        auto answer = read_range(header, size);
        return std::pair(answer.verdict, std::pair(answer.part.start, answer.part.count));
    };
    using V = RangeVerdict;
    auto is = [](V verdict, std::uint64_t start, std::uint64_t count) {
        return std::pair(verdict, std::pair(start, count));
    };
    CHECK(part("bytes=0-0", 10) == is(V::Part, 0, 1));
    CHECK(part("bytes=3-", 10) == is(V::Part, 3, 7));
    CHECK(part("bytes=-3", 10) == is(V::Part, 7, 3));
    CHECK(part("bytes=-30", 10) == is(V::Part, 0, 10));
    CHECK(part("bytes=9-99", 10) == is(V::Part, 9, 1));
    CHECK(part("bytes=10-", 10).first == V::Unsatisfiable);
    CHECK(part("bytes=-0", 10).first == V::Unsatisfiable);
    CHECK(part("bytes=0-", 0).first == V::Unsatisfiable);
    for (const char* other : {"", "bytes=", "bytes=-", "bytes=a-b", "bytes=2-1", "bytes=0-1,3-4", "items=0-1",
                              "bytes=0-99999999999999999999"})
        CHECK_MESSAGE(part(other, 10) == is(V::Whole, 0, 10), other);
    CHECK(read_content_range("0-4")->count == 5);
    CHECK(read_content_range("bytes 5-9/20")->start == 5);
    for (const char* bad : {"", "-", "5-4", "a-b", "5", "0-18446744073709551615", "bytes", "-5"})
        CHECK_FALSE_MESSAGE(read_content_range(bad), bad);
}

TEST_CASE("documents") {
    auto digest = Digest::of("x").text();
    auto descriptor = R"({"mediaType":"application/x","digest":")" + digest + R"(","size":1})";
    auto manifest = R"({"schemaVersion":2,"config":)" + descriptor + R"(,"layers":[)" + descriptor + R"(],"subject":)" +
                    descriptor + R"(,"annotations":{"a":"b"}})";
    auto document = read_document(manifest, "application/vnd.oci.image.manifest.v1+json; charset=utf-8");
    REQUIRE(document);
    CHECK(document->blobs.size() == 2);
    CHECK(document->subject->text() == digest);
    CHECK(document->artifact_type == "application/x");
    CHECK(describe_referrer(*document, *document->subject, 7) ==
          R"({"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":")" + digest +
              R"(","size":7,"artifactType":"application/x","annotations":{"a":"b"}})");
    CHECK(read_document(manifest, ""));
    CHECK_FALSE(read_document(manifest, "text/plain"));
    CHECK_FALSE(read_document(R"({"schemaVersion":2,"manifests":[],"layers":[]})", ""));
    // What others are to fetch elsewhere need not be here.
    auto foreign = R"({"mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip","digest":")" + digest +
                   R"(","size":1,"urls":["https://example.org/x"]})";
    auto windows = R"({"schemaVersion":2,"config":)" + descriptor + R"(,"layers":[)" + foreign + "]}";
    CHECK(read_document(windows, "application/vnd.docker.distribution.manifest.v2+json")->blobs.size() == 1);
}

TEST_CASE("lists of referrers of other registries") {
    const std::string digest = "sha256:" + std::string(64, 'a');
    auto list = read_referrers(
        R"({"manifests": [{"size": 3, "extra": "<script>", "artifactType": "application/x", "digest": ")" + digest +
        R"(", "mediaType": "application/y", "annotations": {"a": "b"}}]})");
    REQUIRE(list);
    REQUIRE(list->size() == 1);
    CHECK(list->at(0) == R"({"mediaType":"application/y","digest":")" + digest +
                             R"(","size":3,"artifactType":"application/x","annotations":{"a":"b"}})");
    for (const char* bad :
         {"", "[]", "{}", R"({"manifests":{}})", R"({"manifests":[1]})", R"({"manifests":[{"size":1}]})"})
        CHECK_FALSE_MESSAGE(read_referrers(bad), bad);
}

TEST_CASE("credentials and scopes") {
    using Kind = Credentials::Kind;
    auto basic = Credentials::parse("bAsIc " + crypto::base64_encode("me:a:b"));
    CHECK(basic.kind == Kind::Basic);
    CHECK(basic.user == "me");
    CHECK(basic.password == "a:b");
    CHECK(Credentials::parse("").kind == Kind::None);
    CHECK(Credentials::parse("Bearer x.y.z").token == "x.y.z");
    for (const char* bad : {"Basic", "Basic !", "Basic bWU=", "Bearer", "Digest x"})
        CHECK(Credentials::parse(bad).kind == Kind::Unreadable);
    auto scope = Scope::parse("repository:a/b:push,pull");
    REQUIRE(scope);
    CHECK(scope->text() == "repository:a/b:pull,push");
    for (const char* bad :
         {"", "repository", "repository:a", "repository:A:pull", "repository:a:fly", "other:a:pull", "registry:x:*"})
        CHECK_FALSE_MESSAGE(Scope::parse(bad), bad);
}

TEST_CASE("files of users") {
    auto users = PasswordFile::parse("# all\n\nme:$2y$05$abc\r\nyou:$6$salt$hash\n");
    REQUIRE(users);
    CHECK(users->at("me") == "$2y$05$abc");
    CHECK(users->size() == 2);
    for (const char* bad : {"me", ":$2y$05$abc", "me:plain", "me:{SHA}abc", "me:$apr1$a$b"})
        CHECK_FALSE(PasswordFile::parse(bad));
}

TEST_CASE("patterns of repositories") {
    struct Row {
        const char *pattern, *name;
        bool matches;
    };
    for (const auto& row :
         {Row{"a/b", "a/b", true}, Row{"a/b", "a/bc", false}, Row{"a/*", "a/b", true}, Row{"a/*", "a/b/c", false},
          Row{"a/*", "a", false}, Row{"*", "a", true}, Row{"*", "a/b", false}, Row{"**", "a/b/c", true},
          Row{"a/**", "a/b/c", true}, Row{"a/**", "ab/c", false}, Row{"**/c", "a/b/c", true}, Row{"**/c", "c", false},
          Row{"a-*/x", "a-1/x", true}, Row{"*/*/c", "a/b/c", true}, Row{"a**c", "a/b/c", true}, Row{"", "a", false},
          Row{"***", "a/b", true}})
        CHECK_MESSAGE(matches_repository(row.pattern, row.name) == row.matches, row.pattern << " " << row.name);
    std::string stars;
    for (int i = 0; i < 100; ++i) stars += "*a";
    CHECK_FALSE(matches_repository(stars + "b", std::string(255, 'a')));  // at once
}

TEST_CASE("files of rights") {
    auto rights = Rights::parse("# all\n\nme\tteam/** push\r\n* public/* pull\n- public/x pull\nroot ** all\n");
    REQUIRE(rights);
    REQUIRE(rights->size() == 4);
    CHECK(rights->at(0).actions == std::set<std::string>{"pull", "push"});
    CHECK(rights->at(3).actions == std::set<std::string>{"delete", "pull", "push"});
    for (const char* bad : {"me", "me a", "me a pull push", "me a fly", "me A pull", "me a pull,", "- a push",
                            "- a all", "me a/\x01 pull", "me a PULL"})
        CHECK_FALSE_MESSAGE(Rights::parse(bad), bad);
    auto second = Rights::parse("me a pull\nme b\n");
    REQUIRE_FALSE(second);
    CHECK(second.error().message() == "line 2: not USER REPOSITORIES ACTIONS");
}

namespace {

struct Files {
    std::string directory;
    std::unique_ptr<Repositories> repositories;
    Files() {
        char name[] = "/tmp/pila-registry-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        directory = name;
        open();
    }
    ~Files() { ignore(os::remove_tree(directory), "in /tmp"); }
    void open() { repositories = Repositories::create(directory).take(); }
};

using Text = image::TextReader;

}  // namespace

TEST_CASE("tokens: whose, for what, until when, by which key") {
    Files files;
    auto tokens = Tokens::create(files.directory + "/token-key").take();
    auto access = tokens->access({"me", {*Scope::parse("repository:a/b:pull,push")}}, 1000);
    auto read = tokens->read_access(access, 1000 + Tokens::access_seconds);
    REQUIRE(read);
    CHECK(read->user == "me");
    CHECK(read->scopes.at(0).text() == "repository:a/b:pull,push");
    CHECK_FALSE(tokens->read_access(access, 1000 + Tokens::access_seconds + 60));
    auto refresh = tokens->refresh("me", "$2y$05$abc", 1000);
    auto later = Tokens::create(files.directory + "/token-key").take();  // after a restart
    REQUIRE(later->read_refresh(refresh, 2000));
    CHECK(later->read_refresh(refresh, 2000)->mark == later->mark_of("$2y$05$abc"));
    CHECK(later->mark_of("$2y$05$abc") != later->mark_of("$2y$05$abd"));
    CHECK_FALSE(later->read_refresh(refresh, 2000 + Tokens::refresh_seconds));
    CHECK_FALSE(later->read_access(access, 1000));
    // Neither is good for the other.
    CHECK_FALSE(tokens->read_access(refresh, 1000));
    CHECK_FALSE(tokens->read_refresh(access, 1000));
    auto other = Tokens::create(files.directory + "/another-key").take();
    CHECK_FALSE(other->read_refresh(refresh, 2000));
    auto none = Tokens::create("").take();
    CHECK(none->refresh("me", "hash", 1000).empty());
    CHECK_FALSE(none->read_refresh(refresh, 1000));
    REQUIRE(::truncate((files.directory + "/another-key").c_str(), 5) == 0);
    CHECK_FALSE(Tokens::create(files.directory + "/another-key"));
}

TEST_CASE("uploads: in pieces, over a restart, by another algorithm") {
    Files files;
    auto uploads = std::make_unique<Uploads>(*files.repositories);
    REQUIRE(uploads->create_directory());
    auto id = uploads->begin("a/b").take();
    Text first("first "), second("second");
    REQUIRE(uploads->open("a/b", id)->append({}, first));
    CHECK_FALSE(uploads->open("a/other", id));
    CHECK_FALSE(uploads->open("a/b", "../../../etc"));
    files.open();  // as after kill -9
    uploads = std::make_unique<Uploads>(*files.repositories);
    CHECK(uploads->size("a/b", id).take() == 6);
    {
        auto session = uploads->open("a/b", id);
        REQUIRE(session);
        REQUIRE(session->append({}, second));
    }
    auto session = uploads->open("a/b", id);
    REQUIRE(session);
    CHECK_FALSE(session->is(Digest::of("other")).take());
    CHECK(session->is(Digest::of("first second")).take());
    REQUIRE(session->adopt(Digest::of("first second")));
    CHECK_FALSE(uploads->open("a/b", id));
    CHECK(files.repositories->blobs().read(Digest::of("first second"), 100).take() == "first second");
    CHECK_FALSE(uploads->expire(std::chrono::seconds(0)));
}

TEST_CASE("what a request counts on is not collected") {
    InFlight in_flight;
    auto digest = Digest::of("x");
    auto removed = [&] { return in_flight.unless_kept(digest, [] {}); };
    {
        auto guard = in_flight.keep(digest);
        CHECK_FALSE(removed());
    }
    CHECK(removed());
    in_flight.begin_collection();
    { auto guard = in_flight.keep(digest); }
    CHECK_FALSE(removed());  // the collection looked before the reference was made
    in_flight.end_collection();
    CHECK(removed());
}

TEST_CASE("somebody else's file becomes content only if it is that") {
    Files files;
    auto digest = Digest::of("content");
    auto path = files.directory + "/other";
    REQUIRE(os::replace_file(path, "c0ntent"));
    CHECK(files.repositories->link_content(digest, path).error().code() == Errc::Invalid);
    CHECK_FALSE(files.repositories->blobs().has(digest));
    REQUIRE(files.repositories->put_content(digest, "content"));
    CHECK_FALSE(files.repositories->share_content(digest, path));
    REQUIRE(os::replace_file(path, "content"));
    REQUIRE(files.repositories->share_content(digest, path));
    struct stat info {};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    CHECK(info.st_nlink == 2);
    REQUIRE(files.repositories->blobs().remove(digest));
    REQUIRE(files.repositories->link_content(digest, path));
    CHECK(files.repositories->blobs().read(digest, 100).take() == "content");
}

TEST_CASE("what cannot be read is no garbage") {
    Files files;
    auto& repositories = *files.repositories;
    Uploads uploads(repositories);
    REQUIRE(uploads.create_directory());
    std::atomic<int> asked = 0;
    Collector collector(repositories, uploads, {std::chrono::seconds(0), std::nullopt, [&](const auto&) {
                                                    ++asked;
                                                    return std::string();
                                                }});
    auto layer = Digest::of("layer"), orphan = Digest::of("orphan");
    REQUIRE(repositories.put_content(layer, "layer"));
    REQUIRE(repositories.put_content(orphan, "orphan"));
    Document document;
    document.media_type = "application/vnd.oci.image.manifest.v1+json";
    StoredManifest manifest{document.media_type,
                            R"({"schemaVersion":2,"layers":[],"config":{"digest":")" + layer.text() + R"(","size":5}})",
                            {}};
    manifest.digest = Digest::of(manifest.bytes);
    REQUIRE(repositories.put_manifest("a/b", document, manifest, "v1"));
    auto path = repositories.blobs().path(manifest.digest);
    REQUIRE(os::replace_file(path, "damaged"));
    collector.run();
    CHECK(repositories.blobs().has(layer));
    CHECK(repositories.blobs().has(orphan));
    REQUIRE(os::replace_file(path, manifest.bytes));
    collector.run();
    CHECK(repositories.blobs().has(layer));
    CHECK(repositories.blobs().has(manifest.digest));
    CHECK_FALSE(repositories.blobs().has(orphan));
    CHECK(asked == 2);
}

TEST_CASE("a manifest's tags, referrers, and what is left without it") {
    Files files;
    auto& repositories = *files.repositories;
    auto subject = Digest::of("subject");
    Document document;
    document.media_type = "application/vnd.oci.image.manifest.v1+json";
    document.subject = subject;
    StoredManifest manifest{document.media_type,
                            R"({"schemaVersion":2,"config":{"digest":")" + subject.text() +
                                R"(","size":1},"layers":[],"subject":{"digest":")" + subject.text() + R"(","size":1}})",
                            {}};
    manifest.digest = Digest::of(manifest.bytes);
    CHECK_FALSE(repositories.exists("a/b"));
    REQUIRE(repositories.put_manifest("a/b", document, manifest, "v1"));
    REQUIRE(repositories.put_manifest("a/b", document, manifest, "v2.tmp-0123456789abcdef"));
    CHECK(repositories.names().take() == std::vector<std::string>{"a/b"});
    CHECK(repositories.tags("a/b").take() == std::vector<std::string>{"v1", "v2.tmp-0123456789abcdef"});
    CHECK(repositories.tag("a/b", "v1").take() == manifest.digest);
    CHECK(repositories.referrers("a/b", subject).take().size() == 1);
    REQUIRE(repositories.remove_manifest("a/b", manifest.digest));
    CHECK(repositories.tags("a/b").take().empty());
    CHECK(repositories.referrers("a/b", subject).take().empty());
    CHECK(repositories.names().take().empty());
    CHECK(repositories.remove_manifest("a/b", manifest.digest).error().code() == Errc::NotFound);
}

}  // namespace pila::registry
