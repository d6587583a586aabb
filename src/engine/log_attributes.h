// SPDX-License-Identifier: Apache-2.0
#pragma once
// What json-file tells with every line and `logs --details` shows: labels, variables, a tag.

#include <map>
#include <string>

#include "base/result.h"

namespace pila::engine {

struct ContainerSpec;
struct LogSubject;

Result<std::map<std::string, std::string>> log_attributes(const ContainerSpec& spec, const LogSubject& subject);
// "{{.Name}}/{{.ID}}": fields of Docker's log tags; of Go's templates there is nothing but fields.
Result<std::string> expand_log_tag(const std::string& tag, const ContainerSpec& spec, const LogSubject& subject);

}  // namespace pila::engine
