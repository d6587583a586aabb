// SPDX-License-Identifier: Apache-2.0
#pragma once
// Addresses of services within the cluster, and ports of theirs on every node: who has which. Two bitmaps, made from
// the services that are there when first asked; they change with the writes of services and are kept nowhere else.
// Threads: any.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/fwd.hpp>

#include "base/mutex.h"
#include "cluster/api/call.h"
#include "cluster/api/status.h"
#include "cluster/state/state.h"

namespace pila::cluster::api {

class ServiceAddresses {
public:
    explicit ServiceAddresses(state::State& state) : state_(state) {}

    // What a write of a service has taken, and what it leaves: given back, or taken for good.
    class Lease {
    public:
        Lease() = default;
        Lease(Lease&& other) noexcept;
        Lease& operator=(Lease&& other) noexcept;
        ~Lease();
        void commit();  // the write is done

    private:
        friend class ServiceAddresses;
        ServiceAddresses* owner_ = nullptr;
        std::vector<std::uint32_t> taken_, left_;  // places in the bitmap
    };

    // Gives the service what it lacks, of type and fields that are complete; `before` is what it had (null: it is new).
    // Invalid: an address or a port that it asked for is another's, or none of ours.
    Outcome<Lease> complete(const Call& call, json::object& service, const json::object* before);
    // It is deleted.
    void release(const json::object& service);

    // Before complete(), on update: a client that says nothing keeps its ports, and what belongs to the old type goes.
    static void carry_over(json::object& service, const json::object& before);

private:
    // Addresses by their place in the network, ports behind them.
    static constexpr std::uint32_t network = (10U << 24) | (96U << 16), network_size = 1U << 20;
    static constexpr std::uint32_t first_port = 30000, port_count = 2768;

    void load() REQUIRES(mutex_);
    void put(const std::vector<std::uint32_t>& places, bool used) REQUIRES(mutex_);
    std::optional<std::uint32_t> find_free(std::uint32_t begin, std::uint32_t end) const REQUIRES(mutex_);
    Outcome<void> take_address(const Call& call, json::object& spec, const std::vector<std::uint32_t>& had,
                               Lease& lease) REQUIRES(mutex_);
    Outcome<void> take_ports(const Call& call, json::object& spec, const std::vector<std::uint32_t>& had, Lease& lease)
        REQUIRES(mutex_);
    Outcome<void> take_port(const Call& call, json::object& holder, const char* member, const std::string& field,
                            const std::vector<std::uint32_t>& had, Lease& lease) REQUIRES(mutex_);
    static std::vector<std::uint32_t> places_of(const json::object& service);
    static std::optional<std::uint32_t> place_of_address(std::string_view text);
    static std::string text_of_place(std::uint32_t place);

    state::State& state_;
    Mutex mutex_;
    std::vector<bool> used_ GUARDED_BY(mutex_);  // empty: not loaded
};

}  // namespace pila::cluster::api
