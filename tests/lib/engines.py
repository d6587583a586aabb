# SPDX-License-Identifier: Apache-2.0
"""The server under test: pila's daemon or a real dockerd, each in directories of its own, inside a sandbox."""
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from . import api, sandbox

top = Path(__file__).resolve().parents[2]
build = Path(os.environ.get("PILA_BUILD", top / "build"))


patience = float(os.environ.get("PILA_TEST_PATIENCE", "1"))  # a sanitizer's build takes longer for everything


class NotReady(Exception):
    pass


def wait_until(condition, what, seconds=20, interval=0.02):
    """Returns condition()'s first true value; fails loudly after the deadline."""
    deadline = time.monotonic() + seconds * patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(interval)


class Engine:
    """start() may be called again after kill() or stop(): same directories, new process."""

    def __init__(self, directory=None, arguments=(), environment=None):
        self.directory = Path(directory or tempfile.mkdtemp(prefix=f"{self.name}-", dir="/run"))
        self.directory.mkdir(parents=True, exist_ok=True)
        self.arguments = list(arguments)
        self.environment = dict(environment or {})
        self.socket = str(self.directory / "docker.sock")
        self.log_path = self.directory / "daemon.log"
        self.process = None
        self.outlives_us = False

    @property
    def host(self):
        return f"unix://{self.socket}"

    def start(self, seconds=30):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=os.environ | self.environment,
                                            start_new_session=self.outlives_us,
                                            preexec_fn=None if self.outlives_us else sandbox.die_with_parent)
        try:
            wait_until(self.answers, f"{self.name} answers", seconds)
        except AssertionError:
            self.process.kill()
            raise NotReady(f"{self.name} does not answer:\n{self.log_tail()}") from None
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise NotReady(f"{self.name} ended with {self.process.returncode}:\n{self.log_tail()}")
        try:
            return api.request(self.socket, "GET", "/_ping", timeout=5).status == 200
        except OSError:
            return False

    def log_tail(self, lines=30):
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    @property
    def pid(self):
        return self.process.pid

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, seconds=60):
        self.process.send_signal(signal.SIGTERM)
        try:
            if self.process.wait(seconds):  # sanitizers report leaks at the end
                raise AssertionError(f"{self.name} ended with {self.process.returncode}:\n{self.log_tail(100)}")
            return 0
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.name} still runs {seconds} s after SIGTERM:\n{self.log_tail()}") from None

    def api(self, method, target, body=None, **more):
        return api.request(self.socket, method, target, body, **more)

    def load(self, archive):
        with open(archive, "rb") as file:
            answer = api.request(self.socket, "POST", "/images/load?quiet=1", file,
                                 {"Content-Type": "application/x-tar"})
        if answer.status != 200 or b'"error"' in answer.body:
            raise AssertionError(f"loading {archive}: {answer}")

    def remove_everything(self, keep_images=()):
        """Containers, networks, volumes and images that a test left; so that no test depends on another."""
        for container in self.api("GET", "/containers/json?all=1").json():
            self.api("DELETE", f"/containers/{container['Id']}?force=1&v=1")
        for network in self.api("GET", "/networks").json():
            if network["Name"] not in ("bridge", "host", "none"):
                self.api("DELETE", f"/networks/{network['Id']}")
        volumes = self.api("GET", "/volumes")
        if volumes.status == 200:
            for volume in volumes.json()["Volumes"] or []:
                self.api("DELETE", f"/volumes/{volume['Name']}?force=1")
        for image in self.api("GET", "/images/json").json():
            tags = image["RepoTags"] or []
            if not any(tag in keep_images for tag in tags):
                self.api("DELETE", f"/images/{image['Id']}?force=1")
            else:
                for tag in tags:
                    if tag not in keep_images:
                        self.api("DELETE", f"/images/{tag}")


class Docker(Engine):
    """dockerd with the containerd it starts itself."""
    name = "docker"

    @staticmethod
    def missing():
        return None if shutil.which("dockerd") else "dockerd is not installed"

    def command(self):
        return ["dockerd", "--data-root", self.directory / "data", "--exec-root", self.directory / "exec",
                "--pidfile", self.directory / "pid", "-H", self.host, "--log-level", "warn", *self.arguments]

    def kill(self):  # dockerd brings its containerd down itself only when it ends in order
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        super().kill()
        for child in children:
            try:
                os.kill(int(child), signal.SIGKILL)
            except ProcessLookupError:
                pass
        (self.directory / "pid").unlink(missing_ok=True)


class Pila(Engine):
    name = "pila"
    program = build / "bin/pila"

    made = itertools.count()

    def __init__(self, *arguments, instance=None, **more):
        super().__init__(*arguments, **more)
        self.instance = instance or f"{os.environ.get('PILA_TEST_INSTANCE', 'pilatest')}{next(self.made)}"
        self.data, self.run = self.directory / "data", self.directory / "run"

    @staticmethod
    def missing():
        return None if Pila.program.exists() else f"{Pila.program} is not built"

    def command(self):
        return [self.program, "daemon", "--role", "engine", "--data-dir", self.data, "--run-dir", self.run, "--docker-socket", self.socket,
                "--instance", self.instance, *self.arguments]


kinds = {"docker": Docker, "pila": Pila}
