// SPDX-License-Identifier: Apache-2.0
#include <ctime>

#include "base/text.h"
#include "cli/filter_flag.h"
#include "cli/json_helpers.h"
#include "cli/json_stream.h"
#include "cli/streams.h"
#include "cli/template.h"
#include "cli/units.h"
#include "cli/verb.h"
#include "cli/verbs.h"

namespace pila::cli {

namespace {

// RFC 3339 in local time, always nine digits.
std::string time_of(const json::value& event) {
    auto nanoseconds = number(event, "timeNano");
    if (nanoseconds == 0) nanoseconds = number(event, "time") * 1'000'000'000;
    std::time_t seconds = nanoseconds / 1'000'000'000;
    std::tm parts{};
    ::localtime_r(&seconds, &parts);
    char date[32], zone[8];
    std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
    std::strftime(zone, sizeof zone, "%z", &parts);
    std::string offset = parts.tm_gmtoff == 0 ? "Z" : fmt::format("{}:{}", std::string_view(zone, 3), zone + 3);
    return fmt::format("{}.{:09}{}", date, nanoseconds % 1'000'000'000, offset);
}

std::string plain_line(const json::value& event) {
    auto line =
        fmt::format("{} {} {} {}", time_of(event), text(event, "Type"), text(event, "Action"), text(event, "Actor.ID"));
    const auto& attributes = members(event, "Actor.Attributes");
    if (attributes.empty()) return line + "\n";
    auto list = [&] {
        std::vector<std::string> parts;
        for (const auto& pair : attributes) parts.push_back(std::string(pair.key()) + "=" + as_text(pair.value()));
        std::sort(parts.begin(), parts.end());
        return join(parts, ", ");
    };
    return fmt::format("{} ({})\n", line, list());
}

}  // namespace

int events_verb(Invocation& invocation) {
    std::string format, since, until;
    Filters filters;
    Flags flags(invocation, "[OPTIONS]", "Follow the events of the daemon");
    flags.add({filter_flag(filters, 'f', "Only events that fit the condition"),
               {"format", 0, &format, "Format: 'json' or a Go template"},
               {"since", 0, &since, "Begin with the events since then"},
               {"until", 0, &until, "End with the events of then"}});
    if (auto code = flags.parse({0, 0})) return *code;
    std::optional<Template> shape;
    if (!format.empty() && format != "json") {
        auto parsed = Template::parse(format);
        if (!parsed) {
            fail("Error parsing format: " + parsed.error().message());
            return 64;
        }
        shape = parsed.take();
    }
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    Call call{.path = "/events"};
    call.query.add_if(!filters.empty(), "filters", filters.text());
    for (auto [name, value] : {std::pair{"since", &since}, std::pair{"until", &until}}) {
        if (value->empty()) continue;
        auto time = parse_since(*value, now_wall());
        if (!time) return fail(fmt::format("invalid value for \"{}\": {}", name, time.error().message()));
        call.query.add(name, *time);
    }
    auto response = (*api)->open(call);
    if (!response) return fail(response.error());
    auto shown = for_each_json(*response->body, [&](const json::value& event) -> Result<void> {
        std::string line;
        if (shape) {
            TRY(shape->execute(event, line, {.typed = true, .open_map = "Attributes"}));
            line += '\n';
        } else {
            line = format == "json" ? compact_json(event) + "\n" : plain_line(event);
        }
        return write_fully(1, line);
    });
    return shown ? 0 : fail(shown.error());
}

}  // namespace pila::cli
