// SPDX-License-Identifier: Apache-2.0
#pragma once
// Stored objects as handlers and indexes look at them: one change is heard by many, and read once for all of them.
// Threads: any; each keeps the last few objects that it has read.

#include <memory>
#include <string_view>

#include <boost/json/object.hpp>

#include "cluster/state/state.h"

namespace pila::cluster::controllers {

namespace json = boost::json;

// Null: it cannot be read. Values that are copied out of it keep its memory.
std::shared_ptr<const json::object> seen(const state::Object& object);
void forget_seen();  // this thread's

// Whether it is in the object's text: what a tree need not be made for. "\"spec\":" is found only as a name.
bool mentions(const state::Object& object, std::string_view word);

}  // namespace pila::cluster::controllers
