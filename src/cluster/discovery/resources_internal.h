// SPDX-License-Identifier: Apache-2.0
#pragma once
// Discovery: the old documents, one for each group and version, and the aggregated ones.

#include <string>
#include <vector>

#include "cluster/discovery/groups_internal.h"

namespace pila::cluster::discovery {

std::string write_api_versions(const std::vector<Group>& groups, std::string_view address);  // /api
std::string write_group_list(const std::vector<Group>& groups);                              // /apis
std::string write_group(const Group& group);                                                 // /apis/GROUP
std::string write_resource_list(const Version& version);                                     // /apis/GROUP/VERSION

// `core` chooses between what belongs to /api and to /apis; `version` is of apidiscovery.k8s.io.
std::string write_aggregated(const std::vector<Group>& groups, bool core, std::string_view version);

}  // namespace pila::cluster::discovery
