// SPDX-License-Identifier: Apache-2.0
#include "base/failpoint.h"

#ifdef PILA_WITH_FAILPOINTS

#include <unistd.h>
#include <csignal>
#include <cstdlib>
#include <map>

#include "base/mutex.h"
#include "base/text.h"

namespace pila::failpoint {

namespace {

struct Armed {
    std::uint64_t skip = 0;            // passes that do nothing first
    std::uint64_t times = UINT64_MAX;  // then so many that act
    std::string action;
};

Armed parse_term(std::string_view term) {
    Armed armed;
    if (auto arrow = term.find("*off->"); arrow != std::string_view::npos) {
        armed.skip = parse_uint(term.substr(0, arrow)).value_or(0);
        term.remove_prefix(arrow + 6);
    }
    if (auto star = term.find('*'); star != std::string_view::npos) {
        armed.times = parse_uint(term.substr(0, star)).value_or(1);
        term.remove_prefix(star + 1);
    }
    armed.action = std::string(term);
    return armed;
}

class Registry {
public:
    Registry() {
        const char* text = std::getenv("PILA_FAILPOINTS");
        if (!text) return;
        for (auto part : split(text, ';')) {
            auto equals = part.find('=');
            if (equals != std::string_view::npos)
                armed_.emplace(std::string(part.substr(0, equals)), parse_term(part.substr(equals + 1)));
        }
    }

    std::string action_for(std::string_view name) {
        if (armed_.empty()) return {};
        Lock lock(mutex_);
        auto found = armed_.find(name);
        if (found == armed_.end()) return {};
        auto& armed = found->second;
        if (armed.skip > 0) {
            --armed.skip;
            return {};
        }
        if (armed.times == 0) return {};
        --armed.times;
        return armed.action;
    }

private:
    Mutex mutex_;
    std::map<std::string, Armed, std::less<>> armed_;
};

}  // namespace

Result<void> pass(std::string_view name) {
    static Registry registry;
    auto action = registry.action_for(name);
    if (action.empty()) return {};
    if (action == "crash") ::kill(::getpid(), SIGKILL);
    if (action == "error") return Error(Errc::Internal, "failpoint " + std::string(name));
    if (action.starts_with("sleep(")) {
        auto milliseconds = parse_uint(std::string_view(action).substr(6, action.size() - 7)).value_or(0);
        ::usleep(static_cast<useconds_t>(milliseconds * 1000));
    }
    return {};
}

}  // namespace pila::failpoint

#endif
