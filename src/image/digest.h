// SPDX-License-Identifier: Apache-2.0
#pragma once
// Content addresses: "sha256:<64 hex digits>" (OCI image specification, descriptor.md). sha512 is accepted from
// outside.

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pila::image {

class Digest {
public:
    Digest() = default;
    static Result<Digest> parse(std::string_view text);
    static Digest of(std::string_view bytes);          // sha256
    const std::string& text() const { return text_; }  // "sha256:..."
    std::string_view hex() const { return std::string_view(text_).substr(text_.find(':') + 1); }
    std::string_view algorithm() const { return std::string_view(text_).substr(0, text_.find(':')); }
    bool empty() const { return text_.empty(); }
    auto operator<=>(const Digest&) const = default;

private:
    explicit Digest(std::string text) : text_(std::move(text)) {}
    std::string text_;
    friend class Hasher;
};

class Hasher {  // streaming; one algorithm
public:
    explicit Hasher(std::string_view algorithm = "sha256");
    ~Hasher();
    Hasher(Hasher&&) noexcept;
    Hasher& operator=(Hasher&&) noexcept;
    void update(std::string_view bytes);
    Digest finish();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace pila::image
