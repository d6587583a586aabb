// SPDX-License-Identifier: Apache-2.0
// Times commands in turn (A B A B ...), from vfork to exit: timer ROUNDS GAP_MS NAME COMMAND... -- NAME COMMAND...
// "{}" in a command becomes a fresh name each time. Prints "NAME MILLISECONDS" per run. Output goes to /dev/null.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

namespace {

struct Contender {
    std::string name;
    std::vector<std::string> command;
};

double now_ms() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

std::vector<Contender> parse(int argc, char** argv) {
    std::vector<Contender> contenders;
    bool fresh = true;
    for (int index = 3; index < argc; index++) {
        if (std::strcmp(argv[index], "--") == 0)
            fresh = true;
        else if (std::exchange(fresh, false))
            contenders.push_back({argv[index], {}});
        else
            contenders.back().command.emplace_back(argv[index]);
    }
    return contenders;
}

// Milliseconds, or -1 when the command failed.
double run(const Contender& contender, const std::string& unique, const posix_spawn_file_actions_t* actions) {
    std::vector<std::string> words = contender.command;
    std::vector<char*> arguments;
    for (std::string& word : words) {
        if (const auto at = word.find("{}"); at != std::string::npos) word.replace(at, 2, unique);
        arguments.push_back(word.data());
    }
    arguments.push_back(nullptr);
    pid_t pid = 0;
    int status = 0;
    const double begin = now_ms();
    if (posix_spawnp(&pid, arguments[0], actions, nullptr, arguments.data(), environ) != 0) return -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    const double end = now_ms();
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? end - begin : -1;
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<Contender> contenders = parse(argc, argv);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    for (int fd = 0; fd < 3; fd++) posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    for (int round = -2; round < std::atoi(argv[1]); round++) {  // two rounds to warm up
        for (const Contender& contender : contenders) {
            const std::string unique = "bench" + std::to_string(getpid()) + "-" + std::to_string(round + 2);
            const double milliseconds = run(contender, unique + contender.name.substr(0, 1), &actions);
            if (milliseconds < 0) {
                std::fprintf(stderr, "timer: %s failed\n", contender.name.c_str());
                return 1;
            }
            if (round >= 0) std::printf("%s %.3f\n", contender.name.c_str(), milliseconds);
            if (const int gap = std::atoi(argv[2])) usleep(gap * 1000);
        }
    }
    return 0;
}
