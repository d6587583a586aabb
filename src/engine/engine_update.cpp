// SPDX-License-Identifier: Apache-2.0
// Settings changed after creation.
#include <cerrno>

#include <fmt/core.h>

#include "base/json_reader.h"
#include "base/log.h"
#include "engine/engine.h"

namespace pila::engine {

static Result<SpecPointer> changed_spec(const ContainerSpec& old, const json::object& changes) {
    auto host_config = TRY(parse_json(old.host_config_json));
    TRY(merge_update(host_config.as_object(), changes));
    auto changed = TRY(load_spec(old.config_json, to_json(host_config), old.networking_json));
    return std::make_shared<const ContainerSpec>(std::move(changed));
}

Result<std::vector<std::string>> Engine::update(const Context& context, std::string_view reference,
                                                json::object changes) {
    auto [container, guard] = TRY(hold(reference));
    auto warnings = TRY(settle_resources(changes, groups_.limits(), LimitsFor::Update));
    TRY(check_restart_policy(changes));
    JsonReader in(changes);
    auto wanted = read_resources(in);
    TRY(in.check());

    auto doing = "Cannot update container " + container->id();
    auto old = container->spec();
    auto spec = TRY(changed_spec(*old, changes).in(doing));
    auto live = TRY(plan_update(wanted, spec->resources).in(doing));
    container->set_spec(spec);
    auto applied = table_.save_spec(*container);
    // The shim changes all or nothing, so this comes last.
    auto shim = container->shim();
    if (applied && shim && container->state().is_running()) {
        applied = shim->update(live);
        // It ends at this very moment: then the record is all there is to change.
        if (!applied && (applied.error().os_errno() == ESRCH || applied.error().code() == Errc::Gone)) applied = {};
    }
    if (!applied) {
        container->set_spec(old);
        if (auto restored = table_.save_spec(*container); !restored) log::error("{}", restored.error().message());
        return std::move(applied).take_error().in(doing);
    }
    publish(context, *container, "update");
    return warnings;
}

}  // namespace pila::engine
