// SPDX-License-Identifier: Apache-2.0
#pragma once
// The files that came with a build: a tar, compressed or not, unpacked once into a directory of its own below the image
// store's work directory, which goes with this object (or, after a crash, with the next start).

#include <memory>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/fd.h"
#include "http/message.h"

namespace pila::build {

class WorkDirectory {
public:
    static Result<WorkDirectory> create(const std::string& below);
    ~WorkDirectory();
    WorkDirectory(WorkDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    WorkDirectory& operator=(WorkDirectory&&) = delete;
    const std::string& path() const { return path_; }

private:
    explicit WorkDirectory(std::string path) : path_(std::move(path)) {}
    std::string path_;
};

class BuildContext {
public:
    // `body`: nothing at all is an empty context.
    static Result<std::unique_ptr<BuildContext>> unpack(const Context& context, const std::string& work_directory,
                                                        http::BodyReader* body);
    // What a URL leads to: a tar, or the text of a Dockerfile.
    static Result<std::unique_ptr<BuildContext>> fetch(const Context& context, const std::string& work_directory,
                                                       const std::string& url);

    FdView root() const { return root_; }
    const std::string& directory() const { return directory_; }
    const WorkDirectory& work() const { return work_; }
    // Of the file `name`; "" is "Dockerfile" or "dockerfile". What the .dockerignore names of the two goes.
    Result<std::string> take_dockerfile(const std::string& name);

private:
    explicit BuildContext(WorkDirectory work) : work_(std::move(work)), directory_(work_.path() + "/context") {}
    Result<void> make_root();
    Result<void> extract(const Context& context, http::BodyReader& body);

    WorkDirectory work_;
    std::string directory_;
    Fd root_;
};

// An answer to GET, after at most ten redirections; its body is still to be read.
struct Fetched {
    std::unique_ptr<class FetchedBody> body;
    std::string file_name;  // of the URL, or of Content-Disposition
    std::string content_type;
    std::string last_modified;  // RFC 1123, or ""
};
class FetchedBody {
public:
    virtual ~FetchedBody() = default;
    virtual http::BodyReader& reader() = 0;
};
Result<Fetched> fetch_url(const Context& context, const std::string& url);
bool is_url(std::string_view text);
bool is_git(std::string_view text);
Error no_git(std::string_view url);

}  // namespace pila::build
