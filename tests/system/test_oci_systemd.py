# SPDX-License-Identifier: Apache-2.0
"""--systemd-cgroup with the machine's own systemd and cgroup v2: what it is told, and that it undoes nothing of a container's limits."""
import json
import subprocess
from pathlib import Path

import pytest
from lib.oci_runtime import needs_v2, runtime  # noqa: F401

there = Path("/run/systemd/private").exists()
pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("its own runtime"), needs_v2,
              pytest.mark.skipif(not there, reason="needs systemd (./dev test --guest has it)")]
mebibyte = 1 << 20
option = {"options": ["--systemd-cgroup"]}


def systemctl(*words, check=True):
    return subprocess.run(["systemctl", *map(str, words)], capture_output=True, text=True, check=check).stdout.strip()


def shown(unit, *names):
    return dict(line.split("=", 1) for line in systemctl("show", unit, "-p", ",".join(names)).splitlines())


@pytest.fixture
def scope(runtime, tmp_path):
    """In a slice of its own, which systemd makes and unmakes."""
    runtime.name = f"c{len(str(tmp_path))}"
    runtime.config["linux"]["cgroupsPath"] = f"pilatest-inner.slice:pre:{runtime.name}"
    runtime.unit = f"pre-{runtime.name}.scope"
    runtime.group = Path(f"/sys/fs/cgroup/pilatest.slice/pilatest-inner.slice/{runtime.unit}")

    def up(**resources):
        runtime.config["linux"]["resources"].update(resources)
        runtime.write()
        runtime("create", "--bundle", runtime.bundle, "c", stdout=subprocess.DEVNULL, stderr=open(runtime.place / "errors", "w"), **option)
        runtime("start", "c", **option)

    def limits(*files):
        return [(runtime.group / file).read_text().strip() for file in files]

    runtime.up, runtime.limits = up, limits
    yield runtime
    runtime.clean()
    systemctl("stop", "pilatest.slice", check=False)


def test_a_scope_and_its_end(scope):
    scope.up(memory={"limit": 64 * mebibyte}, pids={"limit": 20}, cpu={"shares": 512, "quota": 20000, "period": 100000})
    pid = scope.state()["pid"]
    assert Path(f"/proc/{pid}/cgroup").read_text() == f"0::{str(scope.group).removeprefix('/sys/fs/cgroup')}\n"
    assert shown(scope.unit, "Slice", "Delegate", "MemoryMax", "TasksMax", "CPUWeight", "CPUQuotaPerSecUSec", "ActiveState") == {
        "Slice": "pilatest-inner.slice", "Delegate": "yes", "MemoryMax": str(64 * mebibyte), "TasksMax": "20", "CPUWeight": "20",
        "CPUQuotaPerSecUSec": "200ms", "ActiveState": "active"}
    assert scope.limits("memory.max", "pids.max", "cpu.max", "cpu.weight") == [str(64 * mebibyte), "20", "20000 100000", "20"]
    assert scope("exec", "c", "cat", "/proc/self/cgroup").stdout == "0::/\n"
    assert len(json.loads(scope("ps", "-f", "json", "c").stdout)) == 1
    scope("pause", "c", **option)
    assert scope.state()["status"] == "paused"
    scope("resume", "c", **option)
    scope("delete", "--force", "c", **option)
    assert not scope.group.exists()
    assert shown(scope.unit, "LoadState")["LoadState"] == "not-found"


def test_systemd_knows_of_an_update(scope):
    scope.up(memory={"limit": 64 * mebibyte, "swap": 96 * mebibyte}, pids={"limit": 20})
    scope("update", "--memory", 48 * mebibyte, "--pids-limit", "33", "--cpu-quota", "15500", "--cpu-period", "100000", "--cpuset-cpus", "0", "c", **option)
    files = scope.limits("memory.max", "pids.max", "memory.swap.max")
    assert files == [str(48 * mebibyte), "33", str(32 * mebibyte)]
    assert shown(scope.unit, "MemoryMax", "TasksMax", "AllowedCPUs") == {"MemoryMax": str(48 * mebibyte), "TasksMax": "33", "AllowedCPUs": "0"}
    quota = scope.limits("cpu.max")
    assert quota == ["15500 100000"] or not scope.is_pila  # systemd rounds to 16 %
    # Both make it write all its files again.
    systemctl("daemon-reload")
    systemctl("set-property", "--runtime", scope.unit, "MemoryLow=1M", "CPUWeight=50")
    assert scope.limits("memory.max", "pids.max", "memory.swap.max", "cpuset.cpus") == [*files, "0"]
    scope("delete", "--force", "c", **option)


def test_systemd_undoes_no_limit(scope):
    scope.up(memory={"limit": 64 * mebibyte, "swap": 64 * mebibyte, "reservation": 16 * mebibyte}, pids={"limit": 20},
             cpu={"shares": 512, "quota": 20000, "period": 50000, "cpus": "0", "mems": "0"},
             unified={"memory.high": str(40 * mebibyte), "memory.min": str(mebibyte)})
    files = ("memory.max", "memory.swap.max", "memory.low", "memory.high", "memory.min", "pids.max", "cpu.max", "cpu.weight", "cpuset.cpus", "cpuset.mems")
    before = scope.limits(*files)
    assert before == [str(64 * mebibyte), "0", str(16 * mebibyte), str(40 * mebibyte), str(mebibyte), "20", "20000 50000", "20", "0", "0"]
    systemctl("daemon-reload")
    systemctl("set-property", "--runtime", scope.unit, "IOWeight=200", "TasksMax=21")
    before[5] = "21"
    if not scope.is_pila:  # Debian's does not tell of no swap at all
        before[1] = "max"
    assert scope.limits(*files) == before
    scope("delete", "--force", "c", **option)


def test_names_of_scopes_that_are_refused(scope):
    for path in ("/just/a/path", "a:b", "no-slice:pre:c", "a--b.slice:pre:c", "system.slice:pre:a/b"):
        scope.config["linux"]["cgroupsPath"] = path
        scope.write("true")
        done = scope("run", "--bundle", scope.bundle, "c", check=False, **option)
        if scope.is_pila:
            assert done.returncode == 1 and "linux.cgroupsPath" in done.stderr, path
