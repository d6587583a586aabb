// SPDX-License-Identifier: Apache-2.0
#pragma once
// Objects in the form a client asked for: as they are, as rows of a table, or their metadata alone.

#include <memory>
#include <optional>
#include <string>

#include "cluster/api/negotiate.h"
#include "cluster/api/status.h"
#include "cluster/state/state.h"
#include "cluster/table/table.h"
#include "http/message.h"

namespace pila::cluster::api {

struct View {
    Shape shape;
    table::IncludeObject include = table::IncludeObject::Metadata;  // of tables
    bool takes_gzip = false;
};

// By the Accept header and ?includeObject. NotAcceptable.
Outcome<View> view_of(const http::Request& request, const schema::Kind& kind, bool is_watch = false);

struct ListFacts {
    state::Revision revision = 0;
    std::string continue_token;
    std::optional<std::int64_t> remaining;
};

// In JSON, whatever the encoding: give_form() does the rest.
std::string show_one(const schema::Kind& kind, const View& view, const state::Object& object);
// The same for a list, in pieces of some 64 KiB, so that a large one is nowhere whole.
http::Response show_list(const schema::Kind& kind, const View& view, std::vector<state::ObjectPointer> objects,
                         const ListFacts& facts);

// The `object` of watch events. Tables say what their columns are in the first only.
class EventWriter {
public:
    EventWriter(const schema::Kind& kind, View view);
    ~EventWriter();
    void append(std::string& out, std::string_view type, const state::Object& object);
    // Nothing but a revision; the end of the initial events is marked.
    void append_bookmark(std::string& out, state::Revision revision, bool ends_initial);
    void append_error(std::string& out, const Status& status) const;

private:
    // `event`: {"type", "object"} as a line of JSON.
    void append_line(std::string& out, std::string_view event) const;
    const schema::Kind& kind_;
    const View view_;
    bool is_first_ = true;
    std::unique_ptr<table::Table> table_;
};

}  // namespace pila::cluster::api
