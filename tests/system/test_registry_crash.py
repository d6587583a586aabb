# SPDX-License-Identifier: Apache-2.0
"""kill -9, power cuts, full disks and the garbage collector, while pila's registry is pushed to."""
import http.client
import json
import os
import shutil
import subprocess
import threading
import time

import pytest
from lib import engines
from lib.registry import PilaRegistry, descriptor, digest_of, oci_manifest, path_of, tags_of

pytestmark = [pytest.mark.slice2, pytest.mark.only_pila("it is pila's own registry")]


def test_an_upload_goes_on_after_kill_9(registries):
    registry = registries()
    begun = registry.call("POST", "/v2/kill/ed/blobs/uploads/", b"")
    place = path_of(begun.headers["Location"])
    first, second = os.urandom(3_000_000), os.urandom(1_000_000)
    assert registry.call("PATCH", place, first, Content_Type="application/octet-stream").status == 202
    registry.kill()
    registry.start()
    status = registry.call("GET", place)
    assert status.status == 204 and status.headers["Range"] == f"0-{len(first) - 1}"
    assert registry.call("PUT", f"{place}?digest={digest_of(first + second)}", second).status == 201
    assert registry.call("GET", f"/v2/kill/ed/blobs/{digest_of(first + second)}").content == first + second


def test_kill_9_at_random(registries):
    """What was acknowledged is there and whole; tags lead to manifests, manifests to blobs."""
    registry = registries()
    acknowledged, stop = {}, threading.Event()

    def push(worker):
        number = 0
        while not stop.is_set():
            number += 1
            name, tag = f"kill/{worker}", f"v{number}"
            try:
                digest = registry.put_image(name, tag, layers=(os.urandom(200_000), b"shared by all"), config=f'{{"n":"{name}{number}"}}'.encode())
                acknowledged[name, tag] = digest
            except (OSError, AssertionError, EOFError, http.client.HTTPException):
                stop.wait(0.01)

    workers = [threading.Thread(target=push, args=(worker,)) for worker in range(3)]
    for worker in workers:
        worker.start()
    for pause in (0.3, 0.5, 0.2, 0.7, 0.4):
        time.sleep(pause)
        registry.kill()
        registry.start()
    stop.set()
    for worker in workers:
        worker.join()
    assert len(acknowledged) > 10
    for (name, tag), digest in acknowledged.items():
        answer = registry.call("GET", f"/v2/{name}/manifests/{tag}")
        assert answer.status == 200 and answer.headers["Docker-Content-Digest"] == digest
    for name in json.loads(registry.call("GET", "/v2/_catalog").content)["repositories"]:
        for tag in tags_of(registry, name):
            manifest = registry.call("GET", f"/v2/{name}/manifests/{tag}")
            assert manifest.status == 200 and digest_of(manifest.content) == manifest.headers["Docker-Content-Digest"]
            for blob in [json.loads(manifest.content)["config"], *json.loads(manifest.content)["layers"]]:
                assert digest_of(registry.call("GET", f"/v2/{name}/blobs/{blob['digest']}").content) == blob["digest"]


def test_a_power_cut(tmp_path):
    """What the disk holds the moment a push is acknowledged, without whatever the kernel would still have written."""
    disk, copy, place = tmp_path / "disk", tmp_path / "copy", tmp_path / "mounted"
    place.mkdir()
    with open(disk, "wb") as file:
        file.truncate(400_000_000)
    subprocess.run(["mkfs.ext4", "-q", "-F", disk], check=True)
    if subprocess.run(["mount", "-o", "loop", disk, place], capture_output=True).returncode:
        pytest.skip("no loop device")
    layers = [os.urandom(3_000_000), os.urandom(100)]
    try:
        registry = PilaRegistry(place).start()
        first = registry.put_image("cut/off", "v1", layers)
        second = registry.put_image("cut/off", "v2", [layers[0]], subject=descriptor(b"it", oci_manifest))
        subprocess.run(["cp", "--sparse=always", disk, copy], check=True)
        registry.kill()
    finally:
        subprocess.run(["umount", place], check=True)
    subprocess.run(["mount", "-o", "loop", copy, place], check=True)
    try:
        registry = PilaRegistry(place).start()
        assert tags_of(registry, "cut/off") == ["v1", "v2"]
        for tag, digest in (("v1", first), ("v2", second)):
            answer = registry.call("GET", f"/v2/cut/off/manifests/{tag}")
            assert digest_of(answer.content) == digest
            for blob in [json.loads(answer.content)["config"], *json.loads(answer.content)["layers"]]:
                assert digest_of(registry.call("GET", f"/v2/cut/off/blobs/{blob['digest']}").content) == blob["digest"]
        (entry,) = json.loads(registry.call("GET", f"/v2/cut/off/referrers/{digest_of(b'it')}").content)["manifests"]
        assert entry["digest"] == second
    finally:
        registry.kill()
        subprocess.run(["umount", place], check=True)


def test_garbage_goes_and_nothing_else(registries):
    registry = registries(arguments=["--expiry", "2s"])
    blobs = registry.directory / "data/registry/blobs/sha256"
    kept = registry.put_image("gar/bage", "kept", layers=(b"shared", b"of the kept"))
    gone = registry.put_image("gar/bage", "gone", layers=(b"shared", b"of the other"))
    orphan = registry.put_blob("gar/bage", b"of no manifest")
    abandoned = path_of(registry.call("POST", "/v2/gar/bage/blobs/uploads/", b"").headers["Location"])
    assert registry.call("DELETE", f"/v2/gar/bage/manifests/{gone}").status == 202
    wanted = {digest_of(content).split(":")[1] for content in (b"shared", b"of the kept", b"{}")} | {kept.split(":")[1]}
    engines.wait_until(lambda: set(os.listdir(blobs)) == wanted, "only garbage is deleted", 30, 0.2)
    assert registry.call("GET", abandoned).status == 404
    assert registry.call("HEAD", f"/v2/gar/bage/blobs/{orphan}").status == 404
    assert registry.call("HEAD", f"/v2/gar/bage/blobs/{digest_of(b'of the kept')}").status == 200
    assert registry.call("GET", "/v2/gar/bage/manifests/kept").status == 200


def test_a_full_disk(tmp_path):
    """64 MiB stay free for others; who wants more is told, and what there is stays."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=110m", "small", place], check=True)
    registry = PilaRegistry(place).start()
    try:
        registry.put_image("fits/in", "v1", layers=(os.urandom(1_000_000),))
        begun = path_of(registry.call("POST", "/v2/fits/in/blobs/uploads/", b"").headers["Location"])
        answer = registry.call("PATCH", begun, bytes(80_000_000), Content_Type="application/octet-stream")
        assert answer.status == 507 and b"no space left" in answer.content
        assert registry.call("GET", begun).headers["Range"] == "0-0"
        assert shutil.disk_usage(place).free > 90_000_000
        assert registry.call("GET", "/v2/fits/in/manifests/v1").status == 200
        registry.put_image("fits/in", "v2", layers=(os.urandom(1_000_000),))
    finally:
        registry.stop()
        subprocess.run(["umount", place], check=True)


def test_two_pieces_at_once(registries):
    """Of one upload: one waits, both arrive, nothing is mixed."""
    registry = registries()
    place = path_of(registry.call("POST", "/v2/at/once/blobs/uploads/", b"").headers["Location"])
    pieces = [bytes([n]) * 1_000_000 for n in range(4)]
    workers = [threading.Thread(target=registry.call, args=("PATCH", place, piece), kwargs={"Content_Type": "application/octet-stream"})
               for piece in pieces]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    content = next((registry.directory / "data/registry/uploads").glob("*/data")).read_bytes()
    assert len(content) == 4_000_000 and all(len(set(content[at:at + 1_000_000])) == 1 for at in range(0, 4_000_000, 1_000_000))


def test_a_manifest_while_garbage_is_collected(registries):
    """Blobs that a manifest comes to name at the last moment."""
    registry = registries(arguments=["--expiry", "1s"])
    until, number = time.monotonic() + 4, 0
    while time.monotonic() < until:
        number += 1
        content = os.urandom(1000)
        registry.put_blob("race/it", content)
        registry.put_blob("race/it", b"{}")
        manifest = {"schemaVersion": 2, "mediaType": oci_manifest, "config": descriptor(b"{}", "application/x"), "layers": [descriptor(content, "application/x")]}
        answer = registry.put_manifest("race/it", "latest", manifest)
        assert answer.status == 201, answer.content
        assert registry.call("GET", f"/v2/race/it/blobs/{digest_of(content)}").content == content
        if number % 3 == 0:
            registry.call("DELETE", f"/v2/race/it/manifests/{answer.headers['Docker-Content-Digest']}")
