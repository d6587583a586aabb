// SPDX-License-Identifier: Apache-2.0
// Manifests as people write them have nothing wrong with them.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cluster/kinds/test_support.h"

using namespace pila::cluster;
using namespace pila::cluster::kinds;

namespace {

std::vector<std::filesystem::path> manifests() {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::directory_iterator(PILA_FIXTURES "/kubernetes/manifests"))
        if (entry.path().extension() == ".json") found.push_back(entry.path());
    return found;
}

// Each file holds one object or a list of them.
std::vector<std::string> objects_in(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    const auto value = json::parse(text.str());
    std::vector<std::string> objects;
    if (const auto* list = value.if_array())
        for (const auto& object : *list) objects.push_back(json::serialize(object));
    else
        objects.push_back(json::serialize(value));
    return objects;
}

}  // namespace

TEST_CASE("manifests of experienced users pass, twice completed as once") {
    std::size_t count = 0;
    for (const auto& path : manifests())
        for (const auto& text : objects_in(path)) {
            INFO(path.filename().string());
            INFO(text);
            auto object = complete(text);
            const auto& kind = kind_of(object);
            CHECK_MESSAGE(texts(validate(object, kind)).empty(), joined(texts(validate(object, kind))));
            const auto once = object;
            set_defaults(object, kind);
            CHECK(object == once);
            // Writing it again unchanged is fine, too.
            CHECK_MESSAGE(texts(validate_update(object, once, kind)).empty(),
                          joined(texts(validate_update(object, once, kind))));
            // What a schema cannot say: rules in CEL are kept, and do nothing yet.
            for (const auto& warning : warnings(object, kind))
                CHECK(warning.find("CEL expressions are not evaluated") != std::string::npos);
            ++count;
        }
    CHECK(count >= 30);
}
