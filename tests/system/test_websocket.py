# SPDX-License-Identifier: Apache-2.0
"""Attaching to a container over a WebSocket."""
import base64
import hashlib
import os
import socket
import struct

import pytest
from conftest import against, client_of, loaded
from lib import engines, leaks

pytestmark = pytest.mark.slice1


class WebSocket:
    """A client of RFC 6455, no more of it than is needed here."""

    def __init__(self, engine, container, query="stream=1&stdin=1&stdout=1&stderr=1", version="v1.41", headers=(), key=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(15)
        self.socket.connect(engine.socket)
        nonce = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET /{version}/containers/{container}/attach/ws?{query} HTTP/1.1", "Host: docker", "Upgrade: websocket",
                 "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Origin: http://docker", *headers]
        if key:
            lines.append(f"Sec-WebSocket-Key: {nonce}")
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            piece = self.socket.recv(4096)
            assert piece, self.buffer
            self.buffer += piece
        self.head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        self.status = int(self.head.split()[1])
        accept = base64.b64encode(hashlib.sha1((nonce + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        assert self.status != 101 or accept in self.head

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def take(self, count):
        while len(self.buffer) < count:
            piece = self.socket.recv(65536)
            if not piece:
                raise EOFError
            self.buffer += piece
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def frame(self):
        """opcode and payload of the next frame."""
        first, length = self.take(2)
        if length == 126:
            length, = struct.unpack("!H", self.take(2))
        elif length == 127:
            length, = struct.unpack("!Q", self.take(8))
        return first & 15, self.take(length)

    def read(self, count):
        """So many bytes of what the container writes."""
        data = b""
        while len(data) < count:
            opcode, payload = self.frame()
            assert opcode in (0, 1, 2), (opcode, payload, data)
            data += payload
        return data

    def rest(self):
        """Everything until the server says goodbye."""
        data = b""
        while True:
            opcode, payload = self.frame()
            if opcode == 8:
                return data
            data += payload

    def send(self, payload, opcode=2, final=True):
        mask = os.urandom(4)
        length = struct.pack("!B", 128 | len(payload)) if len(payload) < 126 else struct.pack("!BH", 254, len(payload)) \
            if len(payload) < 65536 else struct.pack("!BQ", 255, len(payload))
        self.socket.sendall(bytes([opcode | (128 if final else 0)]) + length + mask +
                            bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload)))


def test_there_and_back(engine, docker):
    container = docker("run", "-di", "busybox", "cat")
    with WebSocket(engine, container) as client:
        assert client.status == 101
        client.send(b"hello\n")
        assert client.read(6) == b"hello\n"
        client.send(b"in a te", opcode=1, final=False)
        client.send(b"xt\n", opcode=0)
        assert client.read(10) == b"in a text\n"
        big = bytes(range(256)) * 2000
        client.send(big)
        assert client.read(len(big)) == big
        client.send(b"ping", opcode=9)
        assert client.frame() == (10, b"ping")


def test_before_the_start_and_until_the_end(engine, docker):
    container = docker("create", "busybox", "sh", "-c", "echo out; echo err >&2; echo more")
    with WebSocket(engine, container) as client:
        docker("start", container)
        assert sorted(client.rest().split()) == [b"err", b"more", b"out"]


@pytest.mark.only_pila("dockerd 20.10 ends the connection without a word")
def test_goodbye(engine, docker):
    container = docker("run", "-d", "busybox", "sleep", "1000")
    with WebSocket(engine, container) as client:
        client.send(struct.pack("!H", 1000), opcode=8)
        assert client.frame() == (8, struct.pack("!H", 1000))
    with WebSocket(engine, container) as client:
        docker("kill", container)
        assert client.frame()[0] == 8


def test_terminal(engine, docker):
    container = docker("run", "-dit", "busybox", "sh")
    with WebSocket(engine, container) as client:
        client.send(b"echo $((40+2))\n")
        data = b""
        while b"\r\n42\r\n" not in data:
            data += client.frame()[1]


def test_logs_first(engine, docker):
    container = docker("run", "-d", "busybox", "sh", "-c", "seq 20000; echo ready >&2; sleep 1000")
    engines.wait_until(lambda: "ready" in docker.run("logs", container).stderr, "it has spoken")
    expected = "".join(f"{number}\n" for number in range(1, 20001)).encode()
    with WebSocket(engine, container, "logs=1&stream=1") as client:
        data = client.read(len(expected) + 6)
        assert data.replace(b"ready\n", b"") == expected
    if against == "pila":  # dockerd 20.10 knows no 1.42, and with it no choice of streams
        with WebSocket(engine, container, "logs=1&stream=1&stdout=1", version="v1.42") as client:
            assert client.read(len(expected)) == expected


def test_text_for_old_clients(engine, docker):
    container = docker("run", "-di", "busybox", "cat")
    for version, opcode in (("v1.27", 1), ("v1.28", 2)):
        with WebSocket(engine, container, version=version) as client:
            client.send(b"x\n")
            assert client.frame() == (opcode, b"x\n")


def test_what_is_refused(engine, docker):
    assert WebSocket(engine, "nosuch").status == 404
    container = docker("run", "-d", "busybox", "sleep", "1000")
    assert WebSocket(engine, container, key=False).status == 400
    assert engine.api("GET", f"/containers/{container}/attach/ws").status == 400


def test_garbage_and_sudden_ends(engine, docker):
    container = docker("run", "-di", "busybox", "cat")
    for noise in (b"\xff" * 100, b"\x82\x05hello", b"\x82\xff" + b"\xff" * 12, os.urandom(5000)):
        with WebSocket(engine, container) as client:
            client.socket.sendall(noise)
            try:
                client.rest()
            except (EOFError, OSError):
                pass
    for _ in range(20):
        WebSocket(engine, container).socket.close()
    with WebSocket(engine, container) as client:
        client.send(b"still there\n")
        assert b"still there\n" in client.read(12)


def test_a_client_that_does_not_read(engine, docker):
    container = docker("run", "-d", "busybox", "sh", "-c", "yes")
    with WebSocket(engine, container, "stream=1&stdout=1"):
        other = docker("run", "-di", "busybox", "cat")
        with WebSocket(engine, other) as client:
            client.send(b"nobody waits\n")
            assert client.read(13) == b"nobody waits\n"
    docker("kill", container)


@pytest.mark.only_pila("counts descriptors of one process")
def test_nothing_is_left(engine, docker):
    """After the first, which makes the relay."""
    container = docker("run", "-di", "busybox", "cat")
    with WebSocket(engine, container) as client:
        client.send(b"x\n")
        client.read(2)
    docker("kill", container)
    before = leaks.steady(engine)
    for _ in range(3):
        container = docker("run", "-di", "busybox", "cat")
        clients = [WebSocket(engine, container) for _ in range(5)]
        for client in clients[:3]:
            client.socket.close()
        docker("kill", container)
        for client in clients[3:]:
            client.rest()
            client.socket.close()
        docker("rm", container)
    assert leaks.settle(engine, before) == []


@pytest.mark.only_pila("dockerd answers pages of other sites")
def test_pages_of_other_sites_are_refused(fresh):
    engine = loaded(fresh(arguments=["--host", "tcp://127.0.0.1:23751"]), "busybox")
    container = client_of(engine)("run", "-d", "busybox", "sleep", "1000")
    for origin, status in (("http://evil.example", 403), ("null", 403), ("http://127.0.0.1:23751", 101)):
        with socket.create_connection(("127.0.0.1", 23751)) as connection:
            connection.sendall(f"GET /containers/{container}/attach/ws HTTP/1.1\r\nHost: 127.0.0.1:23751\r\nUpgrade: websocket\r\n"
                               f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                               f"Origin: {origin}\r\n\r\n".encode())
            assert int(connection.recv(4096).split()[1]) == status, origin
