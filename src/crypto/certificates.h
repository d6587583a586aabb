// SPDX-License-Identifier: Apache-2.0
#pragma once
// Keys and X.509 certificates of an authority of our own, in PEM (RFC 5280, RFC 7468). P-256 keys: made in a fraction
// of a millisecond, known by every client. Threads: any.

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pila::crypto {

struct KeyPair {
    std::string certificate;  // PEM
    std::string key;          // PEM, PKCS #8
};

struct Subject {
    std::string common_name;
    std::vector<std::string> organizations;
};

enum class Usage : std::uint8_t { Server = 1, Client = 2, Both = 3 };

// Ten years, may sign certificates but no further authority.
Result<KeyPair> make_authority(const std::string& common_name);
// A new key, certified by `authority`. Names are host names and addresses the certificate is good for.
Result<KeyPair> issue(const KeyPair& authority, const Subject& subject, Usage usage,
                      const std::vector<std::string>& names, std::chrono::hours lifetime);

struct CertificateFacts {
    Subject subject;
    std::vector<std::string> names;
    std::int64_t not_before = 0, not_after = 0;  // seconds since 1970
};
// The first certificate of the text. Invalid: none.
Result<CertificateFacts> read_certificate(std::string_view pem);
// Whether `authority` has signed it (not whether it is still valid).
Result<bool> is_issued_by(std::string_view pem, std::string_view authority);

}  // namespace pila::crypto
