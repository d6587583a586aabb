// SPDX-License-Identifier: Apache-2.0
#pragma once
// Labels and selectors as text, in the form that -l takes.

#include <string>

#include "cluster/table/view_internal.h"

namespace pila::cluster::table {

std::string labels_text(View labels);  // "a=1,b=2" by key; "<none>"
// A LabelSelector: "app=web,tier in (a,b),!old" by key; "<none>" when it says nothing, "<error>" when it cannot be.
std::string selector_text(View selector);

// Parts with "," between them; only the first `most`, then " + 2 more...".
class Joined {
public:
    explicit Joined(std::string_view separator = ",", std::size_t most = static_cast<std::size_t>(-1))
        : separator_(separator), most_(most) {}
    void add(std::string_view part) {
        if (count_++ >= most_) return;
        if (count_ > 1) text_ += separator_;
        text_ += part;
    }
    std::size_t count() const { return count_; }
    std::string text(std::string_view otherwise = {}) const;

private:
    std::string text_;
    std::string_view separator_;
    std::size_t most_, count_ = 0;
};

}  // namespace pila::cluster::table
