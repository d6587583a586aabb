// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp_filter.h"

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cerrno>

#include <doctest/doctest.h>
#include <seccomp.h>

#include "base/json.h"
#include "base/random.h"
#include "base/text.h"
#include "runtime/defaults.h"
#include "runtime/defaults/seccomp.h"
#include "runtime/oci_internal.h"
#include "runtime/seccomp_profile.h"

#include <boost/json.hpp>

using namespace pila;
using namespace pila::runtime;
namespace filter = pila::runtime::seccomp;

static std::uint32_t native() { return filter::native_architecture(); }
static int number(const char* name) { return filter::syscall_number(native(), name); }

TEST_CASE("the default profile, call by call") {
    auto program = compile_default_seccomp(default_capabilities());
    REQUIRE(program);
    auto answer = [&](const char* name, std::vector<std::uint64_t> arguments = {}) {
        return filter::evaluate(*program, native(), number(name), arguments);
    };
    constexpr auto eperm = filter::fail_with(EPERM), enosys = filter::fail_with(ENOSYS);
    CHECK(answer("read") == filter::allow);
    CHECK(answer("openat2") == filter::allow);
    CHECK(answer("fchmodat2") == filter::allow);
    CHECK(answer("clone3") == enosys);
    CHECK(answer("clone", {0x11}) == filter::allow);
    CHECK(answer("clone", {0x10000011}) == eperm);  // CLONE_NEWUSER
    CHECK(answer("unshare") == eperm);
    CHECK(answer("mount") == eperm);
    CHECK(answer("io_uring_setup") == eperm);
    CHECK(answer("keyctl") == eperm);
    CHECK(answer("bpf") == eperm);
    CHECK(answer("socket", {AF_INET}) == filter::allow);
    CHECK(answer("socket", {AF_VSOCK}) == eperm);
    CHECK(answer("socket", {AF_ALG}) == eperm);
    CHECK(answer("socket", {39}) == filter::allow);
    CHECK(answer("socket", {0x100000000ULL + AF_INET}) == filter::allow);
    CHECK(answer("personality", {0}) == filter::allow);
    CHECK(answer("personality", {0x40000}) == eperm);
    CHECK(answer("personality", {0xffffffff}) == filter::allow);
    CHECK(answer("chroot") == filter::allow);  // CAP_SYS_CHROOT is one of the fourteen
    CHECK(answer("reboot") == eperm);
    CHECK(filter::evaluate(*program, native(), 9999, {}) == enosys);
    CHECK(filter::evaluate(*program, 0xdeadbeef, 0, {}) == filter::kill_process);
    if (native() == AUDIT_ARCH_X86_64) {
        CHECK(filter::evaluate(*program, native(), 0x40000000, {}) == enosys);
        CHECK(filter::evaluate(*program, AUDIT_ARCH_I386, 3, {}) == filter::allow);  // read
        CHECK(filter::evaluate(*program, AUDIT_ARCH_I386, 21, {}) == eperm);         // mount
    }
    auto admin = compile_default_seccomp(default_capabilities() | std::uint64_t{1} << CAP_SYS_ADMIN);
    REQUIRE(admin);
    CHECK(filter::evaluate(*admin, native(), number("mount"), {}) == filter::allow);
    CHECK(filter::evaluate(*admin, native(), number("clone"), {0x10000011}) == filter::allow);
    CHECK(filter::evaluate(*admin, native(), number("clone3"), {}) == filter::allow);
    CHECK(filter::evaluate(*admin, native(), number("reboot"), {}) == filter::fail_with(EPERM));
}

TEST_CASE("every name of the default profile is a system call somewhere") {
    static constexpr std::uint32_t architectures[] = {SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_AARCH64, SCMP_ARCH_ARM,
                                                      SCMP_ARCH_PPC64LE};
    for (const auto& group : defaults::syscall_groups)
        for (auto name : split(group.syscalls, ' ')) {
            bool known = name == "breakpoint" || name == "cacheflush" || name == "set_tls" || name == "epoll_ctl_old" ||
                         name == "epoll_wait_old";
            for (auto architecture : architectures) known = known || filter::syscall_number(architecture, name) >= 0;
            CHECK_MESSAGE(known, std::string(name));
        }
}

// Every comparison on random values, against the plain meaning.
TEST_CASE("argument tests compare all 64 bits") {
    using filter::Compare;
    auto holds = [](const filter::ArgumentTest& test, std::uint64_t value) {
        switch (test.compare) {
            case Compare::NotEqual: return value != test.value;
            case Compare::Less: return value < test.value;
            case Compare::LessOrEqual: return value <= test.value;
            case Compare::Equal: return value == test.value;
            case Compare::GreaterOrEqual: return value >= test.value;
            case Compare::Greater: return value > test.value;
            case Compare::MaskedEqual: return (value & test.mask) == test.value;
        }
        return false;
    };
    auto edge = [] {
        static constexpr std::uint64_t edges[] = {0,           1,     0xffffffff,        0x100000000,
                                                  0x100000001, ~0ULL, 0xffffffff00000000};
        return edges[random_number(7)] + random_number(3) - 1;
    };
    for (int round = 0; round < 3000; ++round) {
        filter::ArgumentTest first{
            .index = 0, .compare = static_cast<Compare>(random_number(7)), .value = edge(), .mask = edge()};
        filter::ArgumentTest second{
            .index = 5, .compare = static_cast<Compare>(random_number(7)), .value = edge(), .mask = edge()};
        filter::Profile profile;
        profile.rules.push_back({"read", {first, second}});
        auto program = filter::compile(profile);
        REQUIRE(program);
        std::uint64_t a = edge(), b = edge();
        bool expected = holds(first, a) && holds(second, b);
        CHECK((filter::evaluate(*program, native(), number("read"), {a, 0, 0, 0, 0, b}) == filter::allow) == expected);
    }
}

TEST_CASE("the kernel takes the filter and does as it says") {
    auto program = compile_default_seccomp(default_capabilities());
    REQUIRE(program);
    pid_t child = ::fork();
    if (child == 0) {
        sock_fprog whole{static_cast<unsigned short>(program->size() / sizeof(sock_filter)),
                         reinterpret_cast<sock_filter*>(program->data())};
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &whole) < 0) ::_exit(1);
        if (::socket(AF_VSOCK, SOCK_STREAM, 0) >= 0 || errno != EPERM) ::_exit(2);
        if (::syscall(9999) >= 0 || errno != ENOSYS) ::_exit(3);
        if (::syscall(468 /* file_getattr, Linux 6.17 */) >= 0 || errno != ENOSYS) ::_exit(4);
        if (::syscall(SYS_bpf, 0, nullptr, 0) >= 0 || errno != EPERM) ::_exit(5);
        if (::getppid() < 0) ::_exit(6);
        ::_exit(0);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    CHECK(status == 0);
}

TEST_CASE("profiles in config.json") {
    auto parse = [](const char* text) { return oci::seccomp_profile(parse_json(text)->get_object()); };
    auto profile = parse(
        R"({"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86"],
        "syscalls":[{"names":["read","write","no_such_call"],"action":"SCMP_ACT_ALLOW"},
                    {"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":40,"op":"SCMP_CMP_NE"}]},
                    {"names":["clone"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":2114060288,"valueTwo":0,"op":"SCMP_CMP_MASKED_EQ"}]},
                    {"names":["kill"],"action":"SCMP_ACT_KILL_PROCESS"}]})");
    REQUIRE(profile);
    auto program = filter::compile(*profile);
    REQUIRE(program);
    CHECK(filter::evaluate(*program, native(), number("read"), {}) == filter::allow);
    CHECK(filter::evaluate(*program, native(), number("socket"), {40}) == filter::fail_with(38));
    CHECK(filter::evaluate(*program, native(), number("socket"), {2}) == filter::allow);
    CHECK(filter::evaluate(*program, native(), number("clone"), {0x10000000}) == filter::fail_with(38));
    CHECK(filter::evaluate(*program, native(), number("clone"), {0x11}) == filter::allow);
    CHECK(filter::evaluate(*program, native(), number("kill"), {}) == filter::kill_process);
    CHECK(!parse(R"({"defaultAction":"SCMP_ACT_NOTIFY"})"));
    CHECK(!parse(
        R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":6,"op":"SCMP_CMP_EQ"}]}]})"));
    CHECK(!parse(R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":"read","action":"SCMP_ACT_ALLOW"}]})"));
}

TEST_CASE("the default profile in Docker's form is the default profile") {
    auto text = filter::default_profile_json();
    for (auto capabilities :
         {default_capabilities(), std::uint64_t{0}, ~std::uint64_t{0}, std::uint64_t{1} << CAP_SYS_ADMIN}) {
        auto printed = filter::compile_profile(text, capabilities);
        REQUIRE_MESSAGE(printed.ok(), printed.error().message());
        CHECK(*printed == *compile_default_seccomp(capabilities));
    }
    auto parsed = parse_json(text);
    REQUIRE(parsed);
    for (const auto& rule : parsed->at("syscalls").as_array()) CHECK(!rule.at("comment").as_string().empty());
}

TEST_CASE("rules that count for some capabilities, machines and kernels only") {
    auto answer = [](std::string rule, std::uint64_t capabilities = 0) {
        auto profile = filter::parse_profile(
            R"({"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW",)" + rule +
                "}]}",
            {.capabilities = capabilities, .kernel_major = 5, .kernel_minor = 10});
        REQUIRE_MESSAGE(profile.ok(), profile.error().message());
        return filter::evaluate(*filter::compile(*profile), native(), number("read"), {}) == filter::allow;
    };
    constexpr auto admin = std::uint64_t{1} << CAP_SYS_ADMIN, boot = std::uint64_t{1} << CAP_SYS_BOOT;
    CHECK(answer(R"("includes":{})"));
    CHECK_FALSE(answer(R"("includes":{"caps":["CAP_SYS_ADMIN"]})"));
    CHECK(answer(R"("includes":{"caps":["CAP_SYS_ADMIN"]})", admin));
    CHECK_FALSE(answer(R"("includes":{"caps":["CAP_SYS_ADMIN","CAP_SYS_BOOT"]})", admin));  // all of them
    CHECK(answer(R"("excludes":{"caps":["CAP_SYS_ADMIN","CAP_SYS_BOOT"]})"));
    CHECK_FALSE(answer(R"("excludes":{"caps":["CAP_SYS_ADMIN","CAP_SYS_BOOT"]})", boot));  // any of them
    CHECK(answer(R"("includes":{"minKernel":"5.10"})"));
    CHECK(answer(R"("includes":{"minKernel":"4.20"})"));
    CHECK_FALSE(answer(R"("includes":{"minKernel":"5.11"})"));
    CHECK_FALSE(answer(R"("includes":{"arches":["no-such"]})"));
    CHECK(answer(R"("excludes":{"arches":["no-such"]})"));
    if (native() == AUDIT_ARCH_X86_64) CHECK(answer(R"("includes":{"arches":["arm64","amd64"]})"));
}

TEST_CASE("profiles that cannot be") {
    auto text_of = [](std::string_view text) {
        auto profile = filter::parse_profile(text, {});
        return profile ? std::string("fine") : profile.error().message();
    };
    CHECK(text_of("{").starts_with("Decoding seccomp profile failed: "));
    CHECK(text_of("[]") == "Decoding seccomp profile failed: not a JSON object");
    CHECK(text_of("{}") == "seccomp profile: defaultAction: string  is not a valid action for seccomp");
    auto with = [&](std::string more) { return text_of(R"({"defaultAction":"SCMP_ACT_ALLOW",)" + more + "}"); };
    CHECK(with(R"("archMap":[{"architecture":"SCMP_ARCH_X86_64"}],"architectures":["SCMP_ARCH_X86"])")
              .find("use either 'architectures' or") != std::string::npos);
    auto rule = [&](std::string more) { return with(R"("syscalls":[{"action":"SCMP_ACT_ERRNO",)" + more + "}]"); };
    CHECK(rule(R"("name":"read")") == "fine");
    CHECK(rule(R"("name":"read","names":["write"])").find("use either 'name' or 'names'") != std::string::npos);
    CHECK(rule(R"("name":"read","errnoRet":5000)") == "seccomp profile: syscalls[0]: error number 5000");
    CHECK(rule(R"("name":"read","args":[{"index":6,"op":"SCMP_CMP_EQ"}])") ==
          "seccomp profile: syscalls[0].args.index: must be 0 to 5");
    CHECK(rule(R"("name":"read","args":[{"index":0,"op":"EQ"}])")
              .ends_with("string EQ is not a valid operator for seccomp"));
    CHECK(rule(R"("name":"read","args":[{"index":0,"op":"SCMP_CMP_EQ","value":-1}])")
              .ends_with("value: must be a whole number"));
    CHECK(rule(R"("name":"read","args":[{"index":0,"op":"SCMP_CMP_EQ","value":18446744073709551615}])") == "fine");
    CHECK(rule(R"("names":7)").starts_with("seccomp profile: "));
    CHECK(rule(R"("name":"read","includes":{"minKernel":"five"})").ends_with("invalid kernel version: five"));
    std::string many = R"("names":["read")";
    for (int i = 0; i < 10001; ++i) many += R"(,"read")";
    CHECK(rule(many + "]").find("more than") != std::string::npos);
    CHECK(text_of(std::string(2U << 20, ' ')).starts_with("Decoding seccomp profile failed: "));
}
