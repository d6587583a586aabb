# SPDX-License-Identifier: Apache-2.0
"""pila's registry over TLS, and with docker and podman as its clients."""
import json
import os
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request

import pytest
from conftest import client_of, images
from lib import engines
from lib.certificates import make_certificates
from lib.registry import PilaRegistry, digest_of, tags_of

pytestmark = [pytest.mark.slice2, pytest.mark.only_pila("it is pila's own registry")]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def test_tls(registries, certificates, tmp_path):
    made = PilaRegistry(tmp_path / "tls", arguments=["--tls-cert", certificates / "server.pem", "--tls-key", certificates / "server.key"])
    made.start()
    url = f"https://127.0.0.1:{made.port}/v2/"
    trusted = ssl.create_default_context(cafile=certificates / "ca.pem")
    assert urllib.request.urlopen(url, context=trusted).status == 200
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url)
    plain = made.call("GET", "/v2/")
    assert plain.status == 400 and b"HTTP request to an HTTPS server" in plain.content
    (tmp_path / "certs").mkdir()
    shutil.copy(certificates / "ca.pem", tmp_path / "certs/ca.crt")
    (tmp_path / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    subprocess.run(["skopeo", "--policy", tmp_path / "policy.json", "--tmpdir", tmp_path, "copy", "-q", "--dest-cert-dir", tmp_path / "certs",
                    f"docker-archive:{images / 'layers.tar'}", f"docker://{made.address}/over/tls:v1"], check=True)
    subprocess.run(["skopeo", "--policy", tmp_path / "policy.json", "--tmpdir", tmp_path, "copy", "-q", "--src-cert-dir", tmp_path / "certs",
                    f"docker://{made.address}/over/tls:v1", f"dir:{tmp_path / 'out'}"], check=True)
    for layer in json.loads((tmp_path / "out/manifest.json").read_text())["layers"]:
        assert digest_of((tmp_path / "out" / layer["digest"].split(":")[1]).read_bytes()) == layer["digest"]
    made.stop()


def test_tls_with_client_certificates(certificates, tmp_path):
    made = PilaRegistry(tmp_path / "tls", arguments=["--tls-cert", certificates / "server.pem", "--tls-key", certificates / "server.key",
                                                     "--tls-client-ca", certificates / "ca.pem"]).start()
    url = f"https://127.0.0.1:{made.port}/v2/"
    for name, allowed in (("client", True), ("nobody", False), (None, False)):
        context = ssl.create_default_context(cafile=certificates / "ca.pem")
        if name:
            context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
        try:
            assert urllib.request.urlopen(url, context=context).status == 200 and allowed
        except (ssl.SSLError, OSError):
            assert not allowed
    made.stop()


def test_dockerd(registries):
    if engines.Docker.missing():
        pytest.skip(engines.Docker.missing())
    registry = registries()
    dockerd = engines.Docker().start()
    try:
        dockerd.load(images / "layers.tar")
        docker, name = client_of(dockerd), f"{registry.address}/of/dockerd:v1"
        docker("tag", "pila/layers", name)
        pushed = docker("push", name)
        digest = registry.call("HEAD", "/v2/of/dockerd/manifests/v1").headers["Docker-Content-Digest"]
        assert digest in pushed
        docker("rmi", name, "pila/layers")
        assert digest in docker("pull", name)
        again = f"{registry.address}/of/dockerd-too:v1"
        docker("tag", name, again)
        assert "Mounted from of/dockerd" in docker("push", again)
    finally:
        dockerd.stop()
        shutil.rmtree(dockerd.directory, ignore_errors=True)


def test_podman(registries, tmp_path):
    if not shutil.which("podman"):
        pytest.skip("podman is not installed")
    registry = registries()
    (tmp_path / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    (tmp_path / "containers.conf").write_text('[containers]\ndefault_ulimits = ["nofile=1024:1024"]\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n')
    environment = os.environ | {"CONTAINERS_CONF": str(tmp_path / "containers.conf"), "TMPDIR": str(tmp_path)}

    def podman(*words):
        done = subprocess.run(["podman", "--root", tmp_path / "root", "--runroot", tmp_path / "run", "--storage-driver", "vfs", *words],
                              env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    name = f"{registry.address}/of/podman:v1"
    podman("load", "-q", "--signature-policy", tmp_path / "policy.json", "-i", images / "layers.tar")
    podman("push", "-q", "--tls-verify=false", "pila/layers", name)
    podman("rmi", "-a", "-f")
    podman("pull", "-q", "--tls-verify=false", "--signature-policy", tmp_path / "policy.json", name)
    assert tags_of(registry, "of/podman") == ["v1"]
