// SPDX-License-Identifier: Apache-2.0
// Parts of the command line that need no container.
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <unistd.h>
#include <cstdlib>

#include <doctest/doctest.h>

#include "os/file.h"
#include "runtime/container_record_internal.h"
#include "runtime/dbus_internal.h"
#include "runtime/hooks_internal.h"
#include "runtime/oci_internal.h"
#include "runtime/options_internal.h"
#include "runtime/systemd_scope_internal.h"

using namespace pila;
using namespace pila::runtime;

namespace {

struct Parsed {
    bool flag = false;
    std::string text;
    std::vector<std::string> list;
    std::optional<std::int64_t> number;
    Options options() {
        return Options().flag("flag", flag, 'f').text("text", text, 't').texts("list", list).number("number", number);
    }
};

Result<std::vector<std::string>> parse(Parsed& into, std::vector<const char*> words) {
    return into.options().parse_all(static_cast<int>(words.size()), const_cast<char**>(words.data()));
}

}  // namespace

TEST_CASE("options in all forms that runc and crun take") {
    Parsed parsed;
    auto words = parse(parsed, {"--flag", "-t", "x", "id", "--list=a", "-list", "b", "--number", "-5", "--", "-f"});
    REQUIRE(words);
    CHECK(*words == std::vector<std::string>{"id", "-f"});
    CHECK(parsed.flag);
    CHECK(parsed.text == "x");
    CHECK(parsed.list == std::vector<std::string>{"a", "b"});
    CHECK(parsed.number == -5);
    CHECK(parse(parsed, {"--flag=false"}));
    CHECK(!parsed.flag);
    CHECK(!parse(parsed, {"--flag=maybe"}));
    CHECK(!parse(parsed, {"--number", "many"}));
    CHECK(!parse(parsed, {"--text"}));
    CHECK(parse(parsed, {"--moon"}).error().message() == "unknown option --moon");
    std::vector<const char*> line = {"-f", "id", "-x", "sh"};
    int first = 0;
    CHECK(parsed.options().parse_front(4, const_cast<char**>(line.data()), first));
    CHECK(first == 1);
}

TEST_CASE("a container's record survives its file; a broken one is told") {
    Record record{.id = "c", .version = "1.2.0", .bundle = "/b", .root_path = "/b/r", .pid = 7, .started = 1ULL << 40};
    record.annotations = {{"key", "va\"lue"}};
    record.cgroup_path = "/c";
    record.controllers = {"memory", "pids"};
    record.unit = "pila-c.scope";
    record.poststop = true;
    auto text = encode_record(record);
    auto back = decode_record(text);
    REQUIRE_MESSAGE(back, (back ? "" : back.error().message()));
    CHECK(encode_record(*back) == text);
    CHECK(back->started == 1ULL << 40);
    CHECK(back->annotations[0].second == "va\"lue");
    CHECK(!decode_record(""));
    CHECK(!decode_record("[]"));
    CHECK(!decode_record(R"({"pid":"x"})"));
    CHECK(!ContainerDirectory::check_id("../x"));
    CHECK(!ContainerDirectory::check_id(""));
    CHECK(ContainerDirectory::check_id("a_b-c.d+1"));
}

TEST_CASE("a container's directory is one caller's at a time, and whoever dies leaves it") {
    char name[] = "/tmp/pila-record-XXXXXX";
    std::string root = ::mkdtemp(name);
    {
        auto first = ContainerDirectory::take(root, "c");
        REQUIRE(first);
        CHECK(ContainerDirectory::take(root, "c").error().code() == Errc::AlreadyExists);
        Record creating{.id = "c"};
        REQUIRE(first->write(creating));
        auto found = ContainerDirectory::find(root, "c");
        REQUIRE(found);
        CHECK(found->status(creating) == Status::Creating);
    }
    auto found = ContainerDirectory::find(root, "c");
    REQUIRE(found);
    CHECK(found->status({.id = "c"}) == Status::Stopped);
    CHECK(found->status({.id = "c", .pid = ::getpid(), .started = 1}) == Status::Stopped);
    CHECK(ContainerDirectory::take(root, "c").error().code() == Errc::AlreadyExists);
    REQUIRE(found->write({.id = "c", .foreground = true}));
    CHECK(ContainerDirectory::take(root, "c"));
    CHECK(ContainerDirectory::find(root, "d").error().message().find("does not exist") != std::string::npos);
    ignore(os::remove_tree(root), "only litter");
}

TEST_CASE("hooks get the state, fail with what they said, and are killed when they take too long") {
    Plan plan;
    plan.id = "c";
    plan.bundle.version = "1.2.0";
    plan.bundle.directory = "/b";
    plan.bundle.annotations = {{"a", "b"}};
    auto state = state_text(plan, "creating", 5);
    CHECK(state ==
          R"({"ociVersion":"1.2.0","id":"c","status":"creating","pid":5,"bundle":"/b","annotations":{"a":"b"}})");
    auto shell = [](const char* script) { return HookPlan{"/bin/sh", {"sh", "-c", script}, {"A=1"}, 0}; };
    CHECK(run_hooks({shell("grep -q '\"id\":\"c\"' && test \"$A\" = 1 && test -z \"$HOME\"")}, "prestart", state));
    auto failed = run_hooks({shell("true"), shell("echo because >&2; exit 3")}, "prestart", state);
    REQUIRE(!failed);
    CHECK(failed.error().message() == "error running prestart hook #1: /bin/sh: exit status 3: because");
    auto slow = shell("exec sleep 100");
    slow.timeout_seconds = 1;
    CHECK(run_hooks({slow}, "prestart", state).error().code() == Errc::Timeout);
    CHECK(!run_hooks({{"/no/such", {"x"}, {}, 0}}, "prestart", state));
}

TEST_CASE("the process section: scheduler, priorities, processors") {
    auto cpus = oci::parse_cpu_list("0-2,64");
    REQUIRE(cpus);
    CHECK(*cpus == std::vector<std::uint64_t>{7, 1});
    CHECK(!oci::parse_cpu_list("2-1"));
    CHECK(!oci::parse_cpu_list("a"));
    CHECK(!oci::parse_cpu_list("0-99999999"));
    ProcessPlan container;
    container.seccomp_bpf = "12345678";
    container.capabilities.bounding = 5;
    auto process = oci::process_of_json(
        R"({"args":["a"],"cwd":"/","scheduler":{"policy":"SCHED_FIFO","priority":3,"flags":["SCHED_FLAG_RESET_ON_FORK"]},
            "ioPriority":{"class":"IOPRIO_CLASS_IDLE"}})",
        container);
    REQUIRE_MESSAGE(process, (process ? "" : process.error().message()));
    CHECK(process->extras.scheduler->priority == 3);
    CHECK(process->extras.scheduler->flags == 1);
    CHECK(process->extras.io_priority == 3 << 13);
    CHECK(process->seccomp_bpf == "12345678");
    CHECK(process->capabilities.bounding == 5);
    CHECK(!oci::process_of_json(R"({"args":[]})", container));
}

TEST_CASE("a bundle's hooks, listener, offsets, mappings and rarer limits") {
    auto plan = oci::plan_of_config(R"({"ociVersion":"1.9.0","root":{"path":"r"},"process":{"args":["a"],"cwd":"/"},
        "hooks":{"poststop":[{"path":"/h","args":["h","x"],"env":["A=b"],"timeout":4}]},
        "mounts":[{"destination":"/m","type":"bind","source":"/s","options":["rbind","rro","rnosuid","ridmap"],
                   "uidMappings":[{"containerID":0,"hostID":5,"size":1}],"gidMappings":[{"containerID":0,"hostID":5,"size":1}]}],
        "linux":{"namespaces":[{"type":"time"}],"timeOffsets":{"boottime":{"secs":-5,"nanosecs":1}},"personality":{"domain":"LINUX32"},
          "seccomp":{"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_LOG"],"listenerPath":"/l","listenerMetadata":"m",
                     "syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_NOTIFY"}]},
          "resources":{"memory":{"limit":0},"cpu":{"burst":1,"idle":1},"hugepageLimits":[{"pageSize":"2MB","limit":9}],
                       "rdma":{"mlx5_1":{"hcaHandles":3}},"network":{"classID":7,"priorities":[{"name":"eth0","priority":2}]}}}})",
                                    "/bundle");
    REQUIRE_MESSAGE(plan, (plan ? "" : plan.error().message()));
    CHECK(plan->bundle.hooks.poststop.at(0).timeout_seconds == 4);
    CHECK(plan->mounts[0].recursive_set == (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID));
    CHECK(plan->mounts[0].id_mapped_recursively);
    CHECK(plan->bundle.time_offsets.at(0).second.seconds == -5);
    CHECK(plan->process.extras.personality == 8U);
    CHECK(plan->process.extras.seccomp_listener);
    CHECK(plan->process.seccomp_flags == (SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_NEW_LISTENER));
    CHECK(plan->bundle.seccomp_metadata == "m");
    CHECK(!plan->resources.memory_limit);
    CHECK(plan->resources.huge_pages.at(0).size == "2MB");
    CHECK(plan->resources.rdma.at(0).handles == 3U);
    CHECK(plan->resources.network_priorities.at(0).second == 2);
}

TEST_CASE("scopes of systemd") {
    auto scope = parse_scope("a-b.slice:pre:name", "id", false);
    REQUIRE(scope);
    CHECK(scope->unit == "pre-name.scope");
    CHECK(scope->cgroup_path == "/a.slice/a-b.slice/pre-name.scope");
    CHECK(parse_scope("", "id", false)->cgroup_path == "/system.slice/pila-id.scope");
    CHECK(parse_scope("-.slice::x", "id", false)->cgroup_path == "/x.scope");
    for (const char* wrong : {"/absolute/path", "a:b", "a:b:c", ".slice:b:c", "a--b.slice:b:c", "a/b.slice:b:c",
                              "a.slice:b:", "a.slice:b:c/d"})
        CHECK_MESSAGE(!parse_scope(wrong, "id", false), wrong);
}

TEST_CASE("messages of D-Bus") {
    dbus::Writer body;
    body.text("/job/1").text("done");
    dbus::Message message{.type = dbus::Message::Type::Signal, .serial = 9, .path = "/p", .interface = "i.f"};
    message.member = "JobRemoved";
    message.signature = "os";
    message.body = body.bytes();
    auto bytes = dbus::encode(message);
    CHECK(bytes.size() % 8 == message.body.size() % 8);
    auto back = dbus::decode(bytes);
    REQUIRE_MESSAGE(back, (back ? "" : back.error().message()));
    CHECK(back->member == "JobRemoved");
    CHECK(back->serial == 9);
    CHECK(dbus::texts_of(*back) == std::vector<std::string>{"/job/1", "done"});
    for (std::size_t size = 0; size < bytes.size(); ++size)
        CHECK(!dbus::decode(std::string_view(bytes).substr(0, size)));
    // Alignment of elements counts from the message's begin, and the padding ahead of the first is not of the array.
    dbus::Writer array;
    array.text("x").array(8, [](dbus::Writer& list) { list.align(8).text("name").signature("t").long_number(5); });
    CHECK(array.bytes().size() == 40);
    CHECK(array.bytes().substr(8, 4) == std::string("\x18\0\0\0", 4));
}
