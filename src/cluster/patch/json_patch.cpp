// SPDX-License-Identifier: Apache-2.0
// RFC 6902, with what API servers of Kubernetes make of it: negative indexes count from the end, a missing member tests
// equal to null, copies are bounded.
#include <fmt/core.h>

#include "base/text.h"
#include "cluster/patch/patch.h"
#include "cluster/patch/tree.h"

namespace pila::cluster::patch {

namespace {

constexpr std::size_t max_operations = 10'000;
constexpr std::size_t max_copied = 3U << 20;      // bytes that all copies of a patch may add
constexpr std::size_t max_shifted = 400'000'000;  // values that insertions and removals may move along

using Tokens = std::vector<std::string>;

std::string_view view(const json::string& text) { return {text.data(), text.size()}; }

Result<Tokens> tokens_of(std::string_view pointer) {
    Tokens tokens;
    if (pointer.empty()) return tokens;
    if (pointer[0] != '/') return Error(Errc::Invalid, fmt::format("path \"{}\" does not begin with /", pointer));
    for (auto part : split(pointer.substr(1), '/')) {
        auto& token = tokens.emplace_back();
        for (std::size_t index = 0; index < part.size(); ++index) {
            bool escapes = part[index] == '~' && index + 1 < part.size();
            if (escapes && (part[index + 1] == '0' || part[index + 1] == '1'))
                token += part[++index] == '0' ? '~' : '/';
            else
                token += part[index];
        }
    }
    return tokens;
}

// What a copy adds, roughly as text has it; stops counting beyond the bound.
std::size_t weight(const json::value& value) {
    std::size_t sum = 4;
    if (const auto* text = value.if_string()) sum += text->size();
    if (const auto* array = value.if_array())
        for (const auto& item : *array)
            if ((sum += weight(item)) > max_copied) break;
    if (const auto* object = value.if_object())
        for (const auto& member : *object)
            if ((sum += member.key().size() + 4 + weight(member.value())) > max_copied) break;
    return sum;
}

class Document {
public:
    explicit Document(json::value& root) : root_(root) {}

    Result<void> run(const json::object& operation) {
        auto verb = TRY(text(operation, "op"));
        pointer_ = TRY(text(operation, "path"));
        auto path = TRY(tokens_of(pointer_));
        const auto* given = operation.if_contains("value");
        if (verb == "remove") return remove(path);
        if (verb == "test") return test(path, given);
        if (verb == "add" || verb == "replace") {
            if (!given) return Error(Errc::Invalid, fmt::format("{} operation has no value", verb));
            if (verb == "replace") TRY(existing(path));
            json::value copy(*given, root_.storage());
            return verb == "add" ? add(path, std::move(copy)) : replace(path, std::move(copy));
        }
        if (verb != "copy" && verb != "move")
            return Error(Errc::Invalid, fmt::format("\"{}\" is no operation of a JSON patch", printable(verb)));
        auto origin_text = TRY(text(operation, "from"));
        auto origin = TRY(tokens_of(origin_text));
        auto target = std::exchange(pointer_, origin_text);
        auto* value = TRY(existing(origin));
        if (verb == "copy") {
            copied_ += weight(*value);
            if (copied_ > max_copied) return Error(Errc::Exhausted, "the patch copies more than 3 MiB");
            json::value copy(*value, root_.storage());
            pointer_ = target;
            return add(path, std::move(copy));
        }
        if (origin == path) return {};
        if (origin.size() < path.size() && std::equal(origin.begin(), origin.end(), path.begin()))
            return Error(Errc::Conflict, fmt::format("move operation cannot put {} into itself", origin_text));
        json::value moved = std::move(*value);
        TRY(remove(origin));
        pointer_ = target;
        return add(path, std::move(moved));
    }

private:
    static Result<std::string> text(const json::object& operation, std::string_view name) {
        const auto* found = operation.if_contains(name);
        if (!found || !found->is_string())
            return Error(Errc::Invalid, fmt::format("an operation of the JSON patch has no {}", name));
        return std::string(view(found->get_string()));
    }

    Error missing() const {
        return {Errc::Conflict, fmt::format("the document has nothing at path \"{}\"", printable(pointer_))};
    }

    // Index of an array as Go reads numbers, -1 being the last of `size`.
    static std::optional<std::size_t> index_of(std::string_view token, std::size_t size) {
        if (token.starts_with('+')) token.remove_prefix(1);
        auto number = parse_int(token);
        if (!number) return std::nullopt;
        if (*number < 0) *number += static_cast<std::int64_t>(size);
        if (*number < 0 || static_cast<std::uint64_t>(*number) >= size) return std::nullopt;
        return static_cast<std::size_t>(*number);
    }

    static json::value* step(json::value& value, const std::string& token) {
        if (auto* object = value.if_object()) return object->if_contains(token);
        auto* array = value.if_array();
        auto index = array ? index_of(token, array->size()) : std::nullopt;
        return index ? &(*array)[*index] : nullptr;
    }

    json::value* parent(const Tokens& path) {
        auto* found = &root_;
        for (std::size_t index = 0; found && index + 1 < path.size(); ++index) found = step(*found, path[index]);
        return found;
    }

    Result<json::value*> existing(const Tokens& path) {
        auto* found = parent(path);
        if (found && !path.empty()) found = step(*found, path.back());
        if (!found) return missing();
        return found;
    }

    Result<void> shift(std::size_t values) {
        shifted_ += values;
        if (shifted_ > max_shifted) return Error(Errc::Exhausted, "the patch moves too much within large lists");
        return {};
    }

    Result<void> add(const Tokens& path, json::value value) {
        if (path.size() > max_depth || !within_depth(value, max_depth - path.size()))
            return Error(Errc::Invalid, fmt::format("the patch nests more than {} deep", max_depth));
        if (path.empty()) {
            root_ = std::move(value);
            return {};
        }
        auto* container = parent(path);
        if (!container) return missing();
        if (auto* object = container->if_object()) {
            object->insert_or_assign(path.back(), std::move(value));
            return {};
        }
        auto* array = container->if_array();
        if (!array) return missing();
        auto index = path.back() == "-" ? array->size() : index_of(path.back(), array->size() + 1);
        if (!index) return missing();
        TRY(shift(array->size() - *index));
        array->insert(array->begin() + static_cast<std::ptrdiff_t>(*index), std::move(value));
        return {};
    }

    Result<void> replace(const Tokens& path, json::value value) {
        if (path.size() > max_depth || !within_depth(value, max_depth - path.size()))
            return Error(Errc::Invalid, fmt::format("the patch nests more than {} deep", max_depth));
        *TRY(existing(path)) = std::move(value);
        return {};
    }

    Result<void> remove(const Tokens& path) {
        if (path.empty()) return Error(Errc::Conflict, "remove operation cannot remove the whole document");
        TRY(existing(path));
        auto* container = parent(path);
        if (auto* object = container->if_object()) {
            TRY(shift(object->size()));
            object->stable_erase(object->find(path.back()));
            return {};
        }
        auto& array = container->get_array();
        auto index = *index_of(path.back(), array.size());
        TRY(shift(array.size() - index));
        array.erase(array.begin() + static_cast<std::ptrdiff_t>(index));
        return {};
    }

    Result<void> test(const Tokens& path, const json::value* expected) {
        static const json::value null;
        if (!expected) expected = &null;
        const auto* container = parent(path);
        if (!container) return missing();
        const auto* found = find(path);
        if (equal(found ? *found : null, *expected)) return {};
        return Error(Errc::Conflict, fmt::format("testing value {} failed", printable(pointer_)));
    }

    const json::value* find(const Tokens& path) {
        auto* found = &root_;
        for (const auto& token : path)
            if (!(found = step(*found, token))) break;
        return found;
    }

    json::value& root_;
    std::string pointer_;  // of the step at hand, for errors
    std::size_t copied_ = 0, shifted_ = 0;
};

}  // namespace

Result<void> json_patch(json::value& object, const json::value& patch) {
    const auto* operations = patch.if_array();
    if (!operations) return Error(Errc::Invalid, "a JSON patch is a list of operations");
    if (operations->size() > max_operations)
        return Error(Errc::Exhausted, fmt::format("the allowed maximum operations in a JSON patch is {}, got {}",
                                                  max_operations, operations->size()));
    for (const auto& operation : *operations)
        if (!operation.is_object()) return Error(Errc::Invalid, "an operation of a JSON patch is an object");
    TRY(check_depth(patch, "the patch"));
    json::value work(object, object.storage());
    Document document(work);
    for (const auto& operation : *operations) TRY(document.run(operation.get_object()));
    object = std::move(work);
    return {};
}

}  // namespace pila::cluster::patch
