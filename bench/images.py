# SPDX-License-Identifier: Apache-2.0
"""A real image of 300 MB in five layers (a distribution's root file system, then copies of its libraries): load, save, pull
from a registry on the loopback, commit of 50 MB of changes; docker and podman beside pila, all on one disk."""
import contextlib
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import measure
from lib import debian, sandbox
from lib.registry import Registry
from measure import collect, output_of, show

change = "head -c 50000000 /dev/urandom > /data"


def accept(answer):
    if answer.status not in (200, 201, 204) or b'"error"' in answer.body[-2000:]:
        raise RuntimeError(str(answer))
    return answer


class ByApi:
    """pila and docker."""

    def __init__(self, name, engine):
        self.name, self.engine = name, engine

    def upload(self, target, path):
        with open(path, "rb") as file:
            accept(self.engine.api("POST", target, file, headers={"Content-Type": "application/x-tar"}, timeout=300))

    def load(self, path):
        self.upload("/images/load?quiet=1", path)

    def save(self, path=os.devnull):
        with socket.socket(socket.AF_UNIX) as connection, open(path, "wb") as file:
            connection.connect(str(self.engine.socket))
            connection.sendall(b"GET /images/debian:bench/get HTTP/1.0\r\nHost: bench\r\n\r\n")
            received = connection.makefile("rb", 1 << 20)
            if b" 200 " not in received.readline():
                raise RuntimeError(f"{self.name}: save is refused")
            while received.readline() not in (b"\r\n", b"\n", b""):
                pass
            shutil.copyfileobj(received, file, 1 << 20)

    def pull(self, registry):
        accept(self.engine.api("POST", f"/images/create?fromImage={registry.address}/debian&tag=bench", timeout=300))

    def forget_pulled(self, registry):
        accept(self.engine.api("DELETE", f"/images/{registry.address}/debian:bench"))

    def run(self, command):
        made = accept(self.engine.api("POST", "/containers/create", {"Image": "debian:bench", "Cmd": ["sh", "-c", command]})).json()
        accept(self.engine.api("POST", f"/containers/{made['Id']}/start"))
        if accept(self.engine.api("POST", f"/containers/{made['Id']}/wait", timeout=300)).json()["StatusCode"]:
            raise RuntimeError(f"{self.name}: {command} failed")
        return made["Id"]

    def commit(self, container, image="committed", tag="latest"):
        accept(self.engine.api("POST", f"/commit?container={container}&repo={image}&tag={tag}", {}, timeout=300))

    def forget_commit(self, container):
        accept(self.engine.api("DELETE", f"/containers/{container}"))
        accept(self.engine.api("DELETE", "/images/committed"))

    def remove(self):
        accept(self.engine.api("DELETE", "/images/debian:bench"))

    def network(self):
        return in_network(self.engine.holder)


class Podman:
    """No daemon: each figure has the start of a program in it, as its users have it."""
    name = "podman"

    def __init__(self, directory):
        directory.mkdir()
        (directory / "containers.conf").write_text('[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n'
                                                   '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\nruntime = "runc"\n')
        (directory / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        self.environment = {**os.environ, "CONTAINERS_CONF": str(directory / "containers.conf"), "TMPDIR": str(directory)}
        self.policy = directory / "policy.json"
        self.command = ["podman", "--root", directory / "root", "--runroot", directory / "run", "--tmpdir", directory / "tmp",
                        "--storage-driver", "overlay"]

    def call(self, *words, **more):
        return output_of(*self.command, *words, env=self.environment, **more)

    def load(self, path):
        self.call("load", "-q", "--signature-policy", self.policy, "-i", path)

    def save(self, path=os.devnull):
        with open(path, "wb") as file:
            subprocess.run([str(word) for word in [*self.command, "save", "-q", "debian:bench"]], check=True, stdout=file,
                           env=self.environment, stderr=subprocess.PIPE)

    def pull(self, registry):
        self.call("pull", "-q", "--tls-verify=false", "--signature-policy", self.policy, f"{registry.address}/debian:bench")

    def forget_pulled(self, registry):
        self.call("rmi", f"{registry.address}/debian:bench")

    def run(self, command):
        return self.call("run", "-d", "--network", "none", "debian:bench", "sh", "-c", command + "; sleep 600").strip()

    def settle(self, container):
        self.call("exec", container, "sh", "-c", "until [ $(stat -c %s /data) = 50000000 ]; do sleep 0.1; done")
        self.call("stop", "-t", "0", container)

    def commit(self, container):
        self.call("commit", "-q", container, "committed")

    def forget_commit(self, container):
        self.call("rm", "-f", container)
        self.call("rmi", "committed")

    def remove(self):
        self.call("rmi", "debian:bench")

    def network(self):
        return contextlib.nullcontext()

    @staticmethod
    def clean():
        """Groups it makes and leaves."""
        for group in sorted(Path("/sys/fs/cgroup").glob("*/libpod_parent/**"), reverse=True):
            with contextlib.suppress(OSError):
                group.rmdir()


@contextlib.contextmanager
def in_network(pid):
    """This thread's network namespace for a while, so that what it starts is there too."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    there = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    sandbox.libc.setns(there, 0)
    try:
        yield
    finally:
        sandbox.libc.setns(before, 0)
        os.close(before)
        os.close(there)


def make_image(maker, rootfs, archive):
    """By the first engine there is; the others load what it saves."""
    maker.upload("/images/create?fromSrc=-&repo=debian&tag=bench&changes=CMD+bash", rootfs)
    for number in range(4):
        container = maker.run(f"cp -a /usr/lib /opt/lib{number}")
        maker.commit(container, "debian", "bench")
        accept(maker.engine.api("DELETE", f"/containers/{container}"))
    maker.save(archive)
    maker.remove()


def bench_images(options, lab):
    disk = next(iter(lab.engines.values())).directory.parent
    try:
        rootfs = debian.make_rootfs(measure.repository / ".cache")
    except debian.Unavailable as problem:
        print(f"left out: {problem}")
        return
    contenders = [ByApi(name, engine) for name, engine in lab.engines.items()]
    archive = disk / "debian.tar"
    make_image(contenders[0], rootfs, archive)
    if shutil.which("podman"):
        contenders.append(Podman(disk / "podman"))
    else:
        print("left out: podman is not installed")
    lines = []

    def timed(contender, operation, function, *arguments):
        os.sync()  # what came before is not this one's to wait for
        begin = time.monotonic()
        function(*arguments)
        lines.append(f"{contender.name} {operation} {(time.monotonic() - begin) * 1e3:.2f}")

    rounds = 1 if options.quick else 4
    for _ in range(rounds):
        for contender in contenders:
            timed(contender, "load", contender.load, archive)
            timed(contender, "save", contender.save)
            container = contender.run(change)
            if contender.name == "podman":
                contender.settle(container)
            timed(contender, "commit of 50 MB", contender.commit, container)
            contender.forget_commit(container)
            timed(contender, "remove", contender.remove)
    if Registry.missing():
        print(f"left out: {Registry.missing()}")
    else:
        registries = {}
        for contender in contenders:
            with contender.network():  # the registry has to be on each engine's own loopback
                registries[contender.name] = Registry(disk / f"registry-{contender.name}").start()
                registries[contender.name].push(archive, "debian:bench")
        for _ in range(rounds):
            for contender in contenders:
                registry = registries[contender.name]
                timed(contender, "pull", contender.pull, registry)
                contender.forget_pulled(registry)
        for registry in registries.values():
            registry.stop()
    Podman.clean()
    size = archive.stat().st_size
    archive.unlink()
    show(f"an image of {size / 1e6:.0f} MB in five layers", collect("\n".join(lines)), [contender.name for contender in contenders], "ms")
