// SPDX-License-Identifier: Apache-2.0
// tag, rmi, commit, history, search.
#include "base/text.h"
#include "cli/filter_flag.h"
#include "cli/listing.h"
#include "cli/reference.h"
#include "cli/registry_auth.h"
#include "cli/units.h"
#include "cli/verb.h"
#include "cli/verbs.h"

namespace pila::cli {

int tag_verb(Invocation& invocation) {
    Flags flags(invocation, "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
                "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE");
    if (auto code = flags.parse({2, 2})) return *code;
    const auto& names = flags.arguments();
    auto target = parse_reference(names[1]);
    if (!target)
        return fail(fmt::format("Error parsing reference: \"{}\" is not a valid repository/tag: {}", names[1],
                                target.error().message()));
    if (!target->digest.empty()) return fail("refusing to create a tag with a digest reference");
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    Call call{.method = "POST", .path = fmt::format("/images/{}/tag", path_part(names[0]))};
    call.query.add("repo", target->name()).add("tag", target->tag.empty() ? "latest" : target->tag);
    auto tagged = (*api)->done(call);
    return tagged ? 0 : fail(tagged.error());
}

int rmi_verb(Invocation& invocation) {
    bool force = false, keep_parents = false;
    std::vector<std::string> platforms;
    Flags flags(invocation, "[OPTIONS] IMAGE [IMAGE...]", "Remove one or more images");
    flags.add({{"force", 'f', &force, "Remove the image even when it is in use or has several names"},
               {"no-prune", 0, &keep_parents, "Do not delete untagged parents"},
               {"platform", 0, &platforms, "Remove one platform only", "strings", "", 50}});
    if (auto code = flags.parse({.least = 1})) return *code;
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    std::vector<std::string> problems;
    bool failed = false;
    for (const auto& name : flags.arguments()) {
        Call call{.method = "DELETE", .path = "/images/" + path_part(name)};
        call.query.add_if(force, "force", "1").add_if(keep_parents, "noprune", "1");
        auto removed = (*api)->json(call);
        if (!removed) {
            failed |= !(force && removed.error().code() == Errc::NotFound);
            problems.push_back(removed.error().message());
            continue;
        }
        for (const auto& item : items(*removed)) {
            if (auto id = text(item, "Deleted"); !id.empty())
                fmt::print("Deleted: {}\n", id);
            else
                fmt::print("Untagged: {}\n", text(item, "Untagged"));
        }
    }
    if (!problems.empty()) fail(join(problems, "\n"));
    return failed ? 1 : 0;
}

int commit_verb(Invocation& invocation) {
    std::string author, message;
    std::vector<std::string> changes;
    bool pause = true;
    Flags flags(invocation, "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]", "Create a new image from a container's changes");
    flags.add({{"author", 'a', &author, "Author (e.g., \"John Hannibal Smith <hannibal@a-team.com>\")"},
               {"change", 'c', &changes, "Apply a Dockerfile instruction to the image"},
               {"message", 'm', &message, "Commit message"},
               {"pause", 'p', &pause, "Pause the container meanwhile", "", "true"}});
    if (auto code = flags.parse({1, 2})) return *code;
    Reference target;
    bool named = flags.arguments().size() > 1 && !flags.arguments()[1].empty();
    if (named) {
        auto parsed = parse_reference(flags.arguments()[1]);
        if (!parsed) return fail(parsed.error());
        if (!parsed->digest.empty()) return fail("refusing to create a tag with a digest reference");
        target = parsed.take();
        if (target.tag.empty()) target.tag = "latest";
    }
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    Call call{.method = "POST", .path = "/commit"};
    call.query.add("author", author);
    for (const auto& change : changes) call.query.add("changes", change);
    call.query.add("comment", message).add("container", flags.arguments()[0]).add_if(!pause, "pause", "0");
    call.query.add("repo", named ? target.name() : "").add("tag", target.tag);
    auto image = (*api)->json(call);
    if (!image) return fail(image.error());
    fmt::print("{}\n", text(*image, "Id"));
    return 0;
}

int history_verb(Invocation& invocation) {
    bool human = true, full = false, quiet = false;
    std::string format, platform;
    Flags flags(invocation, "[OPTIONS] IMAGE", "Show the history of an image");
    flags.add({{"format", 0, &format, "Format: 'table', 'table TEMPLATE', 'json' or a Go template"},
               {"human", 'H', &human, "Print sizes and dates for people", "", "true"},
               {"no-trunc", 0, &full, "Do not cut the output"},
               {"platform", 0, &platform, "Platform of a multi-platform image", "", "", 48},
               {"quiet", 'q', &quiet, "Show ids only"}});
    if (auto code = flags.parse({1, 1})) return *code;
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    auto layers = (*api)->json({.path = fmt::format("/images/{}/history", path_part(flags.arguments()[0]))});
    if (!layers) return fail(layers.error());
    if (quiet && format.empty()) format = "{{.ID}}";
    Listing listing(format,
                    human ? "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
                          : "{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
                    {{"Comment", "COMMENT"},
                     {"CreatedAt", "CREATED AT"},
                     {"CreatedBy", "CREATED BY"},
                     {"CreatedSince", "CREATED"},
                     {"ID", "IMAGE"},
                     {"Size", "SIZE"}});
    for (const auto& layer : items(*layers)) {
        Row row;
        auto created = number(layer, "Created");
        auto by = text(layer, "CreatedBy");
        for (char& c : by)
            if (c == '\t') c = ' ';
        auto id = text(layer, "Id");
        auto at = rfc3339_nano({created * 1'000'000'000});
        row.columns["Comment"] = text(layer, "Comment");
        row.columns["CreatedAt"] = at;
        row.columns["CreatedBy"] = full ? by : ellipsis(by, 45);
        row.columns["CreatedSince"] = !human ? at : created <= 0 ? "N/A" : ago(created);
        row.columns["ID"] = full ? id : short_id(id);
        row.columns["Size"] = human ? decimal_size(real(layer, "Size"), 3) : std::to_string(number(layer, "Size"));
        listing.add(std::move(row));
    }
    return listing.print();
}

int search_verb(Invocation& invocation) {
    bool full = false;
    std::int64_t limit = 0;
    std::string format;
    Filters filters;
    Flags flags(invocation, "[OPTIONS] TERM", "Search a registry for images");
    flags.add({filter_flag(filters, 'f', "Only repositories that fit the condition"),
               {"format", 0, &format, "Go template"},
               {"limit", 0, &limit, "Most results to show"},
               {"no-trunc", 0, &full, "Do not cut the output"}});
    if (auto code = flags.parse({1, 1})) return *code;
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    Call call{.path = "/images/search"};
    call.query.add_if(!filters.empty(), "filters", filters.text())
        .add_if(limit > 0, "limit", std::to_string(limit))
        .add("term", flags.arguments()[0]);
    if (auto auth = registry_auth_header(invocation.global, ""); auth) call.headers.set("X-Registry-Auth", *auth);
    auto found = (*api)->json(call);
    if (!found) return fail(found.error());
    Listing listing(
        format, "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}",
        {{"Description", "DESCRIPTION"}, {"IsOfficial", "OFFICIAL"}, {"Name", "NAME"}, {"StarCount", "STARS"}});
    for (const auto& item : items(*found)) {
        Row row;
        auto description = text(item, "description");
        for (char& c : description)
            if (c == '\n' || c == '\r') c = ' ';
        row.columns["Description"] = full ? description : ellipsis(description, 45);
        row.columns["IsOfficial"] = truthy(item, "is_official") ? "[OK]" : "";
        row.columns["Name"] = text(item, "name");
        row.columns["StarCount"] = std::to_string(number(item, "star_count"));
        listing.add(std::move(row));
    }
    return listing.print();
}

}  // namespace pila::cli
