// SPDX-License-Identifier: Apache-2.0
#include "cluster/kinds/path.h"

namespace pila::cluster::kinds {

std::string Path::text() const {
    std::string text = parent_ ? parent_->text() : std::string();
    if (!name_.empty()) {
        if (!text.empty()) text += '.';
        text += name_;
    }
    if (suffix_ == Suffix::Index) text += '[' + std::to_string(index_) + ']';
    if (suffix_ == Suffix::Key) {
        text += '[';
        text += key_;
        text += ']';
    }
    return text;
}

}  // namespace pila::cluster::kinds
