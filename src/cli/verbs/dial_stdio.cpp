// SPDX-License-Identifier: Apache-2.0
// What `docker -H ssh://...` runs at the other end: the daemon's socket on standard input and output.
#include <sys/socket.h>

#include "cli/streams.h"
#include "cli/verb.h"
#include "cli/verbs.h"
#include "http/client.h"
#include "os/socket.h"

namespace pila::cli {

int dial_stdio_verb(Invocation& invocation) {
    Flags flags(invocation, "", "Carry the daemon's API over standard input and output");
    if (auto code = flags.parse({})) return *code;
    auto endpoint = http::Endpoint::parse(invocation.global.host);
    if (!endpoint) return fail(endpoint.error());
    if (endpoint->scheme != "unix")
        return fail(Error(Errc::Unsupported,
                          "system dial-stdio: only for a daemon on a unix socket, not " + invocation.global.host));
    auto socket = os::connect_unix(endpoint->host, SOCK_STREAM);
    if (!socket) return fail(socket.error());
    http::Hijacked connection{socket.take(), ""};
    StreamPlan plan;
    plan.terminal = true;  // bytes as they are
    plan.input = true;
    auto carried = carry_streams(connection, plan, nullptr);
    return carried ? 0 : fail(carried.error());
}

}  // namespace pila::cli
