// SPDX-License-Identifier: Apache-2.0
#pragma once
// One stage on its way: the image so far, and what the next step does to it. One thread.

#include <map>

#include "build/files.h"
#include "build/job.h"
#include "image/instructions.h"

namespace pila::build {

class StageRun {
public:
    StageRun(Job& job, std::size_t index) : job_(job), index_(index) {}
    Result<StageResult> run();

private:
    friend class RunStep;
    friend class RunMounts;
    friend class CopyStep;

    Result<void> begin();
    Result<void> begin_on(const image::ImagePointer& base);
    Result<void> run_triggers();
    Result<void> dispatch(const image::Instruction& instruction);
    Result<void> change_config(const image::Instruction& instruction);
    Result<void> declare(const image::Instruction& instruction);
    Result<void> set_author(const image::Instruction& instruction);
    Result<void> change_directory(const image::Instruction& instruction);
    Result<void> run_command(const image::Instruction& instruction);  // run_step.cpp
    Result<void> copy_files(const image::Instruction& instruction);   // copy_step.cpp

    // Of the image's environment and of what ARG declared; the former wins.
    std::optional<std::string> variable(std::string_view name) const;
    image::Variables variables() const {
        return [this](std::string_view name) { return variable(name); };
    }
    std::vector<std::string> argument_assignments() const;  // that no ENV hides, sorted

    // What a step depends on besides its parent.
    image::Digest key_of(std::string_view kind, const std::vector<std::string>& parts) const;
    // Goes on from there if this step was done before.
    bool use_cache(const image::Digest& key, const std::string& created_by, const image::ImageConfig& config);
    struct Made {
        std::string created_by;
        image::ImageConfig config;
        std::string layer_directory;  // "": no layer
        std::string description;
        bool keep_directory = false;
    };
    Result<void> commit(const image::Digest& key, Made made);
    std::string shell_comment(const std::string& what, std::string_view gap) const;  // "/bin/sh -c #(nop)  ENV a=b"
    void say(std::string text) { job_.output().text(index_, std::move(text)); }
    void stand_on(image::ImagePointer image, std::shared_ptr<void> pin);

    // A writable tree over the image so far ("alone": over nothing), and what was changed in it.
    class Workspace {
    public:
        static Result<Workspace> create(StageRun& stage, bool alone);
        ~Workspace();
        Workspace(Workspace&&) noexcept;
        FdView root() const { return root_; }
        Result<std::string> take_changes();  // a directory that is the caller's; the tree is gone then

    private:
        explicit Workspace(StageRun& stage) : stage_(&stage) {}
        StageRun* stage_;
        std::string id_;
        Fd root_;
    };
    Result<SourceTree> tree_of(const image::ImagePointer& image);
    Result<SourceTree> tree_from(const std::string& from);  // a stage or image

    Job& job_;
    const std::size_t index_;
    image::ImagePointer image_, base_;
    std::shared_ptr<void> pin_;
    image::ImageConfig config_;
    bool command_set_ = false;
    std::map<std::string, std::optional<std::string>> declared_;  // by ARG
};

}  // namespace pila::build
