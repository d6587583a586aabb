# SPDX-License-Identifier: Apache-2.0
"""A control plane of pila's own, and the clients that talk to it: every kubectl that this machine has, and plain requests."""
import base64
import contextlib
import copy
import glob
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
from pathlib import Path

import yaml
from lib.engines import Pila, wait_until

maps = "/api/v1/namespaces/default/configmaps"
merge_patch = {"Content-Type": "application/merge-patch+json"}
apply_patch = {"Content-Type": "application/apply-patch+yaml"}
json_patch = {"Content-Type": "application/json-patch+json"}


def find_kubectls():
    """Version ("1.33") to program: that of $PATH, and those that the Google Cloud SDK brings beside it."""
    found = {}
    programs = [shutil.which("kubectl"), *glob.glob("/usr/lib/google-cloud-sdk/bin/kubectl.1.*")]
    for program in filter(None, programs):
        said = subprocess.run([program, "version", "--client", "-o", "json"], capture_output=True, text=True)
        if said.returncode == 0:
            version = json.loads(said.stdout)["clientVersion"]
            found.setdefault(f"{version['major']}.{version['minor'].rstrip('+')}", program)
    return dict(sorted(found.items(), key=lambda item: [int(part) for part in item[0].split(".")]))


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:500]!r}"


class ControlPlane:
    """start() may be called again after kill() or stop(). `with` starts it, and stops it however the body ends."""

    def __init__(self, directory, *arguments):
        self.directory, self.port, self.process = Path(directory), free_port(), None
        self.arguments = arguments
        self.home = self.directory / "home"
        self.home.mkdir(parents=True, exist_ok=True)

    @property
    def kubeconfig(self):
        return self.directory / "data/cluster/pki/admin.kubeconfig"

    def start(self, interval=0.05, failpoints=""):
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(
                [Pila.program, "daemon", "--role", "control-plane", "--data-dir", self.directory / "data",
                 "--kube-listen", f"127.0.0.1:{self.port}", *self.arguments], stdout=log, stderr=log,
                env=os.environ | ({"PILA_FAILPOINTS": failpoints} if failpoints else {}))
        try:
            wait_until(lambda: self.process.poll() is not None or self.answers(), "the control plane answers", 30, interval)
            assert self.process.poll() is None, (self.directory / "log").read_text()
        except AssertionError:
            self.kill()
            raise
        return self

    def answers(self):
        try:
            return self.kubeconfig.exists() and self.request("GET", "/readyz").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                assert self.process.wait(20) == 0
            finally:
                self.kill()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def context(self, certificate=True):
        config = yaml.safe_load(self.kubeconfig.read_text())
        authority = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
        made = ssl.create_default_context(cadata=authority)
        if certificate:
            user = config["users"][0]["user"]
            with tempfile.NamedTemporaryFile() as file:
                for name in ("client-certificate-data", "client-key-data"):
                    file.write(base64.b64decode(user[name]))
                file.flush()
                made.load_cert_chain(file.name)
        return made

    def kubeconfig_with(self, name, user):
        """The path of a kubeconfig for somebody else: {"token": "..."} or a certificate."""
        config = yaml.safe_load(self.kubeconfig.read_text())
        config["users"][0]["user"] = user
        path = self.directory / f"{name}.kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return str(path)

    def connect(self, certificate=True):
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20, context=self.context(certificate))

    def request(self, method, path, body=None, headers={}, certificate=True, connection=None):
        connection = connection or self.connect(certificate)
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        connection.request(method, path, body, headers)
        return Answer(connection.getresponse())


@contextlib.contextmanager
def control_plane():
    """One in a directory of its own, which goes with it."""
    with tempfile.TemporaryDirectory(prefix="pila-cluster-") as directory, ControlPlane(directory) as made:
        yield made


class Program:
    """A client: program(...) is what it prints; a failure is an AssertionError with what it said."""

    def __init__(self, plane, program, **environment):
        self.command = [program]
        self.environment = {**os.environ, "KUBECONFIG": str(plane.kubeconfig), "HOME": str(plane.home), **environment}

    def within(self, space):
        """kubectl in a namespace."""
        made = copy.copy(self)
        made.space, made.command = space, [*self.command, "-n", space]
        return made

    def run(self, *arguments, stdin=None):
        return subprocess.run([*self.command, *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=120,
                              env=self.environment)

    def __call__(self, *arguments, stdin=None):
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, f"{' '.join(map(str, done.args))}: {done.stderr}{done.stdout}"
        return done.stdout.strip()

    def fails(self, *arguments, stdin=None):
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode != 0, done.stdout
        return done.stderr.strip()

    def start(self, *arguments):
        return subprocess.Popen([*self.command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=self.environment)
