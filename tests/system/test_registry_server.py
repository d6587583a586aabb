# SPDX-License-Identifier: Apache-2.0
"""The rules of the OCI distribution specification 1.1, asked of pila's registry and, where it has the feature, of Docker's."""
import json
import shutil
import socket
import subprocess

import pytest
from conftest import against, images
from lib.registry import PilaRegistry, Registry, descriptor, digest_of, oci_index, oci_manifest, path_of

pytestmark = pytest.mark.slice2
everything = "*/*, application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture(scope="module", params=["pila", "docker-registry"])
def server(request, tmp_path_factory):
    if request.param == "docker-registry" and Registry.missing():
        pytest.skip(Registry.missing())
    if request.param == "pila" and against != "pila":
        pytest.skip("this run is about dockerd")
    made = {"pila": PilaRegistry, "docker-registry": Registry}[request.param](tmp_path_factory.mktemp("served")).start()
    made.kind = request.param
    yield made
    made.stop()


def not_in_docker_registry(server, what):
    if server.kind == "docker-registry":
        pytest.skip(f"docker-registry 2.8 has no {what}")


def codes(answer):
    return [error["code"] for error in json.loads(answer.content)["errors"]]


def begin(server, name="up/load"):
    answer = server.call("POST", f"/v2/{name}/blobs/uploads/", b"")
    assert answer.status == 202 and answer.headers["Docker-Upload-UUID"]
    return path_of(answer.headers["Location"])


def with_digest(place, digest):
    return f"{place}{'&' if '?' in place else '?'}digest={digest}"


# --- the base ---------------------------------------------------------------------------------------------------------
def test_the_base(server):
    answer = server.call("GET", "/v2/")
    assert answer.status == 200 and answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"


@pytest.mark.parametrize("method,target,status", [
    ("GET", "/v2/none/manifests/latest", 404), ("GET", "/v2/none/tags/list", 404), ("HEAD", "/v2/none/manifests/latest", 404),
    ("GET", f"/v2/none/blobs/{digest_of(b'none')}", 404), ("HEAD", f"/v2/none/blobs/{digest_of(b'none')}", 404),
    ("GET", "/v2/none/manifests/sha256:abc", 400), ("POST", "/v2/none/manifests/latest", 405), ("PUT", "/v2/none/tags/list", 405),
    ("GET", f"/v2/none/manifests/{digest_of(b'none')}", 404), ("DELETE", f"/v2/none/blobs/{digest_of(b'none')}", 404),
    ("GET", "/v2/none/blobs/uploads/ffffffffffffffffffffffffffffffff", 404), ("GET", "/elsewhere", 404)])
def test_what_is_not_there(server, method, target, status):
    if target.endswith("sha256:abc"):
        not_in_docker_registry(server, "answer but 500 to digests that are none")
    assert server.call(method, target).status == status


def test_errors_have_the_protocols_shape(server):
    answer = server.call("GET", "/v2/none/manifests/latest")
    assert codes(answer) == ["MANIFEST_UNKNOWN"] and answer.headers["Content-Type"].startswith("application/json")
    assert codes(server.call("GET", f"/v2/none/blobs/{digest_of(b'none')}")) == ["BLOB_UNKNOWN"]
    assert codes(server.call("GET", "/v2/none/tags/list")) == ["NAME_UNKNOWN"]


@pytest.mark.parametrize("name", ["Upper", "a//b", "a/../b", "-a", "a-", "a..b", "a___b", "_catalogs", "a" * 256, "a/B/c", "a%2f..%2fb"])
def test_names_that_are_none(server, name):
    if len(name) > 255:
        not_in_docker_registry(server, "answer but 500 to long names")
    answer = server.call("POST", f"/v2/{name}/blobs/uploads/", b"")
    assert answer.status in (301, 307, 400, 404, 405), answer.status
    if server.kind == "pila" and ".." not in name and "//" not in name:
        assert codes(answer) == ["NAME_INVALID"]


def test_names_that_are_some(server):
    for name in ("a", "a/b/c/d/e", "a-b", "a--b", "a.b", "a_b", "a__b", "0/1", "tags/list", "manifests/blobs", "blobs/uploads/x"):
        begin(server, name)


# --- blobs ------------------------------------------------------------------------------------------------------------
def test_a_blob_in_two_requests(server):
    digest = server.put_blob("blobs/two", b"two requests")
    for method in ("GET", "HEAD"):
        answer = server.call(method, f"/v2/blobs/two/blobs/{digest}")
        assert answer.status == 200 and answer.headers["Content-Length"] == "12"
        assert answer.headers["Docker-Content-Digest"] == digest
        assert answer.content == (b"two requests" if method == "GET" else b"")


def test_a_blob_in_one_request(server):
    digest = digest_of(b"one request")
    answer = server.call("POST", f"/v2/blobs/one/blobs/uploads/?digest={digest}", b"one request")
    if server.kind == "docker-registry":  # it may fall back, as the specification allows
        assert answer.status == 202
        return
    assert answer.status == 201 and answer.headers["Location"].endswith(f"/v2/blobs/one/blobs/{digest}")
    assert server.call("GET", path_of(answer.headers["Location"])).content == b"one request"


def test_a_blob_in_pieces(server):
    place = begin(server)
    for start, piece in ((0, b"first-"), (6, b"second-")):
        answer = server.call("PATCH", place, piece, Content_Range=f"{start}-{start + len(piece) - 1}", Content_Type="application/octet-stream")
        assert answer.status == 202 and answer.headers["Range"] == f"0-{start + len(piece) - 1}"
        place = path_of(answer.headers["Location"])
    status = server.call("GET", place)
    assert status.status == 204 and status.headers["Range"] == "0-12"
    content = b"first-second-last"
    done = server.call("PUT", with_digest(path_of(status.headers["Location"]), digest_of(content)), b"last", Content_Range="13-16")
    assert done.status == 201 and done.headers["Docker-Content-Digest"] == digest_of(content)
    assert server.call("GET", f"/v2/up/load/blobs/{digest_of(content)}").content == content
    assert server.call("GET", place).status == 404


@pytest.mark.parametrize("content_range", ["10-15", "3-8", "0-x", "5-2"])
def test_a_piece_out_of_place(server, content_range):
    not_in_docker_registry(server, "look at Content-Range")
    place = begin(server)
    first = server.call("PATCH", place, b"first", Content_Range="0-4", Content_Type="application/octet-stream")
    place = path_of(first.headers["Location"])
    answer = server.call("PATCH", place, b"pieces", Content_Range=content_range, Content_Type="application/octet-stream")
    assert answer.status == 416
    assert answer.headers["Range"] == "0-4" and path_of(answer.headers["Location"])
    assert server.call("GET", place).headers["Range"] == "0-4"


def test_streamed_without_a_length(server):
    place = begin(server)
    content = b"x" * 300_000
    answer = server.call("PATCH", place, iter([content[:100], content[100:200_000], content[200_000:]]),
                         Content_Type="application/octet-stream", Transfer_Encoding="chunked")
    assert answer.status == 202
    assert server.call("PUT", with_digest(path_of(answer.headers["Location"]), digest_of(content)), b"").status == 201


def test_content_that_is_something_else(server):
    answer = server.call("PUT", with_digest(begin(server), digest_of(b"promised")), b"delivered")
    assert answer.status == 400 and codes(answer) == ["DIGEST_INVALID"]
    assert server.call("HEAD", f"/v2/up/load/blobs/{digest_of(b'promised')}").status == 404
    assert server.call("HEAD", f"/v2/up/load/blobs/{digest_of(b'delivered')}").status == 404


def test_an_upload_given_up(server):
    place = begin(server)
    assert server.call("DELETE", place).status == 204
    assert server.call("GET", place).status == 404
    assert codes(server.call("PUT", with_digest(place, digest_of(b"")), b"")) == ["BLOB_UPLOAD_UNKNOWN"]


def test_an_upload_belongs_to_its_repository(server):
    place = begin(server, "mine/here")
    assert server.call("GET", place.replace("mine/here", "yours/there")).status in (400, 404)


def test_mounting_from_another_repository(server):
    digest = server.put_blob("mount/source", b"shared")
    answer = server.call("POST", f"/v2/mount/target/blobs/uploads/?mount={digest}&from=mount/source", b"")
    assert answer.status == 201 and answer.headers["Location"].endswith(f"/v2/mount/target/blobs/{digest}")
    assert server.call("GET", f"/v2/mount/target/blobs/{digest}").content == b"shared"
    other = server.call("POST", f"/v2/mount/target/blobs/uploads/?mount={digest_of(b'no')}&from=mount/source", b"")
    assert other.status == 202 and other.headers["Location"]


def test_blobs_are_of_a_repository(server):
    digest = server.put_blob("of/one", b"private to one")
    assert server.call("HEAD", f"/v2/of/another/blobs/{digest}").status == 404


@pytest.mark.parametrize("asked,status,part", [("bytes=0-3", 206, b"0123"), ("bytes=4-", 206, b"456789"), ("bytes=-2", 206, b"89"),
                                               ("bytes=8-100", 206, b"89"), ("bytes=10-", 416, None), ("lines=1-2", 200, b"0123456789")])
def test_ranges(server, asked, status, part):
    digest = server.put_blob("ran/ges", b"0123456789")
    if asked.startswith("lines") or status == 416:
        not_in_docker_registry(server, "whole answer to ranges it does not do")
    answer = server.call("GET", f"/v2/ran/ges/blobs/{digest}", Range=asked)
    assert answer.status == status
    if part is not None:
        assert answer.content == part and int(answer.headers["Content-Length"]) == len(part)
    if status == 206:
        first = b"0123456789".index(part)
        assert answer.headers["Content-Range"] == f"bytes {first}-{first + len(part) - 1}/10"


def test_a_blob_the_client_has(server):
    digest = server.put_blob("cached/one", b"cached")
    etag = server.call("HEAD", f"/v2/cached/one/blobs/{digest}").headers["ETag"]
    assert server.call("GET", f"/v2/cached/one/blobs/{digest}", If_None_Match=etag).status == 304


def test_deleting_a_blob(server):
    digest = server.put_blob("delete/blob", b"unwanted")
    assert server.call("DELETE", f"/v2/delete/blob/blobs/{digest}").status == 202
    assert server.call("GET", f"/v2/delete/blob/blobs/{digest}").status == 404


def test_sha512(server):
    not_in_docker_registry(server, "uploads by sha512")
    digest = digest_of(b"longer", "sha512")
    assert server.call("PUT", with_digest(begin(server, "long/digest"), digest), b"longer").status == 201
    assert server.call("GET", f"/v2/long/digest/blobs/{digest}").content == b"longer"
    assert server.call("PUT", with_digest(begin(server), digest), b"shorter").status == 400


# --- manifests --------------------------------------------------------------------------------------------------------
def test_a_manifest_by_tag_and_digest(server):
    digest = server.put_image("mani/fest", "one")
    for reference in ("one", digest):
        for method in ("GET", "HEAD"):
            answer = server.call(method, f"/v2/mani/fest/manifests/{reference}", Accept=everything)
            assert answer.status == 200 and answer.headers["Docker-Content-Digest"] == digest
            assert answer.headers["Content-Type"] == oci_manifest
            assert method == "HEAD" or digest_of(answer.content) == digest


def test_a_manifest_without_its_blobs(server):
    server.put_blob("lacks/some", b"{}")
    manifest = {"schemaVersion": 2, "mediaType": oci_manifest, "config": descriptor(b"{}", "application/x"),
                "layers": [descriptor(b"never pushed", "application/x")]}
    answer = server.put_manifest("lacks/some", "v1", manifest)
    assert answer.status in (400, 404) and set(codes(answer)) & {"MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"}
    assert server.call("GET", "/v2/lacks/some/manifests/v1", Accept=everything).status == 404


def test_an_index(server):
    child = server.put_image("in/dex", "child")
    size = len(server.call("GET", f"/v2/in/dex/manifests/{child}", Accept=everything).content)
    index = {"schemaVersion": 2, "mediaType": oci_index, "manifests": [{"mediaType": oci_manifest, "digest": child, "size": size}]}
    answer = server.put_manifest("in/dex", "all", index)
    assert answer.status == 201
    got = server.call("GET", "/v2/in/dex/manifests/all", Accept=everything)
    assert got.headers["Content-Type"] == oci_index and json.loads(got.content) == index
    index["manifests"][0]["digest"] = digest_of(b"no manifest")
    answer = server.put_manifest("in/dex", "bad", index)
    assert answer.status in (400, 404) and "MANIFEST_BLOB_UNKNOWN" in codes(answer) or "BLOB_UNKNOWN" in codes(answer)


@pytest.mark.parametrize("body,content_type", [
    (b"no json", oci_manifest), (b"[]", oci_manifest), (b"{}", oci_manifest),
    (b'{"schemaVersion":1,"name":"a","tag":"b","fsLayers":[],"history":[]}', "application/vnd.docker.distribution.manifest.v1+json"),
    (b'{"schemaVersion":2,"config":{},"layers":[]}', "application/vnd.docker.distribution.manifest.v2+json"),
    (b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}', oci_manifest),
    (b'{"schemaVersion":2,"mediaType":"text/plain","manifests":[]}', "text/plain")])
def test_manifests_that_are_none(server, body, content_type):
    if body == b"{}":
        not_in_docker_registry(server, "answer but 500 to an empty manifest")
    answer = server.call("PUT", "/v2/no/manifest/manifests/v1", body, Content_Type=content_type)
    assert answer.status == 400, answer.content


def test_a_manifest_under_a_wrong_digest(server):
    answer = server.call("PUT", f"/v2/wrong/digest/manifests/{digest_of(b'other')}", b'{"schemaVersion":2,"layers":[],"config":{}}',
                         Content_Type=oci_manifest)
    assert answer.status == 400


def test_a_manifest_that_is_too_large(server):
    not_in_docker_registry(server, "limit that answers in time")
    answer = server.call("PUT", "/v2/too/large/manifests/v1", b'{"a":"' + b"x" * (4 << 20) + b'"}', Content_Type=oci_manifest)
    assert answer.status == 413 and codes(answer) == ["MANIFEST_INVALID"]


@pytest.mark.parametrize("tag", ["-a", ".a", "a" * 129, "a%20b"])
def test_tags_that_are_none(server, tag):
    assert server.call("PUT", f"/v2/tag/bad/manifests/{tag}", b"{}", Content_Type=oci_manifest).status in (400, 404)


def test_a_tag_moves(server):
    first = server.put_image("moving/tag", "latest", layers=(b"1",))
    second = server.put_image("moving/tag", "latest", layers=(b"2",))
    assert first != second
    assert server.call("HEAD", "/v2/moving/tag/manifests/latest", Accept=everything).headers["Docker-Content-Digest"] == second
    assert server.call("HEAD", f"/v2/moving/tag/manifests/{first}", Accept=everything).status == 200


def test_deleting_a_manifest(server):
    digest = server.put_image("delete/manifest", "a")
    server.put_image("delete/manifest", "b")
    assert server.call("DELETE", f"/v2/delete/manifest/manifests/{digest}").status == 202
    for reference in ("a", "b", digest):
        assert server.call("GET", f"/v2/delete/manifest/manifests/{reference}", Accept=everything).status == 404
    assert server.call("DELETE", f"/v2/delete/manifest/manifests/{digest}").status == 404


def test_deleting_a_tag(server):
    not_in_docker_registry(server, "deletion of tags")
    digest = server.put_image("delete/tag", "a")
    server.put_image("delete/tag", "b")
    assert server.call("DELETE", "/v2/delete/tag/manifests/a").status == 202
    assert server.call("GET", "/v2/delete/tag/manifests/a").status == 404
    assert server.call("GET", f"/v2/delete/tag/manifests/{digest}").status == 200
    assert json.loads(server.call("GET", "/v2/delete/tag/tags/list").content) == {"name": "delete/tag", "tags": ["b"]}


# --- referrers --------------------------------------------------------------------------------------------------------
def test_referrers(server):
    not_in_docker_registry(server, "referrers")
    subject = server.put_image("refer/rers", "subject")
    size = len(server.call("GET", f"/v2/refer/rers/manifests/{subject}").content)
    empty = server.call("GET", f"/v2/refer/rers/referrers/{subject}")
    assert empty.status == 200 and empty.headers["Content-Type"] == oci_index and json.loads(empty.content)["manifests"] == []
    made = {}
    for kind in ("signature", "sbom"):
        server.put_blob("refer/rers", kind.encode())
        manifest = {"schemaVersion": 2, "mediaType": oci_manifest, "artifactType": f"application/{kind}", "annotations": {"of": kind},
                    "config": descriptor(b"{}", "application/vnd.oci.empty.v1+json"), "layers": [descriptor(kind.encode(), "text/plain")],
                    "subject": {"mediaType": oci_manifest, "digest": subject, "size": size}}
        answer = server.put_manifest("refer/rers", digest_of(json.dumps(manifest).encode()), manifest)
        assert answer.status == 201 and answer.headers["OCI-Subject"] == subject
        made[kind] = answer.headers["Docker-Content-Digest"]
    listed = json.loads(server.call("GET", f"/v2/refer/rers/referrers/{subject}").content)["manifests"]
    assert {entry["digest"] for entry in listed} == set(made.values())
    filtered = server.call("GET", f"/v2/refer/rers/referrers/{subject}?artifactType=application/sbom")
    assert filtered.headers["OCI-Filters-Applied"] == "artifactType"
    (entry,) = json.loads(filtered.content)["manifests"]
    assert entry["digest"] == made["sbom"] and entry["annotations"] == {"of": "sbom"} and entry["artifactType"] == "application/sbom"
    assert server.call("DELETE", f"/v2/refer/rers/manifests/{made['sbom']}").status == 202
    listed = json.loads(server.call("GET", f"/v2/refer/rers/referrers/{subject}").content)["manifests"]
    assert [entry["digest"] for entry in listed] == [made["signature"]]
    assert server.call("GET", "/v2/refer/rers/referrers/sha256:abc").status == 400


def test_a_referrer_before_its_subject(server):
    not_in_docker_registry(server, "referrers")
    server.put_blob("refer/early", b"{}")
    manifest = {"schemaVersion": 2, "mediaType": oci_manifest, "config": descriptor(b"{}", "application/thing"), "layers": [],
                "subject": descriptor(b"later", oci_manifest)}
    assert server.put_manifest("refer/early", "x", manifest).status == 201
    (entry,) = json.loads(server.call("GET", f"/v2/refer/early/referrers/{digest_of(b'later')}").content)["manifests"]
    assert entry["artifactType"] == "application/thing"


# --- lists ------------------------------------------------------------------------------------------------------------
def test_tags_in_pages(server):
    for tag in ("b", "a", "d", "c", "latest"):
        server.put_image("many/tags", tag)
    everyone = json.loads(server.call("GET", "/v2/many/tags/tags/list").content)
    assert everyone["name"] == "many/tags" and sorted(everyone["tags"]) == ["a", "b", "c", "d", "latest"]
    not_in_docker_registry(server, "order of tags, nor pages of them")
    assert everyone["tags"] == sorted(everyone["tags"])
    page = server.call("GET", "/v2/many/tags/tags/list?n=2")
    assert json.loads(page.content)["tags"] == ["a", "b"]
    target = page.headers["Link"].split(">")[0].lstrip("<")
    assert page.headers["Link"].endswith('rel="next"')
    assert json.loads(server.call("GET", target).content)["tags"] == ["c", "d"]
    last = server.call("GET", "/v2/many/tags/tags/list?n=2&last=d")
    assert json.loads(last.content)["tags"] == ["latest"] and "Link" not in last.headers
    assert json.loads(server.call("GET", "/v2/many/tags/tags/list?n=0").content)["tags"] == []
    assert server.call("GET", "/v2/many/tags/tags/list?n=x").status == 400


def test_the_catalog_in_pages(server):
    for name in ("cat/a", "cat/b"):
        server.put_image(name, "x")
    names = json.loads(server.call("GET", "/v2/_catalog?n=1000").content)["repositories"]
    assert {"cat/a", "cat/b"} <= set(names) and names == sorted(names)
    page = server.call("GET", "/v2/_catalog?n=1")
    assert json.loads(page.content)["repositories"] == names[:1] and 'rel="next"' in page.headers["Link"]
    following = server.call("GET", path_of(page.headers["Link"].split(">")[0].lstrip("<")))
    assert json.loads(following.content)["repositories"] == names[1:2]


# --- real clients -----------------------------------------------------------------------------------------------------
def skopeo(server, *words):
    if not shutil.which("skopeo"):
        pytest.skip("skopeo is not installed")
    done = subprocess.run(["skopeo", "--policy", server.directory / "policy.json", "--tmpdir", server.directory, *words],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("form", ["v2s2", "oci"])
def test_skopeo(server, form, tmp_path):
    server.push(images / "layers.tar", f"skopeo/layers:{form}", "--format", form)
    seen = json.loads(skopeo(server, "inspect", "--tls-verify=false", f"docker://{server.address}/skopeo/layers:{form}"))
    skopeo(server, "copy", "-q", "--src-tls-verify=false", f"docker://{server.address}/skopeo/layers:{form}", f"dir:{tmp_path}/out")
    for layer in seen["Layers"]:
        assert digest_of((tmp_path / "out" / layer.split(":")[1]).read_bytes()) == layer
    skopeo(server, "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false", f"docker://{server.address}/skopeo/layers:{form}",
           f"docker://{server.address}/skopeo/copied:{form}")
    assert json.loads(skopeo(server, "list-tags", "--tls-verify=false", f"docker://{server.address}/skopeo/copied"))["Tags"]
    skopeo(server, "delete", "--tls-verify=false", f"docker://{server.address}/skopeo/copied:{form}")


def test_requests_that_are_none(server):
    if server.kind != "pila":
        pytest.skip("what Go answers is Go's")
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"GET /v2/../x HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 400") and b'"errors"' in answer
