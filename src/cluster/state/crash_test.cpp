// SPDX-License-Identifier: Apache-2.0
// A child writes and is killed; whatever it was told is on disk must be there.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>
#include <map>
#include <random>
#include <thread>

#include <fmt/core.h>

#include "cluster/state/state.h"
#include "cluster/state/testing_internal.h"

using namespace pila;
using namespace pila::cluster::state;
using namespace pila::cluster::state::testing;

namespace {

constexpr unsigned writers = 4;

struct Report {
    std::uint32_t writer;
    std::uint32_t step;  // done up to and with this one
    Revision revision;
};

using Contents = std::map<std::string, std::string>;  // data by key

std::string key_of(unsigned writer, unsigned step) {
    return "core/pods/w" + std::to_string(writer) + "/" + std::to_string(step % 5);
}

// Of up to a few pages, so that one that is half there would show.
std::string data_of(unsigned writer, unsigned step) {
    std::string data;
    for (unsigned i = 0; i <= step * 37 % 300; ++i) data += fmt::format("{}.{}.{} ", writer, step, i);
    return data;
}

bool removes(unsigned step) { return step % 7 == 6; }

// Step by step the same in every process: what is done can be told from how far it got.
void apply(Contents& contents, unsigned writer, unsigned step) {
    if (removes(step))
        contents.erase(key_of(writer, step));
    else
        contents[key_of(writer, step)] = data_of(writer, step);
}

Contents found(State& state, unsigned writer) {
    Contents contents;
    auto page = state.list("core/pods/w" + std::to_string(writer) + "/", "", 0, 0).take();
    for (const auto& object : page.objects) {
        auto data = object->bytes.substr(object->bytes.find("\"d\":\"") + 5);
        data.resize(data.size() - 2);
        CHECK(object->bytes == text(object->revision, data));
        contents[object->key] = data;
    }
    return contents;
}

void write_steps(State& state, unsigned writer, unsigned step, unsigned until) {
    for (; step < until; ++step) {
        auto key = key_of(writer, step);
        auto written = state.write(removes(step) ? removal(key) : put(key, data_of(writer, step)));
        Report report{writer, step, written ? (*written)->revision : 0};
        if (!written && written.error().code() != Errc::NotFound) return;
        if (::write(3, &report, sizeof report) != sizeof report) return;
    }
}

struct Child {
    pid_t pid = -1;
    int reports = -1;
};

// `begin`: "STEP STEP ...", where each writer begins.
Child start_child(const std::string& path, const std::string& begin, unsigned until, const char* failpoints) {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    std::vector<std::string> variables = {"PILA_STATE_CHILD=" + path, "PILA_STATE_BEGIN=" + begin,
                                          "PILA_STATE_UNTIL=" + std::to_string(until),
                                          std::string("PILA_FAILPOINTS=") + failpoints};
    std::vector<char*> environment;
    for (auto& variable : variables) environment.push_back(variable.data());
    for (const char* name : {"ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"})
        if (const char* value = std::getenv(name)) {
            static std::map<std::string, std::string> kept;
            kept[name] = std::string(name) + "=" + value;
            environment.push_back(kept[name].data());
        }
    environment.push_back(nullptr);
    const char* arguments[] = {"cluster_state-test", "--no-skip", "--test-case=(the child of the crash tests)",
                               nullptr};
    auto nowhere = os::open("/dev/null", O_WRONLY).take();
    Child child;
    child.pid = ::fork();
    if (child.pid == 0) {
        ::dup2(nowhere.get(), 1);
        ::dup2(ends[1], 3);
        ::execve("/proc/self/exe", const_cast<char**>(arguments), environment.data());
        ::_exit(127);
    }
    ::close(ends[1]);
    child.reports = ends[0];
    return child;
}

bool read_report(const Child& child, Report& report) {
    return ::read(child.reports, &report, sizeof report) == sizeof report;
}

int end_of(const Child& child) {
    int status = 0;
    REQUIRE(::waitpid(child.pid, &status, 0) == child.pid);
    ::close(child.reports);
    return status;
}

// What the parent knows of one writer.
struct Known {
    unsigned steps = 0;  // that are surely done
    Contents contents;   // after them

    void advance(unsigned writer, unsigned until) {
        for (; steps < until; ++steps) apply(contents, writer, steps);
    }
};

}  // namespace

TEST_CASE("(the child of the crash tests)" * doctest::skip()) {
    const char* path = std::getenv("PILA_STATE_CHILD");
    if (!path) return;
    auto state = State::open(path);
    if (!state) ::_exit(3);
    auto until = static_cast<unsigned>(std::atoi(std::getenv("PILA_STATE_UNTIL")));
    std::vector<std::thread> threads;
    const char* begin = std::getenv("PILA_STATE_BEGIN");
    for (unsigned writer = 0; *begin; ++writer) {
        char* rest = nullptr;
        auto step = static_cast<unsigned>(std::strtoul(begin, &rest, 10));
        begin = *rest ? rest + 1 : rest;
        threads.emplace_back([&state, writer, step, until] { write_steps(**state, writer, step, until); });
    }
    for (auto& thread : threads) thread.join();
}

TEST_CASE("killed at any moment: what was acknowledged is there, and nothing is there by half") {
    TemporaryDirectory directory;
    std::mt19937 random(11);
    std::vector<Known> known(writers);
    Revision newest = 0;
    for (int round = 0; round < 20; ++round) {
        std::string begin;
        for (const auto& writer : known) begin += (begin.empty() ? "" : " ") + std::to_string(writer.steps);
        auto child = start_child(directory.database(), begin, 1'000'000, "");
        auto reports = 1 + random() % (round % 2 ? 30 : 500);
        Report report{};
        for (unsigned i = 0; read_report(child, report); ++i) {
            if (i == reports) ::kill(child.pid, SIGKILL);
            known[report.writer].advance(report.writer, report.step + 1);
            newest = std::max(newest, report.revision);
        }
        CHECK(WTERMSIG(end_of(child)) == SIGKILL);

        auto state = open_state(directory.database());
        CHECK(state->revision() >= newest);
        for (unsigned i = 0; i < writers; ++i) {
            auto contents = found(*state, i);
            if (contents == known[i].contents) continue;
            // One more may have been on its way.
            known[i].advance(i, known[i].steps + 1);
            CHECK(contents == known[i].contents);
        }
        auto next = state->write(put("core/secrets/default/round", std::to_string(round)));
        REQUIRE(next.ok());
        CHECK((*next)->revision > newest);
        newest = (*next)->revision;
    }
    for (const auto& writer : known) CHECK(writer.steps > 100);
}

TEST_CASE("dying just before a commit loses it, dying just after does not") {
    for (bool after : {false, true}) {
        TemporaryDirectory directory;
        auto child = start_child(directory.database(), "0", 40,
                                 after ? "state.after-commit=20*off->crash" : "state.before-commit=20*off->crash");
        Known known;
        Report report{};
        Revision newest = 0;
        while (read_report(child, report)) {
            known.advance(0, report.step + 1);
            newest = std::max(newest, report.revision);
        }
        if (auto status = end_of(child); WIFEXITED(status)) {
            CHECK(WEXITSTATUS(status) == 0);
            CHECK(known.steps == 40);
            MESSAGE("skipped: this build has no failpoints");
            return;
        }
        CHECK(newest == 20);
        // Steps that found nothing to delete commit nothing.
        if (after) known.advance(0, known.steps + 1);
        auto state = open_state(directory.database());
        CHECK(found(*state, 0) == known.contents);
        CHECK(state->revision() == (after ? 21 : 20));
    }
}
