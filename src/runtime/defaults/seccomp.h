// SPDX-License-Identifier: Apache-2.0
#pragma once
// The default seccomp profile as data: as strict as Docker's (moby profiles/seccomp, release 28). Everything that no
// group allows fails with EPERM, or with ENOSYS if it is newer than all of this. `pila-runtime seccomp` prints it in
// Docker's form, as a beginning for a profile of one's own.

#include <cstdint>
#include <string_view>

#include "runtime/seccomp_filter.h"

namespace pila::runtime::defaults {

struct ArgumentRule {
    unsigned index;
    seccomp::Compare compare;
    std::uint64_t value, mask;
};

struct SyscallGroup {
    const char* reason;
    std::uint64_t capabilities;  // this one is needed; 0: none
    std::string_view syscalls;   // separated by blanks
    std::uint64_t unless = 0;    // with this capability the group does not count
    const ArgumentRule* test = nullptr;
    std::uint32_t error = 0;  // what they fail with; 0: allowed
};

constexpr ArgumentRule equals(std::uint64_t value) { return {0, seccomp::Compare::Equal, value, ~std::uint64_t{0}}; }
inline constexpr ArgumentRule linux_personality = equals(0x0), linux_32_bit = equals(0x20000),
                              short_addresses = equals(0x8), both_personalities = equals(0x20008),
                              asking = equals(0xffffffff);
inline constexpr ArgumentRule below_alg{0, seccomp::Compare::Less, 38, 0},
    between_alg_and_vsock = equals(39), above_vsock{0, seccomp::Compare::Greater, 40, 0};
inline constexpr ArgumentRule no_namespaces{0, seccomp::Compare::MaskedEqual, 0, 0x7e020000};

constexpr std::uint64_t capability(int number) { return std::uint64_t{1} << number; }

constexpr SyscallGroup syscall_groups[] = {
    {"files: open, read, write, move", 0,
     "access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 "
     "fadvise64 "
     "fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync flock "
     "fstat "
     "fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd getdents getdents64 ioctl "
     "lchown "
     "lchown32 link linkat _llseek lseek lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open "
     "openat "
     "openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv rename "
     "renameat "
     "renameat2 rmdir sendfile sendfile64 splice stat stat64 statfs statfs64 statx symlink symlinkat sync "
     "sync_file_range "
     "syncfs tee truncate truncate64 umask unlink unlinkat utime utimensat utimensat_time64 utimes vmsplice write "
     "writev"},
    {"extended attributes; trusted.* and security.* are guarded by capabilities themselves", 0,
     "fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr listxattrat llistxattr "
     "lremovexattr "
     "lsetxattr removexattr removexattrat setxattr setxattrat"},
    {"waiting for descriptors, notification", 0,
     "epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd "
     "eventfd2 "
     "fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch _newselect pipe pipe2 poll ppoll "
     "ppoll_time64 "
     "pselect6 pselect6_time64 select signalfd signalfd4 timerfd_create timerfd_gettime timerfd_gettime64 "
     "timerfd_settime "
     "timerfd_settime64"},
    {"old asynchronous input/output; io_uring stays out: too many kernel faults in it (moby issue 46762)", 0,
     "io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit"},
    {"memory", 0,
     "brk cachestat madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 "
     "mlockall mmap mmap2 mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect "
     "process_mrelease remap_file_pages"},
    {"processes, threads and their scheduling within what limits allow", 0,
     "execve execveat exit exit_group fork futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake getcpu "
     "getpgid "
     "getpgrp getpid getppid getpriority get_robust_list getrusage getsid get_thread_area gettid ioprio_get ioprio_set "
     "kill "
     "pause pidfd_open pidfd_send_signal prctl prlimit64 restart_syscall rseq sched_getaffinity sched_getattr "
     "sched_getparam "
     "sched_get_priority_max sched_get_priority_min sched_getscheduler sched_rr_get_interval "
     "sched_rr_get_interval_time64 "
     "sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield setpgid setpriority "
     "set_robust_list setsid "
     "set_thread_area set_tid_address tgkill tkill uretprobe vfork wait4 waitid waitpid"},
    {"signals", 0,
     "rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait "
     "rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack sigprocmask sigreturn"},
    {"identity; what a process may become is limited by its capabilities", 0,
     "capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid getresgid32 "
     "getresuid "
     "getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 "
     "setregid "
     "setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32"},
    {"limits and facts about the system", 0, "getrandom getrlimit setrlimit sysinfo times ugetrlimit uname"},
    {"clocks: reading and waiting; setting needs CAP_SYS_TIME (adjtimex reads without it)", 0,
     "adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 "
     "clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer time timer_create timer_delete "
     "timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64"},
    {"sockets; which families may be made is an argument rule of its own", 0,
     "accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmmsg_time64 "
     "recvmsg send "
     "sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair"},
    {"System V and POSIX interprocess communication, in a namespace of its own", 0,
     "ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 "
     "mq_unlink msgctl "
     "msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget"},
    {"giving up rights is always allowed", 0,
     "landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp"},
    {"tracing one's own processes; safe against filter escapes since Linux 4.8", 0,
     "process_vm_readv process_vm_writev ptrace"},
    {"x86: thread pointers and descriptor tables, 32-bit and 64-bit", 0, "arch_prctl modify_ldt"},
    {"ARM: caches and thread pointers", 0,
     "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"},

    {"opening by handle walks around the mount namespace", capability(2), "open_by_handle_at"},
    {"administration: mounts, namespaces, BPF, quotas", capability(21),
     "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount "
     "open_tree "
     "perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare"},
    {"reboot", capability(22), "reboot"},
    {"changing the root directory", capability(18), "chroot"},
    {"kernel modules", capability(16), "delete_module init_module finit_module"},
    {"process accounting", capability(20), "acct"},
    {"inspecting other processes", capability(19),
     "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"},
    {"raw input/output ports", capability(17), "iopl ioperm"},
    {"setting clocks", capability(25), "settimeofday stime clock_settime clock_settime64"},
    {"terminals", capability(26), "vhangup"},
    {"memory placement across nodes", capability(23), "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"},
    {"the kernel's log", capability(34), "syslog"},
    {"BPF", capability(39), "bpf"},
    {"performance counters", capability(38), "perf_event_open"},

    {"personality: plain Linux", 0, "personality", 0, &linux_personality},
    {"personality: 64-bit programs that want 32-bit addresses", 0, "personality", 0, &short_addresses},
    {"personality: uname of a 32-bit machine", 0, "personality", 0, &linux_32_bit},
    {"personality: both; switching randomisation off is not among these", 0, "personality", 0, &both_personalities},
    {"personality: asking", 0, "personality", 0, &asking},
    {"socket families up to ALG (38), which is attack surface that containers do not need", 0, "socket", 0, &below_alg},
    {"socket family 39 (one argument cannot be tested twice in one rule)", 0, "socket", 0, &between_alg_and_vsock},
    {"socket families behind VSOCK (40), which reaches the hypervisor past all namespaces", 0, "socket", 0,
     &above_vsock},
    {"processes and threads, but no new namespaces (CLONE_NEW*)", 0, "clone", capability(21), &no_namespaces},
    {"hides its flags in memory: not there, so that C libraries take clone", 0, "clone3", capability(21), nullptr, 38},
};

}  // namespace pila::runtime::defaults
