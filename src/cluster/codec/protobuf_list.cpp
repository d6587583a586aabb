// SPDX-License-Identifier: Apache-2.0
#include <boost/json.hpp>

#include "cluster/codec/codec.h"
#include "cluster/codec/forms.h"
#include "cluster/codec/layout_internal.h"
#include "cluster/codec/wire_internal.h"

namespace pila::cluster::codec {

namespace {

// runtime.Unknown {1 type, 2 the message}
std::string_view message_in(std::string_view envelope) {
    Cursor cursor(envelope.substr(envelope_magic.size()));
    std::uint32_t number = 0, wire = 0;
    std::string_view part;
    while (cursor.tag(number, wire) && cursor.bytes(part))
        if (number == 2) return part;
    return {};
}

}  // namespace

Result<ProtobufList> ProtobufList::start(const json::object& head) {
    ProtobufList made;
    made.api_version_ = head.at("apiVersion").as_string();
    made.kind_ = head.at("kind").as_string();
    auto whole = TRY(write_protobuf(head));
    made.body_ = message_in(whole);
    return made;
}

Result<void> ProtobufList::add(const json::value& item) {
    auto whole = TRY(write_protobuf(item));
    append_bytes(body_, 2, message_in(whole));
    return {};
}

std::string ProtobufList::take() const {
    std::string meta, out(envelope_magic);
    append_bytes(meta, 1, api_version_);
    append_bytes(meta, 2, kind_);
    out.reserve(body_.size() + meta.size() + 32);
    append_bytes(out, 1, meta);
    append_bytes(out, 2, body_);
    append_bytes(out, 3, "");
    append_bytes(out, 4, "");
    return out;
}

Result<void> append_protobuf_event(std::string& out, std::string_view type, const json::value& object) {
    auto whole = TRY(write_protobuf(object));
    std::string event, raw;
    append_bytes(raw, 1, whole);
    append_bytes(event, 1, type);
    append_bytes(event, 2, raw);
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(event.size() >> shift & 0xff);
    out += event;
    return {};
}

}  // namespace pila::cluster::codec
