// SPDX-License-Identifier: Apache-2.0
#include "cli/detach_keys.h"

#include <fmt/core.h>

#include "base/text.h"

namespace pila::cli {

Result<std::string> parse_detach_keys(std::string_view text) {
    std::string keys;
    if (text.empty()) return keys;
    for (auto key : split(text, ',')) {
        if (key.size() == 1) {
            keys += key;
        } else if (key == "DEL") {
            keys += '\x7f';
        } else if (key.size() == 6 && key.starts_with("ctrl-") &&
                   ((key[5] >= 'a' && key[5] <= 'z') || (key[5] >= '@' && key[5] <= '_'))) {
            keys += static_cast<char>(key[5] & 0x1f);
        } else {
            return Error(Errc::Invalid, fmt::format("invalid detach keys ({}): Unknown character: '{}'", text, key));
        }
    }
    return keys;
}

bool DetachWatch::feed(std::string_view typed, std::string& pass) {
    for (char c : typed) {
        if (matched_ < keys_.size() && c == keys_[matched_]) {
            if (++matched_ == keys_.size()) return true;
            continue;
        }
        pass.append(keys_, 0, matched_);
        matched_ = 0;
        if (!keys_.empty() && c == keys_[0]) {
            matched_ = 1;
            if (keys_.size() == 1) return true;
        } else {
            pass += c;
        }
    }
    return false;
}

}  // namespace pila::cli
