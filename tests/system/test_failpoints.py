# SPDX-License-Identifier: Apache-2.0
"""The daemon, a shim, a container's first steps, the network helper die at every named place of their code (PILA_FAILPOINT,
PILA_CRASHPOINT), one after another, in the middle of a day's work; the daemon lives on or is killed as well. Afterwards
everything that was acknowledged is there, nothing half-made shows or stays, and the same work succeeds."""
import re
import subprocess

import pytest
from conftest import base_images, client_of, images, loaded
from lib import engines, leaks, truth
from lib.engines import wait_until

pytestmark = [pytest.mark.slice1, pytest.mark.failpoints, pytest.mark.only_pila("names places in pila's code")]
names = sorted({name for path in (engines.top / "src").rglob("*.cpp") for name in
                re.findall(r'PILA_(?:FAIL|CRASH)POINT\("([^"]+)"\)', path.read_text())})
elsewhere = [name for name in names if name.split(".")[0] in ("shim", "init", "helper")]
of_daemon = [name for name in names if name not in elsewhere]
at_the_next_start = ("shim.control.accepted",)  # passed when a daemon comes back


def work(docker):
    """Touches every part of the engine; each step may meet the crash. Returns the first that failed."""
    port = ("-p", "18080:80")
    steps = [("load", "-qi", images / "layers.tar"), ("network", "create", "net"), ("volume", "create", "named"),
             ("create", "--name", "worked", *port, "--network", "net", "-v", "named:/n", "-v", "/anonymous", "--log-opt", "max-size=1k",
              "--log-opt", "max-file=2", "busybox", "sh", "-c", "i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo line $i; done; sleep 1000"),
             ("start", "worked"), ("exec", "worked", "true"), ("pause", "worked"), ("unpause", "worked"), ("rename", "worked", "renamed"),
             ("stop", "-t", "0", "renamed"), ("start", "renamed"), ("commit", "renamed", "made/image"), ("tag", "made/image", "made/other"),
             ("kill", "renamed"), ("rm", "-f", "-v", "renamed"), ("run", "--rm", "made/other", "true"),
             ("run", "--name", "again", "--restart", "on-failure:1", "busybox", "false"), ("wait", "again"), ("rm", "-f", "again"),
             ("rmi", "made/image", "made/other", "pila/layers"), ("volume", "rm", "named"), ("network", "rm", "net")]
    failed = None
    for step in steps:
        wanted = 1 if step[0] == "run" and step[-1] == "false" else 0
        if docker.run(*step, check=False, timeout=40).returncode != wanted and not failed:
            failed = step
            if docker.engine.process.poll() is not None:
                break
    return failed


def undo(docker):
    for step in (("rm", "-f", "-v", "worked", "renamed", "again"), ("rmi", "-f", "made/image", "made/other", "pila/layers"),
                 ("network", "rm", "net"), ("volume", "rm", "named")):
        for name in [word for word in step[2:] if not word.startswith("-")] if step[0] in ("rm", "rmi") else [step[-1]]:
            docker.run(*[word for word in step if word in ("rm", "rmi", "network", "volume", "-f", "-v")], name, check=False)
    docker.run("container", "prune", "-f")
    docker.run("volume", "prune", "-f")  # without -a: only those without a name


def picture(engine):
    containers = sorted((item["Id"], item["Names"], item["State"]) for item in engine.api("GET", "/containers/json?all=1").json())
    images = sorted((item["Id"], sorted(item["RepoTags"] or [])) for item in engine.api("GET", "/images/json").json())
    networks = sorted(item["Name"] for item in engine.api("GET", "/networks").json())
    volumes = sorted(item["Name"] for item in engine.api("GET", "/volumes").json()["Volumes"] or [])
    return containers, images, networks, volumes


class Stage:
    """A daemon with a container that must not notice anything, and a file that says who is to crash where."""

    def __init__(self, fresh, path):
        self.terms, self.hits = path / "terms", path / "terms.hit"
        self.terms.write_text("")
        self.engine = loaded(fresh(environment={"PILA_FAILPOINTS": f"@{self.terms}"}), "busybox")
        self.docker = client_of(self.engine)
        self.docker("run", "-d", "--name", "kept", "-p", "18090:80", "-v", "data:/data", "busybox", "sh", "-c",
                    "echo precious > /data/file; exec httpd -f -h /data")
        assert work(self.docker) is None
        undo(self.docker)
        self.kept = self.docker.inspect("kept")["State"]
        self.before = picture(self.engine)
        self.clean = leaks.snapshot(self.engine)

    def arm(self, text):
        self.terms.write_text(text)
        self.hits.unlink(missing_ok=True)

    def was_hit(self):
        return self.hits.exists() and self.hits.read_text() != ""

    def check(self):
        """All is as before, and the same work succeeds."""
        from test_crash import fetch_path
        engine, docker = self.engine, self.docker
        truth.is_whole(engine, 15)
        state = docker.inspect("kept")["State"]
        assert state["Running"] and state["Pid"] == self.kept["Pid"]
        wait_until(lambda: fetch_path(18090, "/file") == b"precious\n", "the container that was there answers", 10)
        for identity, _, status in picture(engine)[0]:
            assert status in ("created", "running", "exited", "restarting"), (identity, status)
        for _ in range(2):
            undo(docker)
            assert picture(engine) == self.before
            assert work(docker) is None
        undo(docker)
        assert picture(engine) == self.before
        truth.is_whole(engine, 15)
        more = [line for line in leaks.settle(engine, self.clean) if not line.startswith("descriptor")]
        assert more == []


@pytest.mark.parametrize("passes", [0, 3])
@pytest.mark.parametrize("name", of_daemon)
def test_daemon_crashes_at(fresh, tmp_path, name, passes):
    """passes: how often the place is passed before it crashes, so that other callers meet it, too."""
    stage = Stage(fresh, tmp_path)
    engine, docker = stage.engine, stage.docker
    engine.kill()
    stage.arm(f"{name}={passes}*off->1*crash" if passes else f"{name}=1*crash")
    try:
        engine.start()
        stopped_at = work(docker)
    except engines.NotReady:
        stopped_at = "its start"
    if stopped_at or stage.was_hit():  # the client may know sooner than the kernel is done with the process
        try:
            engine.process.wait(10)
        except subprocess.TimeoutExpired:
            pass
    crashed = engine.process.poll() is not None
    if not crashed:
        engine.kill()
    stage.arm("")
    if passes == 0:
        assert crashed, f"{name} was never reached; the work stopped at {stopped_at}"
    engine.start()
    stage.check()


@pytest.mark.parametrize("daemon", ["lives", "dies"])
@pytest.mark.parametrize("name", elsewhere)
def test_others_crash_at(fresh, tmp_path, name, daemon):
    stage = Stage(fresh, tmp_path)
    engine, docker = stage.engine, stage.docker
    if name.startswith("helper."):  # a new one reads the file
        engine.stop()
        stage.arm(f"{name}=1*crash")
        engine.start()
    elif name in at_the_next_start:
        stage.arm(f"{name}=1*crash")
        docker("run", "-d", "--name", "renamed", "busybox", "sleep", "1000")
        engine.kill()
        engine.start()
    else:
        stage.arm(f"{name}=1*crash")
    work(docker)
    assert engine.process.poll() is None, f"the daemon ended with {name}:\n{engine.log_tail()}"
    if daemon == "dies":
        engine.kill()
    assert stage.was_hit(), f"{name} was never reached"
    stage.arm("")
    if daemon == "dies":
        engine.start()
    stage.check()


def test_nothing_is_left_after_all_those_crashes(fresh, tmp_path):
    stage = Stage(fresh, tmp_path)
    engine, docker = stage.engine, stage.docker
    for name in names:
        engine.kill()
        stage.arm(f"{name}=1*crash")
        try:
            engine.start()
            work(docker)
        except engines.NotReady:
            pass
        if engine.process.poll() is None:
            engine.kill()
        stage.arm("")
        engine.start()
        undo(docker)
    stage.check()
    engine.remove_everything(base_images)


def test_the_ordinary_build_has_none():
    ordinary = engines.top / "build/bin"
    if not (ordinary / "pila").exists() or engines.build == engines.top / "build":
        pytest.skip("there is no ordinary build beside this one")
    for program in ("pila", "pila-runtime"):
        content = (ordinary / program).read_bytes()
        assert [name for name in names if name.encode() + b"\0" in content] == []
        assert b"PILA_FAILPOINTS" not in content
