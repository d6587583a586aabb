// SPDX-License-Identifier: Apache-2.0
// Name server messages from containers and from upstream: never a crash, and what is answered is a well-formed answer.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "network/dns_message.h"

namespace dns = pila::network::dns;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view message(reinterpret_cast<const char*>(data), size);
    const auto query = dns::parse_query(message);
    dns::is_truncated(message);
    if (!query) return 0;
    if (query->name.size() > 253 || query->question.size() > message.size()) std::abort();
    const auto address = dns::reverse_address(query->name);
    dns::Answers answers;
    if (address) answers.addresses.push_back(*address);
    answers.pointer = query->name;
    const auto answer = dns::make_answer(*query, answers, query->udp_size);
    if (answer.size() > query->udp_size && !dns::is_truncated(answer)) std::abort();
    if (!dns::answers_query(answer, query->id, *query)) std::abort();
    if (dns::parse_query(answer)) std::abort();  // an answer is no query: no two servers can make each other busy
    return 0;
}
