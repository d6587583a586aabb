// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string_view>

#include "http/message.h"

namespace pila::image {

// A text that somebody else keeps, as a body.
class TextReader : public http::BodyReader {
public:
    explicit TextReader(std::string_view text) : rest_(text) {}
    Result<std::size_t> read(char* buffer, std::size_t size) override {
        auto count = rest_.copy(buffer, size);
        rest_.remove_prefix(count);
        return count;
    }

private:
    std::string_view rest_;
};

}  // namespace pila::image
