# SPDX-License-Identifier: Apache-2.0
"""What an engine could leave behind on a machine: counted lines, compared before and after.

Inside a sandbox processes, mounts, links and rules are all ours; control groups are the machine's and told by name.
"""
import os
import re
import subprocess
import time
from collections import Counter
from pathlib import Path


def processes(engine):
    """Every process of the sandbox that is neither this one's ancestor or child, nor the engine itself."""
    mine, pid = {1, os.getpid(), engine.pid}, os.getpid()
    while pid > 1:
        pid = int(re.search(r"^PPid:\s*(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)[1])
        mine.add(pid)
    found = Counter()
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        if pid in mine:
            continue
        try:
            parent = int(re.search(r"^PPid:\s*(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)[1])
            line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except (OSError, TypeError):
            continue
        if parent != os.getpid():
            found[f"process {line[:100] or '(zombie)'}"] += 1
    return found


def mounts(engine):
    lines = Path(f"/proc/{engine.pid}/mountinfo").read_text().splitlines()
    return Counter(f"mount {line.split()[4]}" for line in lines)


def links(prefix=()):
    lines = subprocess.run([*prefix, "ip", "-o", "link"], capture_output=True, text=True).stdout.splitlines()
    return Counter("link " + re.sub(r"[0-9a-f]{8,}|@if\d+", "N", line.split(":")[1].strip()) for line in lines)


def rules(prefix=()):
    """The rule set without counters and without elements that time out by themselves."""
    text = subprocess.run([*prefix, "nft", "-n", "list", "ruleset"], capture_output=True, text=True).stdout
    text = re.sub(r"counter packets \d+ bytes \d+", "counter", text)
    return Counter(f"rule {line.strip()}" for line in text.splitlines() if line.strip(" \t}"))


def namespaces():
    """How many there are of each kind: pools replace theirs by new ones."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for kind in ("net", "mnt", "pid", "ipc", "uts", "cgroup"):
            try:
                found.add(os.readlink(f"/proc/{pid}/ns/{kind}"))
            except OSError:
                continue
    return Counter("namespace " + name.split(":")[0] for name in found)


def control_groups(engine):
    """Of pila's own subtree, in every hierarchy there is."""
    mark = getattr(engine, "instance", None)
    if not mark:
        return Counter()
    done = subprocess.run(["find", "/sys/fs/cgroup", "-mindepth", "1", "-type", "d",
                           "(", "-name", mark, "-o", "-path", f"*/{mark}/*", ")"], capture_output=True, text=True)
    return Counter(f"cgroup {line}" for line in done.stdout.splitlines())


def files(engine):
    run = getattr(engine, "run", None)
    if not run or not run.exists():
        return Counter()
    return Counter(f"file {path.relative_to(run)}" for path in run.rglob("*"))


def descriptors(engine):
    """Of the daemon, by what they are; inode numbers left out. Pools refill in the background: hence settle()."""
    found = Counter()
    if engine.name == "docker":  # its connections to containerd come and go
        return found
    for fd in os.listdir(f"/proc/{engine.pid}/fd"):
        try:
            target = os.readlink(f"/proc/{engine.pid}/fd/{fd}")
        except OSError:
            continue
        found["descriptor " + re.sub(r"\[\d+\]|[0-9a-f]{64}|\d+", "N", target)] += 1
    return found


def snapshot(engine):
    return (processes(engine) + mounts(engine) + links() + rules() + namespaces() + control_groups(engine) + files(engine)
            + descriptors(engine))


def steady(engine, seconds=15):
    """A snapshot that is still true a while later: what is made ahead in the background is there."""
    last, deadline = snapshot(engine), time.monotonic() + seconds
    while True:
        time.sleep(0.5)
        now = snapshot(engine)
        if now == last or time.monotonic() > deadline:
            return now
        last = now


def settle(engine, before, seconds=15):
    """What there is more than before, once things have had time to go away."""
    deadline = time.monotonic() + seconds
    while True:
        more = snapshot(engine) - before
        if not more or time.monotonic() > deadline:
            return sorted(f"{what} x{count}" for what, count in more.items())
        time.sleep(0.2)
