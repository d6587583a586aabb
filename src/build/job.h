// SPDX-License-Identifier: Apache-2.0
#pragma once
// One build: its stages on a few threads, each when it is needed. A stage waits only for earlier ones, and the earliest
// that is needed is always somebody's, so that nobody waits in a circle.

#include <atomic>
#include <thread>

#include "build/builder.h"
#include "build/output.h"

namespace pila::build {

// What a stage is once its steps are done.
struct StageResult {
    image::ImagePointer image;  // none: FROM scratch and nothing else
    image::ImagePointer base;   // that its FROM named; none: scratch
    image::ImageConfig config;
    std::shared_ptr<void> pin;
};

class Job {
public:
    Job(Builder& builder, BuildRequest request, Recipe recipe, std::unique_ptr<BuildContext> files, Platform target);
    ~Job();

    // The image, named. Once.
    Result<image::ImagePointer> run(const Context& context, const image::ProgressSink& sink);
    int failed_exit_code() const { return exit_code_; }  // of the RUN that failed; 0: something else

    // For stages:
    Result<StageResult> stage(std::size_t index);
    Result<image::ImagePointer> find_image(std::size_t stage, const std::string& reference, const std::string& platform,
                                           bool pull_anyway);
    const Context& context() const { return context_; }
    Builder& builder() { return builder_; }
    engine::Engine& engine() { return builder_.engine(); }
    const BuildRequest& request() const { return request_; }
    const Recipe& recipe() const { return recipe_; }
    const Platform& target() const { return target_; }
    Arguments& arguments() { return arguments_; }
    BuildContext& files() { return *files_; }
    Output& output() { return *output_; }
    std::optional<WallTime> epoch() const { return epoch_; }
    WallTime step_time() const { return epoch_ ? *epoch_ : now_wall(); }
    const std::vector<image::ImagePointer>& cache_from() const { return cache_from_; }
    std::size_t first_step(std::size_t stage) const { return first_steps_[stage]; }
    std::size_t step_count() const { return step_count_; }
    void set_exit_code(int code) { exit_code_ = code; }
    std::string secrets_directory();  // made on first use

    Result<void> prepare();  // everything that needs no step

private:
    struct Running;
    enum class State : std::uint8_t { Idle, Running, Done };
    struct StageState {
        State state = State::Idle;
        bool needed = false;
        std::optional<Result<StageResult>> result;
    };
    void find_needed(std::size_t stage);
    std::vector<std::size_t> static_dependencies(const Stage& stage, std::size_t index) const;
    void work();
    void execute(std::size_t index);
    Result<image::ImagePointer> finish(StageResult last);
    void announce(const image::ImagePointer& image);
    void let_go();  // of the images it stood on

    Builder& builder_;
    const BuildRequest request_;
    Recipe recipe_;
    std::unique_ptr<BuildContext> files_;
    const Platform target_;
    Arguments arguments_;
    std::size_t target_stage_ = 0;
    std::optional<WallTime> epoch_;
    std::vector<image::ImagePointer> cache_from_;
    std::vector<std::shared_ptr<void>> pins_;
    std::vector<std::size_t> first_steps_;
    std::size_t step_count_ = 0;
    Context context_;
    std::stop_source stop_;
    std::unique_ptr<Output> output_;
    std::atomic<int> exit_code_ = 0;
    Mutex mutex_;
    Condition changed_;
    std::vector<StageState> states_ GUARDED_BY(mutex_);
    std::optional<std::size_t> failed_ GUARDED_BY(mutex_);
    std::string secrets_directory_ GUARDED_BY(mutex_);
};

}  // namespace pila::build
