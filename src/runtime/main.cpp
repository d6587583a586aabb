// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "runtime/command_line_internal.h"
#include "runtime/helper.h"
#include "runtime/own_exe_internal.h"
#include "runtime/verbs_internal.h"

int main(int argc, char** argv) {
    using namespace pila::runtime;
    if (argc < 1) return 1;
    if (::getpid() == 1 && !own_exe_is_protected()) {
        auto failed = execute_protected(argv);
        std::fprintf(stderr, "pila-runtime: refuses to be process 1: %s\n", failed.message().c_str());
        return 126;
    }
    if (std::strcmp(argv[0], "pila-init") == 0) return init_main(argc, argv);
    // A descriptor of ours must never be 0, 1 or 2: the payload's streams are placed there.
    int fd = 0;
    while (fd <= 2) {
        fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        if (fd < 0) return 1;
    }
    ::close(fd);
    std::string_view name = argc > 1 ? argv[1] : "";
    if (name == "shim") return spawner_main(argc, argv);
    if (name == "helper") return helper_main(argc - 2, argv + 2);
    if (name == "mount") return mount_verb(argc - 2, argv + 2);
    return command_line_main(argc, argv);
}
