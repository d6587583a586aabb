// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>

#include "cluster/discovery/documents.h"
#include "cluster/schema/catalogue.h"

using namespace pila::cluster;
using namespace pila::cluster::discovery;

namespace {

std::vector<const schema::Kind*> builtin_kinds() {
    std::vector<const schema::Kind*> kinds;
    for (const auto& kind : schema::Catalogue::builtin().kinds()) kinds.push_back(&kind);
    return kinds;
}

}  // namespace

// For trying real clients on: PILA_DUMP_DIR=DIR writes each document to a file.
TEST_CASE("documents as files") {
    const char* folder = std::getenv("PILA_DUMP_DIR");
    if (!folder) return;
    About about;
    about.address = "127.0.0.1:6443";
    Documents documents(builtin_kinds(), about);
    auto dump = [&](const std::string& path, Form form, const char* suffix) {
        auto name = path.substr(1);
        for (auto& c : name)
            if (c == '/') c = '~';
        auto begin = std::chrono::steady_clock::now();
        auto document = documents.at(path, form);
        REQUIRE(document);
        auto took = std::chrono::steady_clock::now() - begin;
        MESSAGE(path, " ", suffix, ": ", document->content.size(), " bytes in ",
                std::chrono::duration_cast<std::chrono::microseconds>(took).count(), " us");
        std::ofstream(std::string(folder) + "/" + name + suffix) << document->content;
    };
    for (const auto& path : documents.paths()) dump(path, Form::Json, ".json");
    for (const char* path : {"/api", "/apis"}) {
        dump(path, Form::AggregatedV2, ".v2");
        dump(path, Form::AggregatedV2Beta1, ".v2beta1");
    }
    dump("/openapi/v2", Form::Protobuf, ".pb");
}
