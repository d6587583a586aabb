// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which pods serve a service, and whom a change of a pod concerns: what both forms of endpoints are made of.

#include <map>
#include <string>
#include <vector>

#include <boost/json/array.hpp>

#include "cluster/api/selectors.h"
#include "cluster/controllers/controller.h"

namespace pila::cluster::controllers {

struct Backend {
    std::string address, node, name, uid, hostname;
    bool is_ready = false;    // takes new connections: ready, and not on its way out
    bool is_serving = false;  // its readiness says so
    bool is_going = false;
    json::array ports;  // name, port, protocol, appProtocol, as both forms have them

    json::object reference(std::string_view space) const;
};

const schema::Kind& service_kind();
bool is_headless(const json::object& service);

// Told of every service that comes, changes or goes, of what is made for them, and of services whose pods change.
class ServiceFollower : public Controller {
public:
    ServiceFollower(const Means& means, std::string name, const schema::Kind& made);

protected:
    // Nothing for a service without a selector: somebody else writes its endpoints.
    static bool has_selector(const json::object& service);
    // Pods with an address that are not over, by name.
    Outcome<std::vector<Backend>> backends_of(const json::object& service) const;

private:
    void on_service(const ObjectPointer& before, const ObjectPointer& now);
    void on_pod(const state::Object& pod);

    Mutex mutex_;
    std::map<std::string, std::map<std::string, api::LabelSelector>> selectors_ GUARDED_BY(mutex_);  // by namespace
};

}  // namespace pila::cluster::controllers
