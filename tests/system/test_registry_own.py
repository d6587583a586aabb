# SPDX-License-Identifier: Apache-2.0
"""pila's registry beside an engine: local images are served without a copy. Users are in test_registry_users.py, TLS and other
programs in test_registry_clients.py, crashes and garbage in test_registry_crash.py, the cache in test_registry_cache.py, the
specification's rules in test_registry_server.py."""
import json
import os
import shutil
import subprocess

import pytest
from conftest import against, client_of, images, loaded
from lib import engines
from lib.registry import PilaRegistry, digest_of, free_port, tags_of

pytestmark = [pytest.mark.slice2, pytest.mark.only_pila("it is pila's own registry")]


@pytest.fixture(scope="module")
def serving():
    """A daemon with a registry."""
    port = free_port()
    engine = loaded(engines.kinds[against](arguments=["--registry-listen", f"127.0.0.1:{port}"]).start(), "busybox", "layers")
    engine.registry = PilaRegistry(engine.directory / "client", port)
    yield engine
    engine.remove_everything()
    engine.stop()
    shutil.rmtree(engine.directory, ignore_errors=True)


def disk_use(*directories):
    """Bytes, files with several names counted once."""
    seen = {}
    for directory in directories:
        for place, _, names in os.walk(directory):
            for name in names:
                info = os.lstat(os.path.join(place, name))
                seen[info.st_ino] = info.st_blocks * 512
    return sum(seen.values())


# --- images of the engine ---------------------------------------------------------------------------------------------
def test_a_local_image_is_served(serving, tmp_path):
    registry = serving.registry
    assert {"busybox", "pila/layers"} <= set(json.loads(registry.call("GET", "/v2/_catalog").content)["repositories"])
    assert tags_of(registry, "pila/layers") == ["latest"] and "latest" in tags_of(registry, "library/busybox")
    answer = registry.call("GET", "/v2/pila/layers/manifests/latest")
    digest = answer.headers["Docker-Content-Digest"]
    assert digest_of(answer.content) == digest == registry.call("HEAD", "/v2/pila/layers/manifests/latest").headers["Docker-Content-Digest"]
    manifest = json.loads(answer.content)
    for blob in [manifest["config"], *manifest["layers"]]:
        content = registry.call("GET", f"/v2/pila/layers/blobs/{blob['digest']}").content
        assert digest_of(content) == blob["digest"] and len(content) == blob["size"]
        part = registry.call("GET", f"/v2/pila/layers/blobs/{blob['digest']}", Range="bytes=100-199")
        assert part.status == 206 and part.content == content[100:200]
        assert registry.call("HEAD", f"/v2/busybox/blobs/{blob['digest']}").status in (200, 404)
    assert registry.call("GET", f"/v2/pila/layers/manifests/{digest}").content == answer.content
    (tmp_path / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    subprocess.run(["skopeo", "--policy", tmp_path / "policy.json", "copy", "-q", "--src-tls-verify=false",
                    f"docker://{registry.address}/pila/layers:latest", f"dir:{tmp_path / 'out'}"], check=True)


def test_serving_copies_nothing(serving):
    before = disk_use(serving.directory / "data")
    for layer in json.loads(serving.registry.call("GET", "/v2/busybox/manifests/latest").content)["layers"]:
        serving.registry.call("GET", f"/v2/busybox/blobs/{layer['digest']}")
    assert disk_use(serving.directory / "data") - before < 100_000


def test_a_local_image_is_not_deleted_here(serving):
    answer = serving.registry.call("DELETE", "/v2/busybox/manifests/latest")
    assert answer.status == 405 and b"docker rmi" in answer.content


def test_push_to_the_own_registry_links(serving):
    docker, registry = client_of(serving), serving.registry
    name = f"{registry.address}/mine/busybox:one"
    docker("tag", "busybox", name)
    docker("push", name)
    stored = serving.directory / "data/registry/blobs/sha256"
    manifest = json.loads(registry.call("GET", "/v2/mine/busybox/manifests/one").content)
    for layer in manifest["layers"]:
        assert os.lstat(stored / layer["digest"].split(":")[1]).st_nlink >= 2, "a copy of what the engine has"
    docker("rmi", name)
    assert "Hello" not in docker("run", "--rm", name, "echo", "pulled from it")
    docker("rmi", name)


def test_pulled_from_the_own_registry_it_lies_there_once(serving, registries):
    registry, docker = serving.registry, client_of(serving)
    registry.push(images / "hello.tar", "lies/once:v1")
    (layer, *_) = json.loads(registry.call("GET", "/v2/lies/once/manifests/v1").content)["layers"]
    stored = serving.directory / "data/registry/blobs/sha256" / layer["digest"].split(":")[1]
    docker("pull", f"{registry.address}/lies/once:v1")
    gone = registry.put_image("lies/gone", "v1")
    registry.call("DELETE", f"/v2/lies/gone/manifests/{gone}")  # garbage is looked for
    engines.wait_until(lambda: os.lstat(stored).st_nlink == 2, "one file for both", 20, 0.1)
    assert digest_of(registry.call("GET", f"/v2/lies/once/blobs/{layer['digest']}").content) == layer["digest"]
    docker("rmi", f"{registry.address}/lies/once:v1")
    engines.wait_until(lambda: os.lstat(stored).st_nlink == 1, "the engine removed its name alone", 20, 0.1)
    assert digest_of(registry.call("GET", f"/v2/lies/once/blobs/{layer['digest']}").content) == layer["digest"]


def test_what_was_pushed_wins(serving):
    registry = serving.registry
    assert client_of(serving)("tag", "busybox", "both/here:local") == ""
    assert tags_of(registry, "both/here") == ["local"]
    digest = registry.put_image("both/here", "pushed")
    assert tags_of(registry, "both/here") == ["pushed"]
    assert registry.call("GET", "/v2/both/here/manifests/local").status == 404
    registry.call("DELETE", f"/v2/both/here/manifests/{digest}")
    assert tags_of(registry, "both/here") == ["local"]
    client_of(serving)("rmi", "both/here:local")


def test_a_pulled_image_is_served_as_it_came(serving, registries):
    other = registries("other")
    other.push(images / "hello.tar", "some/hello:v1")
    client_of(serving)("pull", f"{other.address}/some/hello:v1")
    client_of(serving)("tag", f"{other.address}/some/hello:v1", "again/hello:v1")
    there = other.call("GET", "/v2/some/hello/manifests/v1")
    here = serving.registry.call("GET", "/v2/again/hello/manifests/v1")
    assert here.content == there.content and here.headers["Docker-Content-Digest"] == there.headers["Docker-Content-Digest"]
    for blob in [json.loads(here.content)["config"], *json.loads(here.content)["layers"]]:
        assert digest_of(serving.registry.call("GET", f"/v2/again/hello/blobs/{blob['digest']}").content) == blob["digest"]


def test_mounting_a_local_images_blob(serving, registries):
    other = registries("other")
    other.push(images / "hello.tar", "some/hello:v1")
    client_of(serving)("pull", f"{other.address}/some/hello:v1")
    client_of(serving)("tag", f"{other.address}/some/hello:v1", "mount/from:v1")
    (layer,) = json.loads(serving.registry.call("GET", "/v2/mount/from/manifests/v1").content)["layers"]
    answer = serving.registry.call("POST", f"/v2/mount/to/blobs/uploads/?mount={layer['digest']}&from=mount/from", b"")
    assert answer.status == 201
    assert digest_of(serving.registry.call("GET", f"/v2/mount/to/blobs/{layer['digest']}").content) == layer["digest"]


def test_one_registry_a_directory(serving, registries):
    done = subprocess.run([engines.Pila.program, "registry", "--data-dir", serving.directory / "data", "--listen", "127.0.0.1:1"],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "--registry-listen 127.0.0.1:1" in done.stderr and done.stderr.count("\n") == 1
    done = subprocess.run([engines.Pila.program, "registry", "--data-dir", registries().directory / "data", "--listen", "127.0.0.1:1"],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "another `pila registry`" in done.stderr
