// SPDX-License-Identifier: Apache-2.0
#include "cluster/codec/layout_internal.h"

#include <algorithm>
#include <deque>
#include <unordered_map>

#include <fmt/core.h>

namespace pila::cluster::codec {

namespace {

using schema::Catalogue;
using schema::Field;
using schema::Type;

class LayoutBook {
public:
    LayoutBook() {
        for (const auto& type : Catalogue::builtin().types()) {
            std::vector<Place> places;
            for (const auto& field : type.fields)
                if (field.number[0] != 0) places.push_back({numbers_of(field), &field});
            by_type_.emplace(&type, make(places, 0));
        }
    }

    const Layout& find(const Type& type) const {
        static const Layout none;
        auto found = by_type_.find(&type);
        return found == by_type_.end() ? none : *found->second;
    }

private:
    struct Place {
        std::vector<std::uint32_t> numbers;  // from the outermost message
        const Field* field;
    };

    static std::vector<std::uint32_t> numbers_of(const Field& field) {
        if (field.folded_twice) return {field.number[0], 2, field.number[1]};
        if (field.is_folded()) return {field.number[0], field.number[1]};
        return {field.number[0]};
    }

    const Layout* make(std::vector<Place>& places, std::size_t depth) {
        std::stable_sort(places.begin(), places.end(), [depth](const Place& left, const Place& right) {
            return left.numbers[depth] < right.numbers[depth];
        });
        auto& layout = layouts_.emplace_back();
        for (std::size_t at = 0; at < places.size();) {
            auto number = places[at].numbers[depth];
            if (places[at].numbers.size() == depth + 1) {
                layout.slots.push_back({number, places[at++].field, nullptr});
                continue;
            }
            std::vector<Place> inner;
            for (; at < places.size() && places[at].numbers[depth] == number; ++at) inner.push_back(places[at]);
            layout.slots.push_back({number, nullptr, make(inner, depth + 1)});
        }
        return &layout;
    }

    std::deque<Layout> layouts_;
    std::unordered_map<const Type*, const Layout*> by_type_;
};

constexpr std::string_view meta_package = "io.k8s.apimachinery.pkg.apis.meta.v1.";

// Has apiVersion and kind, and protobuf leaves them to the envelope.
bool is_top_level(const Type* type) {
    if (!type) return false;
    const auto* kind = type->find("kind");
    const auto* version = type->find("apiVersion");
    return kind && version && kind->number[0] == 0 && version->number[0] == 0;
}

}  // namespace

const Layout::Slot* Layout::find(std::uint32_t number) const {
    auto found = std::lower_bound(slots.begin(), slots.end(), number,
                                  [](const Slot& slot, std::uint32_t wanted) { return slot.number < wanted; });
    return found != slots.end() && found->number == number ? &*found : nullptr;
}

const Layout& layout_of(const Type& type) {
    static const LayoutBook book;
    return book.find(type);
}

Result<Content> content_of(std::string_view api_version, std::string_view kind) {
    const auto& catalogue = Catalogue::builtin();
    auto slash = api_version.find('/');
    schema::GroupVersion group_version;
    if (slash != api_version.npos) group_version.group = api_version.substr(0, slash);
    group_version.version = api_version.substr(slash == api_version.npos ? 0 : slash + 1);
    if (const auto* known = catalogue.find_kind(group_version, kind)) return Content{known->type, false};
    if (kind.ends_with("List"))
        if (const auto* known = catalogue.find_kind(group_version, kind.substr(0, kind.size() - 4)))
            return Content{known->type, true};
    // Bodies of subresources are in no list of kinds. Their package is the group's first word.
    auto package = group_version.group.empty() ? "core" : group_version.group.substr(0, group_version.group.find('.'));
    const auto* type = catalogue.find_type(fmt::format("io.k8s.api.{}.{}.{}", package, group_version.version, kind));
    if (is_top_level(type)) return Content{type, false};
    // Options and Status belong to every group.
    type = catalogue.find_type(std::string(meta_package).append(kind));
    if (is_top_level(type)) return Content{type, false};
    if (kind == "PartialObjectMetadataList")
        return Content{catalogue.find_type(std::string(meta_package).append("PartialObjectMetadata")), true};
    return Error(Errc::Unsupported,
                 fmt::format("no kind \"{}\" of \"{}\" has a protobuf form here", kind, api_version));
}

}  // namespace pila::cluster::codec
