// SPDX-License-Identifier: Apache-2.0
#include "cluster/discovery/operations_internal.h"

#include <algorithm>
#include <cctype>

#include "base/text.h"
#include "cluster/discovery/shapes_internal.h"

namespace pila::cluster::discovery {

namespace {

using Keys = std::vector<std::string_view>;

constexpr Parameter known_parameters[] = {
    {"allowWatchBookmarks", "allowWatchBookmarks", "query", "boolean", "A watch may tell how far it is by bookmarks"},
    {"command", "command", "query", "string", "Program to run and its arguments, one each"},
    {"container", "container", "query", "string", "Container of the pod; needed if there are several"},
    {"continue", "continue", "query", "string", "Where the part before ended: the token it came with"},
    {"dryRun", "dryRun", "query", "string", "All: everything is checked, nothing is kept"},
    {"fieldManager", "fieldManager", "query", "string", "Who makes the change, to own the fields it sets"},
    {"fieldSelector", "fieldSelector", "query", "string", "Only objects whose fields are so: metadata.name=web"},
    {"fieldValidation", "fieldValidation", "query", "string", "Unknown or doubled fields: Ignore, Warn or Strict"},
    {"follow", "follow", "query", "boolean", "Go on with what is logged from now on"},
    {"force", "force", "query", "boolean", "Apply takes over fields that others own"},
    {"gracePeriodSeconds", "gracePeriodSeconds", "query", "integer", "Seconds to end in an orderly way; 0: at once"},
    {"ignoreStoreReadErrorWithClusterBreakingPotential", "ignoreStoreReadErrorWithClusterBreakingPotential", "query",
     "boolean", "Delete even what storage cannot decode; dangerous"},
    {"insecureSkipTLSVerifyBackend", "insecureSkipTLSVerifyBackend", "query", "boolean",
     "Do not check the certificate of the node that has the log"},
    {"labelSelector", "labelSelector", "query", "string", "Only objects whose labels are so: app=web,tier!=test"},
    {"limit", "limit", "query", "integer", "At most so many objects in an answer; the rest by continue"},
    {"limitBytes", "limitBytes", "query", "integer", "End after so many bytes"},
    {"name", "name", "path", "string", "Name of the object"},
    {"namespace", "namespace", "path", "string", "Namespace of the object"},
    {"orphanDependents", "orphanDependents", "query", "boolean", "Old form of propagationPolicy=Orphan"},
    {"path", "path", "query", "string", "Path of the URL to ask there"},
    {"pathInPath", "path", "path", "string", "Path of the URL to ask there"},
    {"ports", "ports", "query", "integer", "Ports of the pod"},
    {"pretty", "pretty", "query", "string", "true: the answer is indented"},
    {"previous", "previous", "query", "boolean", "The log of the container's run before this one"},
    {"propagationPolicy", "propagationPolicy", "query", "string", "Dependents: Orphan, Background or Foreground"},
    {"resourceVersion", "resourceVersion", "query", "string", "State to read or to watch from"},
    {"resourceVersionMatch", "resourceVersionMatch", "query", "string", "Exact or NotOlderThan the resourceVersion"},
    {"sendInitialEvents", "sendInitialEvents", "query", "boolean", "A watch begins with all objects that there are"},
    {"sinceSeconds", "sinceSeconds", "query", "integer", "Only what was logged in the last seconds"},
    {"stderr", "stderr", "query", "boolean", "Pass on the errors it writes"},
    {"stdin", "stdin", "query", "boolean", "Pass on what it is to read"},
    {"stdout", "stdout", "query", "boolean", "Pass on what it writes"},
    {"stream", "stream", "query", "string", "All, Stdout or Stderr"},
    {"tailLines", "tailLines", "query", "integer", "Only so many lines at the end"},
    {"timeoutSeconds", "timeoutSeconds", "query", "integer", "End the list or watch after so many seconds"},
    {"timestamps", "timestamps", "query", "boolean", "Each line begins with its time"},
    {"tty", "tty", "query", "boolean", "A terminal"},
    {"watch", "watch", "query", "boolean", "Changes as they happen instead of a list"},
};

constexpr std::string_view write_keys[] = {"dryRun", "fieldManager", "fieldValidation"};
constexpr std::string_view patch_keys[] = {"dryRun", "fieldManager", "fieldValidation", "force"};
constexpr std::string_view list_keys[] = {
    "allowWatchBookmarks",  "continue",          "fieldSelector",  "labelSelector", "limit", "resourceVersion",
    "resourceVersionMatch", "sendInitialEvents", "timeoutSeconds", "watch"};
constexpr std::string_view delete_keys[] = {"dryRun", "gracePeriodSeconds",
                                            "ignoreStoreReadErrorWithClusterBreakingPotential", "orphanDependents",
                                            "propagationPolicy"};

template <std::size_t... Sizes>
Keys keys_of(const std::string_view (&... lists)[Sizes]) {
    Keys all;
    (all.insert(all.end(), std::begin(lists), std::end(lists)), ...);
    return all;
}

std::string upper_first(std::string_view text) {
    std::string made(text);
    if (!made.empty()) made[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(made[0])));
    return made;
}

// "RbacAuthorizationV1": as the operations of Kubernetes are named.
std::string group_in_ids(const schema::GroupVersion& group_version) {
    std::string_view group = group_version.group;
    if (group.empty()) return "Core" + upper_first(group_version.version);
    if (group.ends_with(".k8s.io")) group.remove_suffix(7);
    std::string made;
    for (auto part : split(group, '.'))
        for (auto word : split(part, '-')) made += upper_first(word);
    return made + upper_first(group_version.version);
}

std::string tag_of(const schema::GroupVersion& group_version) {
    auto tag = group_in_ids({group_version.group, ""});
    tag[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(tag[0])));
    return tag + "_" + group_version.version;
}

Keys options_of(std::string_view kind) {
    if (kind == "PodExecOptions") return {"command", "container", "stderr", "stdin", "stdout", "tty"};
    if (kind == "PodAttachOptions") return {"container", "stderr", "stdin", "stdout", "tty"};
    if (kind == "PodPortForwardOptions") return {"ports"};
    return {"path"};
}

constexpr std::string_view log_keys[] = {"container",  "follow",    "insecureSkipTLSVerifyBackend",
                                         "limitBytes", "previous",  "sinceSeconds",
                                         "stream",     "tailLines", "timestamps"};

class PathWriter {
public:
    explicit PathWriter(const Version& version)
        : version_(version), root_(version.path() + "/"), group_(group_in_ids(version.group_version)) {}

    void add(const schema::Kind& kind) {
        kind_ = &kind;
        scope_ = kind.is_namespaced ? "Namespaced" : "";
        auto folder = root_ + (kind.is_namespaced ? "namespaces/{namespace}/" : "") + kind.plural;
        outer_ = kind.is_namespaced ? Keys{"namespace", "pretty"} : Keys{"pretty"};
        add_collection(folder);
        add_object(folder + "/{name}");
        for (const auto& subresource : kind.subresources) add_subresource(folder + "/{name}", subresource);
        if (!kind.is_namespaced || !kind.has_verb("list")) return;
        auto& all = open(root_ + kind.plural, {"pretty"});
        all.operations.push_back(list("list" + group_ + kind.name + "ForAllNamespaces"));
    }

    std::vector<Path> take() {
        std::erase_if(paths_, [](const Path& path) { return path.operations.empty(); });
        std::sort(paths_.begin(), paths_.end(),
                  [](const Path& left, const Path& right) { return left.path < right.path; });
        return std::move(paths_);
    }

private:
    Path& open(std::string path, Keys keys) {
        paths_.push_back({std::move(path), tag_of(version_.group_version), std::move(keys), {}});
        return paths_.back();
    }

    Operation own(std::string_view method, std::string_view action, std::string id, Keys keys) const {
        return {method, action, std::move(id), version_.group_version, kind_->name, std::move(keys), "", ""};
    }
    std::string id(std::string_view verb, std::string_view after = {}) const {
        return std::string(verb) + group_ + scope_ + kind_->name + std::string(after);
    }
    Operation list(std::string name) const {
        auto made = own("get", "list", std::move(name), keys_of(list_keys));
        made.result = list_definition_name(*kind_);
        return made;
    }

    void add_collection(const std::string& folder) {
        auto& path = open(folder, outer_);
        if (kind_->has_verb("deletecollection")) {
            auto made = own("delete", "deletecollection", "delete" + group_ + "Collection" + scope_ + kind_->name,
                            keys_of(delete_keys, list_keys));
            std::erase_if(made.parameters,
                          [](std::string_view key) { return key == "watch" || key == "allowWatchBookmarks"; });
            made.body = delete_options_name;
            made.result = status_name;
            path.operations.push_back(std::move(made));
        }
        if (kind_->has_verb("list")) path.operations.push_back(list(id("list")));
        if (kind_->has_verb("create")) {
            auto made = own("post", "post", id("create"), keys_of(write_keys));
            made.body = made.result = definition_name(*kind_);
            path.operations.push_back(std::move(made));
        }
    }

    void add_object(const std::string& object) {
        auto keys = outer_;
        keys.insert(keys.begin(), "name");
        auto& path = open(object, std::move(keys));
        if (kind_->has_verb("delete")) {
            auto made = own("delete", "delete", id("delete"), keys_of(delete_keys));
            made.body = delete_options_name;
            made.result = status_name;
            path.operations.push_back(std::move(made));
        }
        add_read_and_write(path, kind_->verbs, definition_name(*kind_), {});
    }

    void add_read_and_write(Path& path, const std::vector<std::string>& verbs, const std::string& definition,
                            const std::string& after) {
        auto has = [&](std::string_view verb) { return std::find(verbs.begin(), verbs.end(), verb) != verbs.end(); };
        if (has("get")) {
            auto made = own("get", "get", id("read", after), {});
            made.result = definition;
            path.operations.push_back(std::move(made));
        }
        if (has("patch")) {
            auto made = own("patch", "patch", id("patch", after), keys_of(patch_keys));
            made.body = patch_name;
            made.result = definition;
            path.operations.push_back(std::move(made));
        }
        if (has("update")) {
            auto made = own("put", "put", id("replace", after), keys_of(write_keys));
            made.body = made.result = definition;
            path.operations.push_back(std::move(made));
        }
    }

    void add_subresource(const std::string& object, const schema::Subresource& subresource) {
        auto keys = outer_;
        keys.insert(keys.begin(), "name");
        auto& path = open(object + "/" + subresource.name, std::move(keys));
        auto after = upper_first(subresource.name);
        auto body = kind_of(*kind_, subresource);
        auto first = path.operations.size();
        if (!body.type) return add_connections(path, subresource, body);
        if (subresource.name == "log") {
            path.operations.push_back(own("get", "get", id("read", after), keys_of(log_keys)));
            return;
        }
        auto definition = body.type == kind_->type ? definition_name(*kind_) : body.type->full_name;
        add_read_and_write(path, subresource.verbs, definition, after);
        if (std::find(subresource.verbs.begin(), subresource.verbs.end(), "create") != subresource.verbs.end()) {
            auto made = own("post", "post", id("create", after), keys_of(write_keys));
            made.body = made.result = definition;
            path.operations.push_back(std::move(made));
        }
        for (auto index = first; index < path.operations.size(); ++index) {
            path.operations[index].group_version = body.group_version;
            path.operations[index].kind = body.name;
        }
    }

    // Exec, attach, proxy and the like: the request becomes a stream, its kind is that of its parameters.
    void add_connections(Path& path, const schema::Subresource& subresource, const NamedKind& body) {
        bool is_proxy = subresource.name == "proxy";
        auto folder = path.path;
        auto keys = path.parameters;
        auto connect = [&](std::string_view method, std::string_view after) {
            auto made = own(method, "connect",
                            "connect" + group_ + upper_first(method) + scope_ + kind_->name +
                                upper_first(subresource.name) + std::string(after),
                            options_of(body.name));
            made.group_version = body.group_version;
            made.kind = body.name;
            return made;
        };
        auto add_to = [&](Path& to, std::string_view after) {
            for (const auto& verb : subresource.verbs) {
                if (verb == "create") to.operations.push_back(connect("post", after));
                if (verb == "update") to.operations.push_back(connect("put", after));
                if (verb == "get" || verb == "delete" || verb == "patch") to.operations.push_back(connect(verb, after));
            }
        };
        add_to(path, "");
        if (!is_proxy) return;
        keys.insert(keys.begin(), "pathInPath");
        add_to(open(folder + "/{path}", std::move(keys)), "WithPath");
    }

    const Version& version_;
    std::string root_, group_, scope_;
    const schema::Kind* kind_ = nullptr;
    Keys outer_;
    std::vector<Path> paths_;
};

}  // namespace

std::span<const Parameter> parameters() { return known_parameters; }

const Parameter& parameter(std::string_view key) {
    return *std::lower_bound(std::begin(known_parameters), std::end(known_parameters), key,
                             [](const Parameter& known, std::string_view wanted) { return known.key < wanted; });
}

std::vector<Path> paths_of(const Version& version) {
    PathWriter writer(version);
    for (const auto* kind : version.kinds) writer.add(*kind);
    return writer.take();
}

bool is_custom(const Version& version) { return version.kinds.front()->type->full_name.empty(); }

std::vector<std::string_view> codes_of(const Operation& operation) {
    if (operation.action == "post") return {"200", "201", "202"};
    if (operation.action == "put" || operation.action == "patch") return {"200", "201"};
    if (operation.action == "delete") return {"200", "202"};
    return {"200"};
}

std::vector<std::string_view> patch_types(bool custom) {
    if (custom) return {"application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"};
    return {"application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json",
            "application/strategic-merge-patch+json"};
}

}  // namespace pila::cluster::discovery
