# SPDX-License-Identifier: Apache-2.0
"""What comes from outside and is wrong: archives, bodies, connections. The answer is an error in the protocol's shape,
nothing is written outside its place, and the next request is served as if nothing had been."""
import hashlib
import io
import json
import os
import socket
import tarfile
import time

import pytest
from conftest import against, images

pytestmark = pytest.mark.slice1


def tar_of(*entries):
    """entries: (name, content or None for others, {TarInfo attributes})."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, content, more in entries:
            entry = tarfile.TarInfo(name)
            for attribute, value in more.items():
                setattr(entry, attribute, value)
            entry.size = len(content) if content else 0
            tar.addfile(entry, io.BytesIO(content or b""))
    return data.getvalue()


def image_archive(layer, diff_id=None, config_extra=None, manifest=None, layer_name="layer.tar"):
    config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["true"]},
              "rootfs": {"type": "layers", "diff_ids": [diff_id or "sha256:" + hashlib.sha256(layer).hexdigest()]}, **(config_extra or {})}
    manifest = manifest or [{"Config": "config.json", "RepoTags": ["bad:latest"], "Layers": [layer_name]}]
    return tar_of(("config.json", json.dumps(config).encode(), {}), (layer_name, layer, {}),
                  ("manifest.json", json.dumps(manifest).encode(), {}))


def load(engine, archive):
    return engine.api("POST", "/images/load?quiet=1", archive, headers={"Content-Type": "application/x-tar"})


def refused(answer):
    """An error: as a status, or in the stream after a 200 as Docker's own engine does it."""
    if answer.status >= 400:
        return bool(answer.json()["message"])
    return b'"errorDetail"' in answer.body


@pytest.fixture(autouse=True)
def alive_and_unchanged(engine):
    """Whatever a test sends: the same images as before, no containers, and the engine answers."""
    before = [image["Id"] for image in engine.api("GET", "/images/json").json()]
    pid = engine.pid
    yield
    assert engine.process.poll() is None and engine.pid == pid
    assert engine.api("GET", "/_ping").status == 200
    engine.remove_everything(("busybox:latest", "busybox:test", "pila/hello-world:latest", "pila/layers:latest", "pila/config:latest"))
    assert sorted(image["Id"] for image in engine.api("GET", "/images/json").json()) == sorted(before)


good_layer = tar_of(("file", b"hello", {}))


@pytest.mark.parametrize("name, archive", {
    "empty": b"",
    "noise": os.urandom(100_000),
    "cut off": image_archive(tar_of(("file", b"x" * 100_000, {})))[:60_000],
    "no manifest": tar_of(("config.json", b"{}", {})),
    "manifest is no JSON": tar_of(("manifest.json", b"{{{", {})),
    "manifest is another type": tar_of(("manifest.json", b'{"a": 1}', {})),
    "manifest names what is not there": tar_of(("manifest.json", b'[{"Config": "nosuch.json", "Layers": []}]', {})),
    "manifest leads outside": tar_of(("manifest.json", b'[{"Config": "../../../../etc/passwd", "Layers": []}]', {})),
    "wrong digest of a layer": image_archive(good_layer, diff_id="sha256:" + "0" * 64),
    "digest that is none": image_archive(good_layer, diff_id="sha256:../../x"),
    "fewer digests than layers": image_archive(good_layer, manifest=[{"Config": "config.json", "RepoTags": ["bad:latest"],
                                                                      "Layers": ["layer.tar", "layer.tar"]}]),
    "layer is no archive": image_archive(b"not a tar at all, only text" * 100),
    "broken tag": image_archive(good_layer, manifest=[{"Config": "config.json", "RepoTags": ["UPPER CASE:::"], "Layers": ["layer.tar"]}]),
}.items(), ids=lambda value: value if isinstance(value, str) else "")
def test_load_refuses(engine, name, archive):
    if against == "docker" and name in ("empty", "broken tag", "no manifest"):
        pytest.skip("dockerd takes it without a word")
    assert refused(load(engine, archive)), name


@pytest.mark.parametrize("name, entries", {
    "dot dot": [("../../../../../../tmp/pila-escaped", b"x", {})],
    "absolute": [("/tmp/pila-escaped", b"x", {})],
    "through a link": [("link", None, {"type": tarfile.SYMTYPE, "linkname": "/tmp"}), ("link/pila-escaped", b"x", {})],
    "through a relative link": [("link", None, {"type": tarfile.SYMTYPE, "linkname": "../../../../../../tmp"}),
                                ("link/pila-escaped", b"x", {})],
    "hard link outside": [("hard", None, {"type": tarfile.LNKTYPE, "linkname": "../../../../../../etc/hostname"}), ("hard", b"owned", {})],
    "whiteout outside": [("../../../../../../tmp/.wh.pila-kept", b"", {})],
    "link, then a file of its name": [("a", None, {"type": tarfile.SYMTYPE, "linkname": "/tmp/pila-escaped"}), ("a", b"x", {})],
}.items(), ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.parametrize("way", ["load", "import", "copy"])
def test_archives_cannot_write_outside(engine, name, entries, way):
    kept = "/tmp/pila-kept"
    with open(kept, "w") as file:
        file.write("kept")
    hostname = open("/etc/hostname").read()
    layer = tar_of(*entries)
    try:
        if way == "load":
            load(engine, image_archive(layer))
        elif way == "import":
            engine.api("POST", "/images/create?fromSrc=-&repo=bad", layer, headers={"Content-Type": "application/x-tar"})
        else:
            container = engine.api("POST", "/containers/create", {"Image": "busybox"}).json()["Id"]
            engine.api("PUT", f"/containers/{container}/archive?path=/tmp", layer, headers={"Content-Type": "application/x-tar"})
        assert not os.path.exists("/tmp/pila-escaped")
        assert open(kept).read() == "kept"
        assert open("/etc/hostname").read() == hostname
    finally:
        for path in (kept, "/tmp/pila-escaped"):
            if os.path.lexists(path):
                os.unlink(path)


def test_copy_into_a_container_follows_links_inside_it(engine):
    """A link in the container to /tmp means the container's /tmp, never the host's."""
    container = engine.api("POST", "/containers/create", {"Image": "busybox", "Cmd": ["ln", "-s", "/tmp", "/way"]}).json()["Id"]
    engine.api("POST", f"/containers/{container}/start")
    engine.api("POST", f"/containers/{container}/wait")
    answer = engine.api("PUT", f"/containers/{container}/archive?path=/way", tar_of(("pila-escaped", b"x", {})),
                        headers={"Content-Type": "application/x-tar"})
    assert answer.status == 200, answer
    assert not os.path.exists("/tmp/pila-escaped")
    assert engine.api("GET", f"/containers/{container}/archive?path=/tmp/pila-escaped").status == 200


def test_working_directory_cannot_lead_outside(engine):
    for directory in ("../../../../tmp/pila-escaped", "/../../../../tmp/pila-escaped"):
        created = engine.api("POST", "/containers/create", {"Image": "busybox", "Cmd": ["pwd"], "WorkingDir": directory})
        if created.status == 201:
            engine.api("POST", f"/containers/{created.json()['Id']}/start")
        assert not os.path.exists("/tmp/pila-escaped")


@pytest.mark.parametrize("target", ["/images/load", "/containers/create", "/images/create?fromSrc=-&repo=big"])
def test_ten_megabytes_of_zeros(engine, target):
    answer = engine.api("POST", target, b"\0" * (10 << 20), headers={
        "Content-Type": "application/json" if "containers" in target else "application/x-tar"})
    assert refused(answer) or answer.status == 200 and "import" not in target


def test_deeply_nested_json(engine):
    answer = engine.api("POST", "/containers/create", b'{"a":' * 100_000 + b"1" + b"}" * 100_000)
    assert answer.status in (400, 500) and answer.json()["message"]


def test_body_of_ten_megabytes_of_json(engine):
    body = json.dumps({"Image": "busybox", "Env": ["X=" + "y" * 1000] * 10_000}).encode()
    answer = engine.api("POST", "/containers/create", body)
    assert answer.status in (201, 400, 413)


@pytest.mark.parametrize("name", ["..", ".", "../x", "a/b", "a\\b", "%00", "-x", "ünicode", "a b", "$(id)", "x\n"])
def test_names_that_are_none(engine, name):
    from urllib.parse import quote
    answer = engine.api("POST", f"/containers/create?name={quote(name, safe='%')}", {"Image": "busybox"})
    assert answer.status == 400 and answer.json()["message"], answer


@pytest.mark.parametrize("reference", ["../x", "a//b", "UPPER", "x:y:z", "x@sha256:short", "x" * 300, "-x", "a b", "%00", "busybox:..%2f"])
def test_image_names_that_are_none(engine, reference):
    from urllib.parse import quote
    answer = engine.api("GET", f"/images/{quote(reference, safe='%/')}/json")
    assert answer.status in (301, 400, 404, 500), answer
    tagged = engine.api("POST", f"/images/busybox/tag?repo={quote(reference, safe='%')}")
    assert tagged.status in (400, 404, 500), tagged


def raw(engine, data, seconds=5, half_close=False):
    """Sends bytes, returns all that comes back until the engine closes or it takes too long."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        connection.connect(engine.socket)
        try:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            received = b""
            while piece := connection.recv(65536):
                received += piece
            return received
        except (TimeoutError, ConnectionError, BrokenPipeError):
            return received if "received" in locals() else b""


@pytest.mark.parametrize("data", [
    b"\r\n\r\n", b"nonsense\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(200),
    b"GET /_ping HTTP/1.1\r\nHost: d\r\nContent-Length: -1\r\n\r\n", b"GET /_ping HTTP/1.1\r\nHost: d\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /containers/create HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n", os.urandom(4096),
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: d\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
], ids=range(11))
def test_what_is_no_http(engine, data):
    answer = raw(engine, data, seconds=3)
    assert not answer or answer.startswith(b"HTTP/1.") and (b" 400 " in answer or b" 4" in answer[:15] or b" 5" in answer[:15]
                                                           or b" 200 " in answer[:20]), answer[:200]


@pytest.mark.only_pila("dockerd stops reading behind the first JSON value")
def test_body_shorter_than_its_length(engine):
    head = b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    answer = raw(engine, head + b'{"Image": "busybox"}', half_close=True)
    assert b" 201 " not in answer[:20]
    assert engine.api("GET", "/containers/json?all=1").json() == []


def test_client_that_goes_away_during_an_upload(engine):
    head = b"POST /images/load HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n\r\n"
    archive = (images / "busybox.tar").read_bytes()
    half = archive[:len(archive) // 2]
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(engine.socket)
        connection.sendall(head + f"{len(half):x}\r\n".encode() + half)
    assert engine.api("GET", "/_ping").status == 200


def test_slow_client_does_not_hold_up_others(engine):
    with socket.socket(socket.AF_UNIX) as slow:
        slow.connect(engine.socket)
        for letter in b"GET /_pi":
            slow.sendall(bytes([letter]))
            begin = time.monotonic()
            assert engine.api("GET", "/_ping").status == 200
            assert time.monotonic() - begin < 2
        slow.sendall(b"ng HTTP/1.1\r\nHost: d\r\n\r\n")
        slow.settimeout(5)
        assert b" 200 " in slow.recv(4096)


def test_two_hundred_idle_connections(engine):
    connections = []
    try:
        for _ in range(200):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(engine.socket)
            connection.sendall(b"GET /_pi")
            connections.append(connection)
        assert engine.api("GET", "/containers/json").status == 200
    finally:
        for connection in connections:
            connection.close()


@pytest.mark.ordinary_build("memory")
def test_client_that_does_not_read_its_logs(engine):
    """A slow reader must not cost the engine memory without bound, nor stop the container."""
    container = engine.api("POST", "/containers/create", {
        "Image": "busybox", "Cmd": ["sh", "-c", "yes 0123456789012345678901234567890123456789 | head -c 50000000; echo; echo last"]}).json()["Id"]
    with socket.socket(socket.AF_UNIX) as reader:
        reader.connect(engine.socket)
        engine.api("POST", f"/containers/{container}/start")
        reader.sendall(f"GET /containers/{container}/logs?stdout=1&follow=1 HTTP/1.1\r\nHost: d\r\n\r\n".encode())
        assert engine.api("POST", f"/containers/{container}/wait", timeout=60).json()["StatusCode"] == 0
        resident = int(next(line for line in open(f"/proc/{engine.pid}/status") if line.startswith("VmRSS")).split()[1])
        assert resident < 400_000, f"{resident} kB resident"
