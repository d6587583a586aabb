# SPDX-License-Identifier: Apache-2.0
"""pila's registry as a cache of another one: `pila registry --proxy`."""
import base64
import http.client
import http.server
import json
import os
import threading

import pytest
from conftest import client_of, images

from lib import engines
from lib.registry import PilaRegistry, Registry, digest_of, oci_index, oci_manifest

pytestmark = [pytest.mark.slice2, pytest.mark.only_pila("it is pila's own registry")]
everything = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"


class Between(http.server.BaseHTTPRequestHandler):
    """Stands before the real upstream: remembers what is asked, and can change an answer."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        way = self.server
        way.asked.append((self.command, self.path, dict(self.headers.items())))
        special = way.special(self) if way.special else None
        if special:
            return
        upstream = http.client.HTTPConnection(way.address, timeout=30)
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():  # some come several times
            upstream.putheader(name, value)
        upstream.endheaders()
        answer = upstream.getresponse()
        content = answer.read()
        if way.change:
            content = way.change(self.path, content)
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name not in ("Date", "Server"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_HEAD = do_GET


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """docker-registry, or pila's where that is not installed."""
    place = tmp_path_factory.mktemp("source")
    made = (PilaRegistry(place) if Registry.missing() else Registry(place)).start()
    made.push(images / "layers.tar", "some/layers:v1")
    yield made
    made.stop()


@pytest.fixture
def way(source):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Between)
    server.address, server.asked, server.special, server.change = source.address, [], None, None
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def cache(way, tmp_path):
    made = PilaRegistry(tmp_path / "cache", arguments=["--proxy", f"http://127.0.0.1:{way.server_port}"]).start()
    yield made
    made.stop()


def blobs_of(registry, name="some/layers", reference="v1"):
    answer = registry.call("GET", f"/v2/{name}/manifests/{reference}", Accept=everything)
    assert answer.status == 200, answer.content
    manifest = json.loads(answer.content)
    return [manifest["config"], *manifest["layers"]]


def fetch_all(registry, name="some/layers", reference="v1"):
    for blob in blobs_of(registry, name, reference):
        answer = registry.call("GET", f"/v2/{name}/blobs/{blob['digest']}")
        assert answer.status == 200 and digest_of(answer.content) == blob["digest"]


def test_misses_come_from_there_and_hits_from_here(cache, way):
    fetch_all(cache)
    assert any(method == "GET" and "/blobs/" in path for method, path, _ in way.asked)
    way.asked.clear()
    fetch_all(cache)
    # A tag is asked for again, and nothing else.
    assert [(method, path) for method, path, _ in way.asked] == [("HEAD", "/v2/some/layers/manifests/v1")]


def test_docker_pulls_through_it(cache, engine):
    docker = client_of(engine)
    name = f"{cache.address}/some/layers:v1"
    docker("pull", name)
    assert docker("run", "--rm", name, "cat", "/data/kept") == "first"
    docker("rmi", name)


def test_a_head_fetches_nothing(cache, way):
    (layer, *_) = blobs_of(cache)[1:]
    way.asked.clear()
    answer = cache.call("HEAD", f"/v2/some/layers/blobs/{layer['digest']}")
    assert answer.status == 200 and int(answer.headers["Content-Length"]) == layer["size"]
    assert [method for method, _, _ in way.asked] == ["HEAD"]


def test_parts_of_what_is_not_here_yet(cache):
    (layer, *_) = blobs_of(cache)[1:]
    answer = cache.call("GET", f"/v2/some/layers/blobs/{layer['digest']}", Range="bytes=10-19")
    assert answer.status == 206 and len(answer.content) == 10
    whole = cache.call("GET", f"/v2/some/layers/blobs/{layer['digest']}").content
    assert whole[10:20] == answer.content and digest_of(whole) == layer["digest"]


def test_without_the_other_registry(cache, way):
    fetch_all(cache)
    way.shutdown()
    way.server_close()
    fetch_all(cache)
    assert json.loads(cache.call("GET", "/v2/some/layers/tags/list").content)["tags"] == ["v1"]
    missing = cache.call("GET", "/v2/some/other/manifests/v1")
    assert missing.status == 503 and b"UNAVAILABLE" in missing.content
    cache.kill()
    cache.start()
    fetch_all(cache)


def test_what_is_not_there_either(cache):
    assert cache.call("GET", "/v2/some/layers/manifests/v9").status == 404
    assert cache.call("GET", f"/v2/some/layers/blobs/{digest_of(b'none')}").status == 404
    blobs_of(cache)
    assert cache.call("GET", f"/v2/some/layers/manifests/{digest_of(b'none')}").status == 404


def test_a_tag_that_moved(cache, source):
    first = source.put_image("moves/on", "latest", layers=(b"old",))
    assert cache.call("GET", "/v2/moves/on/manifests/latest", Accept=everything).headers["Docker-Content-Digest"] == first
    second = source.put_image("moves/on", "latest", layers=(b"new",))
    assert cache.call("GET", "/v2/moves/on/manifests/latest", Accept=everything).headers["Docker-Content-Digest"] == second
    assert cache.call("GET", f"/v2/moves/on/manifests/{first}", Accept=everything).status == 200
    source.call("DELETE", f"/v2/moves/on/manifests/{second}")
    assert cache.call("GET", "/v2/moves/on/manifests/latest", Accept=everything).status == 404


def referrers(registry, name, subject, query=""):
    answer = registry.call("GET", f"/v2/{name}/referrers/{subject}{query}")
    assert answer.status == 200 and answer.headers["Content-Type"] == oci_index, answer.content
    return json.loads(answer.content)["manifests"]


@pytest.mark.parametrize("kind", ["pila", "docker-registry"])
def test_referrers(kind, tmp_path):
    """By the list of a registry that has them, by the tag that clients make where it has none; what was fetched, without it."""
    if kind == "docker-registry" and Registry.missing():
        pytest.skip(Registry.missing())
    there = (PilaRegistry if kind == "pila" else Registry)(tmp_path / "there").start()
    cache = PilaRegistry(tmp_path / "cache", arguments=["--proxy", f"http://{there.address}"]).start()
    try:
        subject = there.put_image("signed/it", "v1")
        assert referrers(cache, "signed/it", subject) == [] and referrers(cache, "not/there", subject) == []
        size = len(there.call("GET", "/v2/signed/it/manifests/v1", Accept=everything).content)
        about = {"mediaType": oci_manifest, "digest": subject, "size": size}
        made = [there.put_image("signed/it", f"s{n}", layers=(b"signature %d" % n,), artifactType=f"application/x{n}", subject=about,
                                annotations={"n": str(n)}) for n in (1, 2)]
        if kind == "docker-registry":
            entries = [{"mediaType": oci_manifest, "digest": digest, "size": 1, "artifactType": f"application/x{n}", "annotations": {"n": str(n)},
                        "unknown": "member"} for n, digest in zip((1, 2), made)]
            done = there.put_manifest("signed/it", subject.replace(":", "-"), {"schemaVersion": 2, "mediaType": oci_index, "manifests": entries})
            assert done.status == 201, done.content
        found = {entry["digest"]: entry for entry in referrers(cache, "signed/it", subject)}
        assert set(found) == set(made) and found[made[0]]["annotations"] == {"n": "1"} and "unknown" not in found[made[0]]
        (only,) = referrers(cache, "signed/it", subject, "?artifactType=application/x2")
        assert only["digest"] == made[1]
        assert cache.call("GET", f"/v2/signed/it/manifests/{made[1]}", Accept=everything).status == 200
        there.stop()
        known = {entry["digest"] for entry in referrers(cache, "signed/it", subject)}
        assert known == ({made[1]} if kind == "pila" else set(made)), "the tag was fetched whole, of the list only what was pulled"
    finally:
        cache.stop()
        if there.process.poll() is None:
            there.stop()


def test_what_nobody_asks_for_goes(way, tmp_path):
    cache = PilaRegistry(tmp_path / "cache", arguments=["--proxy", f"http://127.0.0.1:{way.server_port}", "--proxy-keep", "2s", "--expiry", "1s"]).start()
    fetch_all(cache)
    blobs = cache.directory / "data/registry/blobs/sha256"
    assert len(os.listdir(blobs)) >= 3
    engines.wait_until(lambda: not os.listdir(blobs), "the cache forgets", 30, 0.2)
    fetch_all(cache)
    cache.stop()


def test_nothing_is_pushed_to_it(cache):
    for method, path in (("POST", "/v2/a/blobs/uploads/"), ("PUT", "/v2/a/manifests/v1"), ("DELETE", "/v2/some/layers/manifests/v1")):
        answer = cache.call(method, path, b"")
        assert answer.status == 405 and b"cache" in answer.content


def test_content_that_is_not_what_it_should_be(cache, way):
    """The client never gets all of it, and nothing of it stays."""
    (layer, *_) = blobs_of(cache)[1:]
    way.change = lambda path, content: content[:-1] + bytes([content[-1] ^ 1]) if path.endswith(layer["digest"]) and content else content
    with pytest.raises((http.client.HTTPException, OSError)):
        cache.call("GET", f"/v2/some/layers/blobs/{layer['digest']}")
    assert not (cache.directory / "data/registry/blobs/sha256" / layer["digest"].split(":")[1]).exists()
    way.change = None
    assert digest_of(cache.call("GET", f"/v2/some/layers/blobs/{layer['digest']}").content) == layer["digest"]


def test_one_transfer_for_many_clients(cache, way, source):
    content = os.urandom(8_000_000)
    source.put_image("large/one", "v1", layers=(content,))
    blobs_of(cache, "large/one")
    way.asked.clear()
    answers = []
    workers = [threading.Thread(target=lambda: answers.append(cache.call("GET", f"/v2/large/one/blobs/{digest_of(content)}").content == content))
               for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert answers == [True] * 6
    assert len([1 for method, path, _ in way.asked if method == "GET" and path.endswith(digest_of(content))]) == 1


def test_a_transfer_that_breaks_goes_on(cache, way, source):
    content = os.urandom(3_000_000)
    source.put_image("breaks/off", "v1", layers=(content,))
    blobs_of(cache, "breaks/off")
    cuts = []

    def special(request):
        if request.command == "GET" and request.path.endswith(digest_of(content)) and not cuts:
            cuts.append(1)
            request.send_response(200)
            request.send_header("Content-Length", str(len(content)))
            request.end_headers()
            request.wfile.write(content[:1_000_000])
            request.close_connection = True
            return True
        return False

    way.special = special
    assert cache.call("GET", f"/v2/breaks/off/blobs/{digest_of(content)}").content == content
    ranges = [headers.get("Range") for method, path, headers in way.asked if method == "GET" and path.endswith(digest_of(content))]
    assert len(ranges) == 2 and ranges[0] is None and ranges[1].startswith("bytes=")


def test_credentials_stay_where_they_belong(way, source, tmp_path):
    """The client's reach nobody, the cache's own reach the other registry and nobody it redirects to."""
    elsewhere = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Between)
    elsewhere.address, elsewhere.asked, elsewhere.special, elsewhere.change = source.address, [], None, None
    threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
    wanted = "Basic " + base64.b64encode(b"cache:its password").decode()

    def special(request):
        if request.headers.get("Authorization") != wanted:
            request.send_response(401)
            request.send_header("WWW-Authenticate", 'Basic realm="there"')
        elif "/blobs/" in request.path:
            request.send_response(307)
            request.send_header("Location", f"http://127.0.0.1:{elsewhere.server_port}{request.path}")
        else:
            return False
        request.send_header("Content-Length", "0")
        request.end_headers()
        return True

    way.special = special
    (tmp_path / "password").write_text("its password\n")
    (tmp_path / "users").write_text("me:$2y$05$mK8UxH5ZZ4YOXgRSwzP9f.tlbHtQY1qcvszFelDmW5g8ZF0HZfr/S\n")
    cache = PilaRegistry(tmp_path / "cache", arguments=["--proxy", f"http://127.0.0.1:{way.server_port}", "--proxy-user", "cache",
                                                        "--proxy-password-file", tmp_path / "password", "--htpasswd", tmp_path / "users"]).start()
    mine = "Basic " + base64.b64encode(b"me:secret").decode()
    assert cache.call("GET", "/v2/some/layers/manifests/v1").status == 401
    answer = cache.call("GET", "/v2/some/layers/manifests/v1", Authorization=mine)
    assert answer.status == 200
    for blob in json.loads(answer.content)["layers"]:
        got = cache.call("GET", f"/v2/some/layers/blobs/{blob['digest']}", Authorization=mine)
        assert digest_of(got.content) == blob["digest"]
        assert "Location" not in got.headers and "WWW-Authenticate" not in got.headers
    assert elsewhere.asked and not any("Authorization" in headers for _, _, headers in elsewhere.asked)
    assert {headers.get("Authorization") for _, _, headers in way.asked} == {None, wanted}
    cache.stop()
    elsewhere.shutdown()
    elsewhere.server_close()
