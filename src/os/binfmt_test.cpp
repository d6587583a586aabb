// SPDX-License-Identifier: Apache-2.0
#include "os/binfmt.h"

#include <doctest/doctest.h>

namespace pila::os {

TEST_CASE("a handler as the kernel shows it") {
    auto handler = parse_binfmt_handler("qemu-aarch64",
                                        "enabled\ninterpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P\nflags: POCF\n"
                                        "offset 0\nmagic 7f454c460201010000000000000000000200b700\n"
                                        "mask ffffffffffffff00fffffffffffffffffeffffff\n");
    REQUIRE(handler);
    CHECK(handler->enabled);
    CHECK(handler->fixed);
    CHECK(handler->interpreter == "/usr/libexec/qemu-binfmt/aarch64-binfmt-P");
    std::string program(
        "\x7f"
        "ELF\2\1\1\3\0\0\0\0\0\0\0\0\3\0\xb7\0",
        20);  // GNU's OSABI, position independent
    CHECK(handler->takes(program));
    program[18] = '\x3e';
    CHECK_FALSE(handler->takes(program));
    CHECK_FALSE(
        handler->takes("\x7f"
                       "ELF"));
}

TEST_CASE("handlers of other kinds, and what is none") {
    auto by_name = parse_binfmt_handler("wine", "disabled\ninterpreter /usr/bin/wine\nflags: \nextension .exe\n");
    REQUIRE(by_name);
    CHECK_FALSE(by_name->enabled);
    CHECK_FALSE(by_name->takes("MZ"));
    auto unmasked = parse_binfmt_handler("jar", "enabled\ninterpreter /usr/bin/jexec\nflags:\noffset 2\nmagic 504b\n");
    REQUIRE(unmasked);
    CHECK(unmasked->takes("xxPK"));
    CHECK_FALSE(unmasked->fixed);
    for (auto text :
         {"", "enabled", "enabled\ninterpreter /x\noffset 0\nmagic 7f4", "enabled\ninterpreter /x\nmagic 7g\n",
          "enabled\ninterpreter /x\noffset 0\nmagic 7f45\nmask ff\n", "interpreter /x\n"})
        CHECK_FALSE(parse_binfmt_handler("bad", text));
}

}  // namespace pila::os
