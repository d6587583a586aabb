// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#include <iterator>

#include <fmt/core.h>

#include "base/text.h"
#include "engine/engine.h"

namespace pila::engine {

namespace {

struct NamedSignal {
    std::string_view name;
    int number;
};

constexpr NamedSignal signals[] = {
    {"ABRT", SIGABRT}, {"ALRM", SIGALRM}, {"BUS", SIGBUS},   {"CHLD", SIGCHLD},     {"CLD", SIGCHLD},   {"CONT", SIGCONT},
    {"FPE", SIGFPE},   {"HUP", SIGHUP},   {"ILL", SIGILL},   {"INT", SIGINT},       {"IO", SIGIO},      {"IOT", SIGIOT},
    {"KILL", SIGKILL}, {"PIPE", SIGPIPE}, {"POLL", SIGPOLL}, {"PROF", SIGPROF},     {"PWR", SIGPWR},    {"QUIT", SIGQUIT},
    {"SEGV", SIGSEGV}, {"STKFLT", SIGSTKFLT}, {"STOP", SIGSTOP}, {"SYS", SIGSYS},   {"TERM", SIGTERM},  {"TRAP", SIGTRAP},
    {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU}, {"URG", SIGURG},       {"USR1", SIGUSR1},  {"USR2", SIGUSR2},
    {"VTALRM", SIGVTALRM}, {"WINCH", SIGWINCH}, {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ},
};

}  // namespace

Result<int> parse_signal(std::string_view text) {
    auto invalid = [&] { return Error(Errc::Invalid, fmt::format("Invalid signal: {}", text)); };
    if (auto number = parse_int(text)) {
        if (*number < 1 || *number > 64) return invalid();
        return static_cast<int>(*number);
    }
    std::string name;
    for (char c : text) name += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    std::string_view wanted = name;
    if (wanted.starts_with("SIG")) wanted.remove_prefix(3);
    for (const auto& signal : signals)
        if (signal.name == wanted) return signal.number;
    // glibc keeps 32 and 33 for itself: RTMIN is 34.
    int base = wanted.starts_with("RTMIN") ? 34 : wanted.starts_with("RTMAX") ? 64 : 0;
    if (base == 0) return invalid();
    auto rest = wanted.substr(5);
    if (rest.empty()) return base;
    auto offset = parse_uint(rest.substr(1));
    if (!offset || *offset > 30 || (rest[0] != '+' && rest[0] != '-')) return invalid();
    int number = rest[0] == '+' ? base + static_cast<int>(*offset) : base - static_cast<int>(*offset);
    if (number < 34 || number > 64) return invalid();
    return number;
}

Result<std::string> parse_detach_keys(std::string_view text) {
    std::string bytes;
    if (text.empty()) return bytes;
    for (auto key : split(text, ',')) {
        char c = 0;
        if (key.size() == 1) {
            c = key[0];
        } else if (key == "DEL") {
            c = 127;
        } else if (key.starts_with("ctrl-") && key.size() == 6) {
            char letter = key[5];
            constexpr std::string_view others = "@[\\]^_";
            if (letter >= 'a' && letter <= 'z') c = static_cast<char>(letter - 'a' + 1);
            else if (auto at = others.find(letter); at == 0) c = 0;
            else if (at != std::string_view::npos) c = static_cast<char>(26 + at);
            else return Error(Errc::Invalid, fmt::format("Invalid detach keys ({}) provided", text));
        } else {
            return Error(Errc::Invalid, fmt::format("Invalid detach keys ({}) provided", text));
        }
        bytes += c;
    }
    return bytes;
}

}  // namespace pila::engine
