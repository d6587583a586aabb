// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/show.h"

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "cluster/api/answer_form.h"
#include "cluster/api/compress.h"
#include "cluster/api/metadata.h"
#include "cluster/codec/forms.h"
#include "cluster/convert/convert.h"

namespace pila::cluster::api {

namespace {

constexpr std::size_t piece = 64U << 10;

json::value parse(std::string_view bytes) {
    auto parsed = parse_json(bytes, {.max_bytes = bytes.size() + 1, .max_depth = 128});
    return parsed ? parsed.take() : json::value(json::object());
}

void append_metadata_of(std::string& out, const json::value& tree, std::string_view version) {
    out += fmt::format(R"({{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/{}","metadata":)", version);
    const auto* object = tree.if_object();
    const auto* metadata = object ? object->if_contains("metadata") : nullptr;
    out += metadata ? json::serialize(*metadata) : "{}";
    out += '}';
}

void append_list_meta(std::string& out, const ListFacts& facts) {
    out += fmt::format(R"({{"resourceVersion":"{}")", facts.revision);
    if (!facts.continue_token.empty()) out += ",\"continue\":" + json_quote(facts.continue_token);
    if (facts.remaining) out += fmt::format(",\"remainingItemCount\":{}", *facts.remaining);
    out += '}';
}

table::ListMeta table_meta(const ListFacts& facts) {
    return {std::to_string(facts.revision), facts.continue_token, facts.remaining};
}

}  // namespace

Outcome<View> view_of(const http::Request& request, const schema::Kind& kind, bool is_watch) {
    auto shape = shape_of(request.headers.get("Accept"), {.has_protobuf = !kind.custom, .is_watch = is_watch});
    if (!shape)
        return not_acceptable(kind.custom ? "application/json, application/yaml"
                                          : "application/json, application/yaml, application/vnd.kubernetes.protobuf");
    View view{std::move(*shape)};
    view.takes_gzip = request.method == "GET" && takes_gzip(request);
    auto include = request.query.get("includeObject");
    if (include == "None")
        view.include = table::IncludeObject::None;
    else if (include == "Object")
        view.include = table::IncludeObject::Object;
    else if (!include.empty() && include != "Metadata")
        return bad_request(fmt::format("unrecognized includeObject value: \"{}\"", printable(include)));
    return view;
}

std::string show_one(const schema::Kind& kind, const View& view, const state::Object& object) {
    std::string out, kept;
    const auto bytes = shown_bytes(object, kind, kept);
    if (view.shape.form == Form::Object) {
        out.reserve(bytes.size() + 1);
        out.append(bytes) += '\n';
        return out;
    }
    if (view.shape.form == Form::PartialMetadata) {
        append_metadata_of(out, parse(bytes), view.shape.version);
    } else {
        // The cells of all shapes of a kind are those of the one that is stored.
        table::Table table(convert::stored_kind(kind), view.include);
        table.append_start(out, {std::to_string(object.revision), "", std::nullopt});
        table.append_row(out, parse(object.bytes), bytes, now_wall().seconds());
        table.append_end(out);
    }
    return out + "\n";
}

static bool is_large(const std::vector<state::ObjectPointer>& objects) {
    std::size_t size = 0;
    for (const auto& object : objects) size += object->bytes.size();
    return size >= worth_compressing;
}

http::Response show_list(const schema::Kind& kind, const View& view, std::vector<state::ObjectPointer> objects,
                         const ListFacts& facts) {
    http::Response response;
    const bool compresses = view.takes_gzip && is_large(objects);
    response.headers.set("Content-Type", std::string(media_type(view.shape.encoding)));
    if (view.shape.encoding != Encoding::Json) {
        auto made = list_in_form(kind, view, objects, facts);
        if (!made) return http::Response::json(500, Status(made.error()).json());
        response.body = made.take();
        if (compresses) compress(response);
        return response;
    }
    response.produce = [&kind, view, objects = std::move(objects), facts](http::BodyWriter& writer) -> Result<void> {
        std::string out;
        out.reserve(piece + (16U << 10));
        bool as_table = view.shape.form == Form::Table;
        std::optional<table::Table> table;
        if (as_table) {
            table.emplace(convert::stored_kind(kind), view.include);
            table->append_start(out, table_meta(facts));
        } else if (view.shape.form == Form::PartialMetadata) {
            out += fmt::format(R"({{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/{}","metadata":)",
                               view.shape.version);
            append_list_meta(out, facts);
            out += ",\"items\":[";
        } else {
            out += fmt::format(R"({{"kind":"{}","apiVersion":"{}","metadata":)", kind.list_kind(),
                               kind.group_version.text());
            append_list_meta(out, facts);
            out += ",\"items\":[";
        }
        auto now = now_wall().seconds();
        bool first = true;
        std::string kept;
        for (const auto& object : objects) {
            if (!first && !as_table) out += ',';
            first = false;
            if (view.shape.form == Form::Object)
                out += shown_bytes(*object, kind, kept);
            else if (as_table)
                table->append_row(out, parse(object->bytes), shown_bytes(*object, kind, kept), now);
            else
                append_metadata_of(out, parse(shown_bytes(*object, kind, kept)), view.shape.version);
            if (out.size() < piece) continue;
            TRY(writer.write(out));
            out.clear();
        }
        if (as_table)
            table->append_end(out);
        else
            out += "]}";
        out += '\n';
        return writer.write(out);
    };
    if (compresses) compress(response);
    return response;
}

EventWriter::EventWriter(const schema::Kind& kind, View view) : kind_(kind), view_(std::move(view)) {}
EventWriter::~EventWriter() = default;

void EventWriter::append(std::string& sent, std::string_view type, const state::Object& object) {
    const bool is_json = view_.shape.encoding == Encoding::Json;
    std::string made, kept;
    auto& out = is_json ? sent : made;
    out += fmt::format(R"({{"type":"{}","object":)", type);
    const auto bytes = shown_bytes(object, kind_, kept);
    if (view_.shape.form == Form::Object) {
        out += bytes;
    } else if (view_.shape.form == Form::PartialMetadata) {
        append_metadata_of(out, parse(bytes), view_.shape.version);
    } else {
        table::Table table(convert::stored_kind(kind_), view_.include);
        table.append_start(out, {std::to_string(object.revision), "", std::nullopt},
                           is_first_ ? table::Definitions::Yes : table::Definitions::No);
        table.append_row(out, parse(object.bytes), bytes, now_wall().seconds());
        table.append_end(out);
        is_first_ = false;
    }
    out += "}\n";
    if (!is_json) append_line(sent, made);
}

void EventWriter::append_line(std::string& out, std::string_view event) const {
    if (view_.shape.encoding == Encoding::Json) {
        out += event;
        return;
    }
    auto tree = parse(event);
    if (!tree.is_object() || !tree.get_object().contains("object")) return;
    const auto& members = tree.get_object();
    auto framed = codec::append_protobuf_event(out, members.at("type").as_string(), members.at("object"));
    if (!framed) log::warning("an event of {} has no protobuf form: {}", kind_.resource(), framed.error().message());
}

void EventWriter::append_bookmark(std::string& sent, state::Revision revision, bool ends_initial) {
    std::string out;
    auto metadata = fmt::format(R"({{"resourceVersion":"{}","creationTimestamp":null{}}})", revision,
                                ends_initial ? R"(,"annotations":{"k8s.io/initial-events-end":"true"})" : "");
    if (view_.shape.form == Form::Object)
        out += fmt::format(R"({{"type":"BOOKMARK","object":{{"kind":"{}","apiVersion":"{}","metadata":{}}}}})",
                           kind_.name, kind_.group_version.text(), metadata);
    else if (view_.shape.form == Form::PartialMetadata)
        out += fmt::format(
            R"({{"type":"BOOKMARK","object":{{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/{}","metadata":{}}}}})",
            view_.shape.version, metadata);
    else  // a row whose object has the revision, as kubectl's own watch reads it
        out += fmt::format(
            R"({{"type":"BOOKMARK","object":{{"kind":"Table","apiVersion":"meta.k8s.io/{}","metadata":{},"columnDefinitions":[],"rows":[{{"cells":[],"object":{{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/{}","metadata":{}}}}}]}}}})",
            view_.shape.version, metadata, view_.shape.version, metadata);
    out += '\n';
    append_line(sent, out);
}

void EventWriter::append_error(std::string& out, const Status& status) const {
    auto body = status.json();
    append_line(out, R"({"type":"ERROR","object":)" + body.substr(0, body.size() - 1) + "}\n");
}

}  // namespace pila::cluster::api
