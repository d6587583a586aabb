// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a plug-in says: nothing, or why not. TRY works with it.

#include <optional>
#include <string>
#include <vector>

#include "cluster/kinds/cause.h"

namespace pila::cluster::admission {

struct Refusal {
    std::string why;  // behind `pods "web" is forbidden: `, unless the code is another one
    int code = 403;
    std::vector<kinds::Cause> causes = {};
};

class [[nodiscard]] Verdict {
public:
    using Value = void;
    Verdict() = default;
    Verdict(Refusal refusal) : refusal_(std::move(refusal)) {}

    explicit operator bool() const { return !refusal_; }
    void take() {}
    const Refusal& error() const { return *refusal_; }
    Refusal take_error() { return std::move(*refusal_); }

private:
    std::optional<Refusal> refusal_;
};

inline Verdict refuse(std::string why) { return Refusal{std::move(why)}; }

}  // namespace pila::cluster::admission
