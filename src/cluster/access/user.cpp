// SPDX-License-Identifier: Apache-2.0
#include "cluster/access/user.h"

#include <algorithm>

namespace pila::cluster::access {

static constexpr std::string_view account_prefix = "system:serviceaccount:";

bool User::is_in(std::string_view group) const {
    return std::find(groups.begin(), groups.end(), group) != groups.end();
}

std::string AccountName::user_name() const { return std::string(account_prefix) + name_space + ":" + name; }

std::vector<std::string> AccountName::groups() const {
    return {"system:serviceaccounts", "system:serviceaccounts:" + name_space};
}

bool AccountName::read(std::string_view user_name, AccountName& account) {
    if (!user_name.starts_with(account_prefix)) return false;
    user_name.remove_prefix(account_prefix.size());
    auto colon = user_name.find(':');
    if (colon == user_name.npos || colon == 0 || colon + 1 == user_name.size()) return false;
    account.name_space = user_name.substr(0, colon);
    account.name = user_name.substr(colon + 1);
    return account.name.find(':') == account.name.npos;
}

}  // namespace pila::cluster::access
