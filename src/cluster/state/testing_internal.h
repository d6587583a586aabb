// SPDX-License-Identifier: Apache-2.0
#pragma once
// For this room's tests only.

#include <cstdlib>
#include <string>

#include <doctest/doctest.h>

#include "cluster/state/state.h"
#include "os/file.h"

namespace pila::cluster::state::testing {

struct TemporaryDirectory {
    std::string path;
    TemporaryDirectory() {
        char name[] = "/tmp/pila-state-XXXXXX";
        path = ::mkdtemp(name);
    }
    ~TemporaryDirectory() { ignore(os::remove_tree(path), "left over in /tmp at worst"); }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    std::string database() const { return path + "/cluster.db"; }
};

inline std::unique_ptr<State> open_state(const std::string& path = "", const Options& options = {}) {
    auto state = State::open(path, options);
    if (!state) FAIL(state.error().message());
    return state.take();
}

inline std::unique_ptr<Watch> watching(State& state, std::string prefix, Revision after, std::function<void()> wake) {
    auto watch = state.watch(std::move(prefix), after, std::move(wake));
    if (!watch) FAIL(watch.error().message());
    return watch.take();
}

// {"v":"REVISION","d":"DATA"}
inline Write put(std::string key, std::string_view data, std::optional<Revision> expect = std::nullopt) {
    Write write;
    write.key = std::move(key);
    write.bytes = R"({"v":"","d":")" + std::string(data) + R"("})";
    write.revision_at = 6;
    write.expect = expect;
    return write;
}

inline Write removal(std::string key, std::optional<Revision> expect = std::nullopt) {
    Write write;
    write.key = std::move(key);
    write.expect = expect;
    return write;
}

inline std::string text(Revision revision, std::string_view data) {
    return R"({"v":")" + std::to_string(revision) + R"(","d":")" + std::string(data) + R"("})";
}

// The revision that the bytes say, without looking at the object's own.
inline Revision revision_in(const Object& object) { return std::atoll(object.bytes.c_str() + object.revision_at); }

inline Errc refused(Result<ObjectPointer> result) {
    REQUIRE_FALSE(result.ok());
    return result.error().code();
}

// "key@revision key@revision ..."
inline std::string names(const std::vector<ObjectPointer>& objects) {
    std::string out;
    for (const auto& object : objects) {
        auto name = object->key.substr(object->key.rfind('/') + 1);
        out += (out.empty() ? "" : " ") + name + "@" + std::to_string(object->revision);
    }
    return out;
}

// "+name@revision =name@revision -name@revision ..."
inline std::string told(Result<std::vector<Event>> events) {
    if (!events) return events.error().code() == Errc::Gone ? "gone" : events.error().message();
    std::string out;
    for (const auto& event : *events) {
        auto sign = event.type == EventType::Added ? "+" : event.type == EventType::Modified ? "=" : "-";
        out += (out.empty() ? "" : " ") + std::string(sign) + names({event.object});
    }
    return out;
}

}  // namespace pila::cluster::state::testing
