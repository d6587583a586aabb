// SPDX-License-Identifier: Apache-2.0
#include "cluster/admission/amounts_internal.h"

#include <boost/json.hpp>

#include "cluster/kinds/tree.h"

namespace pila::cluster::admission {

namespace {

void raise(Amounts& to, const Amounts& other) {
    for (const auto& [name, amount] : other) {
        auto& own = to[name];
        if (own < amount) own = amount;
    }
}

Amounts sum(Amounts left, const Amounts& right) {
    add(left, right);
    return left;
}

}  // namespace

Amounts amounts_of(const json::object* list) {
    Amounts amounts;
    if (!list) return amounts;
    for (const auto& [name, value] : *list)
        if (auto amount = codec::Quantity::parse(kinds::text_of(value))) amounts[std::string(name)] = *amount;
    return amounts;
}

json::object write_amounts(const Amounts& amounts) {
    json::object list;
    for (const auto& [name, amount] : amounts) list[name] = amount.text();
    return list;
}

const codec::Quantity* find_amount(const Amounts& amounts, std::string_view name) {
    auto found = amounts.find(name);
    return found == amounts.end() ? nullptr : &found->second;
}

void add(Amounts& to, const Amounts& more) {
    for (const auto& [name, amount] : more) {
        auto [own, is_new] = to.try_emplace(name, amount);
        if (!is_new) own->second = own->second + amount;
    }
}

Amounts difference(const Amounts& left, const Amounts& right) {
    Amounts result = left;
    for (const auto& [name, amount] : right) result[name] = result[name] - amount;
    return result;
}

std::string text_of(const Amounts& amounts) {
    std::string text;
    for (const auto& [name, amount] : amounts) text += (text.empty() ? "" : ",") + name + "=" + amount.text();
    return text;
}

Amounts pod_amounts(const json::object& spec, std::string_view list, Overhead overhead) {
    auto of = [&](const json::object& container) {
        const auto* resources = kinds::object_at(container, "resources");
        return amounts_of(resources ? kinds::object_at(*resources, list) : nullptr);
    };
    Amounts running;
    kinds::each_object(kinds::list_at(spec, "containers"),
                       [&](const json::object& container, std::size_t) { add(running, of(container)); });
    Amounts staying, starting;
    kinds::each_object(kinds::list_at(spec, "initContainers"), [&](const json::object& container, std::size_t) {
        auto own = of(container);
        if (kinds::text_at(container, "restartPolicy") == "Always") {
            add(running, own);
            add(staying, own);
            raise(starting, staying);
        } else {
            raise(starting, sum(staying, own));
        }
    });
    raise(running, starting);
    if (overhead == Overhead::Without) return running;
    for (const auto& [name, amount] : amounts_of(kinds::object_at(spec, "overhead"))) {
        // A pod without limits has none because its runtime costs something.
        if (list == "limits" && !running.contains(name)) continue;
        running[name] = running[name] + amount;
    }
    return running;
}

}  // namespace pila::cluster::admission
