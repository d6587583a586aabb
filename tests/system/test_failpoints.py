# SPDX-License-Identifier: Apache-2.0
"""The daemon, a shim, a container's first steps, the network helper die at every named place of their code (PILA_FAILPOINT,
PILA_CRASHPOINT), one after another, in the middle of a day's work; the daemon lives on or is killed as well. Afterwards
everything that was acknowledged is there, nothing half-made shows or stays, and the same work succeeds."""
import re
import subprocess

import pytest
from conftest import base_images, client_of, images, loaded
from lib import engines, leaks, soak, truth
from lib.engines import wait_until

pytestmark = [pytest.mark.slice1, pytest.mark.failpoints, pytest.mark.only_pila("names places in pila's code")]
names = sorted({name for path in (engines.top / "src").rglob("*.cpp") for name in
                re.findall(r'PILA_(?:FAIL|CRASH)POINT\("([^"]+)"\)', path.read_text())})
elsewhere = [name for name in names if name.split(".")[0] in ("shim", "init", "helper")]
of_daemon = [name for name in names if name not in elsewhere and not name.startswith("state.")]  # those: test_cluster_crash
at_the_next_start = ("shim.control.accepted",)  # passed when a daemon comes back


def steps(name="worked"):
    """Touches every part of the engine: method, target, body, what it answers."""
    of = f"/containers/{name}"
    tar = {"headers": {"Content-Type": "application/x-tar"}}
    yield "POST", "/images/load?quiet=1", (images / "layers.tar").read_bytes(), 200, tar
    yield "POST", "/networks/create", {"Name": "net"}, 201
    yield "POST", "/volumes/create", {"Name": "named"}, 201
    yield "POST", f"/containers/create?name={name}", {
        "Image": "busybox", "Volumes": {"/anonymous": {}}, "ExposedPorts": {"80/tcp": {}},
        "Cmd": ["sh", "-c", "i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo line $i; done; sleep 1000"],
        "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "18080"}]}, "NetworkMode": "net", "Binds": ["named:/n"],
                       "LogConfig": {"Type": "json-file", "Config": {"max-size": "1k", "max-file": "2"}}}}, 201
    yield "POST", f"{of}/start", None, 204
    yield "EXEC", name, ["true"], 0
    yield "POST", f"{of}/pause", None, 204
    yield "POST", f"{of}/unpause", None, 204
    yield "PUT", f"{of}/archive?path=/", soak.archive("file", b"text"), 200, tar
    yield "POST", f"{of}/rename?name=renamed", None, 204
    yield "POST", "/containers/renamed/set", {
        "PortBindings": {"81/tcp": [{"HostPort": "18081"}]}, "RemovePortBindings": {"80/tcp": None}, "Tmpfs": {"/scratch": ""},
        "Binds": ["named:/m"], "RemoveMounts": ["/n"], "Networks": {"bridge": None}, "PidsLimit": 100}, 200
    yield "POST", "/containers/renamed/stop?t=0", None, 204
    yield "POST", "/containers/renamed/start", None, 204
    yield "POST", "/commit?container=renamed&repo=made/image", {}, 201
    yield "POST", "/images/made/image/tag?repo=made/other", None, 201
    yield "POST", "/containers/renamed/kill", None, 204
    yield "DELETE", "/containers/renamed?force=1&v=1", None, 204
    yield "POST", "/containers/create?name=again", {"Image": "made/other", "Cmd": ["false"], "HostConfig": {
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 1}}}, 201
    yield "POST", "/containers/again/start", None, 204
    yield "POST", "/containers/again/wait", None, 200
    yield "DELETE", "/containers/again?force=1", None, 204
    yield "POST", "/containers/create?name=again", {"Image": "made/other", "Cmd": ["/no/such/program"]}, 201
    yield "POST", "/containers/again/start", None, 400
    yield "DELETE", "/containers/again", None, 204
    yield "POST", "/build?t=made/built", soak.archive("Dockerfile", b"FROM busybox\nRUN echo x > /built\n"), 200, tar
    for name in ("made/image", "made/other", "made/built", "pila/layers"):
        yield "DELETE", f"/images/{name}", None, 200
    yield "DELETE", "/volumes/named", None, 204
    yield "DELETE", "/networks/net", None, 204


def execute(engine, name, command):
    made = engine.api("POST", f"/containers/{name}/exec", {"Cmd": command, "AttachStdout": True})
    if made.status != 201:
        return made.status
    identity = made.json()["Id"]
    engine.api("POST", f"/exec/{identity}/start", {}, timeout=30)
    return engine.api("GET", f"/exec/{identity}/json").json()["ExitCode"]


def work(engine):
    """Each step may meet the crash. Returns the first that failed; more fail then, but nothing may hang."""
    failed = None
    for method, target, body, wanted, *more in steps():
        try:
            if method == "EXEC":
                answer = execute(engine, target, body)
                fine = answer == wanted
            else:
                answer = engine.api(method, target, body, timeout=30, **(more[0] if more else {}))
                fine = answer.status == wanted and b'"errorDetail"' not in answer.body
        except TimeoutError:
            raise AssertionError(f"no answer to {method} {target}") from None
        except (OSError, ValueError) as error:
            fine, answer = False, error
        if not fine and not failed:
            failed = f"{method} {target}: {answer}"
        if engine.process.poll() is not None:
            return failed or "at the end"
    return failed


def undo(engine):
    """What is left of the work, by whoever can see it."""
    for target in ("/containers/worked", "/containers/renamed", "/containers/again", "/images/made/image", "/images/made/other",
                   "/images/made/built", "/images/pila/layers", "/volumes/named", "/networks/net"):
        answer = engine.api("DELETE", target + ("?force=1&v=1" if "containers" in target else "?force=1"), timeout=30)
        assert answer.status in (200, 204, 404), (target, answer)
    for kind in ("containers", "volumes"):  # volumes: only those without a name
        assert engine.api("POST", f"/{kind}/prune").status == 200
    assert engine.api("POST", "/build/prune?all=1").status == 200


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
        assert work(self.engine) is None
        undo(self.engine)
        self.kept = self.docker.inspect("kept")["State"]
        self.before = picture(self.engine)
        self.clean = leaks.steady(self.engine)  # of a daemon that has done the work once, as the one in the end

    def arm(self, text):
        self.terms.write_text(text)
        self.hits.write_text("")

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
        undo(engine)
        assert picture(engine) == self.before
        assert work(engine) is None
        undo(engine)
        assert picture(engine) == self.before
        truth.is_whole(engine, 15)
        assert leaks.settle(engine, self.clean) == []


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
        stopped_at = work(engine)
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
    engine.start()
    assert crashed or passes > 0, f"{name} was never reached; the work stopped at {stopped_at}"
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
    work(engine)
    assert engine.process.poll() is None, f"the daemon ended with {name}:\n{engine.log_tail()}"
    if daemon == "dies":
        engine.kill()
    was_hit = stage.was_hit()
    stage.arm("")
    if daemon == "dies":
        engine.start()
    assert was_hit, f"{name} was never reached"
    stage.check()


def test_nothing_is_left_after_all_those_crashes(fresh, tmp_path):
    stage = Stage(fresh, tmp_path)
    engine, docker = stage.engine, stage.docker
    for name in names:
        engine.kill()
        stage.arm(f"{name}=1*crash")
        try:
            engine.start()
            work(engine)
        except engines.NotReady:
            pass
        if engine.process.poll() is None:
            engine.kill()
        stage.arm("")
        engine.start()
        undo(engine)
    stage.check()
    engine.remove_everything(base_images)


def test_nothing_starts_before_there_are_networks(fresh, tmp_path):
    """A recovery that takes longer than a restart's back-off: found by a soak on a machine that stood still for seconds."""
    stage = Stage(fresh, tmp_path)
    engine, docker = stage.engine, stage.docker
    docker("run", "-d", "--name", "again", "--restart", "always", "busybox", "sh", "-c", "echo x >> /tries; [ $(wc -l < /tries) -ge 5 ] && exec sleep 1000; exit 1")
    wait_until(lambda: docker.inspect("again")["RestartCount"] >= 3, "it was started three times", 10, 0.005)
    engine.kill()
    stage.arm("engine.recover.before-networks=sleep(1500)")
    engine.start()
    wait_until(lambda: docker.inspect("again")["State"]["Status"] == "running", "it was restarted", 10)
    stage.arm("")
    stage.check()


def test_the_ordinary_build_has_none():
    ordinary = engines.top / "build/bin"
    if not (ordinary / "pila").exists() or engines.build == engines.top / "build":
        pytest.skip("there is no ordinary build beside this one")
    for program in ("pila", "pila-runtime"):
        content = (ordinary / program).read_bytes()
        assert [name for name in names if name.encode() + b"\0" in content] == []
        assert b"PILA_FAILPOINTS" not in content
