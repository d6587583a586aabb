// SPDX-License-Identifier: Apache-2.0
#include "engine/cdi.h"

#include <stdlib.h>

#include <doctest/doctest.h>

#include "os/file.h"

using namespace pila;
using namespace pila::engine;

namespace {

struct Directory {
    std::string path = "/tmp/pila-cdi-XXXXXX";
    Directory() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
    ~Directory() { ignore(os::remove_tree(path), "left over in /tmp at worst"); }
    void write(const std::string& name, std::string_view text) const {
        REQUIRE(os::replace_file(path + "/" + name, text, 0644, os::Sync::No).ok());
    }
};

std::string spec(const std::string& edits) {
    return "cdiVersion: \"0.6.0\"\nkind: vendor.com/class\ndevices:\n  - name: one\n    containerEdits:\n" + edits;
}

}  // namespace

TEST_CASE("names of CDI devices") {
    CHECK(is_cdi_name("vendor.com/class=name"));
    CHECK(is_cdi_name("nvidia.com/gpu=0:1"));
    for (auto bad : {"/dev/null", "vendor.com/class", "vendor.com=name", "vendor.com/class=", "/class=x", "a/b/c=d"})
        CHECK_FALSE(is_cdi_name(bad));
}

TEST_CASE("a CDI device becomes part of a plan; later directories win") {
    Directory low, high;
    low.write("a.yaml", spec("      env: [WHICH=low]\n"));
    high.write("b.json", R"({"cdiVersion": "0.6.0", "kind": "vendor.com/class", "containerEdits": {"env": ["ALL=1"]},
        "devices": [{"name": "one", "containerEdits": {"env": ["WHICH=high"], "additionalGids": [7],
        "deviceNodes": [{"path": "/dev/one", "hostPath": "/dev/null", "permissions": "r", "fileMode": 384}],
        "mounts": [{"hostPath": "/tmp", "containerPath": "/m", "options": ["ro"]}]}}]})");
    high.write("broken.json", "{");
    runtime::Plan plan;
    plan.process.environment = {"WHICH=image"};
    auto injected = inject_cdi_devices({low.path, high.path}, {"vendor.com/class=one"}, plan);
    REQUIRE_MESSAGE(injected.ok(), injected.error().message());
    CHECK(plan.process.environment == std::vector<std::string>{"ALL=1", "WHICH=high"});
    CHECK(plan.process.additional_gids == std::vector<std::uint32_t>{7});
    REQUIRE(plan.devices.size() == 1);
    CHECK(plan.devices[0].path == "/dev/one");
    CHECK(plan.devices[0].major == 1);
    CHECK(plan.devices[0].minor == 3);
    CHECK(plan.devices[0].mode == 0600);
    REQUIRE(plan.resources.devices.size() == 1);
    CHECK(plan.resources.devices[0].access == "r");
    REQUIRE(plan.mounts.size() == 1);
    CHECK(plan.mounts[0].target == "/m");
}

TEST_CASE("CDI devices that cannot be had") {
    Directory directory;
    runtime::Plan plan;
    auto text_of = [&](std::vector<std::string> names) {
        auto injected = inject_cdi_devices({directory.path, "/nonexistent"}, names, plan);
        return injected ? std::string("fine") : injected.error().message();
    };
    directory.write("a.yaml", spec("      hooks: [{hookName: createRuntime, path: /bin/true}]\n"));
    CHECK(text_of({"vendor.com/class=two", "x/y=z"}) ==
          "CDI device injection failed: unresolvable CDI devices vendor.com/class=two, x/y=z");
    CHECK(text_of({"vendor.com/class=one"}) ==
          "CDI device injection failed: vendor.com/class=one asks for hooks, which pila does not have");
    directory.write("b.yaml", spec("      env: [A=1]\n"));  // the same device twice
    CHECK(text_of({"vendor.com/class=one"}).find("unresolvable") != std::string::npos);
    directory.write("a.yaml", "");
    directory.write("b.yaml", spec("      deviceNodes: [{path: /dev/no-such-node}]\n"));
    CHECK(text_of({"vendor.com/class=one"}).find("failed to stat CDI host device \"/dev/no-such-node\"") !=
          std::string::npos);
}

TEST_CASE("CDI files that are none") {
    for (auto bad :
         {"", "[]", "{", "kind: vendor.com/class", "cdiVersion: 1\nkind: vendor\ndevices: [{name: a}]",
          "cdiVersion: 1\nkind: v/c\ndevices: []", "cdiVersion: 1\nkind: v/c\ndevices: [{name: a}, {name: a}]",
          "cdiVersion: 1\nkind: v/c\ndevices: [{name: /}]", "cdiVersion: 1\nkind: v/c\ndevices: 7"})
        CHECK_FALSE_MESSAGE(parse_cdi_spec(bad).ok(), bad);
    CHECK_FALSE(parse_cdi_spec(spec("      env: [novalue]\n")).ok());
    CHECK_FALSE(parse_cdi_spec(spec("      deviceNodes: [{path: relative}]\n")).ok());
    CHECK_FALSE(parse_cdi_spec(spec("      mounts: [{hostPath: /a}]\n")).ok());
    CHECK_FALSE(parse_cdi_spec(std::string(100'000, '[')).ok());
    // Aliases: small text, large tree.
    std::string bomb = "cdiVersion: 1\nkind: v/c\nx: &e {env: [A=1, A=1, A=1, A=1, A=1, A=1, A=1, A=1]}\ndevices:\n";
    for (int i = 0; i < 1000; ++i) bomb += "  - {name: d" + std::to_string(i) + ", containerEdits: *e}\n";
    CHECK_FALSE(parse_cdi_spec(bomb).ok());
    CHECK(parse_cdi_spec(spec("      env: [A=1]\n")).ok());
}
