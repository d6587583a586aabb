// SPDX-License-Identifier: Apache-2.0
#pragma once
// What pull, push, load and import report while they work: a line per layer that moves on a terminal, plain lines
// elsewhere.

#include <functional>

#include <boost/json/fwd.hpp>

#include "base/json.h"
#include "base/result.h"
#include "http/message.h"

namespace pila::cli {

// Shows the messages on `descriptor`. The error that the daemon reports among them is returned.
// `aux` sees the messages' machine-readable parts; exit_code becomes that of the error, if it has one.
Result<void> show_progress(http::BodyReader& body, int descriptor,
                           const std::function<void(const json::value&)>& aux = {}, int* exit_code = nullptr);

}  // namespace pila::cli
