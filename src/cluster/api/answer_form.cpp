// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/answer_form.h"

#include <boost/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "cluster/api/compress.h"
#include "cluster/api/metadata.h"
#include "cluster/codec/codec.h"
#include "cluster/codec/forms.h"

namespace pila::cluster::api {

namespace {

Result<json::value> parse(std::string_view text) {
    return parse_json(text, {.max_bytes = text.size() + 1, .max_depth = 128});
}

json::object head_of(const schema::Kind& kind, const View& view, const ListFacts& facts) {
    json::object metadata{{"resourceVersion", std::to_string(facts.revision)}};
    if (!facts.continue_token.empty()) metadata["continue"] = facts.continue_token;
    if (facts.remaining) metadata["remainingItemCount"] = *facts.remaining;
    if (view.shape.form == Form::PartialMetadata)
        return {{"kind", "PartialObjectMetadataList"},
                {"apiVersion", "meta.k8s.io/" + view.shape.version},
                {"metadata", metadata}};
    return {{"kind", kind.list_kind()}, {"apiVersion", kind.group_version.text()}, {"metadata", metadata}};
}

// One object of a list, in the form that its client asked for.
Result<json::value> item_of(const schema::Kind& kind, const View& view, const state::Object& object) {
    return parse(show_one(kind, view, object));
}

}  // namespace

std::string_view media_type(Encoding encoding) {
    switch (encoding) {
        case Encoding::Yaml: return "application/yaml";
        case Encoding::Protobuf: return "application/vnd.kubernetes.protobuf";
        case Encoding::Json: break;
    }
    return "application/json";
}

void give_form(const http::Request& request, http::Response& response) {
    const bool is_plain = !response.produce && !response.stream && !response.hijack && !response.headers.has("ETag") &&
                          response.headers.get("Content-Type") == media_type(Encoding::Json);
    if (!is_plain) return;
    const auto shape = shape_of(request.headers.get("Accept"));
    if (shape && shape->encoding != Encoding::Json) {
        auto tree = parse(response.body);
        std::string made;
        if (tree && shape->encoding == Encoding::Yaml) {
            codec::append_yaml(made, *tree);
            made += '\n';
        } else if (tree) {
            auto written = codec::write_protobuf(*tree);  // not of every kind
            if (written) made = written.take();
        }
        if (!made.empty()) {
            response.body = std::move(made);
            response.headers.set("Content-Type", std::string(media_type(shape->encoding)));
        }
    }
    if (response.status == 200 && response.body.size() >= worth_compressing && takes_gzip(request)) compress(response);
}

Result<std::string> list_in_form(const schema::Kind& kind, const View& view,
                                 const std::vector<state::ObjectPointer>& objects, const ListFacts& facts) {
    auto head = head_of(kind, view, facts);
    if (view.shape.encoding == Encoding::Protobuf) {
        auto list = TRY(codec::ProtobufList::start(head));
        for (const auto& object : objects) {
            auto item = TRY(item_of(kind, view, *object));
            TRY(list.add(item));
        }
        return list.take();
    }
    std::string out = "apiVersion: ";
    codec::append_yaml(out, head.at("apiVersion"));
    out += objects.empty() ? "\nitems: []" : "\nitems:";
    for (const auto& object : objects) {
        auto item = TRY(item_of(kind, view, *object));
        out += "\n- ";
        codec::append_yaml(out, item, 2);
    }
    out += "\nkind: ";
    codec::append_yaml(out, head.at("kind"));
    out += "\nmetadata:\n  ";
    codec::append_yaml(out, head.at("metadata"), 2);
    return out + "\n";
}

}  // namespace pila::cluster::api
