// SPDX-License-Identifier: Apache-2.0
#include "cli/json_stream.h"

#include <array>

#include <boost/json/value.hpp>

namespace pila::cli {

namespace {
constexpr std::size_t max_object = 16U << 20;
}

Result<void> JsonSplitter::feed(std::string_view bytes) {
    for (char c : bytes) {
        if (depth_ == 0 && c != '{') {
            if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
            return Error(Errc::Invalid, "malformed JSON in the daemon's answer");
        }
        object_ += c;
        if (in_string_) {
            in_string_ = escaped_ || c != '"';
            escaped_ = !escaped_ && c == '\\';
        } else if (c == '"') {
            in_string_ = true;
        } else if (c == '{' || c == '[') {
            ++depth_;
        } else if ((c == '}' || c == ']') && --depth_ == 0) {
            TRY(sink_(object_));
            object_.clear();
        }
        if (object_.size() > max_object) return Error(Errc::Exhausted, "too long a JSON object in the daemon's answer");
    }
    return {};
}

Result<void> for_each_json(http::BodyReader& body, const std::function<Result<void>(const json::value&)>& each) {
    JsonSplitter splitter([&](std::string_view object) -> Result<void> { return each(TRY(parse_json(object))); });
    std::array<char, 16 << 10> buffer;
    for (;;) {
        auto got = TRY(body.read(buffer.data(), buffer.size()));
        if (got == 0) return {};
        TRY(splitter.feed(std::string_view(buffer.data(), got)));
    }
}

}  // namespace pila::cli
