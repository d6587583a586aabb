// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/recorder.h"

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/log.h"
#include "base/random.h"
#include "base/time.h"
#include "cluster/api/metadata.h"
#include "cluster/controllers/fields.h"

namespace pila::cluster::controllers {

namespace {

constexpr std::size_t max_known = 4096;
constexpr int max_similar = 10;
constexpr std::int64_t similar_seconds = 600;
constexpr std::size_t max_message = 1024;
constexpr std::size_t max_name = 236;  // of 253, beside a dot and 16 digits

const schema::Kind& event_kind() {
    static const auto& kind = kind_of("", "v1", "events");
    return kind;
}

json::object involved(const json::object& about) {
    json::object reference;
    for (auto member : {"kind", "apiVersion"}) reference[member] = text_in(about, member);
    reference["name"] = text_in(about, "metadata.name");
    for (auto member : {"namespace", "uid", "resourceVersion"}) {
        auto text = text_in(about, std::string("metadata.") + member);
        if (!text.empty()) reference[member] = text;
    }
    return reference;
}

}  // namespace

bool Recorder::is_one_too_many(const std::string& group, std::int64_t now) {
    if (similar_.size() >= max_known) similar_.clear();
    auto& similar = similar_[group];
    if (now - similar.since > similar_seconds) similar = {now, 0};
    return ++similar.count > max_similar;
}

bool Recorder::count_up(const std::string& key, std::int64_t times) {
    auto found = by_key_.find(key);
    if (found == by_key_.end()) return false;
    auto known = found->second;
    known_.splice(known_.begin(), known_, known);
    auto live = client_.get(event_kind(), known->space, known->name);
    if (!live) {  // an hour has passed, or somebody deleted it
        known_.erase(known);
        by_key_.erase(found);
        return false;
    }
    json::object change{{"count", known->count + times}, {"lastTimestamp", api::now_text()}};
    auto written = client_.patch(event_kind(), *live, std::move(change));
    if (!written) {
        log::warning("count an event: {}", written.error().message);
        return true;
    }
    known->count += times;
    return true;
}

void Recorder::write_new(const std::string& key, const json::object& about, std::string_view type,
                         std::string_view reason, const std::string& message, std::int64_t times) {
    auto space = std::string(text_in(about, "metadata.namespace"));
    if (space.empty()) space = "default";
    auto name = fmt::format("{}.{}", text_in(about, "metadata.name").substr(0, max_name), random_hex(16));
    auto now = api::now_text();
    json::object event;
    event["metadata"] = json::object{{"name", name}, {"namespace", space}};
    event["involvedObject"] = involved(about);
    event["reason"] = reason;
    event["message"] = std::string_view(message).substr(0, max_message);
    event["source"] = json::object{{"component", component_}};
    event["firstTimestamp"] = now;
    event["lastTimestamp"] = now;
    event["count"] = times;
    event["type"] = type;
    event["reportingComponent"] = component_;
    event["reportingInstance"] = "";
    auto written = client_.create(event_kind(), std::move(event));
    if (!written) {  // a namespace that goes takes no events
        log::debug("record {} of {}: {}", reason, name_key(about), written.error().message);
        return;
    }
    known_.push_front({key, space, name, times});
    by_key_[key] = known_.begin();
    if (known_.size() <= max_known) return;
    by_key_.erase(known_.back().key);
    known_.pop_back();
}

void Recorder::record(const json::object& about, std::string_view type, std::string_view reason,
                      const std::vector<std::string>& messages) {
    Lock lock(mutex_);
    auto group = fmt::format("{}\n{}\n{}", text_in(about, "metadata.uid"), type, reason);
    std::int64_t combined = 0;
    for (const auto& message : messages) {
        auto key = group + "\n" + message;
        if (count_up(key, 1)) continue;
        if (is_one_too_many(group, now_wall().seconds()))
            ++combined;
        else
            write_new(key, about, type, reason, message, 1);
    }
    if (combined == 0 || count_up(group, combined)) return;
    write_new(group, about, type, reason, "(combined from similar events): " + messages.back(), combined);
}

}  // namespace pila::cluster::controllers
