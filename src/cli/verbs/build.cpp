// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>
#include <cstdlib>

#include "base/text.h"
#include "cli/build_input.h"
#include "cli/container_options.h"
#include "cli/container_values.h"
#include "cli/csv.h"
#include "cli/filter_flag.h"
#include "cli/json_helpers.h"
#include "cli/progress.h"
#include "cli/registry_auth.h"
#include "cli/terminal.h"
#include "cli/units.h"
#include "cli/verb.h"
#include "cli/verbs.h"
#include "crypto/base64.h"
#include "os/file.h"

namespace pila::cli {

namespace {

struct Options {
    Texts tags, arguments, labels, cache_from, hosts, security, secrets, outputs;
    std::vector<Ulimit> ulimits;
    std::string dockerfile, target, platform, network, id_file, cgroup_parent, cpus, memory_nodes, isolation, progress;
    std::int64_t memory = 0, memory_swap = 0, shm_size = 0, cpu_shares = 0, cpu_period = 0, cpu_quota = 0;
    bool no_cache = false, pull = false, quiet = false, squash = false, remove = true, force_remove = false;
    bool compress = false, load = false, content_trust = true;
};

void add_flags(Flags& flags, Options& o) {
    flags.add({
        {"add-host", 0, extra_host(o.hosts), "Add a host to /etc/hosts: host:ip", "list"},
        {"build-arg", 0, &o.arguments, "Set a variable of ARG"},
        {"cache-from", 0, &o.cache_from, "Images whose steps may be taken over", "strings"},
        {"cgroup-parent", 0, &o.cgroup_parent, "Parent control group of RUN"},
        {"compress", 0, &o.compress, "Accepted; the context is sent as it is"},
        {"cpu-period", 0, &o.cpu_period, "CPU period in microseconds", "int"},
        {"cpu-quota", 0, &o.cpu_quota, "CPU quota in microseconds", "int"},
        {"cpu-shares", 'c', &o.cpu_shares, "CPU shares", "int"},
        {"cpuset-cpus", 0, &o.cpus, "CPUs that may be used (0-3, 0,1)"},
        {"cpuset-mems", 0, &o.memory_nodes, "Memory nodes that may be used (0-3, 0,1)"},
        {"disable-content-trust", 0, &o.content_trust, "Accepted; nothing is signed", "", "true"},
        {"file", 'f', &o.dockerfile, "Name of the Dockerfile (default: PATH/Dockerfile; '-': standard input)"},
        {"force-rm", 0, &o.force_remove, "Remove containers of failed steps, too"},
        {"iidfile", 0, &o.id_file, "Write the image's id to a file"},
        {"isolation", 0, &o.isolation, "Accepted; Linux has one kind"},
        {"label", 0, label(o.labels), "Set a label of the image", "list"},
        {"load", 0, &o.load, "Accepted; the image is here anyway"},
        {"memory", 'm', ram_size(o.memory), "Memory limit", "bytes"},
        {"memory-swap", 0, swap_size(o.memory_swap), "Memory and swap together; '-1' for unlimited swap", "bytes"},
        {"network", 0, &o.network, "Network of RUN", "", "default"},
        {"no-cache", 0, &o.no_cache, "Do every step anew"},
        {"output", 'o', &o.outputs, "Not supported"},
        {"platform", 0, &o.platform, "Platform of the image"},
        {"progress", 0, &o.progress, "Accepted; there is one kind of output"},
        {"pull", 0, &o.pull, "Ask registries for newer images"},
        {"quiet", 'q', &o.quiet, "Print the image's id only"},
        {"rm", 0, &o.remove, "Remove containers of steps that succeeded", "", "true"},
        {"secret", 0, &o.secrets, "A secret for RUN --mount=type=secret: id=ID[,src=FILE][,env=VARIABLE]", "list"},
        {"security-opt", 0, &o.security, "Security options of RUN", "strings"},
        {"shm-size", 0, ram_size(o.shm_size), "Size of /dev/shm", "bytes"},
        {"squash", 0, &o.squash, "Make one layer of all new ones"},
        {"tag", 't', &o.tags, "Name of the image: name[:tag]", "list"},
        {"target", 0, &o.target, "Stage to build"},
        {"ulimit", 0, ulimit(o.ulimits), "Resource limit: name=soft[:hard]", "ulimit", "[]"},
    });
}

// Bare names take their value from our environment, if it is there.
json::object arguments_of(const Texts& items) {
    json::object object;
    for (const auto& item : items) {
        auto equals = item.find('=');
        auto name = item.substr(0, equals);
        if (equals != std::string::npos)
            object[name] = item.substr(equals + 1);
        else if (const char* value = std::getenv(name.c_str()))
            object[name] = value;
        else
            object[name] = nullptr;
    }
    return object;
}

// As BuildKit has it.
constexpr std::size_t max_secret = 500 * 1024, max_secrets = 8U << 20;

// A secret's id and content.
Result<std::pair<std::string, std::string>> read_secret(const std::string& item) {
    std::string id, source, variable;
    for (auto field : split(item, ',')) {
        auto equals = field.find('=');
        auto key = field.substr(0, equals), value = field.substr(equals == field.npos ? field.size() : equals + 1);
        if (key == "id")
            id = value;
        else if (key == "src" || key == "source")
            source = value;
        else if (key == "env")
            variable = value;
        else if (key != "type" || (value != "file" && value != "env"))
            return Error(Errc::Invalid, fmt::format("unexpected key '{}' in --secret '{}'", key, item));
    }
    if (id.empty()) return Error(Errc::Invalid, fmt::format("--secret '{}' has no id", item));
    if (source.empty() && variable.empty()) variable = std::getenv(id.c_str()) ? id : "";
    if (const char* content = variable.empty() ? nullptr : std::getenv(variable.c_str()))
        return std::pair(id, std::string(content));
    auto path = source.empty() ? id : source;
    auto content = os::read_file(path, max_secret);
    if (!content && content.error().code() == Errc::Exhausted)
        return Error(Errc::Invalid, fmt::format("secret {}: {} is larger than {} bytes", id, path, max_secret));
    return std::pair(id, TRY(std::move(content).in("secret " + id)));
}

Result<std::string> secrets_of(const Texts& items) {
    json::object secrets;
    for (const auto& item : items) {
        auto [id, content] = TRY(read_secret(item));
        secrets[id] = crypto::base64_encode(content);
    }
    if (secrets.empty()) return std::string();
    auto text = to_json(secrets);
    if (text.size() > max_secrets)
        return Error(Errc::Invalid, fmt::format("all secrets together are larger than {} bytes", max_secrets));
    return text;
}

// Secrets before the context: they are not part of it.
class Prefaced final : public http::BodyReader {
public:
    Prefaced(std::string preface, http::BodyReader* rest) : preface_(std::move(preface)), rest_(rest) {}
    Result<std::size_t> read(char* buffer, std::size_t size) override {
        if (sent_ == preface_.size()) return rest_ ? rest_->read(buffer, size) : std::size_t{0};
        auto part = preface_.copy(buffer, size, sent_);
        sent_ += part;
        return part;
    }

private:
    const std::string preface_;
    http::BodyReader* const rest_;
    std::size_t sent_ = 0;
};

Result<Call> call_of(const Options& o, const BuildInput& input, const GlobalOptions& global) {
    Call call{.method = "POST", .path = "/build"};
    auto& query = call.query;
    auto number = [&](std::string_view name, std::int64_t value) {
        query.add_if(value != 0, name, std::to_string(value));
    };
    for (const auto& tag : o.tags) query.add("t", tag);
    query.add_if(!input.dockerfile.empty(), "dockerfile", input.dockerfile)
        .add_if(!input.remote.empty(), "remote", input.remote)
        .add_if(!o.arguments.empty(), "buildargs", to_json(arguments_of(o.arguments)))
        .add_if(!o.labels.empty(), "labels", to_json(pairs_of(o.labels)))
        .add_if(!o.cache_from.empty(), "cachefrom", to_json(list_of(o.cache_from)))
        .add_if(!o.target.empty(), "target", o.target)
        .add_if(!o.platform.empty(), "platform", to_lower(o.platform))
        .add_if(!o.network.empty(), "networkmode", o.network)
        .add_if(!o.cgroup_parent.empty(), "cgroupparent", o.cgroup_parent)
        .add_if(!o.cpus.empty(), "cpusetcpus", o.cpus)
        .add_if(!o.memory_nodes.empty(), "cpusetmems", o.memory_nodes)
        .add_if(!o.security.empty(), "securityopt", to_json(list_of(o.security)))
        .add_if(o.no_cache, "nocache", "1")
        .add_if(o.pull, "pull", "1")
        .add_if(o.quiet, "q", "1")
        .add_if(o.squash, "squash", "1")
        .add_if(o.force_remove, "forcerm", "1")
        .add("rm", o.remove ? "1" : "0");
    for (const auto& host : o.hosts) query.add("extrahosts", host);
    number("memory", o.memory);
    number("memswap", o.memory_swap);
    number("shmsize", o.shm_size);
    number("cpushares", o.cpu_shares);
    number("cpuperiod", o.cpu_period);
    number("cpuquota", o.cpu_quota);
    json::array limits;
    for (const auto& limit : o.ulimits)
        limits.push_back({{"Name", limit.name}, {"Soft", limit.soft}, {"Hard", limit.hard}});
    query.add_if(!limits.empty(), "ulimits", to_json(limits));
    auto registries = TRY(registry_config_header(global));
    if (!registries.empty()) call.headers.set("X-Registry-Config", registries);
    call.content_type = "application/x-tar";
    call.streamed_body = input.body.get();
    return call;
}

}  // namespace

int build_verb(Invocation& invocation) {
    Options options;
    Flags flags(invocation, "[OPTIONS] PATH | URL | -", "Build an image from a Dockerfile");
    add_flags(flags, options);
    if (auto code = flags.parse({1, 1})) return *code;
    if (!options.outputs.empty())
        return fail("--output is not supported: build the image, then use pila cp or pila export");
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    auto input = open_build_input(flags.arguments()[0], options.dockerfile);
    if (!input) return fail(input.error());
    auto call = call_of(options, *input, (*api)->global());
    if (!call) return fail(call.error());
    auto secrets = secrets_of(options.secrets);
    if (!secrets) return fail(secrets.error());
    if (!secrets->empty() && !(*api)->is_pila())
        return fail("--secret needs a daemon of pila's: dockerd takes secrets in BuildKit's sessions only");
    if (!secrets->empty()) call->headers.set("X-Pila-Secrets-Bytes", std::to_string(secrets->size()));
    Prefaced prefaced(secrets.take(), input->body.get());
    if (call->headers.has("X-Pila-Secrets-Bytes")) call->streamed_body = &prefaced;
    auto response = (*api)->open(*call);
    if (!response) return fail(response.error());
    std::string id;
    int code = 1;
    auto shown = show_progress(
        *response->body, STDOUT_FILENO,
        [&](const json::value& aux) {
            if (auto built = text(aux, "ID"); !built.empty()) id = built;
        },
        &code);
    if (!shown) {
        fail(shown.error());
        return code;
    }
    if (options.id_file.empty() || id.empty()) return 0;
    auto written = os::replace_file(options.id_file, id, 0644, os::Sync::No);
    return written ? 0 : fail(written.error());
}

int prune_builder_verb(Invocation& invocation) {
    bool all = false, force = false;
    Filters filters;
    std::int64_t keep = 0;
    Flags flags(invocation, "[OPTIONS]", "Remove what builds have left to go faster");
    flags.add({filter_flag(filters, 0, "Only what fits the condition (e.g. \"until=24h\")"),
               {"all", 'a', &all, "Remove everything, not just what no image is made of"},
               {"force", 'f', &force, "Do not ask"},
               {"keep-storage", 0, ram_size(keep), "Accepted; nothing is kept for its size", "bytes"}});
    if (auto code = flags.parse({0, 0})) return *code;
    std::string_view warning = all ? "WARNING! This will remove all build cache. Are you sure you want to continue?"
                                   : "WARNING! This will remove all dangling build cache. Are you sure you want to "
                                     "continue?";
    if (!force && !confirm(warning)) return 0;
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    Call call{.method = "POST", .path = "/build/prune"};
    call.query.add_if(all, "all", "1").add_if(!filters.empty(), "filters", filters.text());
    auto report = (*api)->json(call);
    if (!report) return fail(report.error());
    if (!items(*report, "CachesDeleted").empty()) fmt::print("Deleted build cache objects:\n");
    for (const auto& item : items(*report, "CachesDeleted")) fmt::print("{}\n", as_text(item));
    if (!items(*report, "CachesDeleted").empty()) fmt::print("\n");
    fmt::print("Total reclaimed space: {}\n", decimal_size(real(*report, "SpaceReclaimed")));
    return 0;
}

}  // namespace pila::cli
