# SPDX-License-Identifier: Apache-2.0
"""Builds that are cut short, done twice, done at once; contexts and files from a web server."""
import functools
import http.server
import io
import json
import socket
import tarfile
import threading
import time
import urllib.parse
from pathlib import Path

import pytest
from conftest import client_of, loaded
from lib import engines, leaks, truth
from lib.engines import wait_until
from lib.registry import PilaRegistry

pytestmark = pytest.mark.slice1
tar_type = {"Content-Type": "application/x-tar"}


def context(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(text.encode()), int(time.time())
            archive.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def build(engine, dockerfile, query="", files=None, timeout=60):
    answer = engine.api("POST", f"/build?{query}", context({"Dockerfile": dockerfile} | (files or {})), headers=tar_type, timeout=timeout)
    assert answer.status == 200, answer
    lines = [json.loads(line) for line in answer.body.decode().splitlines() if line.strip()]
    return lines, "".join(line.get("stream", "") for line in lines)


def built_id(lines):
    return [line["aux"]["ID"] for line in lines if "aux" in line][-1]


@pytest.fixture
def engine_with_busybox(fresh):
    return loaded(fresh(), "busybox")


def start_build(engine, dockerfile, query=""):
    """A build whose answer nobody has read yet."""
    body = context({"Dockerfile": dockerfile})
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(engine.socket))
    connection.sendall(f"POST /build?{query} HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-tar\r\n"
                       f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return connection


def running(engine):
    return [one["Id"] for one in engine.api("GET", "/containers/json").json()]


def left_in(engine):
    data = Path(engine.directory) / "data"
    tmp = [name.name for name in (data / "tmp").iterdir()]
    containers = [name.name for name in (data / "containers").iterdir() if not name.name.startswith(".")]
    return tmp, containers


@pytest.mark.only_pila("dockerd's containers of a build stay")
def test_a_killed_daemon_leaves_nothing_of_a_build(engine_with_busybox):
    engine = engine_with_busybox
    before = leaks.steady(engine)
    images = engine.api("GET", "/images/json").json()
    connection = start_build(engine, "FROM busybox\nRUN echo first > /first\nRUN sleep 1000\n", "t=never")
    wait_until(lambda: len(running(engine)) == 1 and b"sleep" in
               Path(f"/proc/{engine.api('GET', f'/containers/{running(engine)[0]}/json').json()['State']['Pid']}/cmdline").read_bytes(),
               "the second RUN runs")
    engine.kill()
    connection.close()
    engine.start()
    assert engine.api("GET", "/containers/json?all=1").json() == []
    assert engine.api("GET", "/images/json").json() == images
    wait_until(lambda: left_in(engine) == ([], []), "nothing is left on the disk")
    truth.is_whole(engine)
    assert not leaks.settle(engine, before)
    _, said = build(engine, "FROM busybox\nRUN echo first > /first\n")  # what was done before is still known
    assert "Using cache" in said


@pytest.mark.parametrize("how", ["the client goes", pytest.param("cancel", marks=pytest.mark.only_pila("dockerd cancels BuildKit's only"))])
def test_a_cancelled_build_leaves_nothing(engine_with_busybox, how):
    engine = engine_with_busybox
    connection = start_build(engine, "FROM busybox\nRUN sleep 1000\n", "t=never&buildid=one&rm=1&forcerm=1")
    wait_until(lambda: len(running(engine)) == 1, "RUN runs")
    if how == "cancel":
        assert engine.api("POST", "/build/cancel?id=one").status == 200
    else:
        connection.close()
    wait_until(lambda: engine.api("GET", "/containers/json?all=1").json() == [], "its container is gone")
    assert engine.api("GET", "/images/never/json").status == 404
    connection.close()


@pytest.mark.only_pila("SOURCE_DATE_EPOCH is BuildKit's")
def test_the_same_image_on_two_machines(fresh):
    dockerfile = ("FROM busybox\nARG SOURCE_DATE_EPOCH\nRUN mkdir /d && for i in 1 2 3; do echo $i > /d/$i; done; ln /d/1 /d/hard; date > /dev/null\n"
                  "COPY . /files/\nWORKDIR /made/here\nRUN touch /etc/now && rm /bin/vi\nLABEL a=b\n")
    identities = []
    for _ in range(2):
        engine = loaded(fresh(), "busybox")
        lines, _ = build(engine, dockerfile, "t=same&buildargs=" + urllib.parse.quote('{"SOURCE_DATE_EPOCH": "1700000000"}'), {"f": "text"})
        identities.append(built_id(lines))
        image = engine.api("GET", "/images/same/json").json()
        assert image["Created"] == "2023-11-14T22:13:20Z"
        docker = client_of(engine)
        assert docker("run", "--rm", "same", "stat", "-c", "%Y", "/d/1", "/etc/now", "/files/f").split() == ["1700000000"] * 3
        time.sleep(1.1)  # another second
    assert identities[0] == identities[1]


def test_many_builds_at_once(engine_with_busybox):
    engine = engine_with_busybox
    results = []

    def one(number):
        dockerfile = f"FROM busybox\nRUN echo shared > /shared\nRUN echo {number % 3} > /own\nCOPY f /f\n"
        lines, said = build(engine, dockerfile, f"t=many{number}", {"f": str(number)})
        results.append((number, built_id(lines), said))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        engine.api("POST", "/build/prune?all=1")
        engine.api("POST", "/images/prune")
    for thread in threads:
        thread.join()
    assert len(results) == 8, results
    docker = client_of(engine)
    for number in range(8):
        assert docker("run", "--rm", f"many{number}", "cat", "/shared", "/own", "/f").split() == ["shared", str(number % 3), str(number)] or \
            docker("run", "--rm", f"many{number}", "sh", "-c", "cat /shared /own; cat /f") == f"shared\n{number % 3}\n{number}"
    truth.is_whole(engine)


@pytest.fixture
def web(tmp_path):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    handler.log_message = lambda *_: None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield tmp_path, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def test_files_and_contexts_from_the_web(engine_with_busybox, web):
    engine, (directory, url) = engine_with_busybox, web
    (directory / "file.txt").write_text("from the web\n")
    for name in "Dockerfile", "plain.txt":  # application/octet-stream and text/plain, as far as the server can tell
        (directory / name).write_text("FROM busybox\nRUN echo remote\n")
    (directory / "page.html").write_text("<html><body>no Dockerfile</body></html>\n")
    (directory / "context.tar").write_bytes(context({"Dockerfile": "FROM busybox\nCOPY f /\nRUN cat /f\n", "f": "packed\n"}))
    _, said = build(engine, f"FROM busybox\nADD {url}/file.txt /dir/\nADD {url}/file.txt /name\nRUN cat /dir/file.txt /name; stat -c %a /name\n")
    assert said.count("from the web") == 2 and "600" in said
    for remote, expected in ((f"{url}/context.tar", "packed"), (f"{url}/Dockerfile", "remote\\n"), (f"{url}/plain.txt", "remote\\n"),
                             (f"{url}/page.html", None), (f"{url}/nothing", None), ("https://example.org/x.git", None)):
        answer = engine.api("POST", "/build?nocache=1&remote=" + urllib.parse.quote(remote, safe=""), b"", timeout=60)
        assert (expected.encode() in answer.body) if expected else (answer.status >= 400), answer


@pytest.mark.only_pila("--cache-from of dockerd looks at its own image chains, too")
def test_cache_from(fresh):
    dockerfile = "FROM busybox\nRUN echo expensive > /x\nCOPY f /\nENV a=b\n"
    first = loaded(fresh(), "busybox")
    build(first, dockerfile, "t=made", {"f": "same"})
    archive = first.api("GET", "/images/made/get", timeout=60).body
    second = loaded(fresh(), "busybox")
    assert second.api("POST", "/images/load", archive, headers=tar_type, timeout=60).status == 200
    _, said = build(second, dockerfile, "t=again", {"f": "same"})
    assert "Using cache" not in said
    assert second.api("POST", "/build/prune?all=1").status == 200
    second.api("DELETE", "/images/again?force=1")
    lines, said = build(second, dockerfile, "t=again&cachefrom=" + urllib.parse.quote('["made"]'), {"f": "same"})
    assert said.count("Using cache") == 3, said
    _, said = build(second, dockerfile, "t=again&cachefrom=" + urllib.parse.quote('["made"]'), {"f": "other"})
    assert said.count("Using cache") == 1, said


def test_events_of_a_build(engine_with_busybox):
    engine = engine_with_busybox
    since = int(time.time())
    build(engine, "FROM busybox\nRUN true\n", "t=eventful")
    answer = engine.api("GET", f"/events?since={since}&until={int(time.time()) + 1}", timeout=30)
    actions = [(one["Type"], one["Action"]) for one in map(json.loads, answer.body.decode().splitlines())]
    wanted = [("container", "create"), ("container", "attach"), ("container", "start"), ("container", "die"), ("container", "destroy"),
              ("image", "tag")]
    assert [one for one in actions if one in wanted] == wanted


def test_what_was_built_can_be_removed_at_once(engine):
    """The build holds what it stands on, but not longer than until its answer ends."""
    for number in range(100):
        assert built_id(build(engine, f"FROM busybox\nLABEL n={number}\n", "t=made/again")[0])
        removed = engine.api("DELETE", "/images/made/again").json()
        assert any("Deleted" in one for one in removed), removed


def test_a_remote_dockerfile_by_the_client(engine_with_busybox, web):
    engine, (directory, url) = engine_with_busybox, web
    (directory / "plain.txt").write_text("FROM busybox\nARG what\nRUN echo $what\n")
    docker = client_of(engine)
    docker.environment["DOCKER_BUILDKIT"] = "0"
    said = docker("build", "-t", "far", "--build-arg", "what=remote", f"{url}/plain.txt")
    assert "RUN echo $what" in said and "\nremote\n" in said
    failed = docker.run("build", f"{url}/nothing", check=False)
    assert failed.returncode == 1 and "404" in failed.stderr, failed


@pytest.mark.parametrize("kind", ["basic", "token"])
@pytest.mark.parametrize("program", ["docker", "pila"])
def test_a_base_behind_a_login(engine_with_busybox, tmp_path, kind, program):
    """`docker login` with a configuration of one's own; the client sends what it has as X-Registry-Config."""
    engine = engine_with_busybox
    (tmp_path / "users").write_text("me:$2y$05$mK8UxH5ZZ4YOXgRSwzP9f.tlbHtQY1qcvszFelDmW5g8ZF0HZfr/S\n")
    registry = PilaRegistry(tmp_path / "registry", arguments=["--htpasswd", tmp_path / "users", "--auth", kind]).start()
    try:
        docker = client_of(engine)
        docker.program = docker.program if program == "docker" else str(engines.Pila.program)
        docker.environment |= {"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path / "config"), "DOCKER_BUILDKIT": "0"}
        base, made = f"{registry.address}/private/base", f"{registry.address}/private/made"
        docker("login", "-u", "me", "--password-stdin", registry.address, input="secret")
        docker("tag", "busybox", base)
        docker("push", base)
        docker("rmi", base)
        (tmp_path / "context").mkdir()
        (tmp_path / "context/Dockerfile").write_text(f"FROM {base}\nRUN echo built > /made\nFROM busybox\nCOPY --from={base} /bin/sh /of-base\nCOPY --from=0 /made /\n")
        docker("build", "-t", made, tmp_path / "context")
        docker("push", made)
        assert docker("run", "--rm", made, "cat", "/made") == "built"
        docker("rmi", "-f", made, base)
        docker("logout", registry.address)
        failed = docker.run("build", "--no-cache", tmp_path / "context", check=False)
        assert failed.returncode == 1 and any(word in failed.stderr for word in ("unauthorized", "no basic auth", "denied")), failed
    finally:
        registry.stop()


@pytest.mark.only_pila("dockerd takes secrets in BuildKit's sessions")
def test_secrets_of_any_size_that_docker_takes(engine_with_busybox, tmp_path):
    docker = client_of(engine_with_busybox)
    docker.program = str(engines.Pila.program)
    for name, size in ("small", 1), ("large", 500 * 1024), ("huge", 500 * 1024 + 1):
        (tmp_path / name).write_bytes(b"s" * size)
    (tmp_path / "context").mkdir()
    (tmp_path / "context/Dockerfile").write_text("FROM busybox\nCOPY . /context\nRUN --mount=type=secret,id=small --mount=type=secret,id=large "
                                                 "wc -c /run/secrets/* | tail -n 1; ls /context\n")
    secrets = [f"--secret=id={name},src={tmp_path / name}" for name in ("small", "large")]
    said = docker("build", *secrets, tmp_path / "context")
    assert "512001 total" in said and "Dockerfile" in said
    failed = docker.run("build", f"--secret=id=huge,src={tmp_path / 'huge'}", tmp_path / "context", check=False)
    assert failed.returncode == 1 and failed.stderr == f"secret huge: {tmp_path / 'huge'} is larger than 512000 bytes\n"
    many = [f"--secret=id=s{number},src={tmp_path / 'large'}" for number in range(20)]
    assert "together are larger" in docker.run("build", *many, tmp_path / "context", check=False).stderr


@pytest.mark.only_pila("its own header")
@pytest.mark.parametrize("size, body, words", [("9999999999", b"", "at most"), ("x", b"", "at most"), ("10", b"{}", "ends within"),
                                               ("2", b"[]", "not an object"), ("9", b'{"a":"!"}', "not base64"), ("2", b"{,", "secrets: JSON")])
def test_secrets_that_are_wrong(engine_with_busybox, size, body, words):
    answer = engine_with_busybox.api("POST", "/build", body, headers=tar_type | {"X-Pila-Secrets-Bytes": size})
    assert answer.status == 400 and words in answer.body.decode(), answer
