// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which indexes of a job are done, as its status says it: "1,3-5".

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

namespace pila::cluster::controllers {

// What is no index, or not below `count`, is left out.
std::set<std::int64_t> read_indexes(std::string_view text, std::int64_t count);
std::string write_indexes(const std::set<std::int64_t>& indexes);

}  // namespace pila::cluster::controllers
