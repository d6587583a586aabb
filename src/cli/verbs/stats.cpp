// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>
#include <cmath>
#include <thread>

#include "base/mutex.h"
#include "base/text.h"
#include "cli/json_stream.h"
#include "cli/listing.h"
#include "cli/streams.h"
#include "cli/terminal.h"
#include "cli/units.h"
#include "cli/verb.h"
#include "cli/verbs.h"

namespace pila::cli {

namespace {

double cpu_percent(const json::value& sample) {
    double used = real(sample, "cpu_stats.cpu_usage.total_usage") - real(sample, "precpu_stats.cpu_usage.total_usage");
    double passed = real(sample, "cpu_stats.system_cpu_usage") - real(sample, "precpu_stats.system_cpu_usage");
    double cpus = real(sample, "cpu_stats.online_cpus");
    if (cpus == 0) cpus = static_cast<double>(items(sample, "cpu_stats.cpu_usage.percpu_usage").size());
    return used > 0 && passed > 0 ? used / passed * cpus * 100 : 0;
}

// Without the page cache that could be given back at once: total_inactive_file in cgroup v1, inactive_file in v2.
double memory_used(const json::value& sample) {
    double usage = real(sample, "memory_stats.usage");
    for (std::string_view key : {"memory_stats.stats.total_inactive_file", "memory_stats.stats.inactive_file"})
        if (!path(sample, key).is_null() && real(sample, key) < usage) return usage - real(sample, key);
    return usage;
}

Row stats_row(const std::string& name, const json::value& sample, bool full) {
    Row row;
    double read = 0, written = 0, received = 0, sent = 0;
    for (const auto& entry : items(sample, "blkio_stats.io_service_bytes_recursive")) {
        auto operation = to_lower(text(entry, "op"));
        if (operation == "read") read += real(entry, "value");
        if (operation == "write") written += real(entry, "value");
    }
    for (const auto& network : members(sample, "networks")) {
        received += real(network.value(), "rx_bytes");
        sent += real(network.value(), "tx_bytes");
    }
    double used = memory_used(sample), limit = real(sample, "memory_stats.limit");
    auto id = text(sample, "id"), title = text(sample, "name");
    if (title.starts_with('/')) title.erase(0, 1);
    auto& columns = row.columns;
    auto pair = [](double one, double other) {
        return fmt::format("{} / {}", decimal_size(one, 3), decimal_size(other, 3));
    };
    columns["BlockIO"] = pair(read, written);
    columns["CPUPerc"] = fmt::format("{:.2f}%", cpu_percent(sample));
    columns["Container"] = name;
    columns["ID"] = full ? id : short_id(id);
    columns["MemPerc"] = fmt::format("{:.2f}%", limit > 0 ? used / limit * 100 : 0.0);
    columns["MemUsage"] = fmt::format("{} / {}", binary_size(used), binary_size(limit));
    columns["Name"] = title;
    columns["NetIO"] = pair(received, sent);
    columns["PIDs"] = std::to_string(number(sample, "pids_stats.current"));
    return row;
}

struct Options {
    bool all = false, once = false, full = false;
    std::string format;
};

Listing new_listing(const Options& options) {
    return Listing(options.format,
                   "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}",
                   {{"BlockIO", "BLOCK I/O"},
                    {"CPUPerc", "CPU %"},
                    {"Container", "CONTAINER"},
                    {"ID", "CONTAINER ID"},
                    {"MemPerc", "MEM %"},
                    {"MemUsage", "MEM USAGE / LIMIT"},
                    {"Name", "NAME"},
                    {"NetIO", "NET I/O"},
                    {"PIDs", "PIDS"}});
}

// What the readers of several containers found last.
class Board {
public:
    explicit Board(std::size_t containers) : samples_(containers), problems_(containers) {}

    void set(std::size_t index, json::value sample) {
        Lock lock(mutex_);
        samples_[index] = std::move(sample);
        changed_.notify_all();
    }
    void fail(std::size_t index, std::string problem) {
        Lock lock(mutex_);
        problems_[index] = std::move(problem);
        ++ended_;
        changed_.notify_all();
    }
    // false: every reader has ended.
    bool wait(std::chrono::milliseconds at_most) {
        Lock lock(mutex_);
        auto until = std::chrono::steady_clock::now() + at_most;
        while (ended_ < samples_.size() && changed_.wait_until(lock, until)) {
        }
        return ended_ < samples_.size();
    }
    Listing listing(const std::vector<std::string>& names, const Options& options) {
        Lock lock(mutex_);
        auto listing = new_listing(options);
        for (std::size_t i = 0; i < names.size(); ++i)
            if (samples_[i].is_object() && problems_[i].empty())
                listing.add(stats_row(names[i], samples_[i], options.full));
        return listing;
    }
    std::vector<std::string> problems() {
        Lock lock(mutex_);
        std::vector<std::string> all;
        for (const auto& problem : problems_)
            if (!problem.empty() && problem != ended_text) all.push_back(problem);
        return all;
    }
    static constexpr std::string_view ended_text = "-";

private:
    Mutex mutex_;
    Condition changed_;
    std::vector<json::value> samples_ GUARDED_BY(mutex_);
    std::vector<std::string> problems_ GUARDED_BY(mutex_);
    std::size_t ended_ GUARDED_BY(mutex_) = 0;
};

void follow(const Api& api, const std::string& name, std::size_t index, bool once, Board& board) {
    auto own = api.another();
    if (!own) return board.fail(index, own.error().message());
    Call call{.path = fmt::format("/containers/{}/stats", path_part(name))};
    call.query.add("stream", once ? "0" : "1");
    auto response = (*own)->open(call);
    if (!response) return board.fail(index, response.error().message());
    auto read = for_each_json(*response->body, [&](const json::value& sample) -> Result<void> {
        board.set(index, sample);
        return {};
    });
    if (!once || !read) board.fail(index, read ? std::string(Board::ended_text) : read.error().message());
}

Result<std::vector<std::string>> all_names(Api& api, bool all) {
    Call call{.path = "/containers/json"};
    call.query.add_if(all, "all", "1");
    std::vector<std::string> names;
    auto containers = TRY(api.json(call));
    for (const auto& container : items(containers)) names.push_back(short_id(text(container, "Id")));
    return names;
}

int show_forever(const Api& api, const std::vector<std::string>& names, const Options& options) {
    Board board(names.size());
    std::vector<std::jthread> readers;
    for (std::size_t i = 0; i < names.size(); ++i)
        readers.emplace_back([&, i] { follow(api, names[i], i, false, board); });
    bool terminal = is_terminal(STDOUT_FILENO);
    for (;;) {
        bool going = board.wait(std::chrono::milliseconds(500));
        auto text = board.listing(names, options).text();
        if (!text) return fail(text.error());
        std::string screen = terminal ? "\x1b[H" : "";
        for (auto line : split(std::string_view(*text).substr(0, text->empty() ? 0 : text->size() - 1), '\n'))
            screen += std::string(line) + (terminal ? "\x1b[K\n" : "\n");
        if (terminal) screen += "\x1b[J";
        if (!write_fully(STDOUT_FILENO, screen)) return 0;
        if (!going) return board.problems().empty() ? 0 : fail(join(board.problems(), "\n"));
    }
}

}  // namespace

int stats_verb(Invocation& invocation) {
    Options options;
    Flags flags(invocation, "[OPTIONS] [CONTAINER...]", "Display the resource usage of containers");
    flags.add({{"all", 'a', &options.all, "Show stopped containers too"},
               {"format", 0, &options.format, "Format: 'table', 'table TEMPLATE', 'json' or a Go template"},
               {"no-stream", 0, &options.once, "Show one sample and leave"},
               {"no-trunc", 0, &options.full, "Do not cut the output"}});
    if (auto code = flags.parse({})) return *code;
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    auto names = flags.arguments();
    if (names.empty()) {
        auto found = all_names(**api, options.all);
        if (!found) return fail(found.error());
        names = found.take();
    }
    if (!options.once && !names.empty()) return show_forever(**api, names, options);
    Board board(names.size());
    {
        std::vector<std::jthread> readers;
        for (std::size_t i = 0; i < names.size(); ++i)
            readers.emplace_back([&, i] { follow(**api, names[i], i, true, board); });
    }
    if (auto problems = board.problems(); !problems.empty()) return fail(join(problems, "\n"));
    return board.listing(names, options).print();
}

}  // namespace pila::cli
