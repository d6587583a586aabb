# SPDX-License-Identifier: Apache-2.0
"""The members of every answer of GET: none that dockerd gives is missing, none has another type. The list (shapes.txt) was written
down from a dockerd 20.10; `PILA_AGAINST=docker` shows that it is true of one."""
import json
import os
import time
from pathlib import Path

import pytest
from conftest import client_of, loaded
from lib.engines import wait_until

pytestmark = pytest.mark.slice5
table = Path(__file__).with_name("shapes.txt")

# Not in ours, and why.
missing = {
    "Name of a runtime": r".Runtimes.",
}
# Objects whose members are names that somebody gave.
named = (".Labels", ".Networks", ".Containers", ".ExposedPorts", ".PortBindings", ".Ports", ".Options", ".Runtimes", ".Volumes.", ".Tmpfs",
         ".stats", ".IndexConfigs", ".networks", ".Attributes", ".DriverOpts")


def kind(value):
    if value is None:
        return "null"
    return {bool: "boolean", int: "number", float: "number", str: "text", list: "list", dict: "object"}[type(value)]


def shape(value, path=""):
    """Paths of members with the kind of what is there."""
    yield path or ".", kind(value)
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from shape(inner, f"{path}.{'*' if path.endswith(named) or len(key) >= 40 else key}")
    elif isinstance(value, list):
        for inner in value:
            yield from shape(inner, f"{path}[]")


def read_table():
    wanted, target = {}, None
    for line in table.read_text().splitlines():
        if line.startswith("GET "):
            target = wanted.setdefault(line[4:], {})
        elif line and not line.startswith("#"):
            path, _, kinds = line.strip().partition(" ")
            target[path] = set(kinds.split("|"))
    return wanted


@pytest.fixture(scope="module")
def scene(engine):
    docker = client_of(engine)
    docker("network", "create", "--label", "n=l", "--subnet", "10.77.0.0/24", "net")
    docker("volume", "create", "--label", "v=l", "vol")
    docker("run", "-d", "--name", "run", "--network", "net", "--label", "one=1", "-p", "127.0.0.1::80", "-v", "vol:/data", "-v", "/tmp:/bound:ro",
           "--tmpfs", "/t", "--health-cmd", "true", "--health-interval", "1s", "--restart", "unless-stopped", "--memory", "64m",
           "--init=false" if "PILA_SANITIZED" in os.environ else "--init",  # such a runtime is not static
           "busybox", "sleep", "10000")
    docker("create", "--name", "made", "busybox", "true")
    docker("run", "--name", "ended", "busybox", "sh", "-c", "exit 3", check=False)
    docker("exec", "-d", "run", "sleep", "1000")
    wait_until(lambda: len(docker.inspect("run")["State"]["Health"]["Log"]) > 1, "some probes")
    return docker.inspect("run")["ExecIDs"][0]


def answer(engine, target, exec_id):
    got = engine.api("GET", target.replace("EXEC", exec_id).replace("NOW", str(int(time.time()))))
    assert got.status == 200, f"{target}: {got}"
    if "/events" in target:
        return [json.loads(line) for line in got.text.splitlines()]
    return got.json()


@pytest.mark.parametrize("target", read_table())
def test_members(engine, scene, target):
    got = {}
    for path, what in shape(answer(engine, target, scene)):
        got.setdefault(path, set()).add(what)
    problems = []
    for path, kinds in read_table()[target].items():
        # What is empty or absent there may be null here, and the other way round.
        if path not in got:
            if not any(inner in path for inner in missing.values()) and not parent_is_empty(path, got):
                problems.append(f"{path}: missing")
        elif not (got[path] - {"null"}) <= kinds and kinds != {"null"}:
            problems.append(f"{path}: {'|'.join(sorted(got[path]))}, not {'|'.join(sorted(kinds))}")
    assert not problems, "\n".join(problems)


def parent_is_empty(path, got):
    """A list without elements, or null where an object may be: nothing below it can be there."""
    while path:
        path = path[:-2] if path.endswith("[]") else path.rpartition(".")[0]
        if path in got:
            return "null" in got[path] or (got[path] == {"list"} and f"{path}[]" not in got)
    return False
