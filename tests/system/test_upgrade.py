# SPDX-License-Identifier: Apache-2.0
"""Today's daemon on data of an earlier one: a fixture for each format (tests/fixtures), and, where PILA_PREVIOUS_BUILD names a
build of an earlier commit (./dev test --upgrade), with that daemon's containers running."""
import json
import os
import shutil
import sqlite3
import sys
import tarfile
import time
from pathlib import Path

import pytest
from conftest import client_of, loaded
from lib import engines, leaks, truth
from lib.engines import wait_until

sys.path.insert(0, str(engines.top / "tests/fixtures"))
from make_data_root import fill, Maker, place  # noqa: E402

pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("reads pila's data")]
fixtures = sorted((engines.top / "tests/fixtures").glob("data-root-*"))
previous = os.environ.get("PILA_PREVIOUS_BUILD")


def put_back(fixture, data):
    data.mkdir(parents=True)
    with tarfile.open(fixture / "files.tar.xz") as tar:
        tar.extractall(data, numeric_owner=True)
        for entry in tar:
            for name, value in entry.pax_headers.items():
                if name.startswith("SCHILY.xattr."):
                    os.setxattr(data / entry.name, name.removeprefix("SCHILY.xattr."), value.encode("latin-1"))
    for container in (data / "containers").glob("?" * 64):
        (container / "work").mkdir(exist_ok=True)  # overlay's own; empty, and not kept
    database = sqlite3.connect(data / "node.db")
    database.executescript((fixture / "node.sql").read_text())
    database.close()


@pytest.fixture(params=fixtures, ids=lambda path: path.name)
def old(request, fresh):
    put_back(request.param, place / "data")
    engine = fresh(directory=place)
    return engine, client_of(engine), json.loads((request.param / "expected.json").read_text())


def test_what_was_there_is_there(old):
    engine, docker, expected = old
    for name, values in expected["containers"].items():
        now = docker.inspect(name[1:])
        for key in ("Id", "Created", "Image", "Config", "Mounts"):
            assert now[key] == values[key], (name, key)
        assert {key: now["HostConfig"][key] for key in values["HostConfig"]} == values["HostConfig"]

    def of(target, *members):
        return sorted(([one.get(member) for member in members] for one in engine.api("GET", target).json()), key=str)
    assert of("/images/json", "Id", "RepoTags", "Created") == expected["images"]
    assert of("/networks", "Id", "Name", "Driver", "Labels") == expected["networks"]
    assert sorted(one["Name"] for one in engine.api("GET", "/volumes").json()["Volumes"]) == expected["volumes"]


def test_states_are_settled(old):
    """Their machine has gone down since."""
    _, docker, _ = old
    assert docker.inspect("created")["State"]["Status"] == "created"
    ended, cut = docker.inspect("renamed")["State"], docker.inspect("cut-short")["State"]
    assert (ended["Status"], ended["ExitCode"]) == ("exited", 3)
    assert (cut["Status"], cut["ExitCode"], cut["Pid"]) == ("exited", 255, 0)
    wait_until(lambda: docker.inspect("phoenix")["State"]["Running"], "what is always to run runs again")
    done = docker.run("logs", "renamed")
    assert (done.stdout, done.stderr) == ("first\n", "second\n")
    assert docker("logs", "cut-short") == "begun"


def test_files_are_what_they_were(old):
    _, docker, _ = old
    assert "A /data/own" in docker("diff", "renamed") and "D /gone" in docker("diff", "renamed")
    for source, content in (("renamed:/data/own", "written\n"), ("renamed:/data/file", "of the first layer\n"),
                            ("created:/gone/file", "removed in the second layer\n")):
        assert content in docker("cp", source, "-"), source
    binary = ("-v", "/bin/busybox:/bin/busybox:ro")
    run = ("run", "--rm", *binary)
    assert docker(*run, "-v", "old-volume:/v", "old/image:1", "busybox", "cat", "/v/file") == "kept"
    text = docker(*run, "old/image:2", "busybox", "sh", "-c", "busybox cat /data/own /data/other /data/link; busybox ls -d /gone 2>&1; true")
    assert text.startswith("written\nof the first layer\nof the first layer\n") and "No such file" in text


def test_all_of_it_works_and_can_go(old):
    engine, docker, expected = old
    docker("start", "created", "cut-short")
    assert docker("port", "created") or docker.inspect("created")["State"]["Status"] == "exited"
    docker("exec", "cut-short", "busybox", "true")
    docker("commit", "cut-short", "new/image")
    docker("network", "connect", "old-net", "cut-short")
    assert docker.inspect("cut-short")["NetworkSettings"]["Networks"]["old-net"]["IPAddress"].startswith("10.77.0.")
    docker("save", "-o", place / "saved.tar", "old/image:2")
    truth.is_whole(engine)
    engine.remove_everything()
    docker("load", "-i", place / "saved.tar")
    assert "old/image" in docker("images")
    engine.remove_everything()
    assert sorted(path.name for path in (engine.data / "layers").iterdir()) == []
    assert sorted(path.name for path in (engine.data / "volumes").iterdir()) == []


@pytest.fixture
def upgraded():
    """A daemon of the previous build with running containers; upgraded.again() starts today's in its place."""
    if not previous:
        pytest.skip("needs a build of an earlier commit (./dev test --upgrade)")
    engine = engines.Pila(directory=place)
    today, engine.program = engine.program, Path(previous) / "bin/pila"
    loaded(engine.start(), "busybox")

    def again(how):
        getattr(engine, how)()
        engine.program = today
        engine.start()
    engine.again = again
    yield engine
    engine.remove_everything()
    engine.stop()
    shutil.rmtree(place, ignore_errors=True)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_running_containers_are_taken_over(upgraded, how):
    from test_crash import fetch
    engine, docker = upgraded, client_of(upgraded)
    fill(Maker(engine))
    docker("network", "create", "net")
    docker("run", "-d", "--name", "web", "--network", "net", "-p", "18080:80", "busybox", "httpd", "-f", "-h", "/var/www")
    docker("run", "-d", "--name", "talks", "--network", "net", "-v", "data:/data", "--restart", "always", "busybox", "sh", "-c",
           "i=0; while :; do i=$((i+1)); echo $i; echo $i > /data/last; sleep 0.05; done")
    docker("run", "-d", "--name", "frozen", "busybox", "sleep", "1000")
    docker("pause", "frozen")
    docker("run", "-d", "--name", "ends", "busybox", "sh", "-c", "sleep 3; exit 21")
    docker("run", "-d", "--name", "checked", "--health-cmd", "true", "--health-interval", "200ms", "busybox", "sleep", "1000")
    names = ("web", "talks", "frozen", "ends", "checked", "phoenix", "cut-short")
    before = {name: docker.inspect(name) for name in names}
    lines = len(docker("logs", "talks").split())
    engine.again(how)
    for name in names:
        now = docker.inspect(name)
        assert now["State"]["Pid"] == before[name]["State"]["Pid"] and now["State"]["Running"], name
        assert now["Config"] == before[name]["Config"] and now["NetworkSettings"]["Ports"] == before[name]["NetworkSettings"]["Ports"]
    assert docker.inspect("frozen")["State"]["Paused"]
    docker("unpause", "frozen")
    assert docker("exec", "frozen", "echo", "in") == "in"
    assert fetch() == b"page of pila\n"
    assert "page" in docker("exec", "talks", "wget", "-q", "-O", "-", "http://web/")
    wait_until(lambda: len(docker("logs", "talks").split()) > lines + 20, "the log goes on")
    said = docker("logs", "talks").split()
    assert said == [str(number + 1) for number in range(len(said))], "a gap in the log"
    assert docker("wait", "ends") == "21"
    probed = docker.inspect("checked")["State"]["Health"]["Log"]
    wait_until(lambda: docker.inspect("checked")["State"]["Health"]["Log"] != probed, "health checks go on")
    docker("update", "-m", "64m", "--memory-swap", "64m", "talks")
    docker("restart", "-t", "0", "talks")
    docker("stop", "-t", "0", "web")
    docker("start", "web")
    wait_until(lambda: fetch() == b"page of pila\n", "its port answers again")
    truth.is_whole(engine)
    time.sleep(0.5)
    assert int(docker("exec", "talks", "cat", "/data/last")) > 0
    engine.remove_everything()
    wait_until(lambda: truth.shims() == [], "no shim of the earlier build is left")
    assert [line for line in leaks.control_groups(engine) if len(line.split("/")[-1]) == 64] == []


def test_ports_of_a_container_of_an_earlier_shim(upgraded):
    """It may not know how to take more of them: then nothing has changed, and a restart is asked for (decision 067)."""
    from lib.live_edit import Pila, answers, bound, echo, settings
    engine, pila = upgraded, Pila(upgraded)
    pila.docker("run", "-d", "--name", "web", "-p", "18080:80", "busybox", "sh", "-c", echo)
    wait_until(lambda: answers(18080), "it answers")
    engine.again("kill")
    pila.set("--tmpfs", "/scratch", "-m", "64m", "web")  # has nothing to do with the shim's age
    assert pila.is_mounted("/scratch")
    before, begun = settings(pila.inspect()), time.monotonic()
    done = pila.set("-p", "18081:81", "--tmpfs", "/more", "web", check=False)
    if done.returncode:
        assert "older pila" in done.stderr and "restart it once" in done.stderr
        assert time.monotonic() - begun < 5
        assert settings(pila.inspect()) == before and bound(18081) and not pila.is_mounted("/more")
        pila.docker("restart", "-t", "0", "web")
        pila.set("-p", "18081:81", "--tmpfs", "/more", "web")
    wait_until(lambda: answers(18080) and answers(18081), "both answer")
