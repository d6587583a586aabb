# SPDX-License-Identifier: Apache-2.0
"""Registries on the loopback, Docker's and pila's own, filled with skopeo."""
import contextlib
import hashlib
import http.client
import json
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

    def command(self):
        return ["docker-registry", "serve", self.config]

    def start(self):
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen([str(word) for word in self.command()], stdin=subprocess.DEVNULL, stdout=log,
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

    def kill(self):
        self.process.kill()
        self.process.wait()

    def call(self, method, target, body=None, **headers):
        """One request; underscores in names of headers stand for dashes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused before all was sent
                connection.request(method, target, body, {name.replace("_", "-"): value for name, value in headers.items()},
                                   encode_chunked="Transfer_Encoding" in headers)
            if connection.sock is None:
                raise ConnectionError("the connection was refused")
            answer = connection.getresponse()
            answer.content = answer.read()
            return answer
        finally:
            connection.close()

    def put_blob(self, name, content, **headers):
        digest = digest_of(content)
        begun = self.call("POST", f"/v2/{name}/blobs/uploads/", b"", **headers)
        assert begun.status == 202, begun.content
        place = path_of(begun.headers["Location"])
        done = self.call("PUT", f"{place}{'&' if '?' in place else '?'}digest={digest}", content, **headers)
        assert done.status == 201, done.content
        return digest

    def put_manifest(self, name, reference, manifest, **headers):
        return self.call("PUT", f"/v2/{name}/manifests/{reference}", json.dumps(manifest).encode(),
                         Content_Type=manifest.get("mediaType", oci_manifest), **headers)

    def put_image(self, name, reference, layers=(b"layer",), config=b"{}", Authorization=None, **more):
        """A whole image of few bytes; returns its manifest's digest."""
        headers = {"Authorization": Authorization} if Authorization else {}
        manifest = {"schemaVersion": 2, "mediaType": oci_manifest,
                    "config": descriptor(config, "application/vnd.oci.image.config.v1+json"),
                    "layers": [descriptor(layer, "application/vnd.oci.image.layer.v1.tar") for layer in layers], **more}
        for content in (config, *layers):
            self.put_blob(name, content, **headers)
        done = self.put_manifest(name, reference, manifest, **headers)
        assert done.status == 201, done.content
        return done.headers["Docker-Content-Digest"]


class PilaRegistry(Registry):
    """`pila registry`, standing alone."""

    def __init__(self, directory, port=None, arguments=()):
        super().__init__(directory, port)
        self.arguments = list(arguments)

    def command(self):
        return [engines.Pila.program, "registry", "--data-dir", self.directory / "data", "--listen", self.address, *self.arguments]


oci_manifest = "application/vnd.oci.image.manifest.v1+json"
oci_index = "application/vnd.oci.image.index.v1+json"


def digest_of(content, algorithm="sha256"):
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def descriptor(content, media_type):
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def path_of(location):
    """Registries name places relative to themselves or with their own address."""
    return "/" + location.split("/", 3)[3] if "://" in location else location


def tags_of(registry, name):
    return json.loads(registry.call("GET", f"/v2/{name}/tags/list").content)["tags"]
