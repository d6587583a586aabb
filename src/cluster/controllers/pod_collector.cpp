// SPDX-License-Identifier: Apache-2.0
// Pods that nobody will end: of nodes that are gone, and of those that ended the oldest beyond a number
// (kube-controller-manager's pkg/controller/podgc).
#include <algorithm>

#include <boost/json.hpp>

#include "cluster/api/metadata.h"
#include "cluster/api/selectors.h"
#include "cluster/codec/codec.h"
#include "cluster/controllers/all.h"
#include "cluster/controllers/daemon_look.h"
#include "cluster/controllers/fields.h"
#include "cluster/controllers/pods.h"

namespace pila::cluster::controllers {

namespace {

constexpr std::int64_t quarantine = 40;  // seconds in which a node may come back
constexpr std::int64_t round_time = 20;  // between two counts of pods that ended
constexpr std::size_t most_ended = 12'500;
constexpr std::string_view node_word = "\"nodeName\":\"";
constexpr std::string_view count_key = "ended";  // all others: "node/NAME"

class PodCollector : public Controller {
public:
    explicit PodCollector(const Means& means)
        : Controller(means, "pod-garbage-collector"), pods_(means_.informers.of(pod_kind())) {
        pods_.add_index({"node", std::string(node_word), [](const json::object& pod) {
                             auto node = std::string(text_in(pod, "spec.nodeName"));
                             return node.empty() ? std::vector<std::string>() : std::vector<std::string>{node};
                         }});
        pods_.add_handler([this](const ObjectPointer& before, const ObjectPointer& now) {
            if (!now) return;
            bool had_node = before && before->bytes.find(node_word) != std::string::npos;
            auto node = had_node ? "" : node_in(*now);
            if (!node.empty() && !means_.registry.state().get(api::key_of(node_kind(), "", node)))
                enqueue_after("node/" + node, quarantine);
            if (has_ended(*now) && (!before || !has_ended(*before))) enqueue_after(count_key, round_time);
        });
        means_.informers.of(node_kind()).add_handler([this](const ObjectPointer& before, const ObjectPointer& now) {
            if (!now) enqueue_after("node/" + name_key(node_kind(), *before), quarantine);
        });
    }

    Outcome<void> sync(const std::string& key) override {
        if (key == count_key) return drop_oldest();
        auto node = key.substr(key.find('/') + 1);
        if (means_.registry.state().get(api::key_of(node_kind(), "", node))) return {};
        for (const auto& object : pods_.by("node", node)) {
            auto pod = TRY(Client::read(*object));
            TRY(collect(std::move(pod)));
        }
        return {};
    }

private:
    static std::string node_in(const state::Object& pod) {
        if (!mentions(pod, node_word)) return "";
        auto tree = seen(pod);
        return tree ? std::string(text_in(*tree, "spec.nodeName")) : "";
    }
    static bool has_ended(const state::Object& pod) {
        static const auto failed = api::FieldSelector::parse("status.phase=Failed", pod_kind()).take();
        static const auto succeeded = api::FieldSelector::parse("status.phase=Succeeded", pod_kind()).take();
        return failed.matches(pod.attributes) || succeeded.matches(pod.attributes);
    }

    // It is said why it failed, for those who count failures, before it goes without its node's consent.
    Outcome<void> collect(json::object pod) {
        if (Pod(pod).phase != Pod::Phase::Over) {
            auto& status = make_object_in(pod, "status");
            status["phase"] = "Failed";
            remove_condition(status, "DisruptionTarget");
            auto& list = status["conditions"];
            if (!list.is_array()) list.emplace_array();
            list.get_array().push_back(
                json::object{{"type", "DisruptionTarget"},
                             {"status", "True"},
                             {"lastTransitionTime", codec::format_time(means_.now() / 1'000'000)},
                             {"reason", "DeletionByPodGC"},
                             {"message", "PodGC: node no longer exists"}});
            auto told = client_.update_status(pod_kind(), pod);
            if (!told && is_not_found(told.error())) return {};
            pod = TRY(std::move(told));
        }
        return erase(pod);
    }

    Outcome<void> erase(const json::object& pod) {
        api::DeleteOptions options;
        options.uid = text_in(pod, "metadata.uid");
        options.grace_seconds = 0;
        auto gone = client_.remove(pod_kind(), std::string(text_in(pod, "metadata.namespace")),
                                   std::string(text_in(pod, "metadata.name")), options);
        if (!gone && !is_not_found(gone.error()) && !is_conflict(gone.error())) return gone.take_error();
        return {};
    }

    Outcome<void> drop_oldest() {
        auto objects = TRY(client_.list(pod_kind(), ""));
        std::erase_if(objects, [](const ObjectPointer& object) { return !has_ended(*object); });
        if (objects.size() <= most_ended) return {};
        auto surplus = static_cast<std::ptrdiff_t>(objects.size() - most_ended);
        std::nth_element(objects.begin(), objects.begin() + surplus, objects.end(),
                         [](const ObjectPointer& left, const ObjectPointer& right) {
                             return left->create_revision < right->create_revision;
                         });
        objects.resize(static_cast<std::size_t>(surplus));
        for (const auto& object : objects) {
            auto pod = TRY(Client::read(*object));
            TRY(erase(pod));
        }
        return {};
    }

    Informer& pods_;
};

}  // namespace

std::unique_ptr<Controller> make_pod_collector(const Means& means) { return std::make_unique<PodCollector>(means); }

}  // namespace pila::cluster::controllers
