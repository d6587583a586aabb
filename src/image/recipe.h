// SPDX-License-Identifier: Apache-2.0
#pragma once
// The exact tar of an unpacked layer, kept as a recipe: every byte that is not the content of a file (headers, padding,
// what follows the end), compressed, and between them the names of the files whose content comes next. Costs about 1 %
// of the layer instead of a second copy.
//
// File: a zstd stream of records: 0 length bytes | 1 size path-length path | 2 (the end); numbers are LEB128.

#include <memory>
#include <string>

#include "http/message.h"
#include "image/compression.h"
#include "image/tar.h"

namespace pila::image {

class RecipeWriter final : public RawSink {
public:
    static Result<std::unique_ptr<RecipeWriter>> create(const std::string& path);
    Result<void> raw(std::string_view bytes) override;
    // Next come `size` bytes that are now in `path` of the layer. The ordinal counts these calls from 0.
    Result<std::uint64_t> file(std::string_view path, std::uint64_t size);
    Result<void> finish();

private:
    explicit RecipeWriter(Fd file);
    Result<void> flush();
    Fd file_;
    std::unique_ptr<Compressor> compressor_;
    std::string pending_;
    std::uint64_t files_ = 0;
};

// The tar again. `kept` holds, by ordinal, contents that a later entry of the same tar replaced; it need not exist.
Result<std::unique_ptr<http::BodyReader>> open_recipe(const std::string& recipe, const std::string& tree,
                                                      const std::string& kept);

}  // namespace pila::image
