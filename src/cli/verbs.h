// SPDX-License-Identifier: Apache-2.0
#pragma once
// The functions behind the table in verbs.cpp; each stands in verbs/NAME.cpp.

#include <span>

#include "cli/cli.h"

namespace pila::cli {

std::span<const Verb> own_verbs();

#define PILA_VERB(name) int name##_verb(Invocation& invocation)
PILA_VERB(attach);
PILA_VERB(build);
PILA_VERB(commit);
PILA_VERB(prune_builder);
PILA_VERB(cp);
PILA_VERB(create);
PILA_VERB(dial_stdio);
PILA_VERB(diff);
PILA_VERB(events);
PILA_VERB(exec);
PILA_VERB(export);
PILA_VERB(history);
PILA_VERB(images);
PILA_VERB(import);
PILA_VERB(info);
PILA_VERB(inspect);
PILA_VERB(inspect_container);
PILA_VERB(inspect_image);
PILA_VERB(inspect_network);
PILA_VERB(inspect_volume);
PILA_VERB(kill);
PILA_VERB(load);
PILA_VERB(login);
PILA_VERB(logout);
PILA_VERB(logs);
PILA_VERB(network_connect);
PILA_VERB(network_create);
PILA_VERB(network_disconnect);
PILA_VERB(network_ls);
PILA_VERB(network_rm);
PILA_VERB(pause);
PILA_VERB(port);
PILA_VERB(prune_containers);
PILA_VERB(prune_images);
PILA_VERB(prune_networks);
PILA_VERB(prune_volumes);
PILA_VERB(ps);
PILA_VERB(pull);
PILA_VERB(push);
PILA_VERB(rename);
PILA_VERB(restart);
PILA_VERB(rm);
PILA_VERB(rmi);
PILA_VERB(run);
PILA_VERB(save);
PILA_VERB(search);
PILA_VERB(set);
PILA_VERB(start);
PILA_VERB(stats);
PILA_VERB(stop);
PILA_VERB(system_df);
PILA_VERB(system_prune);
PILA_VERB(tag);
PILA_VERB(top);
PILA_VERB(unpause);
PILA_VERB(update);
PILA_VERB(version);
PILA_VERB(volume_create);
PILA_VERB(volume_ls);
PILA_VERB(volume_rm);
PILA_VERB(wait);
#undef PILA_VERB

}  // namespace pila::cli
