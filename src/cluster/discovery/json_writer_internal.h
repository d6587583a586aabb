// SPDX-License-Identifier: Apache-2.0
#pragma once
// JSON straight to text: the documents are long and written once, a tree would only be in between.

#include <string>
#include <string_view>

#include "base/text.h"

namespace pila::cluster::discovery {

class JsonWriter {
public:
    JsonWriter& begin(char bracket) {
        separate();
        out_ += bracket;
        return *this;
    }
    JsonWriter& end(char bracket) {
        out_ += bracket;
        return *this;
    }
    JsonWriter& key(std::string_view name) {
        separate();
        append_json_quoted(out_, name);
        out_ += ':';
        return *this;
    }
    JsonWriter& text(std::string_view value) {
        separate();
        append_json_quoted(out_, value);
        return *this;
    }
    JsonWriter& raw(std::string_view json) {
        separate();
        out_ += json;
        return *this;
    }
    JsonWriter& boolean(bool value) { return raw(value ? "true" : "false"); }

    JsonWriter& member(std::string_view name, std::string_view value) { return key(name).text(value); }
    template <typename Texts>
    JsonWriter& member_list(std::string_view name, const Texts& values) {
        key(name).begin('[');
        for (const auto& value : values) text(value);
        return end(']');
    }

    std::string take() { return std::move(out_); }

private:
    // What stands before a name or value tells whether a comma must: no finished value ends in one of these.
    void separate() {
        if (!out_.empty() && out_.back() != '{' && out_.back() != '[' && out_.back() != ':') out_ += ',';
    }

    std::string out_;
};

}  // namespace pila::cluster::discovery
