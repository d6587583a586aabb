# SPDX-License-Identifier: Apache-2.0
"""A disk without room or without inodes, a process without descriptors: a clear word, nothing half-made, and work as before
once there is room again."""
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from conftest import base_images, client_of, images, loaded
from lib import registry, soak
from lib.engines import wait_until
from test_daemon import cpu_seconds

pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("says what pila promises")]
tar = {"Content-Type": "application/x-tar"}


class Disk:
    """A small ext4 for all that the daemon keeps; fill() leaves nothing of it, free() gives it back."""

    def __init__(self, directory, megabytes=160, inodes=2500):
        self.path, self.filler = directory / "disk", directory / "disk/filler"
        self.path.mkdir()
        image = directory / "image"
        with open(image, "wb") as file:
            file.truncate(megabytes << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-N", str(inodes), "-m", "0", image], check=True)
        mounted = subprocess.run(["mount", "-o", "loop", image, self.path], capture_output=True, text=True)
        if mounted.returncode:
            pytest.skip(f"no loop devices here: {mounted.stderr.strip()}")

    def fill(self, left=0):
        with open(self.filler, "ab") as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while shutil.disk_usage(self.path).free > left:
                        file.write(b"x" * size)
                        file.flush()
                        if size == 1:
                            break
                except OSError:
                    continue

    def fill_inodes(self):
        (self.path / "many").mkdir()
        try:
            for number in range(100_000):
                (self.path / f"many/{number}").touch()
        except OSError:
            pass

    def free(self):
        self.filler.unlink(missing_ok=True)
        shutil.rmtree(self.path / "many", ignore_errors=True)

    def unmount(self):
        subprocess.run(["umount", "-l", self.path], check=True)


@pytest.fixture
def disk():
    directory = Path(tempfile.mkdtemp(dir="/run"))  # in memory: the machine's own disk may be slow to sync
    made = Disk(directory)
    yield made
    made.unmount()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def small(disk, fresh):
    engine = loaded(fresh(directory=disk.path / "engine"), "busybox")
    docker = client_of(engine)
    docker("run", "-d", "--name", "talks", "-v", "data:/data", "busybox", "sh", "-c",
           "echo kept > /data/file; i=0; while :; do i=$((i+1)); echo line $i of a log that goes on and on; sleep 0.01; done")
    return engine, docker, disk


def says_why(answer):
    said = answer.text if hasattr(answer, "text") else answer.stderr + answer.stdout
    assert any(words in said for words in ("No space left", "no space", "disk", "free room")), said


def is_sound(engine):
    engine.stop()  # it holds its store alone
    with sqlite3.connect(engine.data / "node.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()
    engine.start()


def everything_works(engine, docker):
    for name in ("layers", "hello"):
        engine.load(images / f"{name}.tar")
    docker("run", "--name", "made", "busybox", "sh", "-c", "echo new > /new")
    docker("commit", "made", "made/image")
    assert docker("run", "--rm", "made/image", "cat", "/new") == "new"
    docker("network", "create", "net")
    docker("run", "--rm", "--network", "net", "-v", "data:/data", "busybox", "grep", "kept", "/data/file")
    docker("rm", "-f", "made", "talks")
    engine.remove_everything(base_images)
    assert sorted(path.name for path in (engine.data / "containers").iterdir() if not path.name.startswith(".")) == []
    wait_until(lambda: list((engine.data / "tmp").iterdir()) == [], "removed layers are deleted in the background")


def try_all(engine, docker):
    """What needs room fails and says why; what needs none works. Nothing hangs."""
    answer = engine.api("POST", "/images/load?quiet=1", (images / "layers.tar").read_bytes(), headers=tar)
    assert answer.status >= 400 or b"errorDetail" in answer.body, answer
    says_why(answer)
    for request in (("POST", "/containers/create?name=late", {"Image": "busybox", "Cmd": ["true"]}),
                    ("POST", "/volumes/create", {"Name": "late"}), ("POST", "/networks/create", {"Name": "late"})):
        answer = engine.api(*request)
        if answer.status >= 400:
            says_why(answer)
    committed = engine.api("POST", "/commit?container=talks&repo=late", {})
    if committed.status >= 400:
        says_why(committed)
    copied = engine.api("PUT", "/containers/talks/archive?path=/var", soak.archive("big", b"x" * (1 << 20)), headers=tar)
    assert copied.status >= 400
    says_why(copied)
    assert docker.inspect("talks")["State"]["Running"]
    assert "talks" in docker("ps") and docker("exec", "talks", "cat", "/data/file") == "kept"
    assert docker("logs", "--tail", "1", "talks").startswith("line ")


def test_no_room(small):
    engine, docker, disk = small
    disk.fill()
    time.sleep(1)  # the log goes on meanwhile
    try_all(engine, docker)
    assert all(line.startswith("line ") and line.endswith(" on and on") for line in docker("logs", "talks").splitlines()), "half a line"
    disk.free()
    engine.api("DELETE", "/containers/late?force=1")
    engine.api("DELETE", "/volumes/late")
    engine.api("DELETE", "/networks/late")
    before = len(docker("logs", "talks").splitlines())
    wait_until(lambda: len(docker("logs", "talks").splitlines()) > before, "the log goes on")
    lines = docker("logs", "talks").splitlines()
    assert all(line.startswith("line ") and line.endswith(" on and on") for line in lines), "half a line in the log"
    is_sound(engine)
    everything_works(engine, docker)


def test_no_room_and_the_daemon_starts_again(small):
    engine, docker, disk = small
    pid = docker.inspect("talks")["State"]["Pid"]
    disk.fill()
    engine.kill()
    try:
        engine.start()
        assert docker.inspect("talks")["State"]["Pid"] == pid
    except AssertionError:
        raise
    except Exception as refused:  # it may refuse, with the reason
        assert "space" in str(refused) or "full" in str(refused), refused
        assert os.path.exists(f"/proc/{pid}")
    disk.free()
    if engine.process.poll() is not None:
        engine.start()
    state = docker.inspect("talks")["State"]
    assert state["Running"] and state["Pid"] == pid
    is_sound(engine)
    everything_works(engine, docker)


def test_no_inodes(small):
    engine, docker, disk = small
    disk.fill_inodes()
    try_all(engine, docker)
    disk.free()
    for target in ("/containers/late?force=1", "/volumes/late", "/networks/late", "/images/late"):
        engine.api("DELETE", target)
    is_sound(engine)
    everything_works(engine, docker)


def test_a_pull_without_room_leaves_nothing(small, tmp_path):
    engine, docker, disk = small
    if registry.Registry.missing():
        pytest.skip(registry.Registry.missing())
    server = registry.Registry(tmp_path / "registry").start()
    try:
        server.push(images / "layers.tar", "pila/layers:latest")
        name = f"{server.address}/pila/layers"
        files = sorted(path.name for path in (engine.data / "layers").iterdir())
        disk.fill(left=20 << 20)
        pulled = docker.run("pull", name, check=False)
        assert pulled.returncode != 0
        says_why(pulled)
        assert sorted(path.name for path in (engine.data / "layers").iterdir()) == files
        wait_until(lambda: list((engine.data / "tmp").iterdir()) == [], "nothing half-made is left")
        disk.free()
        docker("pull", name)
    finally:
        server.stop()


def test_no_descriptors(fresh):
    """Connections beyond the limit wait or are refused; nobody spins, and those that are served go on."""
    engine = fresh(start=False)
    plain = engine.command
    engine.command = lambda: ["prlimit", "--nofile=160:160", *map(str, plain())]
    docker = client_of(loaded(engine.start(), "busybox"))
    docker("run", "-d", "--name", "lives", "busybox", "sleep", "1000")
    held = []
    try:
        for _ in range(300):
            one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            one.setblocking(False)
            try:
                one.connect(engine.socket)
            except OSError:  # the backlog is full, too
                one.close()
                break
            held.append(one)
        time.sleep(1)
        before = cpu_seconds(engine.pid)
        time.sleep(3)
        assert cpu_seconds(engine.pid) - before < 0.5, "the daemon spins"
        assert engine.process.poll() is None
    finally:
        for one in held:
            one.close()
    wait_until(lambda: docker.run("ps", check=False).returncode == 0, "it answers again")
    assert docker("exec", "lives", "echo", "fine") == "fine"
    assert docker("run", "--rm", "busybox", "echo", "again") == "again"
