// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who asks, as whoever recognised them says.

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace pila::cluster::access {

inline constexpr std::string_view masters_group = "system:masters";  // may do everything
inline constexpr std::string_view authenticated_group = "system:authenticated";
inline constexpr std::string_view unauthenticated_group = "system:unauthenticated";
inline constexpr std::string_view anonymous_name = "system:anonymous";

struct User {
    std::string name, uid;
    std::vector<std::string> groups;
    std::map<std::string, std::vector<std::string>> extra = {};
    bool is_in(std::string_view group) const;
};

// "system:serviceaccount:NAMESPACE:NAME"
struct AccountName {
    std::string name_space, name;
    std::string user_name() const;
    std::vector<std::string> groups() const;  // of every such account
    static bool read(std::string_view user_name, AccountName& account);
};

}  // namespace pila::cluster::access
