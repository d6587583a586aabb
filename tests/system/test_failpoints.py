# SPDX-License-Identifier: Apache-2.0
"""The daemon dies at every named place of its code (PILA_FAILPOINT), one after another, in the middle of a day's work.
After a restart everything that was acknowledged is there, nothing half-made shows, and the same work succeeds."""
import re
import subprocess
from pathlib import Path

import pytest
from conftest import base_images, client_of, loaded
from lib import engines, leaks

pytestmark = [pytest.mark.slice1, pytest.mark.failpoints, pytest.mark.only_pila("names places in pila's code")]
names = sorted({name for path in (engines.top / "src").rglob("*.cpp") for name in
                re.findall(r'PILA_FAILPOINT\("([^"]+)"\)', path.read_text())})


def work(docker):
    """Touches every part of the engine; each step may meet the crash. Says how far it came."""
    steps = [("network", "create", "net"), ("create", "--name", "worked", "-p", "18080:80", "--network", "net", "busybox", "sleep", "1000"),
             ("start", "worked"), ("exec", "worked", "true"), ("rename", "worked", "renamed"), ("stop", "-t", "0", "renamed"),
             ("commit", "renamed", "made/image"), ("tag", "made/image", "made/other"), ("rm", "-f", "renamed"),
             ("rmi", "made/image", "made/other"), ("network", "rm", "net")]
    for step in steps:
        if docker.run(*step, check=False).returncode:
            return step
    return None


def undo(docker):
    for step in (("rm", "-f", "worked", "renamed"), ("rmi", "-f", "made/image", "made/other"), ("network", "rm", "net")):
        docker.run(*step, check=False)


def picture(engine):
    containers = sorted((item["Id"], item["Names"], item["State"]) for item in engine.api("GET", "/containers/json?all=1").json())
    images = sorted((item["Id"], sorted(item["RepoTags"] or [])) for item in engine.api("GET", "/images/json").json())
    networks = sorted(item["Name"] for item in engine.api("GET", "/networks").json())
    return containers, images, networks


@pytest.mark.parametrize("passes", [0, 3])
@pytest.mark.parametrize("name", names)
def test_crash_at(fresh, name, passes):
    """passes: how often the place is passed before it crashes, so that other callers meet it, too."""
    engine = loaded(fresh(), "busybox")
    docker = client_of(engine)
    docker("run", "-d", "--name", "kept", "busybox", "sleep", "1000")
    kept = docker.inspect("kept")["State"]["Pid"]
    before = picture(engine)
    engine.kill()

    engine.environment["PILA_FAILPOINTS"] = f"{name}={passes}*off->1*crash" if passes else f"{name}=1*crash"
    try:
        engine.start()
        stopped_at = work(docker)
    except engines.NotReady:
        stopped_at = "its start"
    if stopped_at:  # the client may know sooner than the kernel is done with the process
        try:
            engine.process.wait(10)
        except subprocess.TimeoutExpired:
            pass
    crashed = engine.process.poll() is not None
    if not crashed:
        engine.kill()
    engine.environment.pop("PILA_FAILPOINTS")
    if passes == 0:
        assert crashed, f"{name} was never reached; the work stopped at {stopped_at}"

    engine.start()
    state = docker.inspect("kept")["State"]
    assert state["Running"] and state["Pid"] == kept
    for identity, _, status in picture(engine)[0]:
        assert status in ("created", "running", "exited"), (identity, status)
        assert engine.api("GET", f"/containers/{identity}/json").status == 200
    undo(docker)
    assert picture(engine) == before
    assert work(docker) is None
    undo(docker)
    assert picture(engine) == before


def test_nothing_is_left_after_all_those_crashes(fresh):
    engine = loaded(fresh(), "busybox")
    docker = client_of(engine)
    work(docker)
    undo(docker)
    clean = leaks.snapshot(engine)
    for name in names:
        engine.kill()
        engine.environment["PILA_FAILPOINTS"] = f"{name}=1*crash"
        try:
            engine.start()
            work(docker)
        except engines.NotReady:
            pass
        if engine.process.poll() is None:
            engine.kill()
        engine.environment.pop("PILA_FAILPOINTS")
        engine.start()
        undo(docker)
    engine.remove_everything(base_images)
    more = [line for line in leaks.settle(engine, clean) if not line.startswith("descriptor")]
    assert more == []
