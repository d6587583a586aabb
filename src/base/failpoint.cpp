// SPDX-License-Identifier: Apache-2.0
#include "base/failpoint.h"

#ifdef PILA_WITH_FAILPOINTS

#include <fcntl.h>
#include <unistd.h>
#include <cerrno>
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
        std::string terms = text;
        if (terms.starts_with('@')) {
            auto path = terms.substr(1);
            terms = read_file(path);
            // Open from now on: init has another root when it crashes.
            hits_ = ::open((path + ".hit").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        }
        for (auto part : split(trim(terms), ';')) {
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

    [[noreturn]] void crash(std::string_view name) const {
        auto line = std::string(name) + "\n";
        if (::write(hits_, line.data(), line.size()) < 0) errno = 0;  // nobody wants to know
        ::kill(::getpid(), SIGKILL);
        ::_exit(137);  // the first process of a pid namespace is immune to its own signals
    }

private:
    static std::string read_file(const std::string& path) {
        char text[4096];
        int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        auto size = ::read(file, text, sizeof text);
        ::close(file);
        return {text, static_cast<std::size_t>(size < 0 ? 0 : size)};
    }

    int hits_ = -1;
    Mutex mutex_;
    std::map<std::string, Armed, std::less<>> armed_;
};

}  // namespace

Result<void> pass(std::string_view name) {
    static Registry registry;
    auto action = registry.action_for(name);
    if (action.empty()) return {};
    if (action == "crash") registry.crash(name);
    if (action == "error") return Error(Errc::Internal, "failpoint " + std::string(name));
    if (action.starts_with("sleep(")) {
        auto milliseconds = parse_uint(std::string_view(action).substr(6, action.size() - 7)).value_or(0);
        ::usleep(static_cast<useconds_t>(milliseconds * 1000));
    }
    return {};
}

}  // namespace pila::failpoint

#endif
