// SPDX-License-Identifier: Apache-2.0
#include "build/job.h"

#include <pthread.h>
#include <algorithm>
#include <exception>

#include <fmt/core.h>

#include "base/docker_hub.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "build/mounts.h"
#include "build/squash.h"
#include "build/stage_run.h"
#include "os/file.h"

namespace pila::build {

static constexpr std::size_t max_threads = 4;

Job::Job(Builder& builder, BuildRequest request, Recipe recipe, std::unique_ptr<BuildContext> files, Platform target)
    : builder_(builder),
      request_(std::move(request)),
      recipe_(std::move(recipe)),
      files_(std::move(files)),
      target_(std::move(target)),
      arguments_(request_.arguments, target_) {}

Job::~Job() {
    if (!secrets_directory_.empty()) ignore(os::remove_tree(secrets_directory_), "below /run: gone with the machine");
}

// What is known of a stage's needs before it runs; triggers of its base may need more.
std::vector<std::size_t> Job::static_dependencies(const Stage& stage, std::size_t index) const {
    std::vector<std::size_t> found;
    auto expand = [&](const std::string& text) {
        image::Variables variables = [&](std::string_view name) { return arguments_.global(name); };
        return image::expand_word(text, variables, recipe_.escape).value_or("");
    };
    auto add = [&](const std::string& name) {
        if (auto other = recipe_.find(expand(name), index)) found.push_back(*other);
    };
    if (auto base = recipe_.find_name(expand(stage.base), index)) found.push_back(*base);
    for (const auto& step : stage.steps) {
        if (const auto* from = step.flag("from")) add(*from);
        for (const auto& [flag, value] : step.flags)
            if (flag == "mount" && value)
                if (auto mount = parse_mount(expand(*value)); mount && !mount->from.empty()) add(mount->from);
    }
    return found;
}

void Job::find_needed(std::size_t stage) {
    Lock lock(mutex_);
    states_[stage].needed = true;
    for (auto index = stage + 1; index-- > 0;)  // dependencies are always earlier
        if (states_[index].needed)
            for (auto other : static_dependencies(recipe_.stages[index], index)) states_[other].needed = true;
}

Result<void> Job::prepare() {
    if (const auto* text = arguments_.given("SOURCE_DATE_EPOCH"); text && !text->empty()) {
        auto seconds = parse_int(*text);
        if (!seconds || *seconds < 0 || *seconds > 253402300799)
            return Error(Errc::Invalid, fmt::format("invalid SOURCE_DATE_EPOCH: {}", printable(*text)));
        epoch_ = WallTime{*seconds * 1'000'000'000};
    }
    target_stage_ = recipe_.stages.size() - 1;
    if (!request_.target.empty()) {
        auto found = recipe_.find(request_.target);
        if (!found)
            return Error(Errc::Invalid, fmt::format("failed to reach build target {} in Dockerfile", request_.target));
        target_stage_ = *found;
    }
    if (!request_.labels.empty()) recipe_.stages[target_stage_].steps.push_back(label_instruction(request_.labels));
    for (const auto& argument : recipe_.arguments) TRY(arguments_.declare_global(argument, recipe_.escape));
    {
        Lock lock(mutex_);
        states_.resize(recipe_.stages.size());
    }
    find_needed(target_stage_);
    step_count_ = recipe_.arguments.size();
    first_steps_.resize(recipe_.stages.size());
    Lock lock(mutex_);
    for (std::size_t i = 0; i < recipe_.stages.size(); ++i) {
        first_steps_[i] = step_count_ + 1;
        if (states_[i].needed) step_count_ += 1 + recipe_.stages[i].steps.size();
    }
    return {};
}

Result<StageResult> Job::stage(std::size_t index) {
    {
        Lock lock(mutex_);
        auto& state = states_[index];
        while (state.state == State::Running) changed_.wait(lock);
        if (state.state == State::Done) return *state.result;
        state.state = State::Running;
    }
    execute(index);
    Lock lock(mutex_);
    return *states_[index].result;
}

// The stage is ours.
void Job::execute(std::size_t index) {
    auto result = [&]() -> Result<StageResult> {
        try {
            return StageRun(*this, index).run();
        } catch (const std::exception& failure) {
            return Error(Errc::Internal, failure.what());
        }
    }();
    bool ok = result.ok();
    {
        Lock lock(mutex_);
        states_[index].result = std::move(result);
        states_[index].state = State::Done;
        if (!ok && !failed_) failed_ = index;
    }
    changed_.notify_all();
    if (ok) {
        output_->finish(index);
    } else {
        output_->give_up(index);
        stop_.request_stop();
    }
}

void Job::work() {
    for (;;) {
        std::optional<std::size_t> next;
        {
            Lock lock(mutex_);
            if (failed_) return;
            for (std::size_t i = 0; i < states_.size() && !next; ++i)
                if (states_[i].needed && states_[i].state == State::Idle) next = i;
            if (!next) return;
            states_[*next].state = State::Running;
        }
        execute(*next);
    }
}

// Known by its id for as long as it runs.
struct Job::Running {
    Builder& builder;
    const std::string& id;
    Running(Builder& owner, const std::string& name, const std::stop_source& stop) : builder(owner), id(name) {
        if (id.empty()) return;
        Lock lock(builder.mutex_);
        builder.running_.emplace(id, stop);
    }
    ~Running() {
        Lock lock(builder.mutex_);
        builder.running_.erase(id);
    }
};

Result<image::ImagePointer> Job::run(const Context& context, const image::ProgressSink& sink) {
    context_ = context;
    context_.stop = stop_.get_token();
    std::stop_callback cancelled(context.stop, [this] { stop_.request_stop(); });
    Running running(builder_, request_.id, stop_);
    // Before the answer ends: the client may remove the image at once.
    struct LetGo {
        Job& job;
        ~LetGo() { job.let_go(); }
    } let_go_at_the_end{*this};
    output_ = std::make_unique<Output>(sink, recipe_.stages.size());
    for (std::size_t i = 0; i < recipe_.arguments.size(); ++i)
        output_->text(0, fmt::format("Step {}/{} : {}\n", i + 1, step_count_, recipe_.arguments[i].original));
    for (const auto& name : request_.cache_from)
        if (auto image = engine().parts().images.find(name)) {
            pins_.push_back(engine().parts().images.pin(*image));
            cache_from_.push_back(image.take());
        }
    std::size_t needed = 0;
    {
        Lock lock(mutex_);
        for (const auto& state : states_) needed += state.needed ? 1 : 0;
    }
    for (std::size_t i = 0; i < recipe_.stages.size(); ++i) {
        Lock lock(mutex_);
        if (!states_[i].needed) output_->finish(i);
    }
    std::vector<std::thread> threads;
    for (std::size_t i = 1; i < std::min(needed, max_threads); ++i) {
        threads.emplace_back([this] { work(); });
        ::pthread_setname_np(threads.back().native_handle(), "build");
    }
    work();
    for (auto& thread : threads) thread.join();
    builder_.cache().save_uses();
    std::optional<Result<StageResult>> last;
    {
        Lock lock(mutex_);
        last = failed_ ? states_[*failed_].result : states_[target_stage_].result;
    }
    if (context.stop.stop_requested() && !last->ok()) return Error(Errc::Unavailable, "Build cancelled");
    return finish(TRY(std::move(*last)));
}

void Job::let_go() {
    pins_.clear();
    cache_from_.clear();
    Lock lock(mutex_);
    for (auto& state : states_) state.result.reset();
}

void Job::announce(const image::ImagePointer& image) {
    image::Progress aux;
    aux.aux_image = image->id.text();
    auto last = recipe_.stages.size();
    output_->write(last, std::move(aux));
    if (auto unused = arguments_.unused(); !unused.empty())
        output_->text(last,
                      fmt::format("[Warning] One or more build-args [{}] were not consumed\n", join(unused, " ")));
    output_->text(last, fmt::format("Successfully built {}\n", image->id.hex().substr(0, 12)));
}

Result<image::ImagePointer> Job::finish(StageResult last) {
    if (!last.image) return Error(Errc::Invalid, "No image was generated. Is your Dockerfile empty?");
    TRY(context_.check());
    auto& images = engine().parts().images;
    auto image = last.image;
    auto pin = last.pin;
    if (request_.squash) {
        image = TRY(squash(*this, last));
        pin = images.pin(image);
    }
    image = TRY(images.finish_steps(image->id, {}));
    announce(image);
    auto last_stage = recipe_.stages.size();
    for (const auto& tag : request_.tags) {
        image = TRY(images.finish_steps(image->id, {tag}));
        auto attributes = image->config.labels;
        attributes["name"] = tag;
        engine().parts().journal.publish(context_, "image", "tag", image->id.text(), std::move(attributes));
        output_->text(last_stage, fmt::format("Successfully tagged {}\n", tag));
    }
    return image;
}

static std::string server_of(const image::Reference& reference) {
    return reference.domain == "docker.io" ? std::string(docker_hub_server) : reference.domain;
}

Result<image::ImagePointer> Job::find_image(std::size_t stage, const std::string& reference,
                                            const std::string& platform, bool pull_anyway) {
    auto& images = engine().parts().images;
    auto local = images.find(reference);
    if (!local && local.error().code() == Errc::Invalid) return local;
    auto wanted = platform.empty() ? platform_of_this_machine() : TRY(parse_platform(platform));
    bool fits = local && (platform.empty() || (*local)->config.architecture == wanted.architecture);
    if (fits && !pull_anyway) return local;
    if (local && image::Digest::parse((*local)->id.text()) && reference.size() >= 12 &&
        (*local)->id.text().find(reference) != std::string::npos && fits)
        return local;  // by id: there is nothing to ask a registry for
    auto name = TRY(image::Reference::parse(reference));
    image::PullRequest pull;
    pull.platform = platform;
    for (const auto& server : {server_of(name), "https://" + name.domain, std::string("index.docker.io")}) {
        auto known = request_.credentials.find(server);
        if (known == request_.credentials.end() || (server == "index.docker.io" && name.domain != "docker.io"))
            continue;
        pull.auth = known->second;
        break;
    }
    auto pulled = engine().parts().registry.pull(
        context_, name.familiar(), pull, [&](const image::Progress& progress) { output_->write(stage, progress); });
    if (!pulled && local && !fits)
        return Error(Errc::NotFound, fmt::format("image {} is here for {}/{} only, and its {} could not be pulled: {}",
                                                 reference, (*local)->config.os, (*local)->config.architecture,
                                                 wanted.text(), pulled.error().message()));
    if (!pulled) return pulled.take_error();
    engine().parts().journal.publish(context_, "image", "pull", name.familiar(), {{"name", name.familiar()}});
    return pulled->image;
}

std::string Job::secrets_directory() {
    Lock lock(mutex_);
    if (!secrets_directory_.empty()) return secrets_directory_;
    auto path = fmt::format("{}/build-{}", engine().options().run_directory, random_hex(16));
    if (os::make_directory(path, 0700)) secrets_directory_ = path;
    return path;
}

}  // namespace pila::build
