// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <random>
#include <thread>

#include "base/mutex.h"
#include "cluster/state/state.h"
#include "cluster/state/testing_internal.h"

using namespace pila;
using namespace pila::cluster::state;
using namespace pila::cluster::state::testing;

namespace {

using Model = std::map<std::string, Revision>;

void replay(Model& model, const Event& event) {
    if (event.type == EventType::Deleted)
        model.erase(event.object->key);
    else
        model[event.object->key] = event.object->revision;
}

Model model_of(const Page& page) {
    Model model;
    for (const auto& object : page.objects) model[object->key] = object->revision;
    return model;
}

// Follows a prefix from a list on, as an informer does, and keeps all it was told.
class Follower {
public:
    Follower(State& state, std::string prefix) : prefix_(std::move(prefix)) {
        auto page = state.list(prefix_, "", 0, 0).take();
        model_ = model_of(page);
        watch_ = state.watch(prefix_, page.revision, [this] { wake(); }).take();
        thread_ = std::thread([this] { follow(); });
    }
    ~Follower() { thread_.join(); }
    Follower(const Follower&) = delete;
    Follower& operator=(const Follower&) = delete;

    void finish(Revision at) {
        Lock lock(mutex_);
        until_ = at;
        changed_.notify_one();
    }
    // Valid once finish() was called and the thread has ended.
    void join() {
        thread_.join();
        thread_ = std::thread([] {});
    }
    const std::vector<Event>& events() const { return events_; }
    const Model& model() const { return model_; }
    const std::string& error() const { return error_; }

private:
    void wake() {
        Lock lock(mutex_);
        is_awake_ = true;
        changed_.notify_one();
    }

    // Sleeps until woken: a lost wake makes the test hang, and time out.
    void follow() {
        for (;;) {
            auto events = watch_->events(7);
            if (!events) {
                error_ = events.error().message();
                return;
            }
            for (auto& event : *events) {
                replay(model_, event);
                events_.push_back(event);
            }
            if (events->size() == 7) continue;
            Lock lock(mutex_);
            while (!is_awake_ && !(until_ > 0 && watch_->revision() >= until_)) changed_.wait(lock);
            if (!is_awake_) return;
            is_awake_ = false;
        }
    }

    const std::string prefix_;
    std::unique_ptr<Watch> watch_;
    Model model_;
    std::vector<Event> events_;
    std::string error_;
    Mutex mutex_;
    Condition changed_;
    bool is_awake_ = false;
    Revision until_ = 0;
    std::thread thread_;
};

void check_order(const Follower& follower) {
    CHECK(follower.error() == "");
    Revision last = 0;
    std::map<std::string, ObjectPointer> newest;
    bool in_order = true;
    bool is_linked = true;
    for (const auto& event : follower.events()) {
        in_order &= event.object->revision > last && revision_in(*event.object) == event.object->revision;
        last = event.object->revision;
        auto& known = newest[event.object->key];
        // Each change begins where the key's last one ended.
        if (known) is_linked &= known->is_deleted ? event.previous == nullptr : event.previous == known;
        is_linked &= (event.type == EventType::Added) == (event.previous == nullptr);
        known = event.object;
    }
    CHECK(in_order);
    CHECK(is_linked);
}

std::string key_of(unsigned number) {
    return "core/pods/n" + std::to_string(number % 3) + "/" + std::to_string(number);
}

// One client: reads, changes what it read, and counts what was acknowledged.
struct Client {
    int acknowledged = 0;
    bool is_sane = true;

    void run(State& state, unsigned seed, int steps) {
        std::mt19937 random(seed);
        for (int i = 0; i < steps; ++i) {
            auto key = key_of(random() % 40);
            auto known = state.get(key);
            auto expect = known ? known->revision : 0;
            auto written = state.write(known && random() % 3 == 0 ? removal(key, expect) : put(key, "x", expect));
            if (written) {
                ++acknowledged;
                auto now = state.get(key);
                is_sane &= !now || now->revision >= (*written)->revision;
                is_sane &= state.revision() >= (*written)->revision;
            } else {
                auto code = written.error().code();
                is_sane &= code == Errc::Conflict || code == Errc::AlreadyExists || code == Errc::NotFound;
            }
            if (i % 10 == 0) look(state, random);
        }
    }

    void look(State& state, std::mt19937& random) {
        auto page = state.list("core/pods/", "", 0, 0);
        is_sane &= page.ok();
        Revision before = page->revision > 20 ? page->revision - static_cast<Revision>(random() % 20) : page->revision;
        auto old = state.list("core/pods/", "", 0, before);
        is_sane &= old.ok();
        for (const auto& object : page->objects) is_sane &= object->revision <= page->revision;
        for (const auto& object : old->objects) is_sane &= object->revision <= before;
        // Undoing changes and doing them again ends at the same state.
        auto watch = state.watch("core/pods/", before, nullptr);
        is_sane &= watch.ok();
        auto model = model_of(*old);
        auto events = (*watch)->events(1000).take();
        for (const auto& event : events)
            if (event.object->revision <= page->revision) replay(model, event);
        is_sane &= model == model_of(*page);
    }
};

}  // namespace

TEST_CASE("fifty threads write, read and watch: every watcher sees every change, in order, once") {
    TemporaryDirectory directory;
    auto state = open_state(directory.database());
    constexpr unsigned clients = 34;
    std::vector<std::unique_ptr<Follower>> followers;
    for (int i = 0; i < 16; ++i)
        followers.push_back(
            std::make_unique<Follower>(*state, i < 8 ? "core/pods/" : "core/pods/n" + std::to_string(i % 3) + "/"));
    std::vector<Client> made(clients);
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < clients; ++i) threads.emplace_back([&, i] { made[i].run(*state, i, 60); });
    std::vector<std::unique_ptr<Follower>> late;
    for (int i = 0; i < 4; ++i) late.push_back(std::make_unique<Follower>(*state, "core/pods/"));
    for (auto& thread : threads) thread.join();

    int acknowledged = 0;
    for (const auto& client : made) {
        acknowledged += client.acknowledged;
        CHECK(client.is_sane);
    }
    CHECK(state->revision() == acknowledged);
    CHECK(state->numbers().writes == static_cast<std::uint64_t>(acknowledged));
    CHECK(state->numbers().commits < static_cast<std::uint64_t>(acknowledged));
    for (auto& follower : followers) follower->finish(acknowledged);
    for (auto& follower : late) follower->finish(acknowledged);
    for (auto& follower : followers) follower->join();
    for (auto& follower : late) follower->join();
    auto complete = model_of(*state->list("core/pods/", "", 0, 0));
    for (std::size_t i = 0; i < 8; ++i) {
        CHECK(followers[i]->events().size() == static_cast<std::size_t>(acknowledged));
        CHECK(followers[i]->model() == complete);
        check_order(*followers[i]);
    }
    for (std::size_t i = 8; i < followers.size(); ++i) {
        auto prefix = "core/pods/n" + std::to_string(i % 3) + "/";
        CHECK(followers[i]->model() == model_of(*state->list(prefix, "", 0, 0)));
        check_order(*followers[i]);
    }
    for (const auto& follower : late) {
        CHECK(follower->model() == complete);
        check_order(*follower);
    }
    followers.clear();
    late.clear();

    state.reset();
    auto reopened = open_state(directory.database());
    CHECK(model_of(*reopened->list("core/pods/", "", 0, 0)) == complete);
    CHECK(reopened->revision() == acknowledged);
}

TEST_CASE("random histories: every revision can be listed as it was, in pages of any size") {
    for (unsigned seed = 0; seed < 10; ++seed) {
        std::mt19937 random(seed);
        auto state = open_state();
        std::vector<Model> history(1);  // by revision
        for (int i = 0; i < 120; ++i) {
            auto key = key_of(random() % 15);
            auto model = history.back();
            bool removes = random() % 3 == 0;
            auto written = state->write(removes ? removal(key) : put(key, "x"));
            CHECK(written.ok() == (!removes || model.contains(key)));
            if (!written) continue;
            if (removes)
                model.erase(key);
            else
                model[key] = (*written)->revision;
            history.push_back(std::move(model));
        }
        REQUIRE(state->revision() == static_cast<Revision>(history.size() - 1));
        for (std::size_t at = 1; at < history.size(); ++at) {
            std::size_t limit = random() % 6;
            std::string prefix = random() % 2 ? "core/pods/" : "core/pods/n1/";
            Model expected;
            for (const auto& [key, revision] : history[at])
                if (key.starts_with(prefix)) expected[key] = revision;
            Model found;
            std::string after;
            for (;;) {
                auto page = state->list(prefix, after, limit, static_cast<Revision>(at));
                REQUIRE(page.ok());
                found.merge(model_of(*page));
                REQUIRE(page->remaining == expected.size() - found.size());
                if (page->remaining == 0) break;
                REQUIRE(page->objects.size() == limit);
                after = page->objects.back()->key;
            }
            REQUIRE(found == expected);
        }
    }
}
