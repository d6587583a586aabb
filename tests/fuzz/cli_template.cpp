// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <boost/json/value.hpp>

#include "cli/template.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    static const auto value =
        pila::parse_json(R"({"A":"x","B":{"C":[1,2,"three",null,{"D":true}]},"E":1.5,"F":{"k":"v"},"G":null})").take();
    if (size > 4096) return 0;
    auto parsed = pila::cli::Template::parse(std::string_view(reinterpret_cast<const char*>(data), size));
    if (!parsed) return 0;
    for (bool typed : {false, true}) {
        std::string out;
        pila::ignore(parsed->execute(value, out, {.typed = typed, .header = !typed && size % 2 == 0}),
                     "any outcome is fine");
    }
    return 0;
}
