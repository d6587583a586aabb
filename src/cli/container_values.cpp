// SPDX-License-Identifier: Apache-2.0
#include "cli/container_values.h"

#include <fmt/core.h>
#include <algorithm>
#include <cstdlib>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/text.h"
#include "cli/csv.h"
#include "cli/mounts.h"
#include "cli/ports.h"
#include "cli/units.h"

namespace pila::cli {

namespace {

Error invalid(std::string message) { return Error(Errc::Invalid, std::move(message)); }

bool has_digit_or_letter(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

// Labels of letters, digits, '-' and '_', with dots between; at least one letter.
bool is_domain(std::string_view text) {
    if (text.size() >= 255 || text.empty()) return false;
    bool letter = false;
    for (auto part : split(text, '.')) {
        if (part.empty() || !has_digit_or_letter(part.front()) || !has_digit_or_letter(part.back())) return false;
        for (char c : part) {
            if (!has_digit_or_letter(c) && c != '-' && c != '_') return false;
            letter |= std::isalpha(static_cast<unsigned char>(c)) != 0;
        }
    }
    return letter;
}

struct PathAndNumber {
    std::string path, number;
};

Result<PathAndNumber> split_device(std::string_view text) {
    auto colon = text.find(':');
    if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size())
        return invalid(fmt::format("bad format: {}", text));
    if (!text.starts_with("/dev/")) return invalid(fmt::format("bad format for device path: {}", text));
    return PathAndNumber{std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
}

void replace(std::vector<Ulimit>& limits, Ulimit limit) {
    auto at =
        std::lower_bound(limits.begin(), limits.end(), limit.name, [](auto& l, auto& name) { return l.name < name; });
    if (at != limits.end() && at->name == limit.name)
        *at = std::move(limit);
    else
        limits.insert(at, std::move(limit));
}

Result<json::array> gpu_fields(std::string_view text) {
    json::array ids, capabilities;
    json::object options;
    std::string driver;
    std::int64_t count = 0;
    bool has_count = false, has_devices = false;
    for (const auto& field : TRY(split_csv(text))) {
        auto equals = field.find('=');
        auto key = equals == std::string::npos ? std::string("count") : field.substr(0, equals);
        auto value = equals == std::string::npos ? field : field.substr(equals + 1);
        if (key == "count") {
            auto number = parse_int(value);
            if (value != "all" && !number)
                return invalid(fmt::format(
                    "invalid count ({}): value must be either \"all\" or an integer: invalid syntax", value));
            count = value == "all" ? -1 : *number;
            has_count = true;
        } else if (key == "device") {
            for (auto id : split(value, ',')) ids.emplace_back(id);
            has_devices = true;
        } else if (key == "driver") {
            driver = value;
        } else if (key == "capabilities") {
            for (auto capability : split(value, ',')) capabilities.emplace_back(capability);
        } else if (key == "options") {
            for (const auto& option : TRY(split_csv(value))) {
                auto at = option.find('=');
                options[option.substr(0, at)] = at == std::string::npos ? "" : option.substr(at + 1);
            }
        } else {
            return invalid(fmt::format("unexpected key '{}' in '{}'", key, field));
        }
    }
    if (!has_count && !has_devices) count = 1;
    if (std::none_of(capabilities.begin(), capabilities.end(), [](auto& item) { return item == json::value("gpu"); }))
        capabilities.emplace_back("gpu");
    json::object request{{"Driver", driver}, {"Count", count}};
    request["DeviceIDs"] = ids.empty() ? json::value(nullptr) : json::value(std::move(ids));
    request["Capabilities"] = json::array{std::move(capabilities)};
    request["Options"] = std::move(options);
    return json::array{std::move(request)};
}

}  // namespace

FlagSetter environment_variable(Texts& target) {
    return [&target](std::string_view value) -> Result<void> {
        auto equals = value.find('=');
        if (value.empty() || equals == 0) return invalid(fmt::format("invalid environment variable: {}", value));
        std::string name(value.substr(0, equals));
        const char* inherited = equals == std::string_view::npos ? std::getenv(name.c_str()) : nullptr;
        target.push_back(inherited ? fmt::format("{}={}", name, inherited) : std::string(value));
        return {};
    };
}

FlagSetter label(Texts& target) {
    return [&target](std::string_view value) -> Result<void> {
        if (value.empty() || value[0] == '=') return invalid(fmt::format("invalid label '{}': empty name", value));
        target.emplace_back(value);
        return {};
    };
}

FlagSetter stream_name(Texts& target) {
    return [&target](std::string_view value) -> Result<void> {
        auto name = to_lower(value);
        if (name != "stdin" && name != "stdout" && name != "stderr")
            return invalid("valid streams are STDIN, STDOUT and STDERR");
        target.push_back(name);
        return {};
    };
}

FlagSetter extra_host(Texts& target) {
    return [&target](std::string_view value) -> Result<void> {
        auto at = value.find('=');
        if (at == std::string_view::npos) at = value.find(':');
        if (at == std::string_view::npos || at == 0)
            return invalid(fmt::format("bad format for add-host: {}", go_quote(value)));
        auto address = value.substr(at + 1);
        if (address.size() > 2 && address.front() == '[' && address.back() == ']')
            address = address.substr(1, address.size() - 2);
        if (address != "host-gateway" && !is_ip_address(address))
            return invalid(fmt::format("invalid IP address in add-host: {}", go_quote(address)));
        target.push_back(fmt::format("{}:{}", value.substr(0, at), address));
        return {};
    };
}

FlagSetter dns_server(Texts& target) {
    return [&target](std::string_view value) -> Result<void> {
        if (!is_ip_address(trim(value)))
            return invalid(fmt::format("IP address is not correctly formatted: {}", value));
        target.emplace_back(trim(value));
        return {};
    };
}

FlagSetter dns_domain(Texts& target) {
    return [&target](std::string_view value) -> Result<void> {
        auto domain = trim(value);
        if (domain != "." && !is_domain(domain)) return invalid(fmt::format("{} is not a valid domain", value));
        target.emplace_back(domain);
        return {};
    };
}

FlagSetter link_name(Texts& target) {
    return [&target](std::string_view value) -> Result<void> {
        if (value.empty()) return invalid("empty string specified for links");
        if (std::count(value.begin(), value.end(), ':') > 1)
            return invalid(fmt::format("bad format for links: {}", value));
        target.emplace_back(value);
        return {};
    };
}

FlagSetter sysctl(Texts& target) {
    return [&target](std::string_view value) -> Result<void> {
        static constexpr std::string_view names[] = {"kernel.msgmax", "kernel.msgmnb",         "kernel.msgmni",
                                                     "kernel.sem",    "kernel.shmall",         "kernel.shmmax",
                                                     "kernel.shmmni", "kernel.shm_rmid_forced"};
        auto name = value.substr(0, value.find('='));
        bool known = std::find(std::begin(names), std::end(names), name) != std::end(names) ||
                     name.starts_with("net.") || name.starts_with("fs.mqueue.");
        if (!known || name.size() == value.size()) return invalid(fmt::format("sysctl '{}' is not allowed", value));
        target.emplace_back(value);
        return {};
    };
}

FlagSetter device_rule(Texts& target) {
    return [&target](std::string_view value) -> Result<void> {
        auto parts = split(value, ' ');
        auto number = [](std::string_view text) { return text == "*" || parse_uint(text).has_value(); };
        bool fits = parts.size() == 3 && (parts[0] == "a" || parts[0] == "b" || parts[0] == "c");
        if (fits) {
            auto colon = parts[1].find(':');
            fits = colon != std::string_view::npos && number(parts[1].substr(0, colon)) &&
                   number(parts[1].substr(colon + 1)) && !parts[2].empty() && parts[2].size() <= 3 &&
                   parts[2].find_first_not_of("rwm") == std::string_view::npos;
        }
        if (!fits) return invalid(fmt::format("invalid device cgroup format '{}'", value));
        target.emplace_back(value);
        return {};
    };
}

FlagSetter ulimit(std::vector<Ulimit>& target) {
    return [&target](std::string_view value) -> Result<void> {
        static constexpr std::string_view names[] = {"core",    "cpu",      "data",   "fsize",      "locks",
                                                     "memlock", "msgqueue", "nice",   "nofile",     "nproc",
                                                     "rss",     "rtprio",   "rttime", "sigpending", "stack"};
        auto equals = value.find('=');
        if (equals == std::string_view::npos) return invalid(fmt::format("invalid ulimit argument: {}", value));
        Ulimit limit{std::string(value.substr(0, equals))};
        if (std::find(std::begin(names), std::end(names), limit.name) == std::end(names))
            return invalid(fmt::format("invalid ulimit type: {}", limit.name));
        auto numbers = split(value.substr(equals + 1), ':');
        if (numbers.size() > 2)
            return invalid(fmt::format("too many limit value arguments - {}, can only have up to two, `soft[:hard]`",
                                       value.substr(equals + 1)));
        limit.soft = TRY(parse_go_int(numbers[0]));
        limit.hard = numbers.size() > 1 ? TRY(parse_go_int(numbers[1])) : limit.soft;
        if (limit.hard != -1 && limit.soft == -1)
            return invalid(fmt::format(
                "ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: {}",
                limit.hard));
        if (limit.hard != -1 && limit.soft > limit.hard)
            return invalid(fmt::format("ulimit soft limit must be less than or equal to hard limit: {} > {}",
                                       limit.soft, limit.hard));
        replace(target, std::move(limit));
        return {};
    };
}

FlagSetter weight_device(std::vector<DeviceRate>& target) {
    return [&target](std::string_view value) -> Result<void> {
        auto parts = TRY(split_device(value));
        auto weight = parse_uint(parts.number);
        if (!weight || (*weight > 0 && (*weight < 10 || *weight > 1000)))
            return invalid(fmt::format("invalid weight for device: {}", value));
        target.push_back({parts.path, *weight});
        return {};
    };
}

FlagSetter bytes_rate(std::vector<DeviceRate>& target) {
    return [&target](std::string_view value) -> Result<void> {
        auto parts = TRY(split_device(value));
        auto rate = parse_ram_size(parts.number);
        if (!rate || *rate < 0)
            return invalid(
                fmt::format("invalid rate for device: {}. The correct format is <device-path>:<number>[<unit>]. "
                            "Number must be a positive integer. Unit is optional and can be kb, mb, or gb",
                            value));
        target.push_back({parts.path, static_cast<std::uint64_t>(*rate)});
        return {};
    };
}

FlagSetter operations_rate(std::vector<DeviceRate>& target) {
    return [&target](std::string_view value) -> Result<void> {
        auto parts = TRY(split_device(value));
        auto rate = parse_uint(parts.number);
        if (!rate)
            return invalid(
                fmt::format("invalid rate for device: {}. The correct format is <device-path>:<number>. "
                            "Number must be a positive integer",
                            value));
        target.push_back({parts.path, *rate});
        return {};
    };
}

FlagSetter duration(std::int64_t& nanoseconds) {
    return [&nanoseconds](std::string_view value) -> Result<void> {
        nanoseconds = TRY(parse_go_duration(value));
        return {};
    };
}

FlagSetter mount(std::vector<std::string>& target) {
    return [&target](std::string_view value) -> Result<void> {
        target.push_back(TRY(parse_mount(value)));
        return {};
    };
}

FlagSetter network(std::vector<NetworkAttachment>& target) {
    return [&target](std::string_view value) -> Result<void> {
        target.push_back(TRY(parse_network(value)));
        return {};
    };
}

FlagSetter gpu_request(std::string& json) {
    return [&json](std::string_view value) -> Result<void> {
        json = to_json(TRY(gpu_fields(value)));
        return {};
    };
}

FlagSetter ram_size(std::int64_t& target) {
    return [&target](std::string_view value) -> Result<void> {
        target = TRY(parse_ram_size(value));
        return {};
    };
}

FlagSetter swap_size(std::int64_t& target) {
    return [&target](std::string_view value) -> Result<void> {
        target = value == "-1" ? -1 : TRY(parse_ram_size(value));
        return {};
    };
}

FlagSetter unsigned_16(std::uint64_t& target) {
    return [&target](std::string_view value) -> Result<void> {
        auto number = TRY(parse_go_uint(value));
        if (number > UINT16_MAX)
            return invalid(fmt::format("strconv.ParseUint: parsing {}: value out of range", go_quote(value)));
        target = number;
        return {};
    };
}

// A decimal number, exactly, in units of 1e-9: docker refuses what does not come out even.
FlagSetter cpu_number(std::int64_t& nano_cpus) {
    return [&nano_cpus](std::string_view value) -> Result<void> {
        auto bad = [&] { return invalid(fmt::format("failed to parse {} as a rational number", value)); };
        auto rest = value;
        bool negative = rest.starts_with('-');
        if (negative || rest.starts_with('+')) rest.remove_prefix(1);
        auto exponent_at = rest.find_first_of("eE");
        std::int64_t exponent = 0;
        if (exponent_at != std::string_view::npos) {
            auto parsed = parse_go_int(rest.substr(exponent_at + 1));
            if (!parsed || *parsed < -30 || *parsed > 30) return bad();
            exponent = *parsed;
            rest = rest.substr(0, exponent_at);
        }
        auto dot = rest.find('.');
        std::string digits(rest.substr(0, dot));
        if (dot != std::string_view::npos) {
            auto fraction = rest.substr(dot + 1);
            digits += fraction;
            exponent -= static_cast<std::int64_t>(fraction.size());
        }
        if (digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos) return bad();
        for (exponent += 9; exponent > 0 && digits.size() < 30; --exponent) digits += '0';
        for (; exponent < 0; ++exponent) {
            if (!digits.empty() && digits.back() != '0') return invalid("value is too precise");
            if (!digits.empty()) digits.pop_back();
        }
        digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
        auto whole = digits.empty() ? std::optional<std::int64_t>(0) : parse_int(digits);
        if (!whole) return bad();
        nano_cpus = negative ? -*whole : *whole;
        return {};
    };
}

}  // namespace pila::cli
