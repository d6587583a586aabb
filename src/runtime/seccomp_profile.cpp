// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp_profile.h"

#include <sys/utsname.h>
#include <algorithm>
#include <cerrno>
#include <cstdio>

#include <fmt/core.h>

#include "base/json_reader.h"
#include "base/text.h"
#include "os/capability.h"

namespace pila::runtime::seccomp {

namespace {

constexpr std::size_t max_text = 1U << 20, max_rules = 4096, max_names = 4096, max_tests = 12;

Error wrong(std::string what) { return Error(Errc::Invalid, "seccomp profile: " + std::move(what)); }

// As GOARCH and as libseccomp call this machine.
struct Machine {
    std::string_view go, seccomp;
};
constexpr Machine machine() {
#if defined(__x86_64__)
    return {"amd64", "SCMP_ARCH_X86_64"};
#elif defined(__aarch64__)
    return {"arm64", "SCMP_ARCH_AARCH64"};
#elif defined(__powerpc64__)
    return {"ppc64le", "SCMP_ARCH_PPC64LE"};
#elif defined(__riscv)
    return {"riscv64", "SCMP_ARCH_RISCV64"};
#else
    return {"", ""};
#endif
}

struct Kernel {
    unsigned major = 0, minor = 0;
};

std::optional<Kernel> parse_kernel(const std::string& text) {
    auto parts = split(text, '.');
    auto number = [&](std::size_t index) {
        return index < parts.size() ? parse_uint(parts[index]).value_or(10'000) : 10'000;
    };
    if (number(0) > 9999 || number(1) > 9999) return std::nullopt;
    return Kernel{static_cast<unsigned>(number(0)), static_cast<unsigned>(number(1))};
}

Kernel running_kernel() {
    utsname name{};
    Kernel kernel;
    ::uname(&name);
    std::sscanf(name.release, "%u.%u", &kernel.major, &kernel.minor);
    return kernel;
}

bool contains(const std::vector<std::string>& list, std::string_view item) {
    return std::find(list.begin(), list.end(), item) != list.end();
}

class Parser {
public:
    explicit Parser(const ProfileFor& purpose) : capabilities_(purpose.capabilities) {
        kernel_ = purpose.kernel_major ? Kernel{purpose.kernel_major, purpose.kernel_minor} : running_kernel();
    }

    Result<Profile> parse(const json::object& object) {
        JsonReader in(object);
        auto action = in.text("defaultAction");
        auto error = in.optional_integer("defaultErrnoRet");
        profile_.otherwise = TRY(outcome(action, error, "defaultAction"));
        // Only where unlisted calls fail anyhow: a profile that allows by default means newer calls too.
        profile_.unknown_is_enosys = action == "SCMP_ACT_ERRNO" || action.starts_with("SCMP_ACT_KILL");
        TRY(add_architectures(in));
        const auto* rules = in.array("syscalls");
        TRY(checked(in));
        if (rules && rules->size() > max_rules) return wrong(fmt::format("more than {} rules", max_rules));
        for (std::size_t i = 0; rules && i < rules->size(); ++i)
            TRY(add_rule((*rules)[i], fmt::format("syscalls[{}]", i)));
        return std::move(profile_);
    }

private:
    static Result<void> checked(const JsonReader& in) {
        auto good = in.check();
        return good ? std::move(good) : Result<void>(wrong(good.error().message()));
    }

    static Result<std::uint32_t> outcome(const std::string& name, std::optional<std::int64_t> error,
                                         std::string_view where) {
        if (error && (*error < 0 || *error > 4095)) return wrong(fmt::format("{}: error number {}", where, *error));
        auto known = action_by_name(name, static_cast<std::uint32_t>(error.value_or(EPERM)));
        if (known) return *known;
        return wrong(fmt::format("{}: string {} is not a valid action for seccomp", where, printable(name)));
    }

    Result<void> add_architectures(JsonReader& in) {
        auto own = seccomp::native_architecture();
        profile_.architectures.push_back(own);
        auto add = [&](const std::string& name) {
            // What this machine cannot run needs no rules; x32 is always refused (seccomp_filter.cpp).
            auto token = architecture_by_name(name);
            auto& list = profile_.architectures;
            if (token && std::find(list.begin(), list.end(), *token) == list.end()) list.push_back(*token);
        };
        auto names = in.strings("architectures");
        const auto* map = in.array("archMap");
        TRY(checked(in));
        if (!names.empty() && map && !map->empty())
            return wrong(
                "both 'architectures' and 'archMap' are specified in the seccomp profile, use either "
                "'architectures' or 'archMap'");
        for (const auto& name : names) add(name);
        for (std::size_t i = 0; map && i < map->size(); ++i) {
            if (!(*map)[i].is_object()) return wrong("archMap: must be a list of objects");
            JsonReader entry((*map)[i].get_object(), "archMap");
            bool mine = entry.text("architecture") == machine().seccomp;
            auto others = entry.strings("subArchitectures");
            TRY(checked(entry));
            for (const auto& name : others)
                if (mine) add(name);
        }
        return {};
    }

    // Whether all that a filter names is so here (includes), or any of it (excludes).
    Result<bool> matches(const json::object& filter, const std::string& where, bool all) {
        JsonReader in(filter, where);
        auto arches = in.strings("arches"), names = in.strings("caps");
        auto minimum = in.text("minKernel");
        TRY(checked(in));
        auto kernel = parse_kernel(minimum);
        if (!minimum.empty() && !kernel)
            return wrong(fmt::format("{}: invalid kernel version: {}", where, printable(minimum)));
        std::vector<bool> facts;
        if (!arches.empty()) facts.push_back(contains(arches, machine().go));
        for (const auto& name : names) {
            auto number = os::capability_by_name(name);
            facts.push_back(number && (capabilities_ >> *number & 1) != 0);
        }
        if (kernel) facts.push_back(std::pair(kernel_.major, kernel_.minor) >= std::pair(kernel->major, kernel->minor));
        auto count = std::count(facts.begin(), facts.end(), true);
        return all ? count == static_cast<std::ptrdiff_t>(facts.size()) : count > 0;
    }

    Result<ArgumentTest> test_of(const json::value& value, const std::string& where) {
        if (!value.is_object()) return wrong(where + ": must be a list of objects");
        auto number = [&](const char* field) -> Result<std::uint64_t> {
            const auto* given = value.get_object().if_contains(field);
            if (!given || given->is_null()) return std::uint64_t{0};
            boost::system::error_code failed;
            auto read = given->to_number<std::uint64_t>(failed);
            if (failed || given->is_double()) return wrong(fmt::format("{}.{}: must be a whole number", where, field));
            return read;
        };
        JsonReader in(value.get_object(), where);
        auto operation = in.text("op");
        TRY(checked(in));
        ArgumentTest test;
        auto index = TRY(number("index"));
        if (index > 5) return wrong(fmt::format("{}.index: must be 0 to 5", where));
        auto compare = comparison_by_name(operation);
        if (!compare)
            return wrong(fmt::format("{}: string {} is not a valid operator for seccomp", where, printable(operation)));
        test.index = static_cast<unsigned>(index);
        test.compare = *compare;
        test.value = TRY(number("value"));
        if (test.compare == Compare::MaskedEqual) {
            // value is the mask, valueTwo what must be left.
            test.mask = test.value;
            test.value = TRY(number("valueTwo"));
        }
        return test;
    }

    Result<std::vector<std::string>> names_of(JsonReader& in, const std::string& where) {
        auto names = in.strings("names");
        auto single = in.text("name");
        TRY(checked(in));
        if (!single.empty() && !names.empty())
            return wrong(where +
                         ": both 'name' and 'names' are specified in the seccomp profile, use either 'name' or "
                         "'names'");
        if (!single.empty()) names.push_back(single);
        names_ += names.size();
        if (names_ > max_names) return wrong(fmt::format("more than {} names of system calls", max_names));
        return names;
    }

    Result<void> add_rule(const json::value& value, const std::string& where) {
        if (!value.is_object()) return wrong(where + ": must be an object");
        JsonReader in(value.get_object(), where);
        auto names = TRY(names_of(in, where));
        auto result = TRY(outcome(in.text("action"), in.optional_integer("errnoRet"), where));
        const auto* includes = in.object("includes");
        const auto* excludes = in.object("excludes");
        const auto* arguments = in.array("args");
        TRY(checked(in));
        std::vector<ArgumentTest> tests;
        bool repeated = false;
        if (arguments && arguments->size() > max_tests)
            return wrong(fmt::format("{}: more than {} tests", where, max_tests));
        for (std::size_t i = 0; arguments && i < arguments->size(); ++i) {
            tests.push_back(TRY(test_of((*arguments)[i], where + ".args")));
            for (std::size_t other = 0; other < i; ++other) repeated |= tests[other].index == tests[i].index;
        }
        if (excludes && TRY(matches(*excludes, where + ".excludes", false))) return {};
        if (includes && !TRY(matches(*includes, where + ".includes", true))) return {};
        for (const auto& name : names) {
            // As runc has it: several tests of one argument are alternatives, tests of different ones must all hold.
            if (!repeated)
                profile_.rules.push_back({name, tests, result});
            else
                for (const auto& test : tests) profile_.rules.push_back({name, {test}, result});
        }
        return {};
    }

    std::uint64_t capabilities_;
    Kernel kernel_;
    Profile profile_;
    std::size_t names_ = 0;
};

}  // namespace

Result<Profile> parse_profile(std::string_view text, const ProfileFor& purpose) {
    auto parsed = parse_json(text, {.max_bytes = max_text, .max_depth = 16});
    if (!parsed) return Error(Errc::Invalid, "Decoding seccomp profile failed: " + parsed.error().message());
    if (!parsed->is_object()) return Error(Errc::Invalid, "Decoding seccomp profile failed: not a JSON object");
    return Parser(purpose).parse(parsed->get_object());
}

Result<std::string> compile_profile(std::string_view text, std::uint64_t capabilities) {
    auto profile = TRY(parse_profile(text, {.capabilities = capabilities}));
    if (profile.otherwise == allow && profile.rules.empty()) return std::string();
    return compile(profile);
}

}  // namespace pila::runtime::seccomp
