// SPDX-License-Identifier: Apache-2.0
// What a container does that wants out (test_escapes.py). Compiled statically, run inside.
//   escape watch SECONDS     looks at every process that joins: can its program be written to, its descriptors be seen?
//   escape swap A B SECONDS  exchanges two names as fast as it can
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static struct stat own;

// A program of the host: neither on the container's root nor this one.
static int is_foreign(int fd, dev_t root) {
    struct stat info;
    return fstat(fd, &info) == 0 && info.st_dev != root && (info.st_dev != own.st_dev || info.st_ino != own.st_ino);
}

static int held[256], held_count;

static void look_at(const char *pid, dev_t root) {
    char path[300], target[300];
    snprintf(path, sizeof path, "/proc/%s/exe", pid);
    int exe = open(path, O_PATH | O_CLOEXEC);
    if (exe < 0) return;
    if (!is_foreign(exe, root)) {
        close(exe);
        return;
    }
    ssize_t size = readlink(path, target, sizeof target - 1);
    printf("met %.*s\n", size > 0 ? (int)size : 0, target);
    int writable = open(path, O_WRONLY | O_CLOEXEC);
    if (writable >= 0) printf("WRITABLE\n");
    if (held_count < 256)
        held[held_count++] = exe;  // to be opened for writing once nobody executes it
    else
        close(exe);
    snprintf(path, sizeof path, "/proc/%s/fd", pid);
    DIR *directory = opendir(path);
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        char link[600];
        snprintf(link, sizeof link, "%s/%s", path, entry->d_name);
        size = readlink(link, target, sizeof target - 1);
        if (size > 0 && target[0] == '/') printf("DESCRIPTOR %.*s\n", (int)size, target);
        snprintf(link, sizeof link, "/proc/%s/fd/%s/etc/hostname", pid, entry->d_name);
        int file = open(link, O_RDONLY);
        struct stat info;
        if (file >= 0 && fstat(file, &info) == 0 && info.st_dev != root) printf("REACHED %s\n", link);
        if (file >= 0) close(file);
    }
    if (directory) closedir(directory);
    if (ptrace(PTRACE_SEIZE, atoi(pid), 0, 0) == 0) {
        printf("TRACED\n");
        ptrace(PTRACE_DETACH, atoi(pid), 0, 0);
    }
}

static int watch(double seconds) {
    struct stat root;
    if (stat("/", &root) < 0 || stat("/proc/self/exe", &own) < 0) return 2;
    double end = now() + seconds;
    printf("watching\n");
    fflush(stdout);
    while (now() < end) {
        DIR *directory = opendir("/proc");
        struct dirent *entry;
        while (directory && (entry = readdir(directory)))
            if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') look_at(entry->d_name, root.st_dev);
        if (directory) closedir(directory);
    }
    for (int i = 0; i < held_count; ++i) {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", held[i]);
        int writable = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
        if (writable < 0) continue;
        printf("OVERWRITTEN\n");
        if (write(writable, "owned", 5) != 5) printf("not written\n");
        close(writable);
    }
    printf("met %d in all\n", held_count);
    return 0;
}

static int swap(const char *a, const char *b, double seconds) {
    double end = now() + seconds;
    unsigned long count = 0;
    printf("swapping\n");
    fflush(stdout);
    while (now() < end)
        for (int i = 0; i < 100; ++i) {
            if (syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) < 0) {
                printf("%s\n", strerror(errno));
                return 1;
            }
            ++count;
        }
    printf("%lu times\n", count);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "watch") == 0) return watch(atof(argv[2]));
    if (argc == 5 && strcmp(argv[1], "swap") == 0) return swap(argv[2], argv[3], atof(argv[4]));
    return 2;
}
