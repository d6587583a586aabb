# SPDX-License-Identifier: Apache-2.0
"""Limits of bundles where control groups are of version 2 alone, as on our users' machines."""
import json
import os
import re
from pathlib import Path

import pytest
from lib.oci_runtime import group_of, needs_v2, only_pila, runtime, sh  # noqa: F401

pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("its own runtime"), needs_v2]
mebibyte = 1 << 20


def read(runtime, file):
    return (group_of(runtime) / file).read_text().strip()


def controllers():
    return Path("/sys/fs/cgroup/cgroup.controllers").read_text().split()


def needs(controller):
    return pytest.mark.skipif(controller not in (controllers() if Path("/sys/fs/cgroup/cgroup.controllers").exists() else []),
                              reason=f"the kernel has no {controller} controller")


def disk():
    """(major, minor) of what / is on."""
    number = os.stat("/").st_dev
    return os.major(number), os.minor(number)


def limits(runtime, **resources):
    runtime.config["linux"]["resources"].update(resources)
    runtime.up()


def refused(runtime, **resources):
    kept = json.loads(json.dumps(runtime.config))
    runtime.config["linux"]["resources"].update(resources)
    done = runtime.run("true", check=False)
    runtime.config = kept
    assert done.returncode != 0 and runtime("list", "-q").stdout == "" and not group_of(runtime).exists(), resources
    return done.stderr


def test_limits_their_update_and_what_is_used(runtime):
    limits(runtime, memory={"limit": 64 * mebibyte, "reservation": 32 * mebibyte, "swap": 96 * mebibyte}, pids={"limit": 33},
           cpu={"shares": 300, "quota": 50000, "period": 100000, "cpus": "0", "mems": "0"})
    files = {"memory.max": 64 * mebibyte, "memory.low": 32 * mebibyte, "memory.swap.max": 32 * mebibyte, "pids.max": 33,
             "cpu.max": "50000 100000", "cpu.weight": 1 + 298 * 9999 // 262142, "cpuset.cpus": 0, "cpuset.mems": 0}
    assert {file: read(runtime, file) for file in files} == {file: str(value) for file, value in files.items()}
    runtime("update", "--memory", 48 * mebibyte, "--pids-limit", "44", "--cpu-quota", "20000", "--cpu-period", "50000", "c")
    files |= {"memory.max": 48 * mebibyte, "pids.max": 44, "cpu.max": "20000 50000"}
    assert {file: read(runtime, file) for file in files} == {file: str(value) for file, value in files.items()}
    runtime("update", "--resources", "-", "c", stdin=None,
            input=json.dumps({"memory": {"limit": 48 * mebibyte, "swap": 80 * mebibyte}, "cpu": {"shares": 1024}, "pids": {"limit": 55}}))
    assert (read(runtime, "memory.swap.max"), read(runtime, "cpu.weight"), read(runtime, "pids.max")) == (str(32 * mebibyte), "39", "55")
    done = runtime("update", "--memory-swap", 16 * mebibyte, "c", check=False)
    assert done.returncode != 0 and read(runtime, "memory.swap.max") == str(32 * mebibyte), done
    if runtime.is_pila:  # others do not look at the memory's limit, and refuse
        runtime("update", "--memory-swap", 64 * mebibyte, "c")
        assert read(runtime, "memory.swap.max") == str(16 * mebibyte)
    event = json.loads(runtime("events", "--stats", "c").stdout)["data"]
    assert event["memory"]["usage"]["limit"] == 48 * mebibyte and 0 < event["memory"]["usage"]["usage"] < 48 * mebibyte
    assert event["pids"]["current"] == 1 and event["cpu"]["usage"]["total"] > 0


def test_swap_without_memory_is_refused(runtime):
    assert "swap" in refused(runtime, memory={"swap": 64 * mebibyte})


def test_the_unified_map(runtime):
    limits(runtime, unified={"memory.high": str(40 * mebibyte), "memory.min": "8192", "cpu.weight": "77", "io.weight": "default 55"}
           if (Path("/sys/fs/cgroup/system.slice") / "io.weight").exists() else {"memory.high": str(40 * mebibyte), "memory.min": "8192", "cpu.weight": "77"})
    assert (read(runtime, "memory.high"), read(runtime, "memory.min"), read(runtime, "cpu.weight")) == (str(40 * mebibyte), "8192", "77")


def test_what_the_unified_map_may_not_have(runtime):
    assert "memory.nosuch" in refused(runtime, unified={"memory.nosuch": "1"})
    assert "nosuch.max" in refused(runtime, unified={"nosuch.max": "1"})
    assert "memory.high" in refused(runtime, unified={"memory.high": "much"})
    assert "cgroup.procs" in refused(runtime, unified={"../cgroup.procs": "1"})


def test_burst_and_idle(only_pila):
    limits(only_pila, cpu={"quota": 50000, "period": 100000, "burst": 20000, "idle": 1})
    assert (read(only_pila, "cpu.max.burst"), read(only_pila, "cpu.idle")) == ("20000", "1")
    only_pila("update", "--cpu-idle", "0", "--cpu-burst", "0", "c")
    assert (read(only_pila, "cpu.max.burst"), read(only_pila, "cpu.idle")) == ("0", "0")
    done = only_pila("update", "--cpu-burst", "60000", "c", check=False)
    assert done.returncode == 1 and "cpu.max.burst" in done.stderr, done


@needs("hugetlb")
def test_huge_pages(runtime):
    sizes = [re.fullmatch(r"hugepages-(\d+)kB", entry.name)[1] for entry in Path("/sys/kernel/mm/hugepages").iterdir()]
    assert "2048" in sizes
    limits(runtime, hugepageLimits=[{"pageSize": "2MB", "limit": 4 * mebibyte}])
    assert read(runtime, "hugetlb.2MB.max") == str(4 * mebibyte)
    assert read(runtime, "hugetlb.2MB.rsvd.max") == str(4 * mebibyte) or not runtime.is_pila  # newer than Debian's runc
    runtime("delete", "--force", "c")
    assert "hugetlb.3MB" in refused(runtime, hugepageLimits=[{"pageSize": "3MB", "limit": 3 * mebibyte}]) or not runtime.is_pila


@needs("rdma")
def test_rdma_of_a_device_that_is_not_there(only_pila):
    assert "rdma.max" in refused(only_pila, rdma={"nosuch0": {"hcaHandles": 1}})


def test_block_devices(runtime):
    major, minor = disk()
    rate = {"major": major, "minor": minor, "rate": 5 * mebibyte}
    limits(runtime, blockIO={"throttleReadBpsDevice": [rate], "throttleWriteIOPSDevice": [{**rate, "rate": 77}]})
    line = next(line for line in read(runtime, "io.max").splitlines() if line.startswith(f"{major}:{minor} "))
    assert {f"rbps={5 * mebibyte}", "wbps=max", "riops=max", "wiops=77"} == set(line.split()[1:])


def test_what_version_2_does_not_have(only_pila):
    assert "real-time" in refused(only_pila, cpu={"realtimeRuntime": 1000})
    assert "network class" in refused(only_pila, network={"classID": 5})
