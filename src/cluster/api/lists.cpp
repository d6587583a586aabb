// SPDX-License-Identifier: Apache-2.0
// Lists and watches: revisions, pages, selectors.
#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/random.h"
#include "base/text.h"
#include "cluster/api/answer_form.h"
#include "cluster/api/api.h"
#include "cluster/api/metadata.h"
#include "crypto/base64.h"

namespace pila::cluster::api {

namespace {

// Where a list goes on: at which revision, behind which key.
struct Token {
    state::Revision revision = 0;
    std::string after;
};

// Of letters that need no quoting in a URL: some clients put it there as it is.
std::string token_text(const Token& token) {
    auto text = crypto::base64_encode(fmt::format("1 {} {}", token.revision, token.after));
    while (text.ends_with('=')) text.pop_back();
    for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
    return text;
}

Outcome<Token> read_token(std::string_view text, std::string_view prefix) {
    auto plain = crypto::base64_decode(text).value_or("");
    auto parts = split(plain, ' ');
    auto revision = parts.size() == 3 && parts[0] == "1" ? parse_int(parts[1]) : std::nullopt;
    if (!revision || *revision <= 0 || !parts[2].starts_with(prefix))
        return bad_request("continue key is not valid: it was not made by this server for this list");
    return Token{*revision, std::string(parts[2])};
}

struct Wanted {
    std::string prefix;
    Selection selection;
    View view;
};

Outcome<Wanted> wanted(const http::Request& request, const RequestInfo& info, const schema::Kind& kind) {
    Wanted made;
    made.prefix = prefix_of(kind, info.name_space);
    auto labels = LabelSelector::parse(request.query.get("labelSelector"));
    if (!labels) return bad_request(labels.error().message());
    auto fields = FieldSelector::parse(request.query.get("fieldSelector"), kind);
    if (!fields) return bad_request(fields.error().message());
    made.selection = {labels.take(), fields.take()};
    made.view = TRY(view_of(request, kind, info.verb == "watch" || truth(request.query, "watch")));
    return made;
}

Outcome<state::Revision> read_revision(std::string_view text) {
    if (text.empty()) return 0;
    auto number = parse_uint(text);
    if (!number || *number > INT64_MAX)
        return bad_request(fmt::format("invalid resource version {}: it is no number", json_quote(text)));
    return static_cast<state::Revision>(*number);
}

Status invalid_options(std::string field, std::string_view why) {
    Status status(422, "Invalid", fmt::format("ListOptions.meta.k8s.io \"\" is invalid: {}: {}", field, why));
    status.group = "meta.k8s.io";
    status.kind = "ListOptions";
    status.causes.push_back(kinds::forbidden_field(std::move(field), why));
    return status;
}

}  // namespace

Outcome<http::Response> Api::list(http::Request& request, const RequestInfo& info, const schema::Kind& kind) {
    auto what = TRY(wanted(request, info, kind));
    const auto& query = request.query;
    auto limit_text = query.get("limit");
    auto limit = limit_text.empty() ? 0 : parse_uint(limit_text).value_or(UINT64_MAX);
    if (limit == UINT64_MAX) return bad_request(fmt::format("invalid limit {}", json_quote(limit_text)));
    auto match = query.get("resourceVersionMatch");
    auto revision_text = query.get("resourceVersion");
    auto revision = TRY(read_revision(revision_text));
    Token token;
    bool continues = !query.get("continue").empty();
    if (!match.empty() && match != "Exact" && match != "NotOlderThan")
        return invalid_options("resourceVersionMatch", "supported values: \"Exact\", \"NotOlderThan\"");
    if (!match.empty() && revision_text.empty())
        return invalid_options("resourceVersionMatch",
                               "resourceVersionMatch is forbidden unless resourceVersion is provided");
    if (!match.empty() && continues)
        return invalid_options("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided");
    if (match == "Exact" && revision == 0)
        return invalid_options("resourceVersionMatch",
                               "resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\"");
    if (continues) {
        token = TRY(read_token(query.get("continue"), what.prefix));
    } else {
        if (revision > state_.revision()) return from_the_future(revision_text, std::to_string(state_.revision()));
        // A page at an old revision, or one that asks for exactly that.
        if (match == "Exact" || (limit > 0 && match.empty() && revision > 0)) token.revision = revision;
    }

    std::vector<state::ObjectPointer> found;
    ListFacts facts;
    bool has_more = false;
    if (auto name = what.selection.fields.wanted_name(); !name.empty() && token.revision == 0) {
        facts.revision = state_.revision();
        if (!kind.is_namespaced || !info.name_space.empty()) {
            auto object = state_.get(key_of(kind, info.name_space, name));
            if (object && what.selection.matches(object->attributes)) found.push_back(std::move(object));
            return show_list(kind, what.view, std::move(found), facts);
        }
    }
    // With selectors a page is filled from as many objects as it takes.
    std::string after = token.after;
    auto at = token.revision;
    for (;;) {
        auto missing = limit ? limit - found.size() : 0;
        auto step = limit && !what.selection.empty() ? std::max<std::size_t>(missing, 1000) : missing;
        auto page = state_.list(what.prefix, after, step, at);
        if (!page && page.error().code() == Errc::Gone) {
            auto gone = expired(
                "The provided continue parameter is too old to display a consistent list result. You "
                "must start a new list without the continue parameter.");
            if (continues) gone.continue_token = token_text({state_.revision(), token.after});
            return gone;
        }
        if (!page) return page.error();
        facts.revision = page->revision;
        at = page->revision;
        std::size_t index = 0;
        for (; index < page->objects.size() && (!limit || found.size() < limit); ++index) {
            after = page->objects[index]->key;
            if (what.selection.matches(page->objects[index]->attributes))
                found.push_back(std::move(page->objects[index]));
        }
        auto left = page->objects.size() - index + page->remaining;
        has_more = left > 0;
        if (!has_more || !limit || found.size() == limit) {
            if (has_more && limit && what.selection.empty()) facts.remaining = static_cast<std::int64_t>(left);
            break;
        }
    }
    if (has_more) facts.continue_token = token_text({facts.revision, after});
    return show_list(kind, what.view, std::move(found), facts);
}

Outcome<http::Response> Api::watch(http::Request& request, const RequestInfo& info, const KindPointer& keeps) {
    const auto& kind = *keeps;
    auto what = TRY(wanted(request, info, kind));
    const auto& query = request.query;
    if (!info.name.empty()) {  // /api/v1/watch/namespaces/NS/pods/NAME
        auto one = FieldSelector::parse("metadata.name=" + info.name, kind);
        if (!one) return bad_request(one.error().message());
        what.selection.fields = one.take();
    }
    auto revision_text = query.get("resourceVersion");
    auto revision = TRY(read_revision(revision_text));
    bool sends_initial = truth(query, "sendInitialEvents");
    auto match = query.get("resourceVersionMatch");
    if (sends_initial && match != "NotOlderThan")
        return invalid_options("resourceVersionMatch",
                               "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    if (!match.empty() && !query.has("sendInitialEvents"))
        return invalid_options("resourceVersionMatch",
                               "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
    if (revision > state_.revision()) return from_the_future(revision_text, std::to_string(state_.revision()));

    WatchOptions options;
    options.keeps = keeps;
    options.prefix = what.prefix;
    options.selection = std::move(what.selection);
    options.view = what.view;
    const auto encoding = what.view.shape.encoding;
    options.bookmarks = truth(query, "allowWatchBookmarks");
    options.marks_initial = sends_initial && options.bookmarks;
    options.after = revision;
    bool from_now = query.has("sendInitialEvents") && !sends_initial && revision == 0;
    if (from_now) options.after = state_.revision();
    if (!from_now && (revision == 0 || sends_initial)) {
        auto page = state_.list(options.prefix, "", 0, 0);
        if (!page) return page.error();
        options.after = page->revision;
        for (auto& object : page->objects)
            if (options.selection.matches(object->attributes)) options.initial.push_back(std::move(object));
    }
    auto seconds = query.get("timeoutSeconds").empty() ? 0 : parse_uint(query.get("timeoutSeconds")).value_or(0);
    options.lasts =
        std::chrono::seconds(seconds ? std::min<std::uint64_t>(seconds, 24 * 3600) : 1800 + random_number(1800));
    auto watch = std::make_shared<WatchStream>(kind, std::move(options), WatchMeans{state_, work_, timers_});
    auto opened = watch->open();
    if (!opened && opened.error().code == 410)
        return expired(fmt::format("too old resource version: {} ({})", revision, state_.revision()));
    if (!opened) return opened.take_error();
    http::Response response;
    response.headers.set("Content-Type",
                         std::string(media_type(encoding)) + (encoding == Encoding::Json ? "" : ";stream=watch"));
    response.stream = [watch](std::shared_ptr<http::Stream> stream) { watch->start(std::move(stream)); };
    return response;
}

}  // namespace pila::cluster::api
