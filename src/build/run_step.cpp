// SPDX-License-Identifier: Apache-2.0
// RUN: a container of the engine's, whose changes become the layer.
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/failpoint.h"
#include "base/json.h"
#include "base/random.h"
#include "base/text.h"
#include "build/container_output.h"
#include "build/run_mounts.h"
#include "build/stage_run.h"
#include "image/image_config.h"
#include "os/file.h"

namespace pila::build {

using image::Instruction;

class RunStep {
public:
    RunStep(StageRun& stage, const Instruction& instruction) : stage_(stage), instruction_(instruction) {}
    Result<void> run();

private:
    Job& job() { return stage_.job_; }
    engine::Engine& engine() { return stage_.job_.engine(); }
    Result<void> read_command();
    Result<void> ensure_image();
    Result<json::object> container_body(const RunMounts& mounts);
    Result<int> run_container(const std::string& id);
    Result<std::string> take_changes(const std::string& id, const RunMounts& mounts);
    void remove(const std::string& id);

    StageRun& stage_;
    const Instruction& instruction_;
    std::vector<std::string> command_;
    std::string script_;  // of a here-document that names its own interpreter
    std::string script_name_;
};

Result<void> RunStep::read_command() {
    auto text = instruction_.rest;
    const auto& heredocs = instruction_.heredocs;
    bool alone = heredocs.size() == 1 && image::parse_words(text, job().recipe().escape).size() == 1;
    if (alone && heredocs[0].content.starts_with("#!")) {
        script_ = heredocs[0].text();
        script_name_ = heredocs[0].name;
        command_ = {"/dev/pipes/" + script_name_};
        return {};
    }
    if (alone) {
        text = heredocs[0].text();
    } else {
        for (const auto& heredoc : heredocs) text += "\n" + heredoc.content + heredoc.name;
    }
    // A here-document is never a JSON list.
    if (heredocs.empty()) {
        command_ = TRY(image::command_line(stage_.config_, text));
    } else {
        command_ = stage_.config_.shell.empty() ? std::vector<std::string>{"/bin/sh", "-c"} : stage_.config_.shell;
        command_.push_back(std::move(text));
    }
    if (command_.empty()) return Error(Errc::Invalid, "RUN requires at least one argument");
    return {};
}

// A container needs one, even where nothing has been made yet or only its configuration differs.
Result<void> RunStep::ensure_image() {
    if (stage_.image_) return {};
    image::StepRequest empty;
    empty.config = stage_.config_;
    empty.config.created = rfc3339_nano(job().step_time());
    auto image = TRY(engine().parts().images.add_step(job().context(), std::move(empty)));
    auto pin = engine().parts().images.pin(image);
    auto config = stage_.config_;
    stage_.stand_on(std::move(image), std::move(pin));
    stage_.config_ = std::move(config);
    return {};
}

static json::array array_of(const std::vector<std::string>& texts) { return json::array(texts.begin(), texts.end()); }

Result<json::object> RunStep::container_body(const RunMounts& mounts) {
    json::object host{};
    if (!job().request().host_config_json.empty()) host = TRY(parse_json(job().request().host_config_json)).as_object();
    auto network = job().request().network_mode;
    if (const auto* own = instruction_.flag("network"); own && *own != "default") network = *own;
    if (!network.empty()) host["NetworkMode"] = network;
    host["LogConfig"] = {{"Type", "none"}};
    host["Mounts"] = mounts.container_mounts();
    auto environment = stage_.config_.environment;
    for (auto& assignment : stage_.argument_assignments()) environment.push_back(std::move(assignment));
    for (auto& assignment : job().arguments().proxies())
        if (!image::variable_in(environment, assignment.substr(0, assignment.find('='))))
            environment.push_back(std::move(assignment));
    for (const auto& assignment : mounts.environment()) image::set_variable(environment, assignment);
    return json::object{{"Image", stage_.image_->id.text()},
                        {"Cmd", array_of(command_)},
                        {"Entrypoint", json::array{""}},
                        {"Env", array_of(environment)},
                        {"Healthcheck", {{"Test", json::array{"NONE"}}}},
                        {"AttachStdout", true},
                        {"AttachStderr", true},
                        {"HostConfig", std::move(host)}};
}

Result<int> RunStep::run_container(const std::string& id) {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) return Error::from_errno(errno, "socketpair");
    Fd ours(pair[0]), theirs(pair[1]);
    auto container = TRY(engine().find(id));
    engine::AttachOptions attach;
    attach.output = attach.error = true;
    TRY(engine().attach(job().context(), container, attach, {std::move(theirs), ""}));
    auto started = engine().start(job().context(), id);
    if (!started) return started.take_error();
    TRY(copy_output(job().context(), ours, [this](std::string text) { stage_.say(std::move(text)); }));
    return wait_for_end(job().context(), container);
}

void RunStep::remove(const std::string& id) {
    Context context = job().context();
    context.stop = {};  // a build that is cancelled cleans up all the same
    context.deadline.reset();
    ignore(engine().remove(context, id, {.force = true, .volumes = true}), "somebody else removed it");
}

Result<std::string> RunStep::take_changes(const std::string& id, const RunMounts& mounts) {
    auto taken = fmt::format("{}/changes-{}", job().files().work().path(), random_hex(8));
    TRY(engine().take_changes(id, taken));
    mounts.remove_stubs(taken);
    return taken;
}

Result<void> RunStep::run() {
    TRY(read_command());
    if (const auto* security = instruction_.flag("security"); security && *security != "sandbox")
        return Error(Errc::Unsupported, fmt::format("--security={} is not allowed in a build", *security));
    if (const auto* network = instruction_.flag("network");
        network && *network != "default" && *network != "none" && *network != "host")
        return Error(Errc::Invalid, fmt::format("invalid network mode {}", *network));
    auto mounts = TRY(RunMounts::read(stage_, instruction_));
    auto assignments = stage_.argument_assignments();
    auto shown = join(command_, " ");
    auto created_by = shown;
    if (!stage_.declared_.empty() || !job().arguments().proxies().empty()) {
        if (!assignments.empty() || !job().arguments().proxies().empty())
            created_by = fmt::format("|{} {}{}{}", assignments.size(), join(assignments, " "),
                                     assignments.empty() ? "" : " ", shown);
    }
    std::vector<std::string> parts = command_;
    parts.push_back(script_);
    parts.push_back(created_by);
    for (const auto& part : mounts.key_parts()) parts.push_back(part);
    if (const auto* network = instruction_.flag("network")) parts.push_back("network=" + *network);
    auto key = stage_.key_of("run", parts);
    if (stage_.use_cache(key, created_by, stage_.config_)) return {};

    TRY(ensure_image());
    TRY(mounts.prepare(script_name_, script_));
    auto body = TRY(container_body(mounts));
    auto created = TRY(engine().create_container(job().context(), "", body, {.lifetime = engine::Lifetime::Operation}));
    const auto& id = created.id;
    stage_.say(fmt::format(" ---> Running in {}\n", id.substr(0, 12)));
    PILA_CRASHPOINT("build.run.created");
    auto code = run_container(id);
    if (!code || *code != 0) {
        bool cancelled = job().context().stop.stop_requested();
        if (cancelled || job().request().force_remove || !code) remove(id);
        if (!code) return code.take_error();
        if (cancelled) return Error(Errc::Unavailable, "Build cancelled");
        job().set_exit_code(*code);
        return Error(Errc::Internal,
                     fmt::format("The command '{}' returned a non-zero code: {}", join(command_, " "), *code));
    }
    PILA_CRASHPOINT("build.run.ended");
    if (!job().request().remove) {  // --rm=false: the container stays as it is
        auto directory = engine().parts().snapshots.upper_directory(id);
        return stage_.commit(key, {created_by, stage_.config_, directory, instruction_.original, true});
    }
    auto taken = take_changes(id, mounts);
    remove(id);
    stage_.say(fmt::format(" ---> Removed intermediate container {}\n", id.substr(0, 12)));
    auto changes = TRY(std::move(taken));
    return stage_.commit(key, {created_by, stage_.config_, std::move(changes), instruction_.original});
}

Result<void> StageRun::run_command(const Instruction& instruction) { return RunStep(*this, instruction).run(); }

}  // namespace pila::build
