# SPDX-License-Identifier: Apache-2.0
"""Clients that mean no good, or break off in the middle: they get an answer in the protocol's form or lose their connection; the server
keeps its memory, its descriptors and what it stores, and serves everybody else."""
import http.client
import json
import os
import re
import socket
import threading
import time
import urllib.parse

import pytest
from lib.cluster import apply_patch, control_plane, maps, merge_patch
from lib.engines import wait_until

pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("dockerd has no such API")]


@pytest.fixture(scope="module")
def plane():
    with control_plane() as made:
        made.request("POST", maps, {"metadata": {"name": "kept"}, "data": {"a": "1"}})
        yield made


def memory(plane):
    """Private memory in MB."""
    text = open(f"/proc/{plane.process.pid}/smaps_rollup").read()
    return sum(int(amount) for amount in re.findall(r"^Private_\w+:\s+(\d+)", text, re.M)) / 1024


@pytest.fixture(autouse=True)
def unharmed(plane):
    before, descriptors = plane.request("GET", maps).json, len(os.listdir(f"/proc/{plane.process.pid}/fd"))
    used = memory(plane)
    yield
    assert plane.process.poll() is None
    assert plane.request("GET", "/readyz").status == 200
    assert plane.request("GET", maps).json["items"] == before["items"]
    wait_until(lambda: len(os.listdir(f"/proc/{plane.process.pid}/fd")) <= descriptors + 4, "connections end", 30)
    if not os.environ.get("PILA_SANITIZED"):
        assert memory(plane) < used + 40


def test_bodies_without_end(plane):
    """100 MB, announced or in chunks, are refused before they are read."""
    answered = 0
    for chunked in (False, True) * 3:
        connection = plane.connect()
        connection.putrequest("POST", maps)
        connection.putheader("Content-Type", "application/json")
        connection.putheader(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(100 << 20))))
        connection.endheaders()
        block = b" " * (1 << 20)
        try:
            for _ in range(100):
                connection.send(b"%x\r\n%s\r\n" % (len(block), block) if chunked else block)
            if chunked:
                connection.send(b"0\r\n\r\n")
        except OSError:
            pass  # it has answered, and does not listen any more
        try:
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException):
            continue  # the answer was lost with the connection
        assert answer.status == 413 and json.loads(answer.read())["reason"] == "RequestEntityTooLarge"
        answered += 1
    assert answered


@pytest.mark.parametrize("path", [
    "/api/v1/namespaces/default/configmaps/../secrets", "/api/v1/namespaces/default/configmaps/%2e%2e/x",
    "/api/v1/namespaces/default/configmaps/a%2fb", "/api/v1/namespaces/default/configmaps/a%00b", "/api/v1/namespaces/%2e%2e/configmaps",
    "/api/v1/namespaces/default/configmaps/%ff", "/api/v1/namespaces/default/configmaps/" + "x" * 4000, "/api/v1/namespaces/default/configmaps/kept/status/more",
    "/apis/" + "/".join(["x"] * 500), "/api/v1/namespaces//configmaps/kept", "/openapi/v3/../../etc/passwd"])
def test_paths(plane, path):
    answer = plane.request("GET", path)
    assert 400 <= answer.status < 500, answer
    assert answer.json["kind"] == "Status" and answer.json["code"] == answer.status


def test_empty_segments_open_nothing(plane):
    """Whoever writes // is judged by the same rules."""
    for path in ("/api//v1/configmaps", "//api/v1/configmaps", "/api/v1//namespaces/default/secrets"):
        assert plane.request("GET", path, certificate=False).status in (403, 404)


@pytest.mark.parametrize("selector", [
    ",".join(f"k{number}" for number in range(5000)), "a in (" + ",".join(map(str, range(6000))) + ")", "((((((((", "a" * 5000, "a=b=c", "a in (b", "=", "!",
    "a>x", "a\x00b", "é=1"])
@pytest.mark.parametrize("kind", ["labelSelector", "fieldSelector"])
def test_selectors(plane, kind, selector):
    answer = plane.request("GET", f"{maps}?{kind}={urllib.parse.quote(selector)}")
    assert answer.status in (400, 414, 431) and answer.json["kind"] == "Status", answer


@pytest.mark.parametrize("fields", [
    "x", [], {}, [1], [{}], [{"fieldsV1": 1}], [{"manager": "m", "operation": "Steal", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {}}],
    [{"manager": "m", "operation": "Apply", "apiVersion": "none/v9", "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:a": {}}}}],
    [{"manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV9", "fieldsV1": {"f:data": {}}}],
    [{"manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"k:{\"a\"": {}, "v:": {}, "q:x": {}, "i:9999999999": {}}}],
    [{"manager": "m" * 1000, "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {}}] * 1000])
def test_broken_managed_fields(plane, fields):
    """Refused, or put right: the object can be applied and read afterwards."""
    name = "odd"
    made = plane.request("POST", maps, {"metadata": {"name": name, "managedFields": fields}, "data": {"a": "1"}})
    assert made.status in (201, 400, 422) and made.json["kind"] in ("ConfigMap", "Status"), made
    if made.status != 201:
        assert plane.request("GET", f"{maps}/{name}").status == 404
        return
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "2"}}
    assert plane.request("PATCH", f"{maps}/{name}?fieldManager=me&force=true", body, apply_patch).status == 200
    managers = plane.request("GET", f"{maps}/{name}").json["metadata"]["managedFields"]
    assert any(one["manager"] == "me" and one["operation"] == "Apply" and one["fieldsV1"] == {"f:data": {"f:a": {}}} for one in managers)
    changed = plane.request("PUT", f"{maps}/{name}", {"metadata": {"name": name, "managedFields": fields}, "data": {"a": "3"}})
    assert changed.status in (200, 400, 422)
    assert plane.request("DELETE", f"{maps}/{name}").status == 200


def test_broken_off(plane):
    """In the handshake, in the head, in the body, before an answer is read: 200 of each."""
    context, held = plane.context(), []
    address = ("127.0.0.1", plane.port)
    for number in range(200):
        plain = socket.create_connection(address)
        plain.sendall(b"\x16\x03\x01\x02\x00"[:number % 6])
        held.append(plain)
        for text in (b"GET /api/v1/pods HTT", b"POST " + maps.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"met",
                     b"GET " + maps.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n"):
            if number < 40:
                some = context.wrap_socket(socket.create_connection(address), server_hostname="127.0.0.1")
                some.sendall(text)
                held.append(some)
    started = time.monotonic()
    assert plane.request("GET", "/readyz").status == 200 and time.monotonic() - started < 5
    for number, one in enumerate(held):
        if number % 2:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset instead of an end
        one.close()


def test_readers_that_do_not_read(plane):
    """A watch whose client takes nothing is cut off once much has piled up; others get everything, and memory stays bounded."""
    sleepers = []
    for _ in range(10):
        connection = plane.connect()
        connection.request("GET", f"{maps}?watch=1&resourceVersion=0")
        sleepers.append(connection)
    awake = plane.connect()
    awake.request("GET", f"{maps}?watch=1&fieldSelector=metadata.name%3Dloud")
    reader, seen = awake.getresponse(), []

    def read():
        while len(seen) < 402:
            line = reader.readline()
            if not line:
                return
            seen.append(json.loads(line)["type"])

    thread = threading.Thread(target=read)
    thread.start()
    connection = plane.connect()
    plane.request("POST", maps, {"metadata": {"name": "loud"}}, connection=connection)
    for number in range(400):
        change = {"data": {"n": str(number), "filler": "x" * 100_000}}
        assert plane.request("PATCH", f"{maps}/loud", change, merge_patch, connection=connection).status == 200
    plane.request("DELETE", f"{maps}/loud", connection=connection)
    thread.join(30)
    awake.close()
    assert seen == ["ADDED"] + ["MODIFIED"] * 400 + ["DELETED"]
    for connection in sleepers:
        connection.close()


def test_upgrades(plane):
    """Nobody is upgraded where nothing is to be had."""
    for path in ("/api/v1/namespaces/default/pods/none/exec?command=x", "/version"):
        for protocol in ("SPDY/3.1", "websocket", "h2c"):
            headers = {"Connection": "Upgrade", "Upgrade": protocol, "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "eA=="}
            assert plane.request("GET", path, headers=headers).status != 101
