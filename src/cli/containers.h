// SPDX-License-Identifier: Apache-2.0
#pragma once
// Steps that run, start, attach and exec share.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "cli/api.h"
#include "cli/streams.h"
#include "cli/terminal.h"

namespace pila::cli {

// POST /containers/ID/wait on its own connection. Registered with the daemon once begin() returns.
class Waiter {
public:
    static Result<std::unique_ptr<Waiter>> begin(const Api& api, const std::string& id, std::string_view condition);
    ~Waiter();
    // Blocks until the container has ended.
    Result<int> exit_code();

private:
    Waiter() = default;
    std::unique_ptr<Api> api_;
    std::unique_ptr<http::BodyReader> body_;
};

struct AttachRequest {
    std::string path;  // "/containers/ID/attach", "/exec/ID/start"
    QueryText query;
    std::string body;
    std::string resize_path;  // "/containers/ID/resize"; "" for none
    std::string kill_path;    // "/containers/ID/kill"; "" to leave signals alone
    bool terminal = false, input = false, output = true, errors = true;
    std::string detach_keys;  // bytes; "" for the default
};

// A process whose streams are ours. open() connects; carry() runs until it ends or is detached.
class Attachment {
public:
    static Result<std::unique_ptr<Attachment>> open(Api& api, AttachRequest request);
    void resize(unsigned more = 0);  // tells the daemon our terminal's size, plus `more` to make programs redraw
    Result<StreamEnd> carry();

private:
    Attachment(Api& api, AttachRequest request) : api_(api), request_(std::move(request)) {}
    void forward(int signal);

    Api& api_;
    AttachRequest request_;
    std::unique_ptr<Api> control_;  // resize and kill, while api_ waits
    http::Hijacked connection_;
    std::optional<SignalSource> signals_;
};

// "the input device is not a TTY": when a terminal is wanted and standard input is none.
Result<void> check_terminal(bool attach_input, bool terminal);
Result<std::string> detach_keys_of(const GlobalOptions& global, const std::string& flag);

}  // namespace pila::cli
