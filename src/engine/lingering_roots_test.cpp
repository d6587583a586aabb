// SPDX-License-Identifier: Apache-2.0
#include "engine/lingering_roots.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#include <optional>

using pila::Fd;
using pila::engine::LingeringRoots;

namespace {

// One end stands for the root; the other end tells when that was closed.
struct Pipe {
    Pipe() {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        reader = Fd(ends[0]);
        root = Fd(ends[1]);
    }
    bool closed_within(int milliseconds) const {
        pollfd waiting{reader.get(), 0, 0};
        return ::poll(&waiting, 1, milliseconds) == 1 && (waiting.revents & POLLHUP) != 0;
    }
    Fd reader, root;
};

}  // namespace

TEST_CASE("a root lingers, then goes by itself") {
    LingeringRoots roots;
    Pipe one, other;
    roots.keep("one", std::move(one.root));
    CHECK(!one.closed_within(300));
    roots.keep("other", std::move(other.root));
    CHECK(one.closed_within(10'000));
    CHECK(other.closed_within(10'000));
    Pipe late;
    roots.keep("one", std::move(late.root));
    CHECK(late.closed_within(10'000));
}

TEST_CASE("a root that stands in the way goes at once, the others stay") {
    LingeringRoots roots;
    Pipe first, second, other;
    roots.keep("one", std::move(first.root));
    roots.keep("one", std::move(second.root));  // ended twice within the time
    roots.keep("other", std::move(other.root));
    roots.keep("none", Fd());
    roots.let_go("one");
    CHECK(first.closed_within(0));
    CHECK(second.closed_within(0));
    CHECK(!other.closed_within(0));
    roots.let_go("one");
    roots.let_go("unknown");
}

TEST_CASE("no root outlives its keeper") {
    std::optional<LingeringRoots> roots(std::in_place);
    Pipe one;
    roots->keep("one", std::move(one.root));
    roots.reset();
    CHECK(one.closed_within(0));
}
