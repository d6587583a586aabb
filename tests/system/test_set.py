# SPDX-License-Identifier: Apache-2.0
"""pila set: ports, mounts, networks and limits of a container that runs, changed without its noticing (decision 067)."""
import json
import random
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
from conftest import client_of, loaded
from lib import engines, leaks, truth
from lib.engines import wait_until

pytestmark = pytest.mark.only_pila("an endpoint and a verb of pila's own")
# Answers each line with itself, on two ports.
echo = "nc -ll -p 80 -e cat & exec nc -ll -p 81 -e cat"
datagrams = "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind(('', 82))\ns.sendto(*s.recvfrom(100))"


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


def test_a_connection_lives_through_everything(web, tmp_path):
    (tmp_path / "file").write_text("of the host")
    web.docker("network", "create", "extra")
    web.docker("volume", "create", "data")
    talk = Talk(18080)
    pid = web.inspect()["State"]["Pid"]
    for words in (["-p", "18081:81"], ["-p", "127.0.0.1:18082:82/udp"], ["-v", f"{tmp_path}:/host:ro"], ["-v", "data:/data"],
                  ["--tmpfs", "/scratch"], ["--network", "extra"], ["-m", "64m", "--pids-limit", "50"],
                  ["--publish-rm", "18081:81", "--unmount", "/host"], ["--network-rm", "extra"],
                  ["-p", "18083:81", "-v", f"{tmp_path}:/again", "--network", "extra", "--cpus", "0.5"]):
        web.set(*words, "web")
        assert talk.still_there(), words
    now = web.inspect()
    assert now["State"]["Pid"] == pid and now["RestartCount"] == 0
    assert answers(18083)
    talk.close()


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


def settings(description):
    return {key: description[key] for key in ("Config", "HostConfig", "Mounts", "NetworkSettings", "State")}


def test_all_or_nothing(web, tmp_path):
    """Of many changes the last one fails: nothing at all has happened."""
    web.docker("network", "create", "extra")
    web.docker("run", "-d", "--name", "other", "-p", "18099:80", "busybox", "sleep", "1000")
    before = web.inspect(), web.docker("volume", "ls", "-q"), web.inside("cat /proc/self/mountinfo"), web.inside("ip addr")
    changes = ["--publish-rm", "18080:80", "-p", "18081:81", "-v", f"{tmp_path}:/host", "-v", "fresh:/fresh", "--tmpfs", "/scratch",
               "--network", "extra", "-m", "64m"]
    failing = {
        "port is already allocated": ["-p", "18099:81"],
        "no such image": ["--mount", "type=image,source=nosuch,target=/image"],
        "bind source path does not exist": ["--mount", "type=bind,source=/nosuch/path,target=/nosuch"],
        "not found": ["--network", "nosuch"],
        "not connected": ["--network-rm", "host"],
        "nothing of the container's is mounted": ["--unmount", "/nothing"],
        "Not a directory": ["-v", f"{tmp_path}:/etc/passwd/below"],
    }
    for text, words in failing.items():
        error = web.refuses(*changes, *words, "web")
        assert text.lower() in error.lower(), error
        now = web.inspect(), web.docker("volume", "ls", "-q"), web.inside("cat /proc/self/mountinfo"), web.inside("ip addr")
        assert settings(now[0]) == settings(before[0]), text
        assert now[1:] == before[1:], text
        assert bound(18081) and answers(18080)
    web.set(*changes, "web")
    assert refused(18080) and answers(18081)


def test_what_was_unmounted_in_vain_is_what_it_was(web):
    web.docker("run", "-d", "--name", "other", "-p", "18099:80", "busybox", "sleep", "1000")
    web.set("--tmpfs", "/kept:size=1m", "-v", "data:/kept/data", "web")
    web.inside("echo text > /kept/file; echo text > /kept/data/file")
    before = settings(web.inspect())
    assert "already allocated" in web.refuses("--unmount", "/kept", "--unmount", "/kept/data", "-p", "18099:81", "web")
    assert settings(web.inspect()) == before
    assert web.inside("cat /kept/file /kept/data/file") == "text\ntext"
    assert web.inside("grep -c kept /proc/self/mountinfo") == "2"


def test_a_read_only_container(pila, tmp_path):
    (tmp_path / "file").write_text("text")
    pila.docker("run", "-d", "--name", "web", "--read-only", "busybox", "sleep", "1000")
    pila.set("-v", f"{tmp_path}:/new/host", "-v", f"{tmp_path}/file:/other/file:ro", "--tmpfs", "/scratch", "web")
    assert pila.inside("cat /new/host/file /other/file; touch /scratch/made") == "texttext"
    assert "Read-only" in pila.docker.run("exec", "web", "touch", "/new/made", check=False).stderr


@pytest.mark.skipif(not Path("/sys/fs/cgroup/memory").is_dir(), reason="control groups of version 2 kill instead")
def test_a_limit_that_the_kernel_refuses_takes_everything_back(web, tmp_path):
    """Less memory than is in use: only the kernel can tell, when all else is done."""
    web.docker("network", "create", "extra")
    web.set("-m", "100m", "--memory-swap", "100m", "--tmpfs", "/full", "-v", "data:/data", "web")
    web.inside("dd if=/dev/zero of=/full/file bs=1M count=60 2>/dev/null")
    before, mounted, connected = settings(web.inspect()), web.mount_points(), web.inside("ls /sys/class/net")
    talk = Talk(18080)
    for _ in range(2):
        error = web.refuses("-p", "18081:81", "--publish-rm", "18080:80", "-v", f"{tmp_path}:/host", "--unmount", "/data", "--network", "extra",
                            "--network-rm", "bridge", "-m", "20m", "--memory-swap", "20m", "web")
        assert "memory" in error
        assert settings(web.inspect()) == before and bound(18081) and answers(18080) and talk.still_there()
        assert web.mount_points() == mounted and web.inside("ls /sys/class/net") == connected
        assert web.inside("cat /sys/fs/cgroup/memory/memory.limit_in_bytes") == str(100 << 20)
    web.set("-p", "18081:81", "-v", f"{tmp_path}:/host", "--unmount", "/data", "web")
    assert answers(18081)


def test_a_volume_appears(web):
    web.docker("run", "--rm", "-v", "data:/data", "busybox", "sh", "-c", "echo precious > /data/file")
    web.set("-v", "data:/deep/er/data", "web")
    assert web.inside("cat /deep/er/data/file") == "precious"
    web.inside("echo more > /deep/er/data/more")
    assert [(mount["Name"], mount["Destination"]) for mount in web.inspect()["Mounts"]] == [("data", "/deep/er/data")]
    assert web.docker.run("volume", "rm", "data", check=False).returncode == 1, "it is in use"
    web.set("--unmount", "/deep/er/data/", "web")
    assert web.inside("ls /deep/er/data") == "" and web.inspect()["Mounts"] == []
    assert not web.inspect()["HostConfig"]["Binds"]
    assert web.docker("run", "--rm", "-v", "data:/data", "busybox", "cat", "/data/more") == "more"
    web.docker("volume", "rm", "data")


def test_an_empty_volume_takes_over_what_the_image_has(web):
    web.set("-v", "fresh:/var/www", "web")
    assert web.inside("ls /var/www") == web.docker("run", "--rm", "busybox", "ls", "/var/www") != ""
    web.set("-v", "/anonymous", "web")
    assert web.is_mounted("/anonymous")


def test_every_kind_of_mount(web, tmp_path):
    (tmp_path / "file").write_text("text")
    (tmp_path / "inner").mkdir()
    web.set("-v", f"{tmp_path}:/rw", "-v", f"{tmp_path}:/ro:ro", "-v", f"{tmp_path}/file:/one/file", "--tmpfs", "/small:size=64k,mode=700",
            "--mount", "type=tmpfs,target=/ro2,readonly", "--mount", "type=image,source=pila/layers,target=/image",
            "--mount", f"type=bind,source={tmp_path}/inner,target=/rw/inner", "web")
    assert web.inside("cat /one/file /rw/file") == "texttext"
    web.inside("touch /rw/made /rw/inner/made")
    assert (tmp_path / "made").exists() and (tmp_path / "inner/made").exists()
    assert "Read-only" in web.docker.run("exec", "web", "touch", "/ro/made", check=False).stderr
    assert "Read-only" in web.docker.run("exec", "web", "touch", "/ro2/made", check=False).stderr
    assert "Read-only" in web.docker.run("exec", "web", "touch", "/image/made", check=False).stderr
    assert web.inside("ls /image") != ""
    assert web.inside("stat -c %a /small; df -k /small | tail -1 | awk '{print $2}'").split() == ["700", "64"]
    assert "is mounted below" in web.refuses("--unmount", "/rw", "web")
    web.docker("cp", "web:/rw/file", tmp_path / "copied")
    assert (tmp_path / "copied").read_text() == "text"
    web.set(*(word for path in ("/rw", "/rw/inner", "/ro", "/one/file", "/small", "/ro2", "/image") for word in ("--unmount", path)), "web")
    assert web.inspect()["Mounts"] == [] and " /rw" not in web.inside("cat /proc/self/mountinfo")
    assert (tmp_path / "inner/made").exists()


def test_where_nothing_may_be_mounted(web, tmp_path):
    web.inside("ln -s /proc /link; ln -s /sys/kernel /syslink; mkdir /real; ln -s /real /inside")
    for target in ("/", "/proc", "/proc/sys", "/proc/1", "/sys", "/sys/fs", "/link", "/link/1", "/syslink"):
        before = web.inside("cat /proc/self/mountinfo")
        web.refuses("-v", f"{tmp_path}:{target}", "web")
        assert web.inside("cat /proc/self/mountinfo") == before, target
    assert "Duplicate" in web.refuses("--tmpfs", "/twice", "-v", f"{tmp_path}:/twice/", "web")
    web.set("--tmpfs", "/once", "web")
    assert "Duplicate" in web.refuses("-v", f"{tmp_path}:/once", "web")
    # A link of the container's leads where it leads inside, not on the host.
    (tmp_path / "file").write_text("text")
    web.set("-v", f"{tmp_path}:/inside", "web")
    assert web.inside("cat /real/file") == "text"
    web.set("--unmount", "/inside", "web")
    assert web.inside("ls /real") == ""


def test_a_link_does_not_lead_an_unmount_astray(web, tmp_path):
    """A container exchanges the directory above a mount for a link to /proc, where names are masked."""
    (tmp_path / "file").write_text("text")
    places = [line.split()[4] for line in web.inside("cat /proc/self/mountinfo").splitlines()]
    masked = next(place for place in places if place.startswith("/proc/") and place.count("/") == 2)
    name = masked.rsplit("/")[-1]
    is_directory = web.docker.run("exec", "web", "test", "-d", masked, check=False).returncode == 0
    web.set("-v", f"{tmp_path}{'' if is_directory else '/file'}:/up/{name}", "web")
    web.inside("mv /up /moved; ln -s /proc /up")
    for force in ([], ["--force"]):
        web.refuses("--unmount", f"/up/{name}", *force, "web")
        assert web.is_mounted(masked) and web.is_mounted(f"/moved/{name}")
    web.inside("rm /up; mv /moved /up")
    web.set("--unmount", f"/up/{name}", "web")
    assert not web.is_mounted(f"/up/{name}")


def test_what_is_in_use(web, tmp_path):
    (tmp_path / "file").write_text("text")
    web.set("-v", f"{tmp_path}:/busy", "web")
    web.docker("exec", "-d", "web", "sh", "-c", "cd /busy; exec sleep 1000")
    wait_until(lambda: "/busy" in web.inside("ls -l /proc/[0-9]*/cwd"), "somebody is there")
    before = settings(web.inspect())
    error = web.refuses("--unmount", "/busy", "-p", "18081:81", "web")
    assert "/busy is in use" in error and "force" in error
    assert settings(web.inspect()) == before and web.inside("cat /busy/file") == "text"
    web.set("--unmount", "/busy", "--force", "web")
    assert web.inside("ls /busy") == "" and web.inspect()["Mounts"] == []


def test_networks(web):
    web.docker("network", "create", "--subnet", "172.31.77.0/24", "extra")
    web.docker("run", "-d", "--name", "peer", "--network", "extra", "busybox", "sleep", "1000")
    web.set("--network", "name=extra,alias=other,ip=172.31.77.9", "web")
    assert web.inside("ip -o addr show").count("172.31.77.9/24") == 1
    assert "172.31.77.9" in web.docker("exec", "peer", "nslookup", "other")
    assert "already exists" in web.refuses("--network", "extra", "web")
    web.set("--network-rm", "bridge", "web")
    assert list(web.inspect()["NetworkSettings"]["Networks"]) == ["extra"]
    web.docker("restart", "-t", "0", "web")
    assert list(web.inspect()["NetworkSettings"]["Networks"]) == ["extra"]
    assert web.inspect()["NetworkSettings"]["Networks"]["extra"]["IPAddress"] == "172.31.77.9"


def test_limits(web):
    web.set("-m", "64m", "--memory-swap", "128m", "--cpu-shares", "300", "--pids-limit", "40", "--restart", "always", "web")
    host = web.inspect()["HostConfig"]
    assert (host["Memory"], host["MemorySwap"], host["CpuShares"], host["PidsLimit"]) == (64 << 20, 128 << 20, 300, 40)
    assert host["RestartPolicy"]["Name"] == "always"
    root = Path("/sys/fs/cgroup")
    if (root / "pids").is_dir():
        assert web.inside("cat /sys/fs/cgroup/pids/pids.max") == "40"


def everything(pila, tmp_path):
    (tmp_path / "file").write_text("text")
    pila.docker("network", "create", "extra")
    pila.docker("run", "-d", "--name", "web", "-p", "18080:80", "-v", "gone:/gone", "busybox", "sh", "-c", echo)
    pila.set("-p", "18081:81", "--publish-rm", "18080:80", "-v", "data:/data", "-v", f"{tmp_path}:/host:ro", "--tmpfs", "/scratch",
             "--unmount", "/gone", "--network", "extra", "-m", "64m", "web")


def check_everything(pila):
    wait_until(lambda: answers(18081), "the new port answers")
    assert refused(18080)
    assert pila.inside("cat /host/file") == "text"
    assert "Read-only" in pila.docker.run("exec", "web", "touch", "/host/made", check=False).stderr
    assert pila.is_mounted("/data") and pila.is_mounted("/scratch") and not pila.is_mounted("/gone")
    now = pila.inspect()
    assert sorted(now["NetworkSettings"]["Networks"]) == ["bridge", "extra"]
    assert sorted(mount["Destination"] for mount in now["Mounts"]) == ["/data", "/host"]
    assert now["HostConfig"]["Memory"] == 64 << 20


def test_a_restart_has_it_all(pila, tmp_path):
    everything(pila, tmp_path)
    check_everything(pila)
    pila.docker("restart", "-t", "0", "web")
    check_everything(pila)


def test_a_container_that_does_not_run(pila, tmp_path):
    (tmp_path / "file").write_text("text")
    pila.docker("network", "create", "extra")
    pila.docker("create", "--name", "web", "-p", "18080:80", "-v", "gone:/gone", "busybox", "sh", "-c", echo)
    pila.set("-p", "18081:81", "--publish-rm", "18080:80", "-v", "data:/data", "-v", f"{tmp_path}:/host:ro", "--tmpfs", "/scratch",
             "--unmount", "/gone", "--network", "extra", "-m", "64m", "web")
    assert bound(18081)
    pila.docker("start", "web")
    check_everything(pila)
    pila.docker("stop", "-t", "0", "web")
    pila.set("--unmount", "/data", "--network-rm", "extra", "web")
    pila.docker("start", "web")
    assert list(pila.inspect()["NetworkSettings"]["Networks"]) == ["bridge"]


def test_a_paused_container(web):
    web.docker("pause", "web")
    web.set("-p", "18081:81", "--tmpfs", "/scratch", "web")
    web.docker("unpause", "web")
    assert answers(18081) and web.is_mounted("/scratch")


def test_networks_that_are_not_its_own(pila):
    pila.docker("run", "-d", "--name", "web", "--network", "host", "busybox", "sleep", "1000")
    assert "no network of its own" in pila.refuses("-p", "18081:81", "web")
    assert "another container or host" in pila.refuses("--network", "bridge", "web")
    pila.docker("run", "-d", "--name", "none", "--network", "none", "busybox", "sh", "-c", echo)
    assert "no network that leads outside" in pila.refuses("-p", "18081:81", "none")
    pila.set("--network", "bridge", "-p", "18081:81", "none")
    wait_until(lambda: answers(18081), "it answers")


def test_one_event_says_what(web):
    since, identity = time.time() - 1, web.inspect()["Id"]
    web.set("-p", "18081:81", "--tmpfs", "/scratch", "-m", "64m", "web")
    lines = web.docker("events", "--since", f"{since:.3f}", "--until", f"{time.time() + 0.5:.3f}", "--filter", "type=container",
                       "--format", "{{json .}}").splitlines()
    updates = [event for event in map(json.loads, lines) if event["Action"] == "update" and event["Actor"]["ID"] == identity]
    assert len(updates) == 1
    said = updates[0]["Actor"]["Attributes"]
    assert "+0.0.0.0:18081:81/tcp" in said["ports"] and said["mounts"] == "+/scratch" and said["limits"] == "+Memory,+MemorySwap"


def test_bodies_that_are_wrong(web):
    before = settings(web.inspect())
    wrong = [b"", b"[]", b"{", b'"x"', {"Nonsense": 1}, {"PortBindings": []}, {"PortBindings": {"x": []}}, {"PortBindings": {"80/tcp": [1]}},
             {"PortBindings": {"80/tcp": [{"HostPort": "99999"}]}}, {"RemovePortBindings": {"80/tcp": 1}}, {"RemovePortBindings": {"0": None}},
             {"Binds": ["relative:relative"]}, {"Binds": [1]}, {"Mounts": {}}, {"Mounts": [1]}, {"Mounts": [{"Type": "odd", "Target": "/x"}]},
             {"RemoveMounts": ["/"]}, {"RemoveMounts": ["x"]}, {"RemoveMounts": 1}, {"Networks": []}, {"RemoveNetworks": {}}, {"Tmpfs": {"x": ""}},
             {"Memory": 1}, {"Memory": "1g"}, {"Force": True}, {"Force": "yes"}, {}, {"RestartPolicy": {"Name": "odd"}},
             {"Networks": {"bridge": None}, "RemoveNetworks": ["bridge"]}]
    for body in wrong:
        answer = web.post("web", body)
        assert 400 <= answer.status < 500, (body, answer)
        assert answer.json()["message"]
    pieces = [piece for body in wrong[:-1] if isinstance(body, dict) for piece in body.items()]
    chance = random.Random(7)
    for _ in range(200):
        answer = web.post("web", dict(chance.choices(pieces, k=3)))
        assert 400 <= answer.status < 500, answer
    assert web.post("nosuch", {"Memory": 1 << 30}).status == 404
    assert settings(web.inspect()) == before and answers(18080)


def test_many_at_once(web):
    """Sets of one container follow each other; each one's port is there in the end."""
    results = []

    def one(number):
        results.append(web.set("-p", f"{18100 + number}:80", "--tmpfs", f"/many/{number}", "web", check=False).returncode)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(12)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert results == [0] * 12
    assert all(answers(18100 + number) for number in range(12))
    assert web.inside("grep -c /many/ /proc/self/mountinfo") == "12"


def test_a_container_that_ends_meanwhile(pila):
    for _ in range(10):
        pila.docker("run", "-d", "--name", "web", "busybox", "sh", "-c", "sleep 0.1")
        for _ in range(5):
            pila.post("web", {"PortBindings": {"80/tcp": [{"HostPort": "18081"}]}, "Tmpfs": {"/scratch": ""}})
            pila.post("web", {"RemovePortBindings": {"80/tcp": None}, "RemoveMounts": ["/scratch"]})
        wait_until(lambda: pila.inspect()["State"]["Status"] == "exited", "it has ended")
        assert bound(18081)
        pila.docker("rm", "web")


def test_nothing_is_left(fresh, tmp_path):
    engine = loaded(fresh(), "busybox")
    pila = Pila(engine)

    def work():
        everything(pila, tmp_path)
        pila.refuses("-p", "18082:81", "--tmpfs", "/more", "--network", "nosuch", "web")
        pila.set("--unmount", "/data", "--publish-rm", "81", "--network-rm", "extra", "web")
        pila.docker("rm", "-f", "web")
        pila.docker("volume", "rm", "data", "gone")
        pila.docker("network", "rm", "extra")

    work()
    clean = leaks.steady(engine)
    for _ in range(3):
        work()
    truth.is_whole(engine, 15)
    assert leaks.settle(engine, clean) == []


@pytest.mark.ordinary_build("time")
def test_how_long_it_takes(web, tmp_path):
    def took(body):
        begun = time.monotonic()
        assert web.post("web", body).status == 200
        return (time.monotonic() - begun) * 1000

    times = {"port": [], "no port": [], "mount": [], "unmount": [], "limit": []}
    for _ in range(20):
        times["port"].append(took({"PortBindings": {"81/tcp": [{"HostPort": "18081"}]}}))
        times["no port"].append(took({"RemovePortBindings": {"81/tcp": None}}))
        times["mount"].append(took({"Binds": [f"{tmp_path}:/host"]}))
        times["unmount"].append(took({"RemoveMounts": ["/host"]}))
        times["limit"].append(took({"CpuShares": 512}))
    middle = {name: sorted(values)[len(values) // 2] for name, values in times.items()}
    print("milliseconds:", {name: round(value, 2) for name, value in middle.items()})
    assert middle["port"] < 100 * engines.patience and middle["mount"] < 300 * engines.patience, middle
