// SPDX-License-Identifier: Apache-2.0
#include "runtime/detach_keys_internal.h"

namespace pila::runtime {

bool DetachKeys::filter(std::string_view typed, std::string& out) {
    if (sequence_.empty()) {
        out += typed;
        return false;
    }
    for (char c : typed) {
        // Let go of held bytes until what remains of them, with c, can still begin the sequence.
        while (matched_ > 0 && sequence_[matched_] != c) {
            std::size_t keep = matched_ - 1;
            while (keep > 0 && sequence_.compare(0, keep, sequence_, matched_ - keep, keep) != 0) --keep;
            out.append(sequence_, 0, matched_ - keep);
            matched_ = keep;
        }
        if (sequence_[matched_] != c)
            out += c;
        else if (++matched_ == sequence_.size())
            return true;
    }
    return false;
}

}  // namespace pila::runtime
