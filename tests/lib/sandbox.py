#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command as if on a machine of its own: new network, mount, pid and ipc namespaces, loopback up, an empty /run.

Everything a test starts lives in here and dies with it, even when the test is killed; what is left over inside can be
told apart from what others do on the machine. With --uplink the network reaches outside through a veth and NAT.
"""
import argparse
import atexit
import ctypes
import glob
import os
import secrets
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    """preexec_fn: the kernel kills this process when the thread that started it ends."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def inside():
    return os.environ.get("PILA_SANDBOX") == "1"


def run(command, uplink=False):
    """Parent side: namespaces, init in them, and the wait. Returns the exit code."""
    ready_read, ready_write = os.pipe()
    go_read, go_write = os.pipe()
    arguments = ["unshare", "--net", "--mount", "--pid", "--ipc", "--fork", "--kill-child=SIGKILL", "--mount-proc",
                 "--propagation", "slave", sys.executable, os.path.abspath(__file__), "--init", str(ready_write),
                 str(go_read), "--", *command]
    mark = f"t{secrets.token_hex(3)}"  # instance names of daemons in here begin so: control groups are the machine's
    atexit.register(remove_control_groups, mark)
    process = subprocess.Popen(arguments, pass_fds=(ready_write, go_read), preexec_fn=die_with_parent,
                               env=os.environ | {"PILA_TEST_INSTANCE": mark})
    os.close(ready_write)
    os.close(go_read)
    if os.read(ready_read, 1) == b"1" and uplink:
        children = open(f"/proc/{process.pid}/task/{process.pid}/children").read().split()
        atexit.register(remove_uplink, add_uplink(int(children[0])))
    os.write(go_write, b"1")
    for forwarded in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(forwarded, lambda *_: process.kill())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # the terminal told the command too
            continue


def sh(*command, check=True):
    return subprocess.run(command, check=check, capture_output=True, text=True)


def remove_control_groups(mark):
    """Of daemons that were killed. Their processes have ended with the sandbox."""
    for directory in glob.glob(f"/sys/fs/cgroup/{mark}*") + glob.glob(f"/sys/fs/cgroup/*/{mark}*"):
        for path, _, _ in os.walk(directory, topdown=False):
            try:
                os.rmdir(path)
            except OSError as error:
                print(f"{path}: {error.strerror}", file=sys.stderr)


def add_uplink(pid):
    """Routes for the sandbox. Forwarding stays on afterwards, as every container engine leaves it: others may need it by then."""
    name = f"pu{pid}"
    octets = (pid >> 6 & 255, pid & 63)
    host, guest = (f"10.213.{octets[0]}.{octets[1] * 4 + n}" for n in (1, 2))
    sh("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
    sh("ip", "addr", "add", f"{host}/30", "dev", name)
    sh("ip", "link", "set", name, "up")
    inside_of = ("nsenter", "-t", str(pid), "-n")
    sh(*inside_of, "ip", "addr", "add", f"{guest}/30", "dev", "eth0")
    sh(*inside_of, "ip", "link", "set", "eth0", "up")
    sh(*inside_of, "ip", "route", "add", "default", "via", host)
    sh("nft", f"""table ip {name} {{
        chain out {{
            type nat hook postrouting priority 100
            ip saddr {guest} masquerade
        }}
    }}""")
    with open("/proc/sys/net/ipv4/ip_forward", "w") as file:
        file.write("1")
    return name


def remove_uplink(name):
    sh("ip", "link", "del", name, check=False)
    sh("nft", "delete", "table", "ip", name, check=False)


def private_run():
    """An empty /run: sockets and lock files of the machine's own services stay out of sight."""
    names = os.path.realpath("/etc/resolv.conf")
    upstream = "/run/systemd/resolve/resolv.conf"  # systemd-resolved's stub listens on the machine's loopback only
    text = open(upstream if os.path.exists(upstream) else names).read() if os.path.exists(names) else ""
    sh("mount", "-t", "tmpfs", "-o", "mode=755,size=75%", "sandbox", "/run")
    if names.startswith("/run/"):
        os.makedirs(os.path.dirname(names), exist_ok=True)
        with open(names, "w") as file:
            file.write(text)


def init(ready, go, command):
    """PID 1 of the sandbox: starts the command, reaps everything, ends with it (the kernel then kills the rest)."""
    sh("ip", "link", "set", "lo", "up")
    private_run()
    os.write(ready, b"1")
    os.read(go, 1)
    os.close(ready)
    os.close(go)
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)

    def child_signals():
        for restored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(restored, signal.SIG_DFL)

    main = subprocess.Popen(command, env=os.environ | {"PILA_SANDBOX": "1"}, preexec_fn=child_signals)
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == main.pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def enter(arguments):
    """Re-executes the calling program inside a sandbox unless it is in one already."""
    if not inside():
        sys.exit(run([sys.executable, *arguments]))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--init"]:
        sys.exit(init(int(sys.argv[2]), int(sys.argv[3]), sys.argv[5:]))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uplink", action="store_true")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    sys.exit(run(options.command, options.uplink))
