// SPDX-License-Identifier: Apache-2.0
#include "build/stage_run.h"

#include <fmt/core.h>

#include "base/random.h"
#include "base/text.h"
#include "image/image_config.h"
#include "os/file.h"

namespace pila::build {

using image::Instruction;

static constexpr std::string_view default_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static std::string short_id(const image::ImagePointer& image) {
    return image ? std::string(image->id.hex().substr(0, 12)) : std::string();
}

void StageRun::stand_on(image::ImagePointer image, std::shared_ptr<void> pin) {
    image_ = std::move(image);
    pin_ = std::move(pin);
    if (image_) config_ = image_->config;
}

std::optional<std::string> StageRun::variable(std::string_view name) const {
    if (auto value = image::variable_in(config_.environment, name)) return value;
    auto declared = declared_.find(std::string(name));
    return declared == declared_.end() ? std::nullopt : declared->second;
}

std::vector<std::string> StageRun::argument_assignments() const {
    std::vector<std::string> assignments;
    for (const auto& [name, value] : declared_)
        if (value && !image::variable_in(config_.environment, name) && !Arguments::is_proxy(name))
            assignments.push_back(name + "=" + *value);
    return assignments;
}

std::string StageRun::shell_comment(const std::string& what, std::string_view gap) const {
    auto shell = config_.shell.empty() ? std::string("/bin/sh -c") : join(config_.shell, " ");
    return fmt::format("{} #(nop){}{}", shell, gap, what);
}

Result<void> StageRun::begin_on(const image::ImagePointer& base) {
    base_ = base;
    if (base) {
        stand_on(base, job_.engine().parts().images.pin(base));
    } else {
        config_ = {};
        config_.architecture = job_.target().architecture;
        config_.variant = job_.target().variant;
    }
    if (!image::variable_in(config_.environment, "PATH"))
        config_.environment.insert(config_.environment.begin(), fmt::format("PATH={}", default_path));
    return {};
}

Result<void> StageRun::begin() {
    const auto& stage = job_.recipe().stages[index_];
    image::Variables globals = [&](std::string_view name) { return job_.arguments().global(name); };
    auto escape = job_.recipe().escape;
    auto base = TRY(image::expand_word(stage.base, globals, escape));
    if (base.empty()) return Error(Errc::Invalid, fmt::format("base name ({}) should not be blank", stage.base));
    auto platform = TRY(image::expand_word(stage.platform, globals, escape));
    if (!platform.empty()) TRY(parse_platform(platform));
    if (platform.empty()) platform = job_.request().platform;
    if (auto earlier = job_.recipe().find_name(base, index_)) {
        auto result = TRY(job_.stage(*earlier));
        base_ = result.image;
        stand_on(result.image, result.pin);
        config_ = result.config;
        if (!result.image) return begin_on(nullptr);
    } else if (base == "scratch") {
        TRY(begin_on(nullptr));
    } else {
        auto image = TRY(job_.find_image(index_, base, platform, job_.request().pull));
        TRY(begin_on(image));
    }
    return run_triggers();
}

Result<void> StageRun::run_triggers() {
    auto triggers = std::exchange(config_.on_build, {});
    if (triggers.empty()) return {};
    say(fmt::format("# Executing {} build trigger{}\n", triggers.size(), triggers.size() > 1 ? "s" : ""));
    for (const auto& trigger : triggers) {
        auto instruction = TRY(image::parse_trigger(trigger, job_.recipe().escape));
        if (instruction.upper == "FROM" || instruction.upper == "ONBUILD" || instruction.upper == "MAINTAINER")
            return Error(Errc::Invalid, fmt::format("{} isn't allowed as an ONBUILD trigger", instruction.upper));
        TRY(check_step(instruction, job_.recipe().escape));
        TRY(dispatch(instruction));
    }
    return {};
}

Result<StageResult> StageRun::run() {
    const auto& stage = job_.recipe().stages[index_];
    auto number = job_.first_step(index_);
    auto announce = [&](const Instruction& instruction) {
        say(fmt::format("Step {}/{} : {}\n", number++, job_.step_count(), instruction.original));
    };
    announce(stage.from);
    TRY(job_.context().check());
    TRY(begin());
    say(fmt::format(" ---> {}\n", short_id(image_)));
    for (const auto& step : stage.steps) {
        TRY(job_.context().check());
        announce(step);
        TRY(dispatch(step));
        say(fmt::format(" ---> {}\n", short_id(image_)));
    }
    return StageResult{image_, base_, config_, pin_};
}

Result<void> StageRun::dispatch(const Instruction& instruction) {
    const auto& name = instruction.upper;
    if (name == "RUN") return run_command(instruction);
    if (name == "COPY" || name == "ADD") return copy_files(instruction);
    if (name == "ARG") return declare(instruction);
    if (name == "MAINTAINER") return set_author(instruction);
    if (name == "WORKDIR") return change_directory(instruction);
    return change_config(instruction);
}

image::Digest StageRun::key_of(std::string_view kind, const std::vector<std::string>& parts) const {
    std::string text("pila-build-1\n");
    auto add = [&](std::string_view part) { text += fmt::format("{}:{}\n", part.size(), part); };
    add(image_ ? image_->id.text() : "scratch");
    add(kind);
    add(job_.epoch() ? rfc3339_nano(*job_.epoch()) : "");
    // The parent's id does not tell what a stage that began with nothing, or with triggers, has changed since.
    add(image::write_image_config(
        {.config = config_, .history = {}, .layers = {}, .container_id = {}, .container_config = {}}));
    for (const auto& part : parts) add(part);
    return image::Digest::of(text);
}

bool StageRun::use_cache(const image::Digest& key, const std::string& created_by, const image::ImageConfig& config) {
    if (job_.request().no_cache) return false;
    auto use = [&](image::ImagePointer image, std::shared_ptr<void> pin) {
        say(" ---> Using cache\n");
        stand_on(std::move(image), std::move(pin));
        return true;
    };
    if (auto hit = job_.builder().cache().find(key)) return use(std::move(hit->image), std::move(hit->pin));
    // An image that went the same way so far, and then did this.
    auto& images = job_.engine().parts().images;
    const auto ours = image_ ? image_->history : std::vector<image::HistoryEntry>();
    const auto layers = image_ ? image_->layers : std::vector<image::Digest>();
    for (const auto& other : job_.cache_from()) {
        if (other->history.size() <= ours.size() || other->layers.size() < layers.size() ||
            !std::equal(layers.begin(), layers.end(), other->layers.begin()))
            continue;
        auto same = [](const auto& one, const auto& two) {
            return one.created_by == two.created_by && one.empty_layer == two.empty_layer;
        };
        const auto& next = other->history[ours.size()];
        if (!std::equal(ours.begin(), ours.end(), other->history.begin(), same) || next.created_by != created_by ||
            (!next.empty_layer && other->layers.size() <= layers.size()))
            continue;
        image::StepRequest step{.parent = image_, .config = config, .history = ours};
        step.config.created = next.created;
        step.history.push_back(next);
        if (!next.empty_layer) step.layer = other->layers[layers.size()];
        auto made = images.add_step(job_.context(), std::move(step));
        if (!made) return false;
        auto pin = images.pin(*made);
        ignore(job_.builder().cache().put(key, (*made)->id, created_by), "it is found in the other image again");
        return use(made.take(), std::move(pin));
    }
    return false;
}

Result<void> StageRun::commit(const image::Digest& key, Made made) {
    auto& images = job_.engine().parts().images;
    image::StepRequest step{.parent = image_, .config = std::move(made.config), .history = {}};
    step.config.created = rfc3339_nano(job_.step_time());
    step.config.comment.clear();
    step.config.hostname.clear();
    step.config.domainname.clear();
    if (image_) step.history = image_->history;
    image::HistoryEntry entry;
    entry.created = step.config.created;
    entry.created_by = std::move(made.created_by);
    entry.author = step.config.author;
    step.history.push_back(std::move(entry));
    step.layer_directory = std::move(made.layer_directory);
    step.keep_directory = made.keep_directory;
    step.newest = job_.epoch();
    auto image = TRY(images.add_step(job_.context(), std::move(step)));
    auto pin = images.pin(image);
    TRY(job_.builder().cache().put(key, image->id, made.description));
    stand_on(std::move(image), std::move(pin));
    return {};
}

Result<void> StageRun::change_config(const Instruction& instruction) {
    auto config = config_;
    auto values = variables();
    image::ConfigChange change{config, instruction, values, job_.recipe().escape, command_set_};
    auto said = TRY(image::apply_instruction(change));
    auto created_by = shell_comment(said, "  ");
    if (instruction.upper == "SHELL") created_by = fmt::format("{} #(nop)  {}", join(config.shell, " "), said);
    auto key = key_of("config", {created_by, config.healthcheck_json, command_set_ ? "command" : ""});
    command_set_ = change.command_set;
    if (use_cache(key, created_by, config)) return {};
    return commit(key, {created_by, std::move(config), {}, instruction.original});
}

Result<void> StageRun::declare(const Instruction& instruction) {
    std::vector<std::string> shown;
    for (auto& [name, fallback] : TRY(parse_arguments(instruction, variables(), job_.recipe().escape))) {
        shown.push_back(fallback ? name + "=" + *fallback : name);
        declared_[name] = job_.arguments().value(name, fallback);
    }
    auto created_by = shell_comment("ARG " + join(shown, " "), "  ");
    auto key = key_of("arg", {created_by});
    if (use_cache(key, created_by, config_)) return {};
    return commit(key, {created_by, config_, {}, instruction.original});
}

Result<void> StageRun::set_author(const Instruction& instruction) {
    auto config = config_;
    config.author = instruction.rest;
    auto created_by = shell_comment("MAINTAINER " + instruction.rest, "  ");
    auto key = key_of("author", {created_by});
    if (use_cache(key, created_by, config)) return {};
    return commit(key, {created_by, std::move(config), {}, instruction.original});
}

Result<void> StageRun::change_directory(const Instruction& instruction) {
    auto config = config_;
    auto values = variables();
    image::ConfigChange change{config, instruction, values, job_.recipe().escape, command_set_};
    auto created_by = shell_comment(TRY(image::apply_instruction(change)), " ");
    auto key = key_of("directory", {created_by});
    if (use_cache(key, created_by, config)) return {};
    auto workspace = TRY(Workspace::create(*this, false));
    {
        Copier copier(job_.context(), workspace.root(), {});
        TRY(copier.directory(clean_path_text(config.working_directory)).in("WORKDIR"));
    }
    auto changes = TRY(workspace.take_changes());
    return commit(key, {created_by, std::move(config), changes, instruction.original});
}

Result<StageRun::Workspace> StageRun::Workspace::create(StageRun& stage, bool alone) {
    Workspace made(stage);
    auto& parts = stage.job_.engine().parts();
    std::vector<std::string> layers;
    if (stage.image_ && !alone) layers = TRY(parts.images.layer_directories(*stage.image_));
    auto id = random_hex(64);  // looks like a container's: one that nobody knows is removed at the next start
    TRY(parts.snapshots.prepare(id));
    made.id_ = id;
    made.root_ = TRY(parts.snapshots.mount(id, layers, snapshot::Writes::Volatile));
    return made;
}

StageRun::Workspace::Workspace(Workspace&& other) noexcept
    : stage_(other.stage_), id_(std::exchange(other.id_, {})), root_(std::move(other.root_)) {}

StageRun::Workspace::~Workspace() {
    root_.reset();
    if (!id_.empty()) ignore(stage_->job_.engine().parts().snapshots.remove(id_), "removed at the next start");
}

Result<std::string> StageRun::Workspace::take_changes() {
    root_.reset();
    auto& job = stage_->job_;
    auto taken = fmt::format("{}/changes-{}", job.files().work().path(), random_hex(8));
    TRY(os::rename(job.engine().parts().snapshots.upper_directory(id_), taken));
    return taken;
}

Result<SourceTree> StageRun::tree_of(const image::ImagePointer& image) {
    auto& parts = job_.engine().parts();
    SourceTree tree;
    std::vector<std::string> layers;
    if (image) {
        tree.keeps = parts.images.pin(image);
        layers = TRY(parts.images.layer_directories(*image));
    }
    tree.root = TRY(parts.snapshots.mount_readonly(layers));
    return tree;
}

Result<SourceTree> StageRun::tree_from(const std::string& from) {
    auto wrong = [&](Error error) { return std::move(error).in("invalid from flag value " + from); };
    if (auto stage = job_.recipe().find(from, index_)) {
        auto result = TRY(job_.stage(*stage));
        return tree_of(result.image);
    }
    if (parse_uint(from)) return wrong(Error(Errc::Invalid, "index out of bounds"));
    auto image = job_.find_image(index_, from, job_.request().platform, false);
    if (!image) return wrong(image.take_error());
    return tree_of(*image);
}

}  // namespace pila::build
