# SPDX-License-Identifier: Apache-2.0
"""A docker-registry on the loopback, filled with skopeo."""
import shutil
import socket
import subprocess
from pathlib import Path

from . import engines, sandbox


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Registry:
    def __init__(self, directory, port=None, extra=""):
        self.directory, self.port = Path(directory), port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.directory.mkdir(parents=True, exist_ok=True)
        self.config = self.directory / "config.yml"
        self.config.write_text(f"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n"
                               f"storage: {{filesystem: {{rootdirectory: {self.directory / 'data'}}}, delete: {{enabled: true}}}}\n"
                               f"http: {{addr: '{self.address}'}}\n{extra}")

    @staticmethod
    def missing():
        for tool in ("docker-registry", "skopeo"):
            if not shutil.which(tool):
                return f"{tool} is not installed"
        return None

    def start(self):
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", self.config], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, preexec_fn=sandbox.die_with_parent)
        engines.wait_until(self.answers, "the registry answers")
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise engines.NotReady((self.directory / "log").read_text()[-1000:])
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def push(self, archive, name, *options):
        """archive: a `docker save` file with one image; name: REPOSITORY:TAG."""
        policy = self.directory / "policy.json"
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        subprocess.run(["skopeo", "--policy", policy, "--tmpdir", self.directory, "copy", "-q", "--dest-tls-verify=false", *options,
                        f"docker-archive:{archive}", f"docker://{self.address}/{name}"], check=True, capture_output=True, text=True)

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
