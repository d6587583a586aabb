// SPDX-License-Identifier: Apache-2.0
#include "runtime/plan_codec_internal.h"

namespace pila::runtime {

namespace {

// Changes whenever plan_codec_internal.h does: daemon and pila-runtime of different builds must not misread each other.
constexpr std::uint32_t plan_format = 0x70690001;

template <typename T>
std::string with_format(const T& value) {
    std::string bytes(reinterpret_cast<const char*>(&plan_format), sizeof plan_format);
    return bytes + codec::encode(value);
}

template <typename T>
Result<T> without_format(std::string_view bytes, const char* what) {
    std::uint32_t format = 0;
    if (bytes.size() >= sizeof format) std::memcpy(&format, bytes.data(), sizeof format);
    if (format != plan_format) return Error(Errc::Invalid, std::string(what) + ": of another version of pila-runtime");
    T value;
    if (!codec::decode(bytes.substr(sizeof format), value))
        return Error(Errc::Invalid, std::string(what) + ": malformed or cut short");
    return value;
}

}  // namespace

std::string serialize(const Plan& plan) { return with_format(plan); }
Result<Plan> deserialize_plan(std::string_view bytes) { return without_format<Plan>(bytes, "container plan"); }
std::string serialize(const ProcessPlan& process) { return with_format(process); }
Result<ProcessPlan> deserialize_process(std::string_view bytes) {
    return without_format<ProcessPlan>(bytes, "process plan");
}

}  // namespace pila::runtime
