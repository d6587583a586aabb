// SPDX-License-Identifier: Apache-2.0
// login and logout.
#include <termios.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/json_helpers.h"
#include "cli/registry_auth.h"
#include "cli/template.h"
#include "cli/terminal.h"
#include "cli/verb.h"
#include "cli/verbs.h"
#include "os/file.h"

namespace pila::cli {

namespace {

std::string read_line() {
    std::string line;
    for (int c = std::getchar(); c != EOF && c != '\n'; c = std::getchar()) line += static_cast<char>(c);
    return line;
}

std::string ask(std::string_view prompt) {
    fmt::print("{}", prompt);
    std::fflush(stdout);
    return std::string(trim(read_line()));
}

std::string ask_secret(std::string_view prompt) {
    termios shown{};
    bool terminal = ::tcgetattr(STDIN_FILENO, &shown) == 0;
    termios hidden = shown;
    hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    if (terminal) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    fmt::print("{}", prompt);
    std::fflush(stdout);
    auto secret = read_line();
    if (terminal) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    fmt::print("\n");
    return secret;
}

Result<Credentials> gather(const GlobalOptions& global, const std::string& server, Credentials given, bool from_input) {
    if (from_input) {
        if (given.username.empty())
            return Error(Errc::Invalid, "the --password-stdin option requires --username to be set");
        given.password = TRY(os::read_all(FdView(STDIN_FILENO), 1U << 20));
        while (!given.password.empty() && (given.password.back() == '\n' || given.password.back() == '\r'))
            given.password.pop_back();
        return given;
    }
    if (given.username.empty() && given.password.empty())
        if (auto stored = load_credentials(global, server); stored && *stored) return std::move(**stored);
    if (!given.username.empty() && !given.password.empty()) return given;
    if (!is_terminal(STDIN_FILENO))
        return Error(Errc::Invalid, "Error: Cannot perform an interactive login from a non TTY device");
    if (given.username.empty()) given.username = ask("Username: ");
    if (given.username.empty()) return Error(Errc::Invalid, "Error: Non-null Username Required");
    if (given.password.empty()) given.password = ask_secret("Password: ");
    if (given.password.empty()) return Error(Errc::Invalid, "Error: Password Required");
    return given;
}

}  // namespace

int login_verb(Invocation& invocation) {
    Credentials given;
    bool from_input = false;
    Flags flags(invocation, "[OPTIONS] [SERVER]", "Log in to a registry");
    flags.add({{"password", 'p', &given.password, "Password or access token"},
               {"password-stdin", 0, &from_input, "Take the password from STDIN"},
               {"username", 'u', &given.username, "Username"}});
    if (auto code = flags.parse({0, 1})) return *code;
    if (from_input && !given.password.empty())
        return fail("conflicting options: cannot specify both --password and --password-stdin");
    if (!given.password.empty())
        fmt::print(stderr, "WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n");
    auto server = auth_key(flags.arguments().empty() ? "" : flags.arguments()[0]);
    auto credentials = gather(invocation.global, server, std::move(given), from_input);
    if (!credentials) return fail(credentials.error());
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    json::object body{
        {"username", credentials->username}, {"password", credentials->password}, {"serveraddress", server}};
    auto answer = (*api)->json({.method = "POST", .path = "/auth", .body = compact_json(body)});
    if (!answer) return fail(answer.error());
    if (auto token = text(*answer, "IdentityToken"); !token.empty()) {
        credentials->identity_token = token;
        credentials->password.clear();
    }
    if (auto saved = save_credentials(invocation.global, server, *credentials); !saved)
        return fail("Error saving credentials: " + saved.error().message());
    if (preference(invocation.global, "credsStore").empty())
        fmt::print(
            stderr,
            "\nWARNING! Your credentials are stored unencrypted in '{}/config.json'.\nConfigure a credential helper to "
            "remove this warning. See\nhttps://docs.docker.com/go/credential-store/\n\n",
            invocation.global.config_directory);
    fmt::print("{}\n", text(*answer, "Status").empty() ? "Login Succeeded" : text(*answer, "Status"));
    return 0;
}

int logout_verb(Invocation& invocation) {
    Flags flags(invocation, "[SERVER]", "Log out from a registry");
    if (auto code = flags.parse({0, 1})) return *code;
    auto server = auth_key(flags.arguments().empty() ? "" : flags.arguments()[0]);
    auto erased = erase_credentials(invocation.global, server);
    if (!erased) return fail(erased.error());
    fmt::print("Removing login credentials for {}\n", server);
    return 0;
}

}  // namespace pila::cli
