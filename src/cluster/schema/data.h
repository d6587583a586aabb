// SPDX-License-Identifier: Apache-2.0
#pragma once
// The texts of data/, as they are in the program (embed.cmake).

#include "cluster/schema/catalogue.h"

namespace pila::cluster::schema {

const std::vector<Catalogue::Text>& builtin_texts();

}  // namespace pila::cluster::schema
