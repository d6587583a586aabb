# SPDX-License-Identifier: Apache-2.0
"""An OCI runtime with a bundle of its own, pila-runtime or the judge beside it."""
import array
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from lib import engines

images = Path(os.environ.get("PILA_TEST_IMAGES", engines.build / "test-images"))
pila = str(engines.build / "bin/pila-runtime")
sh = ["sh", "-c"]
is_v1 = Path("/sys/fs/cgroup/memory").exists()
is_v2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()
needs_v2 = pytest.mark.skipif(not is_v2, reason="needs cgroup v2 alone (./dev test --guest has it)")


def eventually(condition, what, seconds=10):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return value


def has_ended(pid):
    """Waited for by its parent or not."""
    try:
        return " Z " in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def group_of(runtime):
    return Path(f"/sys/fs/cgroup{'/memory' if is_v1 else ''}{runtime.config['linux']['cgroupsPath']}")


class Runtime:
    """One runtime with its own state directory and one bundle, `config`, which write() puts into place."""

    def __init__(self, program, place):
        self.program, self.place, self.root = program, place, place / "state"
        self.bundle = place / "bundle"
        self.rootfs = self.bundle / "rootfs"
        self.rootfs.mkdir(parents=True)
        subprocess.run(["tar", "-C", self.rootfs, "-xf", images / "rootfs.tar"], check=True)
        subprocess.run([pila, "spec"], cwd=self.bundle, check=True)
        self.config = json.loads((self.bundle / "config.json").read_text())
        self.config["ociVersion"] = "1.0.2"
        self.config["process"].update(terminal=False, args=["sleep", "1000"])
        self.config["root"]["readonly"] = False
        # So that others on this machine are never met.
        self.config["linux"]["cgroupsPath"] = f"/pila-oci-{os.getpid()}-{place.name}"
        self.is_pila = program == pila

    def write(self, *args, **process):
        if args:
            self.config["process"]["args"] = list(args)
        self.config["process"].update(process)
        (self.bundle / "config.json").write_text(json.dumps(self.config))

    def __call__(self, *words, check=True, options=(), **more):
        done = subprocess.run([self.program, "--root", self.root, *options, *map(str, words)], text=True, timeout=30,
                              **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL} | more))
        assert not check or done.returncode == 0, (words, done.returncode, done.stdout, done.stderr)
        return done

    def output(self, *words, **more):
        """Of a container's own streams: those that create was given."""
        self.write(*words) if words else None
        with open(self.place / "output", "w+") as file:
            self("create", "--bundle", self.bundle, "c", stdout=file, stderr=file, **more)
            self("start", "c")
            self.wait()
            self("delete", "c")
            file.seek(0)
            return file.read()

    def run(self, *words, check=True, **more):
        self.write(*words) if words else None
        return self("run", "--bundle", self.bundle, "c", check=check, **more)

    def create(self, *options, name="c"):
        # Not to pipes: the container would hold them.
        self("create", "--bundle", self.bundle, *options, name, stdout=subprocess.DEVNULL, stderr=open(self.place / "errors", "w"))

    def state(self, name="c"):
        return json.loads(self("state", name).stdout)

    def wait(self, name="c", status="stopped"):
        eventually(lambda: self.state(name)["status"] == status, f"{name} is never {status}")

    def up(self, name="c"):
        self.write()
        self.create(name=name)
        self("start", name)

    def clean(self):
        names = self("list", "--quiet", check=False).stdout.split()
        for name in names:
            self("delete", "--force", name, check=False)


def programs():
    runc = shutil.which("runc")
    return [pytest.param(pila, id="pila"),
            pytest.param(runc, id="runc", marks=[] if runc else pytest.mark.skip(reason="runc is not installed"))]


@pytest.fixture(params=programs())
def runtime(request, tmp_path):
    made = Runtime(request.param, tmp_path)
    yield made
    made.clean()


@pytest.fixture
def only_pila(tmp_path):
    made = Runtime(pila, tmp_path)
    yield made
    made.clean()


hook_kinds = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


def listening(path):
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(path))
    made.listen(4)
    made.settimeout(20)
    return made


def receive(server, size=65536):
    """(bytes, descriptors) of the next connection's first message."""
    connection, _ = server.accept()
    text, rights, _, _ = connection.recvmsg(size, socket.CMSG_LEN(64))
    fds = array.array("i")
    for level, kind, data in rights:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(data[:len(data) - len(data) % 4])
    return text, list(fds)
