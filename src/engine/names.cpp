// SPDX-License-Identifier: Apache-2.0
#include "engine/names.h"

#include <cctype>
#include <algorithm>
#include <iterator>

#include <fmt/core.h>

#include "base/random.h"

namespace pila::engine {

static constexpr std::string_view moods[] = {
    "agile",  "amber",  "ample",  "bold",   "brave",  "bright", "brisk",  "calm",   "candid", "clear",  "clever",
    "cosmic", "crisp",  "curious", "daring", "deft",   "eager",  "early",  "exact",  "fair",   "fleet",  "fluent",
    "frank",  "fresh",  "gentle", "glad",   "golden", "grand",  "happy",  "honest", "humble", "jolly",  "keen",
    "kind",   "lively", "lucid",  "lucky",  "merry",  "mild",   "modest", "neat",   "nimble", "noble",  "open",
    "patient", "plucky", "polite", "prime",  "proud",  "quick",  "quiet",  "rapid",  "ready",  "robust", "sharp",
    "shiny",  "silent", "simple", "smooth", "solid",  "steady", "subtle", "sunny",  "swift",  "tidy",   "trusty",
    "vivid",  "warm",   "wise",   "witty",  "zealous",
};

static constexpr std::string_view people[] = {
    "allen",    "babbage",  "backus",  "bartik",   "boole",    "brooks",  "cerf",    "church",   "codd",    "cray",
    "curie",    "dahl",     "dijkstra", "eckert",   "engelbart", "erdos",   "euler",   "faraday",  "fermi",   "floyd",
    "galilei",  "gauss",    "godel",   "gray",     "hamilton", "hamming", "hilbert", "hoare",    "hopper",  "huffman",
    "iverson",  "johnson",  "kay",     "kepler",   "kernighan", "kilburn", "knuth",   "lamarr",   "lamport", "leibniz",
    "liskov",   "lovelace", "maxwell", "mccarthy", "mcnulty",  "milner",  "minsky",  "naur",     "neumann", "newell",
    "newton",   "noether",  "nygaard", "olivetti", "pascal",   "perlis",  "postel",  "ritchie",  "rivest",  "shannon",
    "stroustrup", "sutherland", "tarjan",  "thompson", "torvalds", "turing",  "volta",   "wilkes",   "wirth",   "zuse",
};

std::string random_name(int attempt) {
    auto name = fmt::format("{}_{}", moods[random_number(std::size(moods))], people[random_number(std::size(people))]);
    if (attempt > 0) name += std::to_string(random_number(attempt > 3 ? 1'000'000 : 10));
    return name;
}

Result<std::string> checked_name(std::string_view name) {
    auto given = name;
    if (name.starts_with('/')) name.remove_prefix(1);
    auto allowed = [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '-';
    };
    bool good = name.size() >= 2 && name.size() <= 255 && std::isalnum(static_cast<unsigned char>(name[0])) != 0 &&
                std::all_of(name.begin(), name.end(), allowed);
    if (!good)
        return Error(Errc::Invalid, fmt::format("Invalid container name ({}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
                                                given.substr(0, 300)));
    return std::string(name);
}

}  // namespace pila::engine
