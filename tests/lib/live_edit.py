# SPDX-License-Identifier: Apache-2.0
"""pila set: its client, a container that answers on two ports, and who may be asked what became of it (decision 067)."""
import socket
import subprocess

import pytest
from conftest import client_of
from lib import engines
from lib.engines import wait_until

# Answers each line with itself, on two ports.
echo = "nc -ll -p 80 -e cat & exec nc -ll -p 81 -e cat"


class Talk:
    """One connection that must live through everything."""

    def __init__(self, port, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout=10)
        self.count = 0

    def still_there(self):
        self.count += 1
        line = f"line {self.count}\n".encode()
        self.socket.sendall(line)
        got = b""
        while len(got) < len(line):
            more = self.socket.recv(100)
            assert more, "the connection ended"
            got += more
        assert got == line
        return True

    def close(self):
        self.socket.close()


def answers(port, host="127.0.0.1"):
    try:
        talk = Talk(port, host)
        talk.socket.settimeout(3)
        return talk.still_there()
    except (OSError, AssertionError):
        return False


def refused(port, host="127.0.0.1"):
    try:
        socket.create_connection((host, port), timeout=3).close()
    except ConnectionRefusedError:
        return True
    return False


def bound(port):
    """Free for somebody else, now."""
    server = socket.socket(socket.AF_INET)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind(("0.0.0.0", port))
        server.listen()
        return True
    except OSError:
        return False
    finally:
        server.close()


class Pila:
    """pila's own client: docker's has no such verb."""

    def __init__(self, engine):
        self.engine, self.docker = engine, client_of(engine)

    def set(self, *words, check=True):
        done = subprocess.run([str(engines.Pila.program), "set", *map(str, words)], env=self.docker.environment,
                              capture_output=True, text=True, timeout=60 * engines.patience)
        if check:
            assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done

    def refuses(self, *words):
        done = self.set(*words, check=False)
        assert done.returncode == 1, (words, done.stdout)
        return done.stderr

    def post(self, name, body):
        return self.engine.api("POST", f"/containers/{name}/set", body)

    def inspect(self, name="web"):
        return self.docker.inspect(name)

    def mount_points(self):
        return sorted(line.split()[4] for line in self.inside("cat /proc/self/mountinfo").splitlines())

    def is_mounted(self, path):
        return path in self.mount_points()

    def inside(self, *words, name="web"):
        return self.docker("exec", name, "sh", "-c", " ".join(words))


@pytest.fixture
def pila(engine):
    client = Pila(engine)
    yield client
    engine.remove_everything(("busybox:latest", "busybox:test", "pila/hello-world:latest", "pila/layers:latest", "pila/config:latest"))


@pytest.fixture
def web(pila):
    pila.docker("run", "-d", "--name", "web", "-p", "18080:80", "busybox", "sh", "-c", echo)
    wait_until(lambda: answers(18080), "it answers")
    return pila


def settings(description):
    return {key: description[key] for key in ("Config", "HostConfig", "Mounts", "NetworkSettings", "State")}
