// SPDX-License-Identifier: Apache-2.0
#pragma once
// JSON values one after another in a body that may never end: events, statistics, progress.

#include <functional>
#include <string>
#include <string_view>

#include <boost/json/fwd.hpp>

#include "base/json.h"
#include "base/result.h"
#include "http/message.h"

namespace pila::cli {

// Finds where top-level objects end, whatever white space stands between them.
class JsonSplitter {
public:
    using Sink = std::function<Result<void>(std::string_view object)>;
    explicit JsonSplitter(Sink sink) : sink_(std::move(sink)) {}
    Result<void> feed(std::string_view bytes);

private:
    Sink sink_;
    std::string object_;
    int depth_ = 0;
    bool in_string_ = false, escaped_ = false;
};

Result<void> for_each_json(http::BodyReader& body, const std::function<Result<void>(const json::value&)>& each);

}  // namespace pila::cli
