// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "cli/json_helpers.h"
#include "cli/streams.h"
#include "cli/template.h"
#include "cli/verb.h"
#include "cli/verbs.h"

namespace pila::cli {

namespace {

enum class Kind : unsigned char { Container, Image, Network, Volume };

struct KindPath {
    Kind kind;
    std::string_view name, path, not_found;
};
constexpr KindPath kinds[] = {
    {Kind::Container, "container", "/containers/{}/json", "container"},
    {Kind::Image, "image", "/images/{}/json", "image"},
    {Kind::Network, "network", "/networks/{}", "network"},
    {Kind::Volume, "volume", "/volumes/{}", "volume"},
};

struct InspectOptions {
    std::string format, platform;
    bool size = false, verbose = false;
    std::string scope;
};

Result<std::string> fetch(Api& api, const KindPath& kind, const std::string& name, const InspectOptions& options) {
    Call call;
    auto hole = kind.path.find("{}");
    call.path = std::string(kind.path.substr(0, hole)) + path_part(name) + std::string(kind.path.substr(hole + 2));
    call.query.add_if(options.size && kind.kind == Kind::Container, "size", "1")
        .add_if(options.verbose && kind.kind == Kind::Network, "verbose", "true")
        .add_if(!options.scope.empty() && kind.kind == Kind::Network, "scope", options.scope);
    return api.text(call);
}

// Without a type: the first kind that knows the name.
Result<std::string> fetch_any(Api& api, const std::string& name, const InspectOptions& options) {
    for (const auto& kind : kinds) {
        auto found = fetch(api, kind, name, options);
        if (found) return found;
        auto code = found.error().code();
        bool unknown = code == Errc::NotFound || code == Errc::Invalid;
        if (!unknown) return found;
    }
    return Error(Errc::NotFound, "Error: No such object: " + name);
}

class Output {
public:
    explicit Output(const InspectOptions& options) : options_(options) {}

    Result<void> begin() {
        if (options_.format.empty() || options_.format == "json") return {};
        auto parsed = Template::parse(options_.format);
        if (!parsed) return std::move(parsed.take_error()).in("template parsing error");
        template_ = parsed.take();
        return {};
    }

    Result<void> add(std::string_view object) {
        object = trim(object);
        if (!template_) {
            if (!objects_.empty()) objects_ += ',';
            objects_ += object;
            return {};
        }
        auto value = TRY(parse_json(object));
        TRY(template_->execute(value, text_, {.typed = true}).in("template parsing error"));
        text_ += '\n';
        return {};
    }

    std::string finish() const {
        if (template_) return text_;
        auto list = "[" + objects_ + "]";
        if (options_.format == "json") return list + "\n";
        return indent_json(list, "    ") + "\n";
    }

private:
    const InspectOptions& options_;
    std::optional<Template> template_;
    std::string objects_, text_;
};

int show(Api& api, const std::vector<std::string>& names, const InspectOptions& options, const KindPath* kind) {
    Output output(options);
    if (auto begun = output.begin(); !begun) {
        fail(begun.error());
        return 64;
    }
    std::vector<std::string> problems;
    for (const auto& name : names) {
        auto object = kind ? fetch(api, *kind, name, options) : fetch_any(api, name, options);
        auto added = object ? output.add(*object) : Result<void>(object.take_error());
        if (added) continue;
        problems.push_back(added.error().message());
        if (object) break;  // the template does not fit: it will not fit the next one either
    }
    auto written = write_fully(1, output.finish());
    if (!written) return fail(written.error());
    return problems.empty() ? 0 : fail(join(problems, "\n"));
}

int inspect_kind(Invocation& invocation, const KindPath& kind, std::string_view synopsis, std::string_view summary) {
    InspectOptions options;
    Flags flags(invocation, synopsis, summary);
    flags.add({{"format", 'f', &options.format, "Format: 'json' or a Go template"}});
    if (kind.kind == Kind::Container) flags.add({{"size", 's', &options.size, "Show file sizes"}});
    if (kind.kind == Kind::Image)
        flags.add({{"platform", 0, &options.platform, "Platform of a multi-platform image", "", "", 49}});
    if (kind.kind == Kind::Network)
        flags.add({{"verbose", 'v', &options.verbose, "Verbose output for diagnostics"},
                   {"scope", 0, &options.scope, "", "", "", 0, true}});
    if (auto code = flags.parse({.least = 1})) return *code;
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    return show(**api, flags.arguments(), options, &kind);
}

}  // namespace

int inspect_verb(Invocation& invocation) {
    InspectOptions options;
    std::string type;
    Flags flags(invocation, "[OPTIONS] NAME|ID [NAME|ID...]", "Return low-level information on objects");
    flags.add({{"format", 'f', &options.format, "Format: 'json' or a Go template"},
               {"size", 's', &options.size, "Show file sizes of containers"},
               {"type", 0, &type, "Only objects of this type"}});
    if (auto code = flags.parse({.least = 1})) return *code;
    if (flags.changed("type") && type.empty())
        return fail(
            "type is empty: must be one of \"config\", \"container\", \"image\", \"network\", \"node\", \"plugin\", "
            "\"secret\", \"service\", \"task\", \"volume\"");
    const KindPath* wanted = nullptr;
    for (const auto& kind : kinds)
        if (kind.name == type) wanted = &kind;
    if (!type.empty() && !wanted)
        return fail(
            fmt::format("unknown type: \"{}\": must be one of \"config\", \"container\", \"image\", \"network\", "
                        "\"node\", \"plugin\", \"secret\", \"service\", \"task\", \"volume\"",
                        type));
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    return show(**api, flags.arguments(), options, wanted);
}

int inspect_container_verb(Invocation& invocation) {
    return inspect_kind(invocation, kinds[0], "[OPTIONS] CONTAINER [CONTAINER...]",
                        "Display detailed information on one or more containers");
}
int inspect_image_verb(Invocation& invocation) {
    return inspect_kind(invocation, kinds[1], "[OPTIONS] IMAGE [IMAGE...]",
                        "Display detailed information on one or more images");
}
int inspect_network_verb(Invocation& invocation) {
    return inspect_kind(invocation, kinds[2], "[OPTIONS] NETWORK [NETWORK...]",
                        "Display detailed information on one or more networks");
}
int inspect_volume_verb(Invocation& invocation) {
    return inspect_kind(invocation, kinds[3], "[OPTIONS] VOLUME [VOLUME...]",
                        "Display detailed information on one or more volumes");
}

}  // namespace pila::cli
