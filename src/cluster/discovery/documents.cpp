// SPDX-License-Identifier: Apache-2.0
#include "cluster/discovery/documents.h"

#include <algorithm>
#include <map>
#include <optional>

#include <openssl/evp.h>

#include "base/mutex.h"
#include "base/text.h"
#include "cluster/discovery/groups_internal.h"
#include "cluster/discovery/json_writer_internal.h"
#include "cluster/discovery/openapi_internal.h"
#include "cluster/discovery/resources_internal.h"

namespace pila::cluster::discovery {

namespace {

constexpr std::string_view json_type = "application/json";

std::string sha256_hex(std::string_view text) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    EVP_Digest(text.data(), text.size(), digest, &length, EVP_sha256(), nullptr);
    return hex({reinterpret_cast<const char*>(digest), length});
}

std::string write_version(const About& about) {
    auto numbers = split(std::string_view(about.git_version).substr(about.git_version.starts_with('v') ? 1 : 0), '.');
    JsonWriter json;
    json.begin('{').member("major", numbers[0]).member("minor", numbers.size() > 1 ? numbers[1] : "0");
    json.member("gitVersion", about.git_version).member("gitCommit", about.git_commit);
    json.member("gitTreeState", "clean").member("buildDate", about.build_date).member("goVersion", "");
    return json.member("compiler", "g++").member("platform", about.platform).end('}').take();
}

struct Content {
    std::string text;
    std::string_view type;
};

}  // namespace

class Documents::Maker {
public:
    Maker(const std::vector<const schema::Kind*>& kinds, About about, std::shared_ptr<const void> owner)
        : groups_(group_kinds(kinds)), about_(std::move(about)), owner_(std::move(owner)) {}

    // Both keep their kinds alive now, so equal pointers mean the same kinds.
    void take_over(Maker& previous) {
        Lock lock(previous.mutex_);
        Lock own_lock(mutex_);
        for (const auto& group : groups_)
            for (const auto& version : group.versions) {
                const auto* before = previous.find(version.group_version);
                if (!before || before->kinds != version.kinds) continue;
                for (const auto& path : {version.path(), openapi_path(version)}) {
                    if (auto kept = previous.made_.find({path, Form::Json}); kept != previous.made_.end())
                        made_.insert(*kept);
                    if (auto kept = previous.hashes_.find(path); kept != previous.hashes_.end()) hashes_.insert(*kept);
                }
            }
    }

    DocumentPtr at(std::string_view path, Form form) {
        if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
        std::pair<std::string, Form> key(path, form);
        {
            Lock lock(mutex_);
            if (auto kept = made_.find(key); kept != made_.end()) return kept->second;
        }
        auto content = form == Form::Json ? write(path) : write_other(path, form);
        if (!content) return nullptr;
        auto etag = sha256_hex(content->text);
        auto document = std::make_shared<const Document>(Document{std::move(content->text), content->type, etag});
        Lock lock(mutex_);
        return made_.emplace(std::move(key), std::move(document)).first->second;  // two may have made it: the first
    }

    std::vector<std::string> paths() const {
        std::vector<std::string> all = {"/", "/apis", "/openapi/v2", "/openapi/v3", "/version"};
        for (const auto& group : groups_) {
            all.push_back(group.name.empty() ? "/api" : "/apis/" + group.name);
            for (const auto& version : group.versions) {
                all.push_back(version.path());
                all.push_back(openapi_path(version));
            }
        }
        std::sort(all.begin(), all.end());
        return all;
    }

private:
    static std::string openapi_path(const Version& version) { return "/openapi/v3" + version.path(); }

    const Group* find(std::string_view name) const {
        for (const auto& group : groups_)
            if (group.name == name) return &group;
        return nullptr;
    }
    const Version* find(const schema::GroupVersion& wanted) const {
        const auto* group = find(wanted.group);
        if (!group) return nullptr;
        for (const auto& version : group->versions)
            if (version.group_version == wanted) return &version;
        return nullptr;
    }
    // "/api/v1", "/apis/apps/v1".
    const Version* find_path(std::string_view path) const {
        auto parts = split(path, '/');
        if (!parts[0].empty()) return nullptr;
        if (parts.size() == 3 && parts[1] == "api") return find({"", std::string(parts[2])});
        if (parts.size() == 4 && parts[1] == "apis" && !parts[2].empty())
            return find({std::string(parts[2]), std::string(parts[3])});
        return nullptr;
    }

    std::optional<Content> write(std::string_view path) {
        auto json = [](std::string text) { return Content{std::move(text), json_type}; };
        if (path == "/") return json(write_root());
        if (path == "/version") return json(write_version(about_));
        if (path == "/api") return json(write_api_versions(groups_, about_.address));
        if (path == "/apis") return json(write_group_list(groups_));
        if (path == "/openapi/v2") return json(write_openapi_v2(groups_, about_.git_version));
        if (path == "/openapi/v3") return json(write_index());
        constexpr std::string_view openapi = "/openapi/v3";
        if (path.starts_with(openapi)) {
            const auto* version = find_path(path.substr(openapi.size()));
            if (!version) return std::nullopt;
            return json(write_openapi_v3(*version, about_.git_version));
        }
        if (const auto* version = find_path(path)) return json(write_resource_list(*version));
        auto parts = split(path, '/');
        if (parts.size() != 3 || !parts[0].empty() || parts[1] != "apis" || parts[2].empty()) return std::nullopt;
        const auto* group = find(parts[2]);
        if (!group) return std::nullopt;
        return json(write_group(*group));
    }

    std::optional<Content> write_other(std::string_view path, Form form) const {
        if (form == Form::Protobuf) {
            if (path != "/openapi/v2") return std::nullopt;
            return Content{write_openapi_v2_protobuf(groups_, about_.git_version),
                           "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"};
        }
        if (path != "/api" && path != "/apis") return std::nullopt;
        bool is_v2 = form == Form::AggregatedV2;
        return Content{write_aggregated(groups_, path == "/api", is_v2 ? "v2" : "v2beta1"),
                       is_v2 ? "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
                             : "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"};
    }

    std::string write_root() const {
        auto all = paths();
        all.insert(all.end(), about_.other_paths.begin(), about_.other_paths.end());
        std::sort(all.begin(), all.end());
        all.erase(std::unique(all.begin(), all.end()), all.end());
        std::erase(all, "/");
        JsonWriter json;
        return json.begin('{').member_list("paths", all).end('}').take();
    }

    std::string write_index() {
        JsonWriter json;
        json.begin('{').key("paths").begin('{');
        for (const auto& group : groups_)
            for (const auto& version : group.versions) {
                auto path = openapi_path(version);
                auto url = path + "?hash=" + hash_of(version, path);
                json.key(version.path().substr(1)).begin('{').member("serverRelativeURL", url).end('}');
            }
        return json.end('}').end('}').take();
    }

    // The hashes of all are wanted when the documents of a few are: clients keep them. What is made only for its hash
    // is not kept.
    std::string hash_of(const Version& version, const std::string& path) {
        {
            Lock lock(mutex_);
            if (auto kept = made_.find({path, Form::Json}); kept != made_.end()) return kept->second->etag;
            if (auto kept = hashes_.find(path); kept != hashes_.end()) return kept->second;
        }
        auto hash = sha256_hex(write_openapi_v3(version, about_.git_version));
        Lock lock(mutex_);
        return hashes_.emplace(path, std::move(hash)).first->second;
    }

    const std::vector<Group> groups_;
    const About about_;
    const std::shared_ptr<const void> owner_;
    Mutex mutex_;
    std::map<std::pair<std::string, Form>, DocumentPtr> made_ GUARDED_BY(mutex_);
    std::map<std::string, std::string> hashes_ GUARDED_BY(mutex_);  // of /openapi/v3/...
};

Documents::Documents(const std::vector<const schema::Kind*>& kinds, About about, std::shared_ptr<const void> owner,
                     const Documents* previous)
    : maker_(std::make_unique<Maker>(kinds, std::move(about), std::move(owner))) {
    if (previous) maker_->take_over(*previous->maker_);
}

Documents::~Documents() = default;

DocumentPtr Documents::at(std::string_view path, Form form) const { return maker_->at(path, form); }

std::vector<std::string> Documents::paths() const { return maker_->paths(); }

}  // namespace pila::cluster::discovery
