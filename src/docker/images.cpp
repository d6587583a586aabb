// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/core.h>

#include "base/text.h"
#include "docker/reply.h"

namespace pila::docker {

using image::ImagePointer;

// Docker names these whether they are set or not, and old clients (docker-compose 1) look them up unasked.
static json::object empty_config() {
    return {{"Hostname", ""},       {"Domainname", ""},      {"User", ""},
            {"AttachStdin", false}, {"AttachStdout", false}, {"AttachStderr", false},
            {"Tty", false},         {"OpenStdin", false},    {"StdinOnce", false},
            {"Env", nullptr},       {"Cmd", nullptr},        {"Image", ""},
            {"Volumes", nullptr},   {"WorkingDir", ""},      {"Entrypoint", nullptr},
            {"OnBuild", nullptr},   {"Labels", nullptr}};
}

// The image's own "config", as it came.
static json::object config_json(const image::Image& image) {
    auto all = empty_config();
    auto whole = parse_json(image.config_json);
    if (whole && whole->is_object())
        if (auto* config = whole->get_object().if_contains("config"); config && config->is_object())
            for (const auto& [key, value] : config->get_object()) all[key] = value;
    return all;
}

// Where overlay finds the layers, uppermost first. They are mounted only below containers.
static json::object layers_json(Api& api, const image::Image& image) {
    json::object data{{"MergedDir", ""}, {"WorkDir", ""}, {"UpperDir", ""}};
    auto directories = api.engine().parts().images.layer_directories(image);
    if (!directories || directories->empty()) return data;
    data["UpperDir"] = directories->front();
    directories->erase(directories->begin());
    if (!directories->empty()) data["LowerDir"] = join(*directories, ":");
    return data;
}

static json::object inspect_json(Api& api, const image::Image& image) {
    json::object object;
    object["Id"] = image.id.text();
    object["RepoTags"] = array_of(image.tags);
    object["RepoDigests"] = array_of(image.repo_digests);
    // Its record may be gone with the build cache.
    bool has_parent = !image.parent.empty() && api.engine().parts().images.find(image.parent.text());
    object["Parent"] = has_parent ? image.parent.text() : std::string();
    object["Comment"] = image.config.comment;
    object["Created"] = image.config.created;
    object["Container"] = "";
    object["ContainerConfig"] = empty_config();  // gone from Docker 25, missed by docker-compose 1
    object["DockerVersion"] = "";
    object["Author"] = image.config.author;
    object["Config"] = config_json(image);
    object["Architecture"] = image.config.architecture;
    if (!image.config.variant.empty()) object["Variant"] = image.config.variant;
    object["Os"] = image.config.os;
    object["Size"] = image.size;
    object["VirtualSize"] = image.size;
    object["GraphDriver"] = {{"Name", "overlay2"}, {"Data", layers_json(api, image)}};
    json::array layers;
    for (const auto& layer : image.layers) layers.emplace_back(layer.text());
    object["RootFS"] = {{"Type", "layers"}, {"Layers", std::move(layers)}};
    object["Metadata"] = {{"LastTagTime", rfc3339_nano(image.last_tagged)}};
    return object;
}

// With a reference filter only the names that it matches are shown.
static std::vector<std::string> matching_tags(const Filters& filters, const std::vector<std::string>& tags) {
    const auto& patterns = filters.get("reference");
    if (patterns.empty()) return tags;
    std::vector<std::string> matching;
    for (const auto& tag : tags) {
        bool any = std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
            return wildcard_match(pattern, tag) || wildcard_match(pattern, tag.substr(0, tag.rfind(':')));
        });
        if (any) matching.push_back(tag);
    }
    return matching;
}

static Result<bool> passes(Api& api, const Filters& filters, const image::Image& image) {
    if (!filters.labels(image.config.labels)) return false;
    if (auto wanted = TRY(filters.flag("dangling")); wanted && *wanted != image.tags.empty()) return false;
    if (image.created > TRY(filters.until())) return false;
    if (filters.has("reference") && matching_tags(filters, image.tags).empty()) return false;
    for (auto key : {"before", "since"})
        for (const auto& name : filters.get(key)) {
            auto other = TRY(api.engine().parts().images.find(name));
            if (std::string_view(key) == "before" ? image.created >= other->created : image.created <= other->created)
                return false;
        }
    return true;
}

static Reply list(Api& api, http::Request& request) {
    auto filters = TRY(Filters::parse(request, {"dangling", "label", "before", "since", "reference", "until"}));
    auto images = api.engine().parts().images.list();
    if (request.query.flag("all"))
        for (auto& step : api.engine().parts().images.steps()) images.push_back(std::move(step));
    json::array found;
    for (const auto& image : images) {
        if (!TRY(passes(api, filters, *image))) continue;
        json::object object;
        object["Containers"] = -1;
        object["Created"] = image->created.seconds();
        object["Id"] = image->id.text();
        object["Labels"] =
            image->config.labels.empty() ? json::value(nullptr) : json::value(object_of(image->config.labels));
        object["ParentId"] = image->parent.text();
        object["RepoDigests"] = array_of(image->repo_digests);
        object["RepoTags"] = array_of(matching_tags(filters, image->tags));
        object["SharedSize"] = -1;
        object["Size"] = image->size;
        object["VirtualSize"] = image->size;
        found.push_back(std::move(object));
    }
    return json_response(200, found);
}

static Reply inspect(Api& api, http::Request& request) {
    auto image = TRY(api.engine().parts().images.find(request.parameters[0]));
    return json_response(200, inspect_json(api, *image));
}

static Reply history(Api& api, http::Request& request) {
    auto image = TRY(api.engine().parts().images.find(request.parameters[0]));
    auto& parts = api.engine().parts();
    auto directories = parts.images.layer_directories(*image);  // uppermost first
    json::array rows;
    std::size_t layer = 0;
    for (const auto& entry : image->history) {
        std::uint64_t size = 0;
        if (!entry.empty_layer && directories && layer < directories->size())
            size = snapshot::tree_size((*directories)[directories->size() - 1 - layer++]).value_or(0);
        auto created = parse_rfc3339(entry.created);
        rows.insert(rows.begin(), json::object{{"Id", "<missing>"},
                                               {"Created", created ? created->seconds() : 0},
                                               {"CreatedBy", entry.created_by},
                                               {"Tags", nullptr},
                                               {"Size", size},
                                               {"Comment", entry.comment}});
    }
    if (rows.empty())
        rows.push_back(
            {{"Created", image->created.seconds()}, {"CreatedBy", ""}, {"Size", image->size}, {"Comment", ""}});
    // What a build has left of the way here.
    auto step = image;
    for (std::size_t row = 1; row < rows.size() && !step->parent.empty(); ++row) {
        auto parent = parts.images.find(step->parent.text());
        if (!parent || (*parent)->history.size() + row != image->history.size()) break;
        step = parent.take();
        rows[row].get_object()["Id"] = step->id.text();
        rows[row].get_object()["Tags"] = array_or_null(step->tags);
    }
    auto& newest = rows[0].get_object();
    newest["Id"] = image->id.text();
    newest["Tags"] = array_or_null(image->tags);
    return json_response(200, rows);
}

static void publish(Api& api, const http::Request& request, std::string action, const image::Image& image,
                    std::string name) {
    auto attributes = image.config.labels;
    attributes["name"] = std::move(name);
    api.engine().parts().journal.publish(request.context, "image", std::move(action), image.id.text(),
                                         std::move(attributes));
}

static Reply tag(Api& api, http::Request& request) {
    std::string target(request.query.get("repo"));
    if (auto name = request.query.get("tag"); !name.empty()) (target += ':') += name;
    TRY(api.engine().parts().images.tag(request.parameters[0], target));
    auto image = TRY(api.engine().parts().images.find(target));
    std::string_view familiar = target;
    for (std::string_view prefix : {"docker.io/", "library/"})
        if (familiar.starts_with(prefix)) familiar.remove_prefix(prefix.size());
    publish(api, request, "tag", *image, std::string(familiar));
    return http::Response::empty(201);
}

static Reply remove(Api& api, http::Request& request) {
    auto in_use = [&](const image::Digest& id) { return api.engine().image_user(id); };
    auto image = api.engine().parts().images.find(request.parameters[0]);
    auto removed = TRY(api.engine().parts().images.remove(request.parameters[0], request.query.flag("force"),
                                                          !request.query.flag("noprune"), in_use));
    json::array rows;
    for (const auto& name : removed.untagged) {
        rows.push_back(json::object{{"Untagged", name}});
        if (image) publish(api, request, "untag", **image, name);
    }
    for (const auto& id : removed.deleted) {
        rows.push_back(json::object{{"Deleted", id}});
        if (image) publish(api, request, "delete", **image, id);
    }
    return json_response(200, rows);
}

static Reply prune(Api& api, http::Request& request) {
    auto filters = TRY(Filters::parse(request, {"dangling", "label", "label!", "until"}));
    bool all = !TRY(filters.flag("dangling")).value_or(true);
    auto until = TRY(filters.until());
    json::array rows;
    std::uint64_t reclaimed = 0;
    auto in_use = [&](const image::Digest& id) { return api.engine().image_user(id); };
    for (const auto& image : api.engine().parts().images.list()) {
        if ((!all && !image->tags.empty()) || !filters.labels(image->config.labels) || image->created > until ||
            !in_use(image->id).container.empty())
            continue;
        auto removed = api.engine().parts().images.remove(image->id.text(), true, true, in_use);
        if (!removed) continue;
        for (const auto& name : removed->untagged) {
            rows.push_back(json::object{{"Untagged", name}});
            publish(api, request, "untag", *image, name);
        }
        for (const auto& id : removed->deleted) {
            rows.push_back(json::object{{"Deleted", id}});
            publish(api, request, "delete", *image, id);
        }
        if (!removed->deleted.empty()) reclaimed += image->size;
    }
    publish_prune(api, request, "image", reclaimed);
    return json_response(200, json::object{{"ImagesDeleted", rows.empty() ? json::value(nullptr) : json::value(rows)},
                                           {"SpaceReclaimed", reclaimed}});
}

std::string progress_line(const image::Progress& progress) {
    json::object line;
    // A build's output may be any bytes.
    if (!progress.stream.empty()) return "{\"stream\":" + json_quote(progress.stream) + "}\r\n";
    if (!progress.aux_image.empty()) {
        line["aux"] = {{"ID", progress.aux_image}};
        return to_json(line) + "\r\n";
    }
    if (progress.error_code != 0) {
        line["errorDetail"] = {{"code", progress.error_code}, {"message", progress.status}};
        line["error"] = progress.status;
        return to_json(line) + "\r\n";
    }
    if (!progress.aux_digest.empty()) {
        line["progressDetail"] = json::object{};
        line["aux"] = {{"Tag", progress.id}, {"Digest", progress.aux_digest}, {"Size", progress.total}};
        return to_json(line) + "\r\n";
    }
    line["status"] = progress.status;
    if (!progress.id.empty()) line["id"] = progress.id;
    if (progress.total > 0 || progress.current > 0) {
        json::object detail{{"current", progress.current}};
        if (progress.total > 0) detail["total"] = progress.total;
        line["progressDetail"] = std::move(detail);
    } else if (!progress.id.empty()) {
        line["progressDetail"] = json::object{};
    }
    return to_json(line) + "\r\n";
}

std::string error_line(const Error& error) {
    json::object line{{"errorDetail", {{"message", error.message()}}}, {"error", error.message()}};
    return to_json(line) + "\r\n";
}

// A body of progress lines. What fails after the headers went out is told in the stream, as docker clients expect.
http::Response progress_response(std::function<Result<void>(const image::ProgressSink&)> work) {
    http::Response response;
    response.headers.set("Content-Type", "application/json");
    response.produce = [work = std::move(work)](http::BodyWriter& writer) -> Result<void> {
        auto sink = [&](const image::Progress& progress) {
            ignore(writer.write(progress_line(progress)), "the client may have gone; the work goes on to its end");
        };
        auto done = work(sink);
        if (!done) return writer.write(error_line(done.error()));
        return {};
    };
    return response;
}

static Reply load(Api& api, http::Request& request) {
    if (!request.body) return Error(Errc::Invalid, "no archive in the request's body");
    bool quiet = request.query.flag("quiet");
    return progress_response([&api, &request, quiet](const image::ProgressSink& sink) -> Result<void> {
        auto quiet_sink = [&](const image::Progress& progress) {
            if (!quiet || !progress.stream.empty()) sink(progress);
        };
        auto loaded = TRY(api.engine().parts().images.load(request.context, *request.body, quiet_sink));
        for (const auto& name : loaded) {
            if (auto image = api.engine().parts().images.find(name)) publish(api, request, "load", **image, name);
        }
        return {};
    });
}

static Reply import(Api& api, http::Request& request) {
    if (request.query.get("fromSrc") != "-")
        return Error(Errc::Unsupported, "import from a URL is not supported; download it and use docker import FILE");
    if (!request.body) return Error(Errc::Invalid, "no archive in the request's body");
    image::ImportRequest import;
    import.reference = request.query.get("repo");
    if (auto tag = request.query.get("tag"); !tag.empty()) (import.reference += ':') += tag;
    import.message = request.query.get("message");
    if (import.message.empty()) import.message = "Imported from -";
    if (!is_utf8(import.message)) return Error(Errc::Invalid, "message must be valid UTF-8");
    import.platform = request.query.get("platform");
    for (auto change : request.query.all("changes")) import.changes.emplace_back(change);
    return progress_response([&api, &request, import](const image::ProgressSink& sink) -> Result<void> {
        auto image = TRY(api.engine().parts().images.import(request.context, *request.body, import));
        publish(api, request, "import", *image, import.reference);
        image::Progress done;
        done.status = image->id.text();
        sink(done);
        return {};
    });
}

static Reply create(Api& api, http::Request& request) {
    if (request.query.has("fromSrc")) return import(api, request);
    return pull_image(api, request);
}

static http::Response archive(Api& api, const http::Request& request, std::vector<std::string> names) {
    http::Response response;
    response.headers.set("Content-Type", "application/x-tar");
    response.produce = [&api, context = request.context, names = std::move(names)](http::BodyWriter& writer) {
        return api.engine().parts().images.save(context, names, writer);
    };
    return response;
}

static Reply save(Api& api, http::Request& request) {
    std::vector<std::string> names;
    for (auto name : request.query.all("names")) names.emplace_back(name);
    if (!request.parameters.empty()) names.push_back(request.parameters[0]);
    if (names.empty()) return Error(Errc::Invalid, "no image is named");
    for (const auto& name : names) {
        auto image = TRY(api.engine().parts().images.find(name));
        publish(api, request, "save", *image, name);
    }
    return archive(api, request, std::move(names));
}

static Result<std::optional<image::ImageConfig>> commit_config(http::Request& request) {
    auto body = TRY(read_object(request));
    if (body.empty()) return std::optional<image::ImageConfig>();
    JsonReader in(body);
    image::ImageConfig config;
    config.user = in.text("User");
    config.working_directory = in.text("WorkingDir");
    config.stop_signal = in.text("StopSignal");
    config.environment = in.strings("Env");
    config.has_command = in.has("Cmd");
    config.command = in.strings("Cmd");
    config.has_entrypoint = in.has("Entrypoint");
    config.entrypoint = in.strings("Entrypoint");
    config.labels = in.string_map("Labels");
    TRY(in.check());
    return std::optional(std::move(config));
}

static Reply commit(Api& api, http::Request& request) {
    engine::CommitOptions options;
    options.container = request.query.get("container");
    options.reference = request.query.get("repo");
    if (auto tag = request.query.get("tag"); !tag.empty() && !options.reference.empty())
        (options.reference += ':') += tag;
    options.author = request.query.get("author");
    options.message = request.query.get("comment");
    if (!is_utf8(options.author) || !is_utf8(options.message))
        return Error(Errc::Invalid, "author and comment must be valid UTF-8");
    options.pause = request.query.flag("pause", true);
    for (auto changes : request.query.all("changes"))
        for (auto line : split(changes, '\n'))
            if (!trim(line).empty()) options.changes.emplace_back(line);
    options.config = TRY(commit_config(request));
    auto image = TRY(api.engine().commit(request.context, options));
    return json_response(201, json::object{{"Id", image->id.text()}});
}

static constexpr Route routes[] = {
    {"GET", "/images/json", list},    {"POST", "/images/create", create},       {"POST", "/images/load", load},
    {"POST", "/images/prune", prune}, {"GET", "/images/search", search_images}, {"GET", "/images/get", save},
    {"GET", "/images/**/get", save},  {"GET", "/images/**/json", inspect},      {"GET", "/images/**/history", history},
    {"POST", "/images/**/tag", tag},  {"POST", "/images/**/push", push_image},  {"DELETE", "/images/**", remove},
    {"POST", "/commit", commit},
};

std::span<const Route> image_routes() { return routes; }

}  // namespace pila::docker
