// SPDX-License-Identifier: Apache-2.0
#include "image/image_config.h"

#include <sys/utsname.h>
#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/json.h"
#include "base/text.h"

namespace pila::image {

namespace {

Error wrong(std::string_view what) { return Error(Errc::Invalid, fmt::format("image configuration: {}", what)); }

const json::value* member(const json::object& object, std::string_view key) {
    auto* value = object.if_contains(key);
    return value && !value->is_null() ? value : nullptr;
}

Result<std::string> text_of(const json::object& object, std::string_view key) {
    auto* value = member(object, key);
    if (!value) return std::string();
    if (!value->is_string()) return wrong(fmt::format("{} is not a string", key));
    return std::string(value->get_string());
}

Result<std::vector<std::string>> texts_of(const json::object& object, std::string_view key) {
    std::vector<std::string> texts;
    auto* value = member(object, key);
    if (!value) return texts;
    if (!value->is_array()) return wrong(fmt::format("{} is not a list", key));
    for (const auto& item : value->get_array()) {
        if (!item.is_string()) return wrong(fmt::format("{} holds something else than strings", key));
        texts.emplace_back(item.get_string());
    }
    return texts;
}

// {"80/tcp": {}, ...}: Go's way to write a set.
Result<std::vector<std::string>> keys_of(const json::object& object, std::string_view key) {
    std::vector<std::string> keys;
    auto* value = member(object, key);
    if (!value) return keys;
    if (!value->is_object()) return wrong(fmt::format("{} is not an object", key));
    for (const auto& item : value->get_object()) keys.emplace_back(item.key());
    std::sort(keys.begin(), keys.end());
    return keys;
}

Result<void> read_runtime_part(const json::object& from, ImageConfig& config) {
    config.user = TRY(text_of(from, "User"));
    config.working_directory = TRY(text_of(from, "WorkingDir"));
    config.stop_signal = TRY(text_of(from, "StopSignal"));
    config.hostname = TRY(text_of(from, "Hostname"));
    config.domainname = TRY(text_of(from, "Domainname"));
    config.environment = TRY(texts_of(from, "Env"));
    config.entrypoint = TRY(texts_of(from, "Entrypoint"));
    config.command = TRY(texts_of(from, "Cmd"));
    config.shell = TRY(texts_of(from, "Shell"));
    config.on_build = TRY(texts_of(from, "OnBuild"));
    config.exposed_ports = TRY(keys_of(from, "ExposedPorts"));
    config.volumes = TRY(keys_of(from, "Volumes"));
    config.has_command = member(from, "Cmd") != nullptr;
    config.has_entrypoint = member(from, "Entrypoint") != nullptr;
    if (auto* labels = member(from, "Labels")) {
        if (!labels->is_object()) return wrong("Labels is not an object");
        for (const auto& label : labels->get_object()) {
            if (!label.value().is_string()) return wrong("a label that is not a string");
            config.labels.emplace(label.key(), label.value().get_string());
        }
    }
    if (auto* healthcheck = member(from, "Healthcheck")) {
        if (!healthcheck->is_object()) return wrong("Healthcheck is not an object");
        config.healthcheck_json = json::serialize(*healthcheck);
    }
    return {};
}

Result<void> read_root(const json::object& root, Image& image) {
    auto* file_system = member(root, "rootfs");
    if (!file_system || !file_system->is_object()) return wrong("no rootfs");
    auto diff_ids = TRY(texts_of(file_system->get_object(), "diff_ids"));
    for (const auto& text : diff_ids) {
        auto digest = Digest::parse(text);
        if (!digest || digest->algorithm() != "sha256") return wrong("a layer's diff id that is no sha256 digest");
        image.layers.push_back(digest.take());
    }
    auto* history = member(root, "history");
    if (!history) return {};
    if (!history->is_array()) return wrong("history is not a list");
    for (const auto& item : history->get_array()) {
        if (!item.is_object()) return wrong("a history entry that is not an object");
        const auto& from = item.get_object();
        HistoryEntry entry;
        entry.created = TRY(text_of(from, "created"));
        entry.created_by = TRY(text_of(from, "created_by"));
        entry.author = TRY(text_of(from, "author"));
        entry.comment = TRY(text_of(from, "comment"));
        auto* empty = member(from, "empty_layer");
        entry.empty_layer = empty && empty->is_bool() && empty->get_bool();
        image.history.push_back(std::move(entry));
    }
    return {};
}

json::array array_of(const std::vector<std::string>& texts) { return json::array(texts.begin(), texts.end()); }

json::object set_of(const std::vector<std::string>& keys) {
    json::object object;
    for (const auto& key : keys) object[key] = json::object();
    return object;
}

// The order and the nulls are Docker's: the same content gives the same id from one build of pila to the next.
json::object write_runtime_part(const ImageConfig& config) {
    json::object out;
    out["Hostname"] = config.hostname;
    out["Domainname"] = config.domainname;
    out["User"] = config.user;
    for (const char* name : {"AttachStdin", "AttachStdout", "AttachStderr"}) out[name] = false;
    if (!config.exposed_ports.empty()) out["ExposedPorts"] = set_of(config.exposed_ports);
    for (const char* name : {"Tty", "OpenStdin", "StdinOnce"}) out[name] = false;
    out["Env"] = array_of(config.environment);
    out["Cmd"] = config.has_command || !config.command.empty() ? json::value(array_of(config.command)) : json::value();
    if (!config.healthcheck_json.empty()) {
        auto healthcheck = parse_json(config.healthcheck_json);
        if (healthcheck) out["Healthcheck"] = *healthcheck;
    }
    out["Image"] = "";
    out["Volumes"] = config.volumes.empty() ? json::value() : json::value(set_of(config.volumes));
    out["WorkingDir"] = config.working_directory;
    bool entrypoint = config.has_entrypoint || !config.entrypoint.empty();
    out["Entrypoint"] = entrypoint ? json::value(array_of(config.entrypoint)) : json::value();
    out["OnBuild"] = config.on_build.empty() ? json::value() : json::value(array_of(config.on_build));
    json::object labels;
    for (const auto& [key, value] : config.labels) labels[key] = value;
    out["Labels"] = labels;
    if (!config.stop_signal.empty()) out["StopSignal"] = config.stop_signal;
    if (!config.shell.empty()) out["Shell"] = array_of(config.shell);
    return out;
}

}  // namespace

Result<Image> parse_image_config(std::string text) {
    auto parsed = TRY(parse_json(text, {.max_bytes = max_config_bytes}).in("image configuration"));
    if (!parsed.is_object()) return wrong("not an object");
    const auto& root = parsed.get_object();
    Image image;
    image.id = Digest::of(text);
    auto& config = image.config;
    config.architecture = TRY(text_of(root, "architecture"));
    config.os = TRY(text_of(root, "os"));
    if (config.os.empty()) config.os = "linux";
    config.variant = TRY(text_of(root, "variant"));
    config.author = TRY(text_of(root, "author"));
    config.created = TRY(text_of(root, "created"));
    config.comment = TRY(text_of(root, "comment"));
    if (auto* part = member(root, "config")) {
        if (!part->is_object()) return wrong("config is not an object");
        TRY(read_runtime_part(part->get_object(), config));
    }
    TRY(read_root(root, image));
    if (config.comment.empty() && !image.history.empty()) config.comment = image.history.back().comment;
    image.created = parse_rfc3339(config.created).value_or(WallTime{});
    image.config_json = std::move(text);
    return image;
}

std::string write_image_config(const NewImage& image) {
    json::object root;
    root["architecture"] = image.config.architecture;
    if (!image.config.author.empty()) root["author"] = image.config.author;
    if (!image.config.variant.empty()) root["variant"] = image.config.variant;
    if (!image.config.comment.empty()) root["comment"] = image.config.comment;
    root["config"] = write_runtime_part(image.config);
    if (!image.container_id.empty()) root["container"] = image.container_id;
    if (image.container_config) root["container_config"] = write_runtime_part(*image.container_config);
    root["created"] = image.config.created;
    json::array history;
    for (const auto& entry : image.history) {
        json::object item;
        item["created"] = entry.created;
        if (!entry.author.empty()) item["author"] = entry.author;
        if (!entry.created_by.empty()) item["created_by"] = entry.created_by;
        if (!entry.comment.empty()) item["comment"] = entry.comment;
        if (entry.empty_layer) item["empty_layer"] = true;
        history.push_back(std::move(item));
    }
    root["history"] = std::move(history);
    root["os"] = image.config.os;
    json::array layers;
    for (const auto& layer : image.layers) layers.emplace_back(layer.text());
    root["rootfs"] = {{"type", "layers"}, {"diff_ids", std::move(layers)}};
    auto text = json::serialize(root);
    if (is_utf8(text)) return text;
    // Messages and instructions may hold any bytes; what is no UTF-8 becomes U+FFFD, as Go writes it.
    auto mended = parse_json(json_quote(text), {.max_bytes = text.size() * 7});
    return mended ? std::string(mended->get_string()) : text;
}

std::string_view machine_architecture() {
    static const std::string answer = [] {
        utsname name{};
        ::uname(&name);
        std::string_view machine = name.machine;
        if (machine == "x86_64") return "amd64";
        if (machine == "aarch64") return "arm64";
        if (machine.starts_with("armv")) return "arm";
        if (machine == "i686" || machine == "i386") return "386";
        if (machine == "ppc64le") return "ppc64le";
        if (machine == "s390x") return "s390x";
        if (machine == "riscv64") return "riscv64";
        return "unknown";
    }();
    return answer;
}

}  // namespace pila::image
