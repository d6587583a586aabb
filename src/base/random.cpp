// SPDX-License-Identifier: Apache-2.0
#include "base/random.h"

#include <sys/random.h>
#include <cerrno>
#include <cstdlib>

#include "base/text.h"

namespace pila {

std::string random_bytes(std::size_t count) {
    std::string bytes(count, '\0');
    for (std::size_t done = 0; done < count;) {
        auto got = ::getrandom(bytes.data() + done, count - done, 0);
        if (got > 0)
            done += static_cast<std::size_t>(got);
        else if (errno != EINTR)
            std::abort();  // cannot fail otherwise on Linux 3.17 and newer
    }
    return bytes;
}

std::string random_hex(std::size_t digits) {
    auto text = hex(random_bytes((digits + 1) / 2));
    text.resize(digits);
    return text;
}

std::uint64_t random_number(std::uint64_t below) {
    auto bytes = random_bytes(8);
    std::uint64_t value = 0;
    for (char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
    return below == 0 ? value : value % below;
}

std::string random_uuid() {
    auto text = random_hex(32);
    text[12] = '4';  // RFC 9562 section 5.4: random
    text[16] = "89ab"[text[16] % 4];
    for (std::size_t at : {8U, 13U, 18U, 23U}) text.insert(at, 1, '-');
    return text;
}

}  // namespace pila
