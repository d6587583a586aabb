# SPDX-License-Identifier: Apache-2.0
"""pila set: everything of a container that runs, changed without its noticing (decision 067). Ports and mounts alone: test_set_ports, test_set_mounts."""
import json
import random
import threading
import time
from pathlib import Path

import pytest
from conftest import loaded
from lib import engines, leaks, truth
from lib.engines import wait_until
from lib.live_edit import Pila, Talk, answers, bound, echo, pila, refused, settings, web  # noqa: F401

pytestmark = pytest.mark.only_pila("an endpoint and a verb of pila's own")


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
