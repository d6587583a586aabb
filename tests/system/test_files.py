# SPDX-License-Identifier: Apache-2.0
"""Files in and out of containers when something goes wrong: hostile processes, clients and daemons that vanish, much data."""
import gzip
import http.client
import io
import os
import socket
import subprocess
import tarfile
import threading
import time
from pathlib import Path

import pytest
from conftest import base_images, client_of, loaded
from lib import api, engines, leaks

pytestmark = pytest.mark.slice1


def tar_of(**files):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return data.getvalue()


def get(engine, container, path):
    return engine.api("GET", f"/containers/{container}/archive?path={path}")


def put(engine, container, path, tar):
    return engine.api("PUT", f"/containers/{container}/archive?path={path}", tar, headers={"Content-Type": "application/x-tar"})


class Reading:
    """An answer that nobody reads further than its head."""

    def __init__(self, engine, target, timeout=60):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(engine.socket)
        self.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: d\r\n\r\n".encode())
        self.begun = self.socket.recv(4096)
        assert b" 200 " in self.begun[:20], self.begun

    def rest(self):
        count = len(self.begun)
        while piece := self.socket.recv(1 << 20):
            count += len(piece)
            if piece.endswith(b"0\r\n\r\n"):
                break
        return count

    def close(self):
        self.socket.close()


@pytest.fixture
def secret():
    path = Path("/tmp/pila-secret")
    path.mkdir(exist_ok=True)
    (path / "file").write_text("of the host")
    yield path
    for child in path.iterdir():
        child.unlink()
    path.rmdir()


def test_renames_meanwhile_lead_nowhere(engine, docker, secret):
    """A directory that is a directory one moment and a link to the host's path the next."""
    swap = f"""mkdir -p /tmp/pila-secret /d/x; echo 'of the container' | tee /tmp/pila-secret/file > /d/x/file; ln -s {'../' * 20}tmp/pila-secret /d/link
               touch /ready; while :; do mv /d/x /d/kept; mv /d/link /d/x; mv /d/x /d/link; mv /d/kept /d/x; done"""
    container = docker("run", "-d", "busybox", "sh", "-c", swap)
    engines.wait_until(lambda: get(engine, container, "/ready").status == 200, "it swaps")
    until, seen = time.monotonic() + 4, set()
    while time.monotonic() < until:
        for path in ("/d/x/file", "/d/x", "/d"):
            answer = get(engine, container, path)
            seen.add(answer.status)
            assert b"of the host" not in answer.body
        seen.add(put(engine, container, "/d/x", tar_of(planted=b"x", **{"sub/planted": b"x"})).status)
    assert 200 in seen, seen
    assert sorted(path.name for path in secret.iterdir()) == ["file"]


@pytest.mark.only_pila("dockerd 20.10 mounts the source again, wherever it leads by now")
def test_source_of_a_bind_mount_cannot_be_swapped(engine, docker, secret, tmp_path):
    """Of two nested binds the outer one lets the container replace the inner one's source by a link to the host."""
    (tmp_path / "inner").mkdir()
    container = docker("run", "-d", "-v", f"{tmp_path}:/outer", "-v", f"{tmp_path}/inner:/inner", "busybox", "sleep", "1000")
    docker("exec", container, "sh", "-c", f"mv /outer/inner /outer/moved; ln -s {secret} /outer/inner")
    assert get(engine, container, "/inner/file").status == 404
    assert put(engine, container, "/inner", tar_of(planted=b"x")).status == 200
    assert sorted(path.name for path in secret.iterdir()) == ["file"]
    assert (tmp_path / "moved/planted").exists()


def test_what_a_container_mounts_itself_is_not_looked_at(engine, docker):
    container = docker("run", "-d", "--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", "busybox", "sh", "-c",
                       "mkdir /own; echo below > /own/file; mount -t tmpfs none /own; echo above > /own/file; touch /ready; sleep 1000")
    engines.wait_until(lambda: get(engine, container, "/ready").status == 200, "it has mounted")
    assert b"below" in get(engine, container, "/own/file").body
    assert put(engine, container, "/own", tar_of(more=b"x")).status == 200
    assert docker("exec", container, "cat", "/own/file") == "above"


def test_nothing_is_left(engine, docker):
    docker("run", "--rm", "busybox", "true")
    before = leaks.steady(engine)
    for start in (False, True):
        container = docker("create", "-v", "left:/data", "--tmpfs", "/scratch", "busybox", "sleep", "1000")
        if start:
            docker("start", container)
        for _ in range(5):
            assert put(engine, container, "/data", tar_of(file=b"x")).status == 200
            assert get(engine, container, "/data/file").status == 200
            assert get(engine, container, "/nosuch").status == 404
            assert put(engine, container, "/data/file", tar_of(file=b"x")).status in (400, 500)
            assert put(engine, container, "/data", b"x" * 600).status in (400, 500)
            assert engine.api("GET", f"/containers/{container}/export").status == 200
        reading = Reading(engine, f"/containers/{container}/export")
        reading.close()
    engine.remove_everything(base_images)
    assert leaks.settle(engine, before) == []


def resident(engine):
    status = Path(f"/proc/{engine.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) << 10


class Highest:
    """Of the daemon's resident memory while this is open."""

    def __init__(self, engine):
        self.engine, self.done = engine, threading.Event()
        self.before = self.highest = resident(engine)
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def watch(self):
        while not self.done.wait(0.02):
            self.highest = max(self.highest, resident(self.engine))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    def check(self, most=32 << 20):
        if "PILA_SANITIZED" in os.environ:
            return  # what was freed stays in quarantine
        assert self.highest < self.before + most, f"{self.before >> 20} MiB before, {self.highest >> 20} MiB in between"


@pytest.mark.parametrize("running", (True, False))
def test_two_gigabytes_come_through_little_memory(engine, docker, running):
    size = 2 << 30
    container = docker("run", "-d", "busybox", "sh", "-c", f"truncate -s {size} /big; echo end >> /big; touch /ready; sleep 1000")
    engines.wait_until(lambda: get(engine, container, "/ready").status == 200, "the file is there")
    if not running:
        docker("kill", container)
    with Highest(engine) as memory:
        connection = api.UnixConnection(engine.socket)
        connection.request("GET", f"/containers/{container}/archive?path=/big")
        response, count = connection.getresponse(), 0
        while piece := response.read(1 << 20):
            count += len(piece)
        connection.close()
    assert count == 512 + (size + 4 + 511) // 512 * 512 + 1024
    memory.check()


@pytest.mark.parametrize("compress", (lambda data: data, gzip.compress), ids=("plain", "gzip"))
def test_what_goes_in_is_not_kept_in_memory(engine, docker, compress):
    container = docker("run", "-d", "busybox", "sleep", "1000")
    size = 256 << 20
    body = compress(tar_of(big=bytes(size)))
    with Highest(engine) as memory:
        assert put(engine, container, "/tmp", body).status == 200
    memory.check()
    assert docker("exec", container, "stat", "-c", "%s", "/tmp/big") == str(size)


def test_client_that_leaves_in_the_middle(engine, docker):
    """... of an upload, of a download: the container can be started at once."""
    container = docker("create", "busybox", "echo", "started")
    body = tar_of(whole=b"whole\n", half=b"x" * 1_000_000)[:100_000]
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(engine.socket)
        connection.sendall(f"PUT /containers/{container}/archive?path=/tmp HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-tar\r\n"
                           f"Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n".encode() + body)
    reading = Reading(engine, f"/containers/{container}/export") if engine.name == "pila" else None
    if reading:
        reading.close()
    assert docker("start", "-a", container, timeout=20) == "started"


@pytest.mark.only_pila("dockerd holds the container's lock until the client has read everything")
def test_client_that_does_not_read_stops_nobody(engine, docker):
    container = docker("run", "-d", "busybox", "sleep", "1000")
    docker("exec", container, "truncate", "-s", "1G", "/big")
    reading = Reading(engine, f"/containers/{container}/archive?path=/big")
    begin = time.monotonic()
    assert get(engine, container, "/etc/passwd").status == 200
    docker("exec", container, "true")
    docker("inspect", container)
    docker("stop", "-t", "0", container)
    docker("start", container, timeout=20)
    assert time.monotonic() - begin < 5
    assert put(engine, container, "/tmp", tar_of(file=b"x")).status == 200
    assert reading.rest() > 1 << 30  # of the run before, and still all of it
    reading.close()
    assert docker("exec", container, "cat", "/tmp/file") == "x"


@pytest.mark.slow
@pytest.mark.only_pila("dockerd holds the container's lock until the client has read everything")
@pytest.mark.parametrize("running", (True, False))
def test_client_that_does_not_read_and_a_removal(engine, docker, running):
    container = docker("run", "-d", "busybox", "sh", "-c", "truncate -s 1G /big; touch /ready; sleep 1000")
    engines.wait_until(lambda: get(engine, container, "/ready").status == 200, "the file is there")
    if not running:
        docker("kill", container)
    reading = Reading(engine, f"/containers/{container}/archive?path=/big")
    begin = time.monotonic()
    docker("rm", "-f", container, timeout=30)
    assert time.monotonic() - begin < 15
    reading.close()
    assert engine.api("GET", "/containers/json?all=1").json() == []


def overlays():
    """Overlay mounts that any process of the sandbox sees."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            lines = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
        except OSError:
            continue
        found |= {(pid, line) for line in lines if " - overlay " in line}
    return found


@pytest.mark.only_pila("how a daemon that was killed leaves no mount is its own affair")
def test_killed_daemon_leaves_no_mount(fresh):
    engine = loaded(fresh(), "busybox")
    docker = client_of(engine)
    container = docker("create", "-v", "kept:/data", "busybox", "cat", "/tmp/after")
    docker("cp", "/etc/passwd", f"{container}:/data/file")
    before = overlays()
    reading = Reading(engine, f"/containers/{container}/export")
    uploading = socket.socket(socket.AF_UNIX)
    other = docker("create", "busybox", "true")
    uploading.connect(engine.socket)
    uploading.sendall(f"PUT /containers/{other}/archive?path=/tmp HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
    time.sleep(0.3)
    engine.kill()
    reading.close()
    uploading.close()
    assert overlays() == before
    engine.start()
    assert put(engine, container, "/tmp", tar_of(after=b"after\n")).status == 200
    assert docker("start", "-a", container) == "after"
    docker("start", other)
    assert b"root" in get(engine, container, "/data/file").body


def test_many_at_once(engine, docker):
    """Copies in and out, starts and stops of one container, all at the same time: each either works or says why."""
    container = docker("create", "busybox", "sleep", "1000")
    problems, until = [], time.monotonic() + 5

    def repeat(action, fine):
        while time.monotonic() < until:
            try:
                answer = action()
            except (OSError, http.client.HTTPException) as broken:
                problems.append(broken)
                return
            if answer.status not in fine:
                problems.append(answer)
    tar = tar_of(file=b"x" * 5000)
    actions = [(lambda: put(engine, container, "/tmp", tar), (200,)), (lambda: get(engine, container, "/etc"), (200,)),
               (lambda: engine.api("HEAD", f"/containers/{container}/archive?path=/bin"), (200,)),
               (lambda: engine.api("POST", f"/containers/{container}/start"), (204, 304)),
               (lambda: engine.api("POST", f"/containers/{container}/kill"), (204, 409)),
               (lambda: engine.api("GET", f"/containers/{container}/export"), (200,))]
    threads = [threading.Thread(target=repeat, args=action) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert problems == []
    engine.api("POST", f"/containers/{container}/kill")
    engine.api("POST", f"/containers/{container}/wait")
    docker("start", container)
    assert docker("exec", container, "wc", "-c", "/tmp/file").split()[0] == "5000"


def test_deep_and_wide_trees(engine, docker, tmp_path):
    for number in range(3000):
        (tmp_path / f"file-{number}").write_text(str(number))
    deep = tmp_path / "/".join(["d"] * 300)
    deep.mkdir(parents=True)
    (deep / ("long-" + "n" * 240)).write_text("at the bottom")
    container = docker("run", "-d", "busybox", "sleep", "1000")
    docker("cp", "-q", f"{tmp_path}/.", f"{container}:/tmp")
    assert docker("exec", container, "sh", "-c", "ls /tmp | wc -l; cat /tmp/file-2999; echo; find /tmp | wc -l").split() == \
        ["3001", "2999", "3302"]
    docker("cp", "-q", f"{container}:/tmp", tmp_path / "back")
    assert subprocess.run(["diff", "-r", tmp_path / "back" / "d", tmp_path / "d"]).returncode == 0
