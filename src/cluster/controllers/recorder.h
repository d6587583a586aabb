// SPDX-License-Identifier: Apache-2.0
#pragma once
// Events (core/v1) about objects. The same said again raises a count; many things said about one object for one reason
// become one event (as k8s.io/client-go/tools/record: ten within ten minutes). They go after an hour (event_expiry).
// Threads: any.

#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <boost/json/fwd.hpp>

#include "base/mutex.h"
#include "cluster/controllers/client.h"

namespace pila::cluster::controllers {

class Recorder {
public:
    Recorder(const Client& client, std::string component) : client_(client), component_(std::move(component)) {}

    void normal(const json::object& about, std::string_view reason, std::string message) {
        record(about, "Normal", reason, {std::move(message)});
    }
    // Of a burst: what becomes one event is one write.
    void normal(const json::object& about, std::string_view reason, const std::vector<std::string>& messages) {
        record(about, "Normal", reason, messages);
    }
    void warning(const json::object& about, std::string_view reason, std::string message) {
        record(about, "Warning", reason, {std::move(message)});
    }

private:
    struct Known {
        std::string key, space, name;
        std::int64_t count = 0;
    };
    struct Similar {
        std::int64_t since = 0;
        int count = 0;
    };

    void record(const json::object& about, std::string_view type, std::string_view reason,
                const std::vector<std::string>& messages);
    bool is_one_too_many(const std::string& group, std::int64_t now) REQUIRES(mutex_);
    // Whether there is an event with that key.
    bool count_up(const std::string& key, std::int64_t times) REQUIRES(mutex_);
    void write_new(const std::string& key, const json::object& about, std::string_view type, std::string_view reason,
                   const std::string& message, std::int64_t times) REQUIRES(mutex_);

    const Client& client_;
    const std::string component_;
    Mutex mutex_;
    std::list<Known> known_ GUARDED_BY(mutex_);  // the last used first
    std::unordered_map<std::string, std::list<Known>::iterator> by_key_ GUARDED_BY(mutex_);
    std::unordered_map<std::string, Similar> similar_ GUARDED_BY(mutex_);
};

}  // namespace pila::cluster::controllers
