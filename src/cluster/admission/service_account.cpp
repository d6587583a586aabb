// SPDX-License-Identifier: Apache-2.0
// Every pod has an account, and unless somebody minds, a token of it where clients look for one.
#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/random.h"
#include "cluster/admission/plugins_internal.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::admission {

namespace {

constexpr std::string_view accounts = "core/serviceaccounts";
constexpr std::string_view mount_path = "/var/run/secrets/kubernetes.io/serviceaccount";
constexpr std::string_view volume_prefix = "kube-api-access-";
constexpr std::chrono::milliseconds patience{1500};  // a namespace is new and its controller has yet to see it
constexpr int token_seconds = 3607;                  // an odd number, by which kubelets tell that nobody chose it
constexpr int default_mode = 0644;

bool is_mirror(const json::object& pod) {
    const auto* metadata = kinds::object_at(pod, "metadata");
    const auto* annotations = metadata ? kinds::object_at(*metadata, "annotations") : nullptr;
    return annotations && annotations->contains("kubernetes.io/config.mirror");
}

// Controllers come again by themselves, and the one that makes accounts may be waiting for a worker that they have.
std::optional<json::object> find_account(const Lookup& lookup, const Request& request, const std::string& name) {
    bool waits = name == "default" && !request.user.starts_with("system:serviceaccount:kube-system:");
    return waits ? lookup.await(accounts, request.name_space, name, patience)
                 : lookup.get(accounts, request.name_space, name);
}

Verdict no_account(const std::string& space, const std::string& name) {
    return refuse(
        fmt::format("error looking up service account {}/{}: serviceaccount \"{}\" not found", space, name, name));
}

bool wants_token(const json::object& account, const json::object& spec) {
    for (const auto* object : {&spec, &account})
        if (const auto* flag = kinds::find(*object, "automountServiceAccountToken"); flag && flag->is_bool())
            return flag->get_bool();
    return true;
}

std::string random_letters() {
    static constexpr std::string_view letters = "bcdfghjklmnpqrstvwxz2456789";
    std::string text;
    for (int index = 0; index < 5; ++index) text += letters[random_number(letters.size())];
    return text;
}

json::object volume_of(const std::string& name) {
    json::array sources{
        json::object{{"serviceAccountToken", {{"expirationSeconds", token_seconds}, {"path", "token"}}}},
        json::object{{"configMap",
                      {{"name", "kube-root-ca.crt"},
                       {"items", json::array{json::object{{"key", "ca.crt"}, {"path", "ca.crt"}}}}}}},
        json::object{{"downwardAPI",
                      {{"items", json::array{json::object{
                                     {"path", "namespace"},
                                     {"fieldRef", {{"apiVersion", "v1"}, {"fieldPath", "metadata.namespace"}}}}}}}}}};
    json::object volume{{"name", name}};
    volume["projected"] = json::object{{"sources", std::move(sources)}, {"defaultMode", default_mode}};
    return volume;
}

json::array& list_in(json::object& object, std::string_view name) {
    auto& value = object[name];
    if (!value.is_array()) value.emplace_array();
    return value.get_array();
}

void mount_token(json::object& spec) {
    std::string name;
    kinds::each_object(kinds::list_at(std::as_const(spec), "volumes"), [&](const json::object& volume, std::size_t) {
        if (auto text = kinds::text_at(volume, "name"); name.empty() && text.starts_with(volume_prefix)) name = text;
    });
    bool has_volume = !name.empty(), is_needed = false;
    if (!has_volume) name = std::string(volume_prefix) + random_letters();
    for (auto list : {"initContainers", "containers"})
        kinds::each_object(kinds::list_at(spec, list), [&](json::object& container) {
            auto& mounts = list_in(container, "volumeMounts");
            bool has_mount = std::any_of(mounts.begin(), mounts.end(), [](const json::value& one) {
                return one.is_object() && kinds::text_at(one.get_object(), "mountPath") == mount_path;
            });
            if (has_mount) return;
            mounts.push_back(json::object{{"name", name}, {"readOnly", true}, {"mountPath", mount_path}});
            is_needed = true;
        });
    if (!has_volume && is_needed) list_in(spec, "volumes").push_back(volume_of(name));
}

Verdict check_mirror(const json::object& spec) {
    if (!kinds::text_at(spec, "serviceAccountName").empty())
        return refuse("a mirror pod may not reference service accounts");
    bool has_secret = false, has_token = false;
    kinds::each_object(kinds::list_at(spec, "volumes"), [&](const json::object& volume, std::size_t) {
        has_secret = has_secret || kinds::has(volume, "secret");
        kinds::each_object(kinds::list_at(volume, "projected.sources"), [&](const json::object& source, std::size_t) {
            has_token = has_token || kinds::has(source, "serviceAccountToken");
            has_secret = has_secret || kinds::has(source, "secret");
        });
    });
    for (auto list : {"initContainers", "containers"})
        kinds::each_object(kinds::list_at(spec, list), [&](const json::object& container, std::size_t) {
            kinds::each_object(kinds::list_at(container, "env"), [&](const json::object& env, std::size_t) {
                has_secret = has_secret || kinds::object_at(env, "valueFrom.secretKeyRef");
            });
            kinds::each_object(kinds::list_at(container, "envFrom"), [&](const json::object& env, std::size_t) {
                has_secret = has_secret || kinds::has(env, "secretRef");
            });
        });
    if (has_secret || kinds::has_items(spec, "imagePullSecrets"))
        return refuse("a mirror pod may not reference secrets");
    if (has_token) return refuse("a mirror pod may not use ServiceAccountToken volume projections");
    return {};
}

bool names(const json::array* list, std::string_view name) {
    bool found = false;
    kinds::each_object(
        list, [&](const json::object& one, std::size_t) { found = found || kinds::text_at(one, "name") == name; });
    return found;
}

struct SecretUse {
    const json::object& account;
    std::string why;  // the first that is not allowed

    void see(std::string_view what, std::string_view secret) {
        if (!why.empty() || secret.empty() || names(kinds::list_at(account, "secrets"), secret)) return;
        why = fmt::format(
            "{} referencing secret.secretName=\"{}\" is not allowed because service account {} does not reference that "
            "secret",
            what, secret, name_of(account));
    }
    void see_containers(const json::object& spec, std::string_view list, std::string_view what) {
        kinds::each_object(kinds::list_at(spec, list), [&](const json::object& container, std::size_t) {
            auto whose = fmt::format("{} {}", what, kinds::text_at(container, "name"));
            kinds::each_object(kinds::list_at(container, "env"), [&](const json::object& env, std::size_t) {
                if (const auto* key = kinds::object_at(env, "valueFrom.secretKeyRef"))
                    see(fmt::format("{} with envVar {}", whose, kinds::text_at(env, "name")),
                        kinds::text_at(*key, "name"));
            });
            kinds::each_object(kinds::list_at(container, "envFrom"), [&](const json::object& env, std::size_t) {
                if (const auto* secret = kinds::object_at(env, "secretRef"))
                    see(whose + " with envFrom", kinds::text_at(*secret, "name"));
            });
        });
    }
};

Verdict check_secrets(const json::object& account, const json::object& spec) {
    SecretUse use{account, ""};
    kinds::each_object(kinds::list_at(spec, "volumes"), [&](const json::object& volume, std::size_t) {
        const auto* secret = kinds::object_at(volume, "secret");
        auto name = secret ? kinds::text_at(*secret, "secretName") : std::string_view();
        if (!use.why.empty() || name.empty() || names(kinds::list_at(account, "secrets"), name)) return;
        use.why = fmt::format(
            "volume with secret.secretName=\"{}\" is not allowed because service account {} does not reference that "
            "secret",
            name, name_of(account));
    });
    use.see_containers(spec, "initContainers", "init container");
    use.see_containers(spec, "containers", "container");
    kinds::each_object(kinds::list_at(spec, "imagePullSecrets"), [&](const json::object& one, std::size_t) {
        auto name = kinds::text_at(one, "name");
        if (!use.why.empty() || names(kinds::list_at(account, "imagePullSecrets"), name)) return;
        use.why = fmt::format(
            "imagePullSecret=\"{}\" is not allowed because service account {} does not reference that imagePullSecret",
            name, name_of(account));
    });
    return use.why.empty() ? Verdict() : refuse(use.why);
}

}  // namespace

Verdict complete_account(Request& request, json::object& object, const Lookup& lookup) {
    if (!is_new_pod(request)) return {};
    auto& spec = spec_of(object);
    if (is_mirror(object)) return check_mirror(spec);
    if (kinds::text_at(spec, "serviceAccountName").empty()) spec["serviceAccountName"] = "default";
    std::string name(kinds::text_at(spec, "serviceAccountName"));
    spec["serviceAccount"] = name;
    auto account = find_account(lookup, request, name);
    if (!account) return no_account(request.name_space, name);
    if (wants_token(*account, spec)) mount_token(spec);
    const auto* secrets = kinds::list_at(*account, "imagePullSecrets");
    if (secrets && !secrets->empty() && !kinds::has_items(spec, "imagePullSecrets"))
        spec["imagePullSecrets"] = *secrets;
    return {};
}

Verdict check_account(Request& request, const json::object& object, const Lookup& lookup) {
    bool adds_container = request.is("", "Pod") && request.subresource == "ephemeralcontainers";
    if (!is_new_pod(request) && !adds_container) return {};
    const auto& spec = spec_of(object);
    if (is_mirror(object)) return request.is_new() ? check_mirror(spec) : Verdict();
    std::string name(kinds::text_at(spec, "serviceAccountName"));
    if (name.empty())
        return request.is_new()
                   ? refuse(fmt::format("no service account specified for pod {}/{}", request.name_space, request.name))
                   : Verdict();
    auto account = lookup.get(accounts, request.name_space, name);
    if (!account) return request.is_new() ? no_account(request.name_space, name) : Verdict();
    if (annotation_of(*account, "kubernetes.io/enforce-mountable-secrets") != "true") return {};
    if (request.is_new()) return check_secrets(*account, spec);
    SecretUse use{*account, ""};
    use.see_containers(spec, "ephemeralContainers", "ephemeral container");
    return use.why.empty() ? Verdict() : refuse(use.why);
}

}  // namespace pila::cluster::admission
