// SPDX-License-Identifier: Apache-2.0
#include "registry/password_file.h"

#include <crypt.h>

#include <fmt/core.h>

#include "base/log.h"
#include "base/text.h"
#include "crypto/hmac.h"

namespace pila::registry {

// bcrypt, sha256crypt, sha512crypt, yescrypt.
static bool is_supported(std::string_view hash) {
    for (std::string_view prefix : {"$2y$", "$2a$", "$2b$", "$5$", "$6$", "$y$"})
        if (hash.starts_with(prefix)) return true;
    return false;
}

static std::string crypt_of(const std::string& password, const std::string& setting) {
    auto data = std::make_unique<crypt_data>();  // 32 KiB
    const char* hash = ::crypt_r(password.c_str(), setting.c_str(), data.get());
    return hash && hash[0] != '*' ? hash : "";
}

Result<std::map<std::string, std::string>> PasswordFile::parse(std::string_view text) {
    std::map<std::string, std::string> hashes;
    std::size_t number = 0;
    for (auto line : split(text, '\n')) {
        ++number;
        line = trim(line);
        if (line.empty() || line.starts_with('#')) continue;
        auto colon = line.find(':');
        if (colon == std::string_view::npos || colon == 0)
            return Error(Errc::Invalid, fmt::format("line {}: not USER:HASH", number));
        auto hash = line.substr(colon + 1);
        if (!is_supported(hash))
            return Error(Errc::Invalid,
                         fmt::format("line {}: a weak or unknown kind of hash: use `htpasswd -B`", number));
        hashes.emplace(line.substr(0, colon), hash);
    }
    return hashes;
}

Result<std::unique_ptr<PasswordFile>> PasswordFile::open(const std::string& path) {
    std::unique_ptr<PasswordFile> made(new PasswordFile(path));
    Lock lock(made->mutex_);
    TRY(made->refresh());
    return made;
}

Result<void> PasswordFile::refresh() const {
    auto text = TRY(file_.changed());
    if (text) hashes_ = TRY(parse(*text).in(file_.path()));
    return {};
}

void PasswordFile::refresh_or_warn() const {
    if (auto read = refresh(); !read) log::warning("registry: users as before: {}", read.error().message());
}

std::optional<std::string> PasswordFile::hash_of(const std::string& user) const {
    Lock lock(mutex_);
    refresh_or_warn();
    auto found = hashes_.find(user);
    return found == hashes_.end() ? std::nullopt : std::optional(found->second);
}

bool PasswordFile::verify(const std::string& user, const std::string& password) const {
    auto hash = hash_of(user).value_or("");
    // The time an answer takes must not tell who exists.
    static const std::string nobody = "$2y$05$abcdefghijklmnopqrstuu5s0ZlOfhVQWSq9ZgCJZ6bhjJ0Z4Zy6i";
    if (password.find('\0') != std::string::npos) return false;
    auto computed = crypt_of(password, hash.empty() ? nobody : hash);
    return !hash.empty() && !computed.empty() && crypto::equal_secrets(computed, hash);
}

std::string PasswordFile::version() const {
    Lock lock(mutex_);
    refresh_or_warn();
    return file_.version();
}

}  // namespace pila::registry
