# SPDX-License-Identifier: Apache-2.0
"""pila set: ports of a container that runs."""
import socket
import subprocess
from pathlib import Path

import pytest
from conftest import loaded
from lib.engines import wait_until
from lib.live_edit import Pila, Talk, answers, bound, echo, pila, refused, settings, web  # noqa: F401

pytestmark = pytest.mark.only_pila("an endpoint and a verb of pila's own")
datagrams = "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind(('', 82))\ns.sendto(*s.recvfrom(100))"


def test_a_port_comes_and_goes(web):
    web.set("-p", "18081:81", "web")
    assert answers(18081) and answers(18081, "::1")
    now = web.inspect()
    assert now["HostConfig"]["PortBindings"]["81/tcp"] == [{"HostIp": "", "HostPort": "18081"}]
    assert {"HostIp": "0.0.0.0", "HostPort": "18081"} in now["NetworkSettings"]["Ports"]["81/tcp"]
    assert "81/tcp" in now["Config"]["ExposedPorts"]
    assert web.docker("port", "web", "81") .splitlines()[0] == "0.0.0.0:18081"
    established, relayed = Talk(18081), Talk(18081, "::1")
    assert established.still_there() and relayed.still_there()
    web.set("--publish-rm", "18081:81", "web")
    assert refused(18081) and refused(18081, "::1") and bound(18081)
    assert established.still_there() and relayed.still_there(), "what was connected goes on"
    now = web.inspect()
    assert "81/tcp" not in now["HostConfig"]["PortBindings"] and "81/tcp" not in now["NetworkSettings"]["Ports"]
    assert answers(18080)
    web.docker("run", "-d", "--name", "next", "-p", "18081:80", "busybox", "sleep", "1000")
    assert not bound(18081)


def test_ports_of_every_kind(web):
    web.set("-p", "81", "-p", "18090-18099:82/udp", "-p", "[::1]:18085:81", "web")
    ports = web.inspect()["NetworkSettings"]["Ports"]
    free = next(port["HostPort"] for port in ports["81/tcp"] if port["HostIp"] == "0.0.0.0")
    assert answers(int(free)) and answers(18085, "::1")
    server = subprocess.Popen(["nsenter", "-t", str(web.inspect()["State"]["Pid"]), "-n", "/usr/bin/python3", "-c", datagrams])
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.settimeout(0.5)

    def echoed():
        udp.sendto(b"hello", ("127.0.0.1", int(ports["82/udp"][0]["HostPort"])))
        try:
            return udp.recv(100) == b"hello"
        except (TimeoutError, ConnectionRefusedError):
            return False

    wait_until(echoed, "a datagram comes back")
    server.wait(10)
    web.set("--publish-rm", "81", "--publish-rm", "82/udp", "web")
    assert set(web.inspect()["NetworkSettings"]["Ports"]) == {"80/tcp"}
    assert refused(int(free)) and refused(18085, "::1")
    assert "not published" in web.refuses("--publish-rm", "81", "web")
    assert "not published" in web.refuses("--publish-rm", "18079:80", "web")


def test_the_first_port_of_a_container(pila):
    pila.docker("run", "-d", "--name", "web", "busybox", "sh", "-c", echo)
    pila.set("-p", "18080:80", "web")
    wait_until(lambda: answers(18080), "it answers")
    address = pila.inspect()["NetworkSettings"]["Gateway"]
    assert pila.inside(f"echo self | nc -w 2 {address} 18080") == "self", "it reaches itself by its published port"


def said(port, host="127.0.0.1"):
    """What the other service says to whoever comes; nothing while it is not there yet."""
    try:
        with socket.create_connection((host, port), timeout=10) as client:
            client.shutdown(socket.SHUT_WR)
            return client.recv(100)
    except ConnectionError:
        return b""


@pytest.fixture
def two(pila):
    """80 answers each line with itself, 81 says where it is."""
    pila.docker("run", "-d", "--name", "web", "-p", "18080:80", "busybox", "sh", "-c", "nc -ll -p 80 -e cat & exec nc -ll -p 81 -e echo other")
    wait_until(lambda: answers(18080), "it answers")
    return pila


def leads_to_80(port):
    return answers(port) and answers(port, "::1")


def leads_to_81(port):
    return said(port) == said(port, "::1") == b"other\n"


def test_a_port_of_the_host_moves_to_another_of_the_container(two):
    established, relayed = Talk(18080), Talk(18080, "::1")
    assert established.still_there() and relayed.still_there()
    two.set("--publish-rm", "18080:80", "-p", "18080:81", "web")
    assert leads_to_81(18080) and not bound(18080)
    assert established.still_there() and relayed.still_there(), "what was connected goes on"
    ports = two.inspect()["NetworkSettings"]["Ports"]
    assert "80/tcp" not in ports and {"HostIp": "0.0.0.0", "HostPort": "18080"} in ports["81/tcp"]
    two.set("--publish-rm", "18080:81", "-p", "18080:80", "-p", "18081:81", "web")
    assert leads_to_80(18080) and leads_to_81(18081)
    two.set("--publish-rm", "18080:80", "--publish-rm", "18081:81", "-p", "18080:81", "-p", "18081:80", "web")
    assert leads_to_81(18080) and leads_to_80(18081), "two change places"
    two.docker("restart", "-t", "0", "web")
    wait_until(lambda: said(18080) == b"other\n", "as it was")
    two.set("--publish-rm", "80", "--publish-rm", "81", "web")
    assert refused(18080) and refused(18080, "::1") and bound(18080) and bound(18081)


def test_a_move_that_fails_leads_where_it_led(two, tmp_path):
    two.docker("run", "-d", "--name", "other", "-p", "18099:80", "busybox", "sleep", "1000")
    before, move = settings(two.inspect()), ("--publish-rm", "18080:80", "-p", "18080:81")
    for words in (["-p", "18099:81"], ["-p", "18080:82"], ["--mount", "type=image,source=nosuch,target=/image"]):
        two.refuses(*move, *words, "web")
        assert settings(two.inspect()) == before and leads_to_80(18080), words
    if Path("/sys/fs/cgroup/memory").is_dir():  # the kernel refuses, when the ports are in force already
        two.set("-m", "100m", "--memory-swap", "100m", "--tmpfs", "/full", "web")
        two.inside("dd if=/dev/zero of=/full/file bs=1M count=60 2>/dev/null")
        before = settings(two.inspect())
        assert "memory" in two.refuses(*move, "-p", "18081:81", "-m", "20m", "--memory-swap", "20m", "web")
        assert settings(two.inspect()) == before and leads_to_80(18080) and bound(18081)
    two.set(*move, "web")
    assert leads_to_81(18080)


def test_a_moved_port_is_where_it_is_for_the_next_daemon(fresh):
    engine = loaded(fresh(), "busybox")
    pila = Pila(engine)
    pila.docker("run", "-d", "--name", "web", "-p", "18080:80", "busybox", "sh", "-c", "nc -ll -p 80 -e cat & exec nc -ll -p 81 -e echo other")
    wait_until(lambda: answers(18080), "it answers")
    pila.set("--publish-rm", "18080:80", "-p", "18080:81", "web")
    engine.kill()
    assert said(18080, "::1") == b"other\n"
    engine.start()
    assert leads_to_81(18080)
    pila.set("--publish-rm", "18080:81", "-p", "18080:80", "web")
    assert leads_to_80(18080)


def test_a_port_of_datagrams_moves(pila):
    server = datagrams.replace("82", "{}").replace("s.recvfrom(100)", "(b'{}', s.recvfrom(100)[1])")
    pila.docker("run", "-d", "--name", "web", "-p", "18082:82/udp", "busybox", "sleep", "1000")
    inside = ["nsenter", "-t", str(pila.inspect()["State"]["Pid"]), "-n", "/usr/bin/python3", "-c"]
    servers = [subprocess.Popen([*inside, server.format(port, port)]) for port in (82, 83)]

    def answer():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(0.5)
            client.sendto(b"hello", ("127.0.0.1", 18082))
            try:
                return client.recv(100)
            except (TimeoutError, ConnectionRefusedError):
                return b""

    wait_until(lambda: answer() == b"82", "the first one answers")
    pila.set("--publish-rm", "18082:82/udp", "-p", "18082:83/udp", "web")
    wait_until(lambda: answer() == b"83", "the other one answers")
    [server.wait(10) for server in servers]
