// SPDX-License-Identifier: Apache-2.0
#include "cli/verbs.h"
namespace pila::cli {
#define S(x) __attribute__((weak)) int x##_verb(Invocation&){return 99;}
S(commit) S(cp) S(diff) S(events) S(export) S(history) S(import) S(info) S(load) S(login) S(logout) S(network_connect) S(network_create) S(network_disconnect) S(network_ls) S(network_rm) S(port) S(prune_containers) S(prune_images) S(prune_networks) S(prune_volumes) S(pull) S(push) S(rmi) S(save) S(search) S(stats) S(system_df) S(system_prune) S(tag) S(top) S(update) S(version) S(volume_create) S(volume_ls) S(volume_rm)
}
