// SPDX-License-Identifier: Apache-2.0
// Text: a kind's letter, the object, a line, the patch. Each of the three patches of any tree.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <boost/json.hpp>

#include "base/json.h"
#include "cluster/patch/patch.h"
#include "cluster/schema/catalogue.h"

using namespace pila;
using namespace pila::cluster;

namespace {

const schema::Catalogue& kinds() {
    static const auto made = schema::Catalogue::parse({{"fuzz.schema", R"(
package f f.v1 f.v1
type Pod : p
  spec Spec 1 default={} : s
  finalizers []string 2 merge list=set : f
type Spec : s
  containers []Container 1 merge=name list=map:name : c
  strategy map:string 2 retainkeys : s
  tolerations []Container 3 list=atomic : t
type Container : c
  name string 1 : n
  ports []Port 2 merge=port list=map:port,protocol : p
  env map:Container 3 replace : e
type Port : p
  port int32 1 : p
  protocol string 2 default="TCP" : p
)"}}).take();
    return *made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    auto line = text.find('\n');
    if (line == text.npos) return 0;
    auto live = parse_json(text.substr(0, line), {.max_depth = 200});
    auto patch = parse_json(text.substr(line + 1), {.max_depth = 200});
    if (!live || !patch) return 0;
    static const auto* type = kinds().find_type("f.v1.Pod");
    auto before = to_json(*live);
    for (int kind = 0; kind < 3; ++kind) {
        json::value object = *live;
        auto done = kind == 0   ? patch::json_patch(object, *patch)
                    : kind == 1 ? patch::merge_patch(object, *patch)
                                : patch::strategic_merge(object, *patch, *type);
        if (!done && to_json(object) != before) std::abort();  // refused: untouched
        if (!done && done.error().message().empty()) std::abort();
        json::value again = object;
        if (done && kind == 1 && (!patch::merge_patch(again, *patch) || again != object)) std::abort();
    }
    return 0;
}
