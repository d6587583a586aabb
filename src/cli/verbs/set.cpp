// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include "base/text.h"
#include "cli/container_options.h"
#include "cli/container_values.h"
#include "cli/json_helpers.h"
#include "cli/mounts.h"
#include "cli/ports.h"
#include "cli/template.h"
#include "cli/verb.h"
#include "cli/verbs.h"

namespace pila::cli {

namespace {

struct SetOptions {
    ContainerOptions container;
    Texts publish_rm, unmount, network_rm;
    bool force = false;
};

Result<json::object> bindings_of(const Texts& ports) {
    json::object bindings;
    for (const auto& text : ports)
        for (const auto& binding : TRY(parse_publish(text))) {
            auto& list = bindings[binding.port];
            if (!list.is_array()) list = json::array();
            list.get_array().push_back(json::object{{"HostIp", binding.host_ip}, {"HostPort", binding.host_port}});
        }
    return bindings;
}

Result<void> add_mounts(json::object& body, const ContainerOptions& o) {
    json::array binds, mounts;
    for (const auto& text : o.volumes) {
        auto volume = TRY(parse_volume(text));
        if (volume.anonymous)
            mounts.push_back(json::object{{"Type", "volume"}, {"Target", text}});
        else
            binds.emplace_back(volume.bind);
    }
    for (const auto& mount : o.mounts) mounts.push_back(TRY(parse_json(mount)));
    json::object tmpfs;
    for (const auto& text : o.tmpfs) {
        auto colon = text.find(':');
        tmpfs[text.substr(0, colon)] = colon == std::string::npos ? "" : text.substr(colon + 1);
    }
    if (!binds.empty()) body["Binds"] = std::move(binds);
    if (!mounts.empty()) body["Mounts"] = std::move(mounts);
    if (!tmpfs.empty()) body["Tmpfs"] = std::move(tmpfs);
    return {};
}

bool says_something(const json::value& value) {
    if (value.is_null()) return false;
    if (const auto* text = value.if_string()) return !text->empty();
    return value != 0;
}

// Only what was asked for.
Result<json::object> set_body(const SetOptions& options, const Flags& flags) {
    const auto& o = options.container;
    auto body = TRY(update_body(o, flags));
    for (auto member = body.begin(); member != body.end();) {
        bool asked = member->key() == "RestartPolicy" ? flags.changed("restart")
                     : member->key() == "PidsLimit"   ? flags.changed("pids-limit")
                                                      : says_something(member->value());
        member = asked ? member + 1 : body.erase(member);
    }
    auto publish = TRY(bindings_of(o.publish)), unpublish = TRY(bindings_of(options.publish_rm));
    if (!publish.empty()) body["PortBindings"] = std::move(publish);
    if (!unpublish.empty()) body["RemovePortBindings"] = std::move(unpublish);
    TRY(add_mounts(body, o));
    if (!options.unmount.empty()) body["RemoveMounts"] = list_of(options.unmount);
    json::object networks;
    for (const auto& network : o.networks) networks[network.target] = endpoint_settings(network);
    if (!networks.empty()) body["Networks"] = std::move(networks);
    if (!options.network_rm.empty()) body["RemoveNetworks"] = list_of(options.network_rm);
    if (options.force) body["Force"] = true;
    return body;
}

}  // namespace

int set_verb(Invocation& invocation) {
    SetOptions options;
    auto& o = options.container;
    Flags flags(invocation, "[OPTIONS] CONTAINER",
                "Change ports, mounts, networks and limits of a container, all of it or nothing.\n"
                "One that runs is not restarted, and its connections are not dropped.");
    flags.add(
        {{"publish", 'p', &o.publish, "Publish a port to the host: [[ip:]port:]port[/protocol]"},
         {"publish-rm", 0, &options.publish_rm, "Publish a port no more: [[ip:]port:]port[/protocol]"},
         {"volume", 'v', &o.volumes, "Mount a volume or a directory of the host: [source:]path[:options]"},
         {"mount", 0, mount(o.mounts), "Mount something: type=bind|volume|tmpfs|image,source=..,target=..", "mount"},
         {"tmpfs", 0, &o.tmpfs, "Mount a tmpfs directory"},
         {"unmount", 0, &options.unmount, "Unmount what is mounted on this path of the container"},
         {"network", 0, network(o.networks), "Connect the container to a network", "network"},
         {"network-rm", 0, &options.network_rm, "Disconnect the container from a network"},
         {"force", 'f', &options.force, "Unmount also what is in use"}});
    add_update_flags(flags, o);
    if (auto code = flags.parse({.least = 1, .most = 1})) return *code;
    auto body = set_body(options, flags);
    if (!body) return fail(body.error());
    if (body->empty()) return fail("you must provide one or more flags when using this command");
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    const auto& name = flags.arguments()[0];
    auto set = (*api)->json(
        {.method = "POST", .path = fmt::format("/containers/{}/set", path_part(name)), .body = compact_json(*body)});
    if (!set) return fail(set.error());
    fmt::print("{}\n", name);
    for (const auto& warning : items(*set, "Warnings")) fmt::print("{}\n", as_text(warning));
    return 0;
}

}  // namespace pila::cli
