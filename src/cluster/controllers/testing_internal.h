// SPDX-License-Identifier: Apache-2.0
#pragma once
// A cluster in memory whose controllers run on the test's own thread, with a clock that the test moves. Its pods do
// what the test says, as if a kubelet had.

#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <boost/json.hpp>

#include "base/time.h"
#include "cluster/api/metadata.h"
#include "cluster/codec/codec.h"
#include "cluster/controllers/controllers.h"
#include "cluster/controllers/fields.h"

namespace pila::cluster::controllers {

class World {
public:
    World()
        : state_(state::State::open("").take()),
          directory_(*state_, {}),
          registry_(*state_, &directory_),
          client_(registry_, "test") {
        make("", "namespaces", R"({"metadata":{"name":"default"}})");
        restart();
    }

    // As if the control plane had started anew.
    void restart() {
        controllers_.reset();
        Options options;
        options.ca_certificate = "PEM";
        options.clock = [this] { return now(); };
        controllers_ = std::make_unique<Controllers>(registry_, directory_, options);
        REQUIRE(controllers_->prepare());
        settle();
    }

    std::int64_t now() const { return now_wall().nanoseconds / 1000 + ahead_ * 1'000'000; }
    void settle() { controllers_->settle(); }
    void pass(std::int64_t seconds) {
        ahead_ += seconds;
        settle();
    }

    const schema::Kind& kind(std::string_view group, std::string_view plural) const {
        return kind_of(group, group == "autoscaling" ? "v2" : "v1", plural);
    }

    json::object make(std::string_view group, std::string_view plural, std::string_view text) {
        auto tree = codec::read_json(text, {});
        REQUIRE(tree);
        auto object = tree->get_object();
        const auto& of = kind(group, plural);
        if (of.is_namespaced && text_in(object, "metadata.namespace").empty())
            make_object_in(object, "metadata")["namespace"] = "default";
        auto made = client_.create(of, std::move(object));
        INFO((made ? "" : made.error().message));
        REQUIRE(made);
        return made.take();
    }
    // A merge patch.
    json::object change(std::string_view group, std::string_view plural, std::string_view name, std::string_view text,
                        std::string_view subresource = "") {
        auto tree = codec::read_json(text, {});
        REQUIRE(tree);
        const auto& of = kind(group, plural);
        api::Call call{.kind = of,
                       .name_space = of.is_namespaced ? "default" : "",
                       .name = std::string(name),
                       .subresource = std::string(subresource),
                       .user = user_,
                       .manager = "test"};
        auto written = registry_.patch(call, api::PatchType::Merge, *tree, false, {});
        INFO((written ? "" : written.error().message));
        REQUIRE(written);
        return Client::read(*(*written).object).take();
    }
    void remove(std::string_view group, std::string_view plural, std::string_view name,
                const std::string& propagation = "Background") {
        const auto& of = kind(group, plural);
        api::DeleteOptions options;
        options.propagation = propagation;
        auto removed = client_.remove(of, of.is_namespaced ? "default" : "", std::string(name), options);
        INFO((removed ? "" : removed.error().message));
        REQUIRE(removed);
    }

    // nullopt: it is not there.
    std::optional<json::object> get(std::string_view group, std::string_view plural, std::string_view name) const {
        const auto& of = kind(group, plural);
        auto found = client_.get(of, of.is_namespaced ? "default" : "", std::string(name));
        return found ? std::optional(found.take()) : std::nullopt;
    }
    std::vector<json::object> all(std::string_view group, std::string_view plural) const {
        std::vector<json::object> objects;
        auto listed = client_.list(kind(group, plural), "");
        REQUIRE(listed);
        for (const auto& object : *listed) objects.push_back(Client::read(*object).take());
        return objects;
    }

    void be_ready(std::string_view pod, std::string_view address = "10.0.0.1") {
        auto time = codec::format_time(now() / 1'000'000);
        change("", "pods", pod,
               R"({"status":{"phase":"Running","podIP":")" + std::string(address) +
                   R"(","conditions":[{"type":"Ready","status":"True","lastTransitionTime":")" + time + R"("}]}})",
               "status");
    }
    void all_ready() {
        for (const auto& pod : all("", "pods"))
            if (text_in(pod, "status.phase") != "Running") be_ready(text_in(pod, "metadata.name"));
        settle();
    }
    // Until nothing changes any more.
    void roll_out() {
        for (int round = 0; round < 50; ++round) all_ready();
    }

    state::State& state() { return *state_; }
    api::Directory& directory() { return directory_; }
    Client& client() { return client_; }
    api::Registry& registry() { return registry_; }

private:
    std::unique_ptr<state::State> state_;
    api::Directory directory_;
    api::Registry registry_;
    Client client_;
    const api::User user_{"test", "", {"system:masters"}};
    std::int64_t ahead_ = 0;
    std::unique_ptr<Controllers> controllers_;
};

inline std::string deployment_of(std::string_view name, int replicas, std::string_view image,
                                 std::string_view more = "") {
    return R"({"metadata":{"name":")" + std::string(name) + R"("},"spec":{"replicas":)" + std::to_string(replicas) +
           std::string(more) + R"(,"selector":{"matchLabels":{"app":")" + std::string(name) +
           R"("}},"template":{"metadata":{"labels":{"app":")" + std::string(name) +
           R"("}},"spec":{"containers":[{"name":"c","image":")" + std::string(image) + R"("}]}}}})";
}

}  // namespace pila::cluster::controllers
