// SPDX-License-Identifier: Apache-2.0
// Two lines: the live object, with managedFields of any kind, and a configuration. Applied, updated, FieldsV1 read.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <boost/json.hpp>

#include "base/json.h"
#include "cluster/patch/managed.h"
#include "cluster/schema/catalogue.h"

using namespace pila;
using namespace pila::cluster;

namespace {

const schema::Catalogue& kinds() {
    static const auto made = schema::Catalogue::parse({{"fuzz.schema", R"(
package meta m.v1 m.v1
type ObjectMeta : m
  name string 1 : n
  labels map:string 2 : l
  annotations map:string 3 : a
  finalizers []string 4 merge list=set : f
  managedFields []any 5 list=atomic : m
package f f.v1 f.v1
type Pod object : p
  spec Spec 1 default={} : s
type Spec : s
  containers []Container 1 required merge=name list=map:name : c
  whole map:string 2 atomic : w
  free object 3 : f
  grid [][]string 4 list=set : g
  size quantity 5 : s
type Container : c
  name string 1 : n
  ports []Port 2 list=map:port,protocol : p
  inner Spec 3 : i
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
    auto configuration = parse_json(text.substr(line + 1), {.max_depth = 200});
    if (!live || !configuration) return 0;
    schema::Node node;
    node.form = schema::Form::Message;
    node.type = kinds().find_type("f.v1.Pod");

    if (auto set = patch::FieldSet::parse(*configuration)) {
        auto again = patch::FieldSet::parse(set->fields_v1({}));
        if (!again || *again != *set || !set->has(*again)) std::abort();
        set->paths();
    }
    json::value updated = *configuration;
    ignore(patch::track_update(*live, updated, node, {"u", "v1", "", "2"}), "it may have no metadata");

    std::vector<patch::ApplyConflict> conflicts;
    for (bool force : {false, true}) {
        json::value object = *live;
        auto before = to_json(object);
        auto done = patch::apply(object, *configuration, node, {"kubectl", "v1", "", "3"}, force, conflicts);
        if (!done) {
            if (to_json(object) != before) std::abort();
            if ((done.error().code() == Errc::Conflict) == conflicts.empty()) std::abort();
            continue;
        }
        auto once = to_json(object);
        done = patch::apply(object, *configuration, node, {"kubectl", "v1", "", "4"}, false, conflicts);
        if (!done || to_json(object) != once) std::abort();
    }
    return 0;
}
