// SPDX-License-Identifier: Apache-2.0
#pragma once
// For this room's tests only.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <boost/json.hpp>
#include <fmt/core.h>

#include "base/text.h"
#include "cluster/codec/codec.h"
#include "cluster/codec/layout_internal.h"

namespace pila::cluster::codec {

inline std::string read_file(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

// Rows of a table whose cells are divided by tabs
inline std::vector<std::vector<std::string>> read_table(const std::filesystem::path& path) {
    std::vector<std::vector<std::string>> rows;
    auto text = read_file(path);
    for (auto line : split(text, '\n')) {
        if (line.empty()) continue;
        rows.emplace_back();
        for (auto cell : split(line, '\t')) rows.back().emplace_back(cell);
    }
    return rows;
}

template <typename T>
std::string message_of(const Result<T>& result) {
    return result.ok() ? std::string("(no error)") : result.error().message();
}

inline json::value parsed(std::string_view text) {
    auto value = read_json(text, {});
    REQUIRE_MESSAGE(value.ok(), message_of(value));
    return value.take();
}

inline schema::Node node_of(std::string_view api_version, std::string_view kind) {
    auto content = content_of(api_version, kind);
    REQUIRE_MESSAGE(content.ok(), message_of(content));
    return {.form = schema::Form::Message, .type = content->type};
}

}  // namespace pila::cluster::codec
