# SPDX-License-Identifier: Apache-2.0
"""Whether what the daemon says of its containers is so."""
import os
import time
from pathlib import Path


def processes():
    """(pid, parent, command line) of everything that runs here."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
            line = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        fields = stat.rpartition(")")[2].split()
        if fields[0] not in "ZX":
            found.append((int(pid), int(fields[1]), line))
    return found


def shims(known=None):
    """(pid, container). Not the one that waits for the next container."""
    return [(pid, line[2]) for pid, _, line in known or processes() if line[:2] == ["pila-runtime", "shim"] and line[2]]


def whole(engine):
    """The record of each container is true, each shim has a container, and the store is sound."""
    listed = engine.api("GET", "/containers/json?all=1").json()
    wrong, alive = [], set()
    for one in listed:
        answer = engine.api("GET", f"/containers/{one['Id']}/json?size=1")
        if answer.status != 200:
            wrong.append(f"inspect {one['Names']}: {answer}")
            continue
        state = answer.json()["State"]
        if state["Restarting"]:  # between two runs
            continue
        if state["Running"]:
            alive.add(one["Id"])
            if not os.path.exists(f"/proc/{state['Pid']}"):
                wrong.append(f"{one['Names']} is said to run as {state['Pid']}")
        elif state["Pid"]:
            wrong.append(f"{one['Names']} is {state['Status']} and has the process {state['Pid']}")
    there = {identity for _, identity in shims()}
    if there != alive:
        wrong.append(f"shims without container: {there - alive}; containers without shim: {alive - there}")
    return wrong


def is_whole(engine, seconds=30):
    """Containers that come and go by their restart policy may be met in the middle of it: hence more than one look."""
    deadline = time.monotonic() + seconds
    while wrong := whole(engine):
        assert time.monotonic() < deadline, wrong
        time.sleep(0.2)
