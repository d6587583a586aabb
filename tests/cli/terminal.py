#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same sessions on a terminal with docker and with pila: what appears, the exit code, and that echo is on again.

  terminal.py path/to/pila [PATTERN]     needs docker, DOCKER_HOST and an image busybox:latest; exit 77 without them
"""
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fake_daemon  # noqa: E402

CTRL_P_Q, CTRL_C, CTRL_D = b"\x10\x11", b"\x03", b"\x04"
READY = b"ready\r\n"
SIZE_LOOP = "echo ready; while :; do if read line; then case $line in end) exit 4;; esac; echo got $line; stty size; fi; done"
# name: arguments, then what is awaited (bytes that must appear), typed ("type", bytes), resized or signalled
SESSIONS = {
    "run": (["run", "--rm", "-it", "busybox", "sh", "-c", SIZE_LOOP],
            [READY, ("type", b"one\n"), b"30 100\r\n", ("size", 40, 132), ("type", b"two\n"), b"40 132\r\n", ("type", b"end\n")]),
    "no input": (["run", "--rm", "-t", "busybox", "sh", "-c", "echo x; exit 2"], []),
    "interrupt": (["run", "--rm", "-it", "busybox", "sh", "-c", "trap 'echo INT; exit 3' INT; echo ready; while :; do sleep 0.1; done"],
                  [READY, ("type", CTRL_C)]),
    "detach": (["run", "-it", "--name", "NAME", "busybox", "sh", "-c", SIZE_LOOP], [READY, ("type", CTRL_P_Q)]),
    "attach and detach": (["attach", "NAME"], [("type", b"two\n"), b"30 100\r\n", ("type", CTRL_P_Q)]),
    "own keys": (["attach", "--detach-keys", "ctrl-a,x", "NAME"], [("type", b"three\n"), b"30 100\r\n", ("type", b"\x01x")]),
    "exec": (["exec", "-it", "NAME", "sh", "-c", SIZE_LOOP], [READY, ("type", b"four\n"), b"30 100\r\n", ("type", b"end\n")]),
    "exec and detach": (["exec", "-it", "NAME", "sh", "-c", "echo ready; cat"], [READY, ("type", CTRL_P_Q)]),
    "keys held back": (["exec", "-it", "NAME", "sh", "-c", "echo ready; cat"],
                       [READY, ("type", b"a\x10b\n"), b"a\x10b\r\n", ("type", CTRL_D)]),
    "attach to the end": (["attach", "NAME"], [("type", b"end\n")]),
    "start -ai": (["start", "-ai", "NAME"], [READY, ("type", b"end\n")]),
    "remove": (["rm", "-f", "NAME"], []),
    "terminated": (["run", "--rm", "busybox", "sh", "-c", "trap 'echo TERM; exit 8' TERM; echo ready; while :; do sleep 0.1; done"],
                   [READY, ("signal", signal.SIGTERM)]),
}
MESSAGES = [
    {"status": "Pulling from library/x", "id": "latest"},
    {"status": "Pulling fs layer", "progressDetail": {}, "id": "aaa"},
    {"status": "Pulling fs layer", "progressDetail": {}, "id": "bbb"},
    {"status": "Downloading", "progressDetail": {"current": 1000, "total": 5000000}, "progress": "[> ]", "id": "aaa"},
    {"status": "Downloading", "progressDetail": {"current": 123456}, "progress": "x", "id": "bbb"},
    {"status": "Download complete", "progressDetail": {}, "id": "aaa"},
    {"status": "Extracting", "progressDetail": {"current": 3, "total": 10, "units": "s"}, "progress": "y", "id": "aaa"},
    {"status": "Extracting", "progressDetail": {"current": 7000000, "total": 5000000}, "progress": "y", "id": "aaa"},
    {"status": "Pull complete", "progressDetail": {}, "id": "aaa"},
    {"status": "Digest: sha256:123"}, {"status": "Status: Downloaded newer image for x:latest"},
    {"aux": {"a": 1}}, {"stream": "Loaded image: x\n"}]
PROGRESS = [["pull", "x"], ["pull", "broken"], ["push", "x:1"], ["pull", "-q", "x"]]


def session(arguments, steps):
    pid, fd = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        os.execvp(arguments[0], arguments)
    seen, fresh, code = b"", b"", None

    def take(until):
        nonlocal seen, fresh
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if until is not None and until in fresh:
                fresh = fresh[fresh.index(until) + len(until):]
                return True
            if select.select([fd], [], [], 0.1)[0]:
                try:
                    data = os.read(fd, 65536)
                except OSError:
                    return False
                if not data:
                    return False
                seen, fresh = seen + data, fresh + data
        return False

    for step in steps:
        if isinstance(step, bytes):
            take(step)
        elif step[0] == "type":
            time.sleep(0.3)  # a program that just began may still set up its terminal
            os.write(fd, step[1])
        elif step[0] == "size":
            fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", step[1], step[2], 0, 0))
        else:
            os.kill(pid, step[1])
    echo = None
    take(None)
    try:
        echo = bool(termios.tcgetattr(fd)[3] & termios.ECHO)
    except termios.error:
        pass
    for _ in range(100):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            break
        time.sleep(0.05)
    else:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    os.close(fd)
    return code, seen, echo


def compare(name, results):
    if results[0] == results[1]:
        return 0
    print(f"--- {name}\n  docker {results[0]}\n  pila   {results[1]}")
    return 1


def answer_progress(handler):
    handler.body()
    if handler.path.endswith("/_ping"):
        return handler.answer(200, None)
    messages = MESSAGES + ([{"errorDetail": {"message": "boom"}, "error": "boom"}] if "broken" in handler.path else [])
    body = "".join(json.dumps(message) + "\r\n" for message in messages).encode()
    handler.send_response(200)
    handler.send_header("Api-Version", "1.50")
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def main():
    program, pattern = os.path.abspath(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""
    try:
        found = subprocess.run(["docker", "image", "inspect", "busybox:latest"], capture_output=True).returncode
    except FileNotFoundError:
        found = 1
    if found != 0 or not os.environ.get("DOCKER_HOST"):
        print("skipped: needs docker, DOCKER_HOST and busybox:latest")
        return 77
    os.environ["PILA_HOST"] = os.environ["DOCKER_HOST"]
    bad = total = 0
    for name, (arguments, steps) in SESSIONS.items():
        if pattern not in name:
            continue
        total += 1
        results = []
        for program_name, container in (("docker", "ttydocker"), (program, "ttyxpilax")):
            code, seen, echo = session([program_name] + [a.replace("NAME", container) for a in arguments], steps)
            results.append((code, seen.replace(container.encode(), b"NAME"), echo))
        bad += compare(name, results)
    for verb in ("do_GET", "do_POST", "do_HEAD"):
        setattr(fake_daemon.Handler, verb, answer_progress)
    socket = f"/tmp/pila-cli-terminal-{os.getpid()}"
    with fake_daemon.FakeDaemon(socket, "1.50"):
        os.environ["DOCKER_HOST"] = os.environ["PILA_HOST"] = "unix://" + socket
        for arguments in PROGRESS:
            if pattern not in " ".join(arguments):
                continue
            total += 2
            bad += compare(f"{arguments} on a terminal", [session([p] + arguments, []) for p in ("docker", program)])
            plain = [subprocess.run([p] + arguments, capture_output=True) for p in ("docker", program)]
            bad += compare(f"{arguments} in a pipe", [(p.returncode, p.stdout, p.stderr) for p in plain])
    print(f"{total - bad} of {total} alike")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
