// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>
#include <array>

#include "base/text.h"
#include "engine/sample.h"

namespace pila::engine {

static std::vector<std::string_view> words_of(std::string_view line) {
    std::vector<std::string_view> words;
    for (std::size_t at = 0; (at = line.find_first_not_of(" \t", at)) != std::string_view::npos;) {
        auto end = std::min(line.find_first_of(" \t", at), line.size());
        words.push_back(line.substr(at, end - at));
        at = end;
    }
    return words;
}

std::uint64_t parse_system_time(std::string_view proc_stat) {
    auto words = words_of(proc_stat.substr(0, proc_stat.find('\n')));
    if (words.empty() || words[0] != "cpu") return 0;
    // user nice system idle iowait irq softirq: what follows is contained in these or not this machine's.
    std::uint64_t ticks = 0;
    for (std::size_t i = 1; i < words.size() && i <= 7; ++i) ticks += parse_uint(words[i]).value_or(0);
    static const auto per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    return ticks * (1'000'000'000 / per_second);
}

std::vector<std::pair<std::string, std::uint64_t>> parse_keyed(std::string_view text) {
    std::vector<std::pair<std::string, std::uint64_t>> found;
    for (auto line : split(text, '\n')) {
        auto words = words_of(line);
        if (words.size() != 2) continue;
        if (auto value = parse_uint(words[1])) found.emplace_back(words[0], *value);
    }
    return found;
}

std::vector<InterfaceCounters> parse_interfaces(std::string_view proc_net_dev) {
    std::vector<InterfaceCounters> found;
    for (auto line : split(proc_net_dev, '\n')) {
        auto colon = line.find(':');
        if (colon == std::string_view::npos) continue;  // the two lines of titles
        auto name = trim(line.substr(0, colon));
        auto words = words_of(line.substr(colon + 1));
        if (name == "lo" || words.size() < 12) continue;
        auto number = [&](std::size_t index) { return parse_uint(words[index]).value_or(0); };
        found.push_back({std::string(name), number(0), number(1), number(2), number(3), number(8), number(9),
                         number(10), number(11)});
    }
    return found;
}

static bool parse_device(std::string_view text, BlockCounter& counter) {
    auto colon = text.find(':');
    auto first = parse_uint(text.substr(0, colon));
    auto second = colon == std::string_view::npos ? std::nullopt : parse_uint(text.substr(colon + 1));
    if (!first || !second) return false;
    counter.major = *first;
    counter.minor = *second;
    return true;
}

std::vector<BlockCounter> parse_block_v1(std::string_view text) {
    std::vector<BlockCounter> found;
    for (auto line : split(text, '\n')) {
        auto words = words_of(line);
        BlockCounter counter;
        if (words.size() != 3 || !parse_device(words[0], counter)) continue;  // the last line is the sum of all
        counter.operation = words[1];
        counter.value = parse_uint(words[2]).value_or(0);
        found.push_back(std::move(counter));
    }
    return found;
}

std::pair<std::vector<BlockCounter>, std::vector<BlockCounter>> parse_block_v2(std::string_view text) {
    std::pair<std::vector<BlockCounter>, std::vector<BlockCounter>> found;
    for (auto line : split(text, '\n')) {
        auto words = words_of(line);
        BlockCounter counter;
        if (words.size() < 2 || !parse_device(words[0], counter)) continue;
        for (std::size_t i = 1; i < words.size(); ++i) {
            auto equals = words[i].find('=');
            if (equals == std::string_view::npos) continue;
            auto key = words[i].substr(0, equals);
            counter.value = parse_uint(words[i].substr(equals + 1)).value_or(0);
            counter.operation = key.starts_with('r') ? "read" : "write";
            if (key == "rbytes" || key == "wbytes") found.first.push_back(counter);
            if (key == "rios" || key == "wios") found.second.push_back(counter);
        }
    }
    return found;
}

}  // namespace pila::engine
