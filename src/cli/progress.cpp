// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.h"

#include <fmt/core.h>
#include <algorithm>
#include <map>

#include "cli/json_helpers.h"
#include "cli/json_stream.h"
#include "cli/streams.h"
#include "cli/terminal.h"
#include "cli/units.h"

namespace pila::cli {

namespace {

std::string progress_bar(const json::value& detail, unsigned width) {
    auto current = number(detail, "current"), total = number(detail, "total");
    if (current <= 0 && total <= 0) return "";
    auto unit = text(detail, "units");
    auto amount = [&](std::int64_t value) {
        return unit.empty() ? decimal_size(static_cast<double>(value)) : fmt::format("{} {}", value, unit);
    };
    if (total <= 0) return fmt::format("{:>8}", amount(current));
    auto half_percent = static_cast<std::size_t>(std::clamp<std::int64_t>(current * 50 / total, 0, 50));
    std::string bar;
    if (width > 110) bar = fmt::format("[{}>{}] ", std::string(half_percent, '='), std::string(50 - half_percent, ' '));
    if (truthy(detail, "hidecounts")) return bar;
    if (current > total) return bar + fmt::format("{:>8}", amount(current));
    if (!unit.empty()) return bar + fmt::format("{}/{} {}", current, total, unit);
    return bar + fmt::format("{:>8}/{}", amount(current), amount(total));
}

class Display {
public:
    explicit Display(int descriptor) : descriptor_(descriptor), terminal_(is_terminal(descriptor)) {
        if (auto size = terminal_ ? terminal_size(descriptor) : std::nullopt) width_ = size->columns;
    }

    Result<void> show(const json::value& message) {
        auto id = text(message, "id");
        const auto& detail = field(message, "progressDetail");
        bool moves = detail.is_object();
        std::size_t lines_up = 0;
        std::string out;
        if (!id.empty() && moves) {
            auto [at, is_new] = lines_.try_emplace(id, lines_.size());
            if (is_new && terminal_) out += '\n';
            lines_up = lines_.size() - at->second;
            if (terminal_) out += fmt::format("\x1b[{}A", lines_up);
        } else {
            lines_.clear();  // another kind of line: what stands above stays as it is
        }
        out += line(message, id, detail, moves);
        if (lines_up > 0 && terminal_) out += fmt::format("\x1b[{}B", lines_up);
        return write_fully(descriptor_, out);
    }

private:
    std::string line(const json::value& message, const std::string& id, const json::value& detail, bool moves) const {
        auto stream = text(message, "stream");
        auto bar = moves ? progress_bar(detail, width_) : std::string();
        std::string out, end;
        if (terminal_ && stream.empty() && moves) {
            out = "\x1b[2K\r";
            end = "\r";
        } else if (!bar.empty()) {
            return "";
        }
        if (!id.empty()) out += id + ": ";
        if (auto from = text(message, "from"); !from.empty()) out += fmt::format("(from {}) ", from);
        auto status = text(message, "status");
        if (moves && terminal_) return out + fmt::format("{} {}{}", status, bar, end);
        if (!stream.empty()) return out + stream;
        if (status.empty() && id.empty() && !message.as_object().contains("status"))
            return "";  // only machine-readable
        return out + status + "\n";
    }

    int descriptor_;
    bool terminal_;
    unsigned width_ = 80;
    std::map<std::string, std::size_t> lines_;
};

}  // namespace

Result<void> show_progress(http::BodyReader& body, int descriptor, const std::function<void(const json::value&)>& aux,
                           int* exit_code) {
    Display display(descriptor);
    return for_each_json(body, [&](const json::value& message) -> Result<void> {
        if (!message.is_object()) return {};
        if (const auto& part = field(message, "aux"); !part.is_null()) {
            if (aux) aux(part);
            return {};
        }
        auto detail = text(message, "errorDetail.message");
        auto error = detail.empty() ? text(message, "error") : detail;
        if (auto code = number(message, "errorDetail.code"); exit_code && code > 0) *exit_code = static_cast<int>(code);
        if (!error.empty()) return Error(Errc::Internal, error);
        return display.show(message);
    });
}

}  // namespace pila::cli
