// SPDX-License-Identifier: Apache-2.0
#pragma once
// Programs that the kernel runs by an interpreter (binfmt_misc, Linux Documentation/admin-guide/binfmt-misc.rst): one
// table for the whole machine, at /proc/sys/fs/binfmt_misc. Since Linux 6.7 it lives only as long as it is mounted
// somewhere.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pila::os {

struct BinfmtHandler {
    std::string name, interpreter;
    bool enabled = false;
    bool fixed = false;       // flag F: the interpreter is held open, programs in other mount namespaces find it
    std::string magic, mask;  // bytes at `offset`, equally many; "" if it goes by file name
    std::size_t offset = 0;
    bool takes(std::string_view first_bytes) const;
};

// What the kernel shows in the file of a handler. nullopt: not in that form.
std::optional<BinfmtHandler> parse_binfmt_handler(std::string name, std::string_view text);

// Of this moment; none where it is not mounted.
Result<std::vector<BinfmtHandler>> binfmt_handlers();
// Mounts the table where nobody else has. Flags P, O, C, F: argv[0] is kept, set-user-ID works as on the processor
// itself, `interpreter` is opened now. One of that name is replaced. Of several that fit, the kernel uses the newest.
Result<void> add_binfmt_handler(const std::string& name, std::string_view magic, std::string_view mask,
                                const std::string& interpreter);

}  // namespace pila::os
