// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/authority.h"

#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>

#include <fmt/core.h>

#include "base/time.h"
#include "crypto/base64.h"
#include "crypto/certificates.h"
#include "os/file.h"

namespace pila::cluster::api {

namespace {

constexpr std::chrono::hours year{365 * 24};
constexpr std::int64_t renew_before_seconds = 30 * 24 * 3600;
constexpr std::size_t max_file = 64U << 10;

// Of the service through which pods reach the server; 10.96.0.1 is the first address of the usual range.
const std::vector<std::string>& usual_names() {
    static const std::vector<std::string> names = {"kubernetes",
                                                   "kubernetes.default",
                                                   "kubernetes.default.svc",
                                                   "kubernetes.default.svc.cluster.local",
                                                   "localhost",
                                                   "127.0.0.1",
                                                   "::1",
                                                   "10.96.0.1"};
    return names;
}

bool is_good(const std::string& certificate, const std::string& authority, const std::vector<std::string>& names) {
    auto facts = crypto::read_certificate(certificate);
    auto issued = crypto::is_issued_by(certificate, authority);
    if (!facts || !issued || !*issued) return false;
    if (facts->not_after < now_wall().seconds() + renew_before_seconds) return false;
    return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
        return std::find(facts->names.begin(), facts->names.end(), name) != facts->names.end();
    });
}

Result<void> save(const std::string& path, const crypto::KeyPair& pair) {
    TRY(os::replace_file(path + ".key", pair.key, 0600));
    return os::replace_file(path + ".crt", pair.certificate, 0644);
}

std::string kubeconfig(const std::string& server, const std::string& authority, const crypto::KeyPair& admin) {
    return fmt::format(
        "apiVersion: v1\n"
        "kind: Config\n"
        "clusters:\n"
        "- name: pila\n"
        "  cluster:\n"
        "    server: {}\n"
        "    certificate-authority-data: {}\n"
        "users:\n"
        "- name: pila-admin\n"
        "  user:\n"
        "    client-certificate-data: {}\n"
        "    client-key-data: {}\n"
        "contexts:\n"
        "- name: pila\n"
        "  context:\n"
        "    cluster: pila\n"
        "    user: pila-admin\n"
        "current-context: pila\n",
        server, crypto::base64_encode(authority), crypto::base64_encode(admin.certificate),
        crypto::base64_encode(admin.key));
}

}  // namespace

Result<Authority> prepare_authority(const std::string& directory, const std::vector<std::string>& names,
                                    const std::string& server) {
    Authority made{directory};
    TRY(os::make_directories(directory, 0700));
    if (::chmod(directory.c_str(), 0700) < 0) return Error::from_errno(errno, "protect " + directory);
    crypto::KeyPair authority;
    if (os::exists(directory + "/ca.crt")) {
        authority.certificate = TRY(os::read_file(directory + "/ca.crt", max_file));
        authority.key = TRY(os::read_file(directory + "/ca.key", max_file));
        TRY(crypto::read_certificate(authority.certificate).in(directory + "/ca.crt"));
    } else {
        authority = TRY(crypto::make_authority("pila"));
        TRY(save(directory + "/ca", authority));
    }
    auto wanted = usual_names();
    for (const auto& name : names)
        if (std::find(wanted.begin(), wanted.end(), name) == wanted.end()) wanted.push_back(name);
    auto known = os::read_file(made.server_certificate(), max_file);
    if (!known || !os::exists(made.server_key()) || !is_good(*known, authority.certificate, wanted)) {
        auto pair = TRY(crypto::issue(authority, {"kube-apiserver", {}}, crypto::Usage::Server, wanted, year));
        TRY(save(directory + "/server", pair));
    }
    // The administrator's is made anew at every start: it has no names to check, and old ones stay valid for their
    // year.
    auto admin = TRY(crypto::issue(authority, {"pila-admin", {"system:masters"}}, crypto::Usage::Client, {}, year));
    TRY(os::replace_file(made.admin_kubeconfig(), kubeconfig(server, authority.certificate, admin), 0600));
    return made;
}

}  // namespace pila::cluster::api
