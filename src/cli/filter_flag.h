// SPDX-License-Identifier: Apache-2.0
#pragma once
// --filter name=value, as every list takes it.

#include "cli/api.h"
#include "cli/flags.h"

namespace pila::cli {

inline Flag filter_flag(Filters& filters, char shorthand, std::string_view help) {
    return {"filter", shorthand, FlagSetter([&filters](std::string_view value) { return filters.add(value); }), help,
            "filter"};
}

}  // namespace pila::cli
