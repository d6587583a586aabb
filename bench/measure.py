# SPDX-License-Identifier: Apache-2.0
"""Figures: medians and 95th percentiles, tables, memory of processes, what a machine is."""
import os
import re
import subprocess
from collections import defaultdict
from pathlib import Path

repository = Path(__file__).resolve().parents[1]
build = Path(os.environ.get("PILA_BUILD", repository / "build"))
programs = build / "bench"


def compile_programs():
    programs.mkdir(parents=True, exist_ok=True)
    for name in ("timer", "api_cycle", "round_trips"):
        source, program = repository / f"bench/{name}.cpp", programs / name
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(["g++", "-std=c++20", "-O2", "-static", "-pthread", "-o", program, source], check=True)
    source, program = repository / "bench/kube_load.cpp", programs / "kube_load"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["g++", "-std=c++20", "-O2", "-pthread", "-o", program, source, "-lssl", "-lcrypto"], check=True)


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def collect(text):
    """"NAME [OPERATION] NUMBER" lines -> {(operation or "", name): [numbers]}."""
    series = defaultdict(list)
    for line in text.splitlines():
        words = line.split()
        series[(" ".join(words[1:-1]), words[0])].append(float(words[-1]))
    return series


def output_of(*command, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **more)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))[:200]}: {done.stderr.strip()[-500:] or done.stdout.strip()[-500:]}")
    return done.stdout


def show(title, series, contenders, unit):
    """One row per operation, one column per contender; the first contender is what the ratio is against."""
    print(f"\n{title} ({unit}; median, p95 in brackets, ratio to {contenders[0]})")
    operations = list(dict.fromkeys(operation for operation, _ in series))
    width = max([len(operation) for operation in operations] + [10])
    print(" " * width + "".join(f"{name:>34}" for name in contenders))
    for operation in operations:
        base = series.get((operation, contenders[0]))
        cells = []
        for name in contenders:
            values = series.get((operation, name))
            if not values:
                cells.append("-")
                continue
            ratio = f" {median(values) / median(base):5.2f}" if base and median(base) else ""
            cells.append(f"{median(values):.2f} ({percentile(values, 95):.2f}){ratio} n={len(values)}")
        print(f"{operation:{width}}" + "".join(f"{cell:>34}" for cell in cells), flush=True)


def load_average():
    return Path("/proc/loadavg").read_text().split()[:3]


def version(*command):
    try:
        text = subprocess.run(command, capture_output=True, text=True).stdout
    except OSError:
        return None
    found = re.search(r"\d+\.\d+[\w.+~-]*", text)
    return found[0] if found else text.strip().splitlines()[0] if text.strip() else "?"


def print_machine():
    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    print(f"machine: {os.cpu_count()} x {cpu[1] if cpu else os.uname().machine}, kernel {os.uname().release}, "
          f"{int(re.search(r'MemTotal: *([0-9]+)', Path('/proc/meminfo').read_text())[1]) // 1048576} GiB")
    print(f"load average: {' '.join(load_average())}")
    peers = {"dockerd": ("dockerd", "--version"), "containerd": ("containerd", "--version"), "runc": ("runc", "--version"),
             "crun": ("crun", "--version"), "docker": ("docker", "--version"), "docker-registry": ("docker-registry", "--version")}
    print("peers: " + ", ".join(f"{name} {version(*command) or 'absent'}" for name, command in peers.items()))


def rollup(pid):
    """{"Rss": kB, "Pss": ..., "Private_Dirty": ...} of a process."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {name: int(value) for name, value in re.findall(r"^(\w+): +(\d+) kB$", text, re.M)}


def total(pids, field):
    return sum(rollup(pid).get(field, 0) for pid in pids) / 1024


def processes():
    """{pid: (comm, command line, pid namespace)} of everything we may look at."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            found[int(pid)] = (Path(f"/proc/{pid}/comm").read_text().strip(),
                               Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"),
                               os.readlink(f"/proc/{pid}/ns/pid"))
        except OSError:
            continue
    return found
