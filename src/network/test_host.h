// SPDX-License-Identifier: Apache-2.0
#pragma once
// A host of its own for tests with real traffic: the test process moves into a new network namespace, beside it stands
// a neighbour on the same LAN. Sockets inside other namespaces come from the helper, so no test ever enters one.

#include <memory>
#include <string>

#include "network/fake_store.h"
#include "network/helper_client.h"
#include "network/manager.h"

namespace pila::network::testing {

inline constexpr const char* host_address = "192.0.2.1";
inline constexpr const char* lan_address = "192.0.2.2";

class TestHost {
public:
    // nullptr with a message for the log if this process may not make namespaces.
    static std::unique_ptr<TestHost> make();

    HelperClient& helper() { return helper_; }
    const Fd& lan() const { return lan_; }
    FakeStore& store() { return store_; }
    std::unique_ptr<Manager> start_manager(Options options = {}, const std::vector<LiveContainer>& live = {});
    static std::string helper_path();
    // A process that does nothing inside `space`, until the test host ends. Returns its pid.
    int hold(const Fd& space);
    ~TestHost();

private:
    TestHost() : helper_(helper_path()) {}
    HelperClient helper_;
    FakeStore store_;
    Fd lan_;
    std::vector<int> holders_;
};

// Sockets; `space` invalid: the host's own.
Fd tcp_listener(TestHost& host, const Fd& space, const std::string& address, std::uint16_t port);
Fd udp_socket(TestHost& host, const Fd& space, const std::string& address, std::uint16_t port);
// Connects within `timeout_ms`; an invalid Fd and errno otherwise.
Fd tcp_connect(TestHost& host, const Fd& space, const std::string& address, std::uint16_t port, int timeout_ms = 1500);
// One connection from `space` to address:port reaches `listener`, which sees it come from `peer` (unless nullptr).
bool reaches(TestHost& host, const Fd& space, const std::string& address, std::uint16_t port, const Fd& listener,
             std::string* peer = nullptr, int timeout_ms = 1500);
// Runs a shell command inside `space`, for what only tools can do there; true if it succeeds.
bool run_inside(const Fd& space, const std::string& command);
std::string ruleset();     // `nft list ruleset`, for comparing
std::string link_names();  // one a line

}  // namespace pila::network::testing
