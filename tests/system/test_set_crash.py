# SPDX-License-Identifier: Apache-2.0
"""pila set and kill -9: whenever it hits the daemon, the container is what its record says, and its connections live."""
import json
import random
import re
import threading
import time
from pathlib import Path

import pytest
from conftest import loaded
from lib import engines, truth
from lib.engines import wait_until
from lib.live_edit import Pila, Talk, answers, bound, echo, refused, settings
from test_set import check_everything, everything

pytestmark = pytest.mark.only_pila("an endpoint and a verb of pila's own")


def test_a_killed_daemon_has_it_all(fresh, tmp_path):
    engine = loaded(fresh(), "busybox")
    pila = Pila(engine)
    everything(pila, tmp_path)
    wait_until(lambda: answers(18081), "it answers")
    talk = Talk(18081)
    before = settings(pila.inspect())
    engine.kill()
    assert talk.still_there()
    engine.start()
    assert settings(pila.inspect()) == before
    check_everything(pila)
    assert talk.still_there()
    pila.set("--publish-rm", "18081:81", "--unmount", "/data", "--network-rm", "extra", "web")
    assert refused(18081) and talk.still_there()
    pila.docker("volume", "rm", "data")


def agrees_with_its_record(pila):
    """Ports, mounts and networks are what inspect says, no more and no less."""
    now = pila.inspect()
    published = {int(port["HostPort"]) for ports in now["NetworkSettings"]["Ports"].values() for port in ports or []}
    for port in (18080, 18081):
        assert answers(port) == (port in published), (port, published)
        assert bound(port) == (port not in published)
    mounted = {mount["Destination"] for mount in now["Mounts"]} | set(now["HostConfig"].get("Tmpfs") or {})
    lines = [line.split()[4] for line in pila.inside("cat /proc/self/mountinfo").splitlines()]
    for path in ("/data", "/gone", "/scratch"):
        assert lines.count(path) == (path in mounted), (path, lines, mounted)
    assert int(pila.inside("ls /sys/class/net | grep -c eth || true")) == len(now["NetworkSettings"]["Networks"])


def test_a_daemon_that_is_killed_at_any_moment(fresh):
    engine = loaded(fresh(), "busybox")
    pila = Pila(engine)
    pila.docker("network", "create", "extra")
    pila.docker("run", "-d", "--name", "web", "-p", "18080:80", "-v", "gone:/gone", "busybox", "sh", "-c", echo)
    wait_until(lambda: answers(18080), "it answers")
    talk = Talk(18080)
    chance = random.Random(11)
    there = {"PortBindings": {"81/tcp": [{"HostPort": "18081"}]}, "RemovePortBindings": {"80/tcp": None}, "Binds": ["data:/data"],
             "RemoveMounts": ["/gone"], "Networks": {"extra": None}, "PidsLimit": 80, "Tmpfs": {"/scratch": ""}}
    back = {"PortBindings": {"80/tcp": [{"HostPort": "18080"}]}, "RemovePortBindings": {"81/tcp": None}, "Binds": ["gone:/gone"],
            "RemoveMounts": ["/data", "/scratch"], "RemoveNetworks": ["extra"], "PidsLimit": 90}

    def change():
        is_there = "18081" in json.dumps(pila.inspect()["HostConfig"]["PortBindings"])
        try:
            answer = pila.post("web", back if is_there else there)
            assert answer.status == 200, answer
        except (OSError, ValueError):
            pass  # killed

    for _ in range(20):
        thread = threading.Thread(target=change)
        thread.start()
        time.sleep(chance.uniform(0.002, 0.035))
        engine.kill()
        thread.join()
        engine.start()
        assert talk.still_there()
        agrees_with_its_record(pila)
    change()
    agrees_with_its_record(pila)
    truth.is_whole(engine, 15)


def test_a_port_that_moves_while_the_daemon_is_killed(fresh):
    """By the kernel's rule (IPv4) and by the shim's relay (IPv6) it leads where the record says."""
    engine = loaded(fresh(), "busybox")
    pila = Pila(engine)
    pila.docker("run", "-d", "--name", "web", "-p", "18080:80", "busybox", "sh", "-c", "nc -ll -p 80 -e cat & exec nc -ll -p 81 -e echo other")
    wait_until(lambda: answers(18080), "it answers")
    talks = Talk(18080), Talk(18080, "::1")
    chance = random.Random(12)

    def move():
        there = "80/tcp" in pila.inspect()["HostConfig"]["PortBindings"]
        former, new = ("80/tcp", "81/tcp") if there else ("81/tcp", "80/tcp")
        try:
            pila.post("web", {"PortBindings": {new: [{"HostPort": "18080"}]}, "RemovePortBindings": {former: None}})
        except (OSError, ValueError):
            pass  # killed

    for _ in range(20):
        thread = threading.Thread(target=move)
        thread.start()
        time.sleep(chance.uniform(0.002, 0.02))
        engine.kill()
        thread.join()
        engine.start()
        at_80 = "80/tcp" in pila.inspect()["HostConfig"]["PortBindings"]
        assert answers(18080) == answers(18080, "::1") == at_80
        assert all(talk.still_there() for talk in talks) and not bound(18080)
    truth.is_whole(engine, 15)


places = re.findall(r'PILA_(?:FAIL|CRASH)POINT\("(engine\.set\.[^"]+)"\)', (engines.top / "src/engine/live_edit.cpp").read_text())


@pytest.mark.failpoints
@pytest.mark.parametrize("how", ["crash", "error"])
@pytest.mark.parametrize("place", places)
def test_a_daemon_that_dies_in_the_middle(fresh, tmp_path, place, how):
    """Afterwards the container is what its record says, all of it before or all of it after."""
    terms = tmp_path / "terms"
    terms.write_text("")
    engine = loaded(fresh(environment={"PILA_FAILPOINTS": f"@{terms}"}), "busybox")
    pila = Pila(engine)
    pila.docker("network", "create", "extra")
    pila.docker("network", "create", "left")
    pila.docker("run", "-d", "--name", "web", "-p", "18080:80", "-v", "gone:/gone", "--pids-limit", "90", "--network", "left", "busybox",
                "sh", "-c", echo)
    wait_until(lambda: answers(18080), "it answers")
    talk = Talk(18080)
    before = settings(pila.inspect())
    terms.write_text(f"{place}=1*{how}")
    engine.kill()
    engine.start()  # each process reads the file once
    change = {"PortBindings": {"81/tcp": [{"HostPort": "18081"}]}, "RemovePortBindings": {"80/tcp": None}, "Binds": ["data:/data"],
              "RemoveMounts": ["/gone"], "Networks": {"extra": None}, "PidsLimit": 80, "Tmpfs": {"/scratch": ""}}
    try:
        answer = pila.post("web", change)
        assert how == "error"
    except (OSError, ValueError):
        assert how == "crash"
    terms.write_text("")
    is_new = place in ("engine.set.after-store", "engine.set.finished")
    if how == "crash":
        engine.process.wait(10)
        engine.start()
    else:
        assert (answer.status == 200) == is_new, answer
    assert talk.still_there()
    now = pila.inspect()
    if not is_new:
        for part in before:
            assert now[part] == before[part], part
    assert answers(18081) == is_new and answers(18080) == (not is_new)
    assert bound(18080 if is_new else 18081)
    for path, there in (("/data", is_new), ("/scratch", is_new), ("/gone", not is_new)):
        assert pila.is_mounted(path) == there, path
    assert ("extra" in now["NetworkSettings"]["Networks"]) == is_new
    assert pila.inside("ls /sys/class/net | grep -c eth") == ("2" if is_new else "1")
    if Path("/sys/fs/cgroup/pids").is_dir():
        assert pila.inside("cat /sys/fs/cgroup/pids/pids.max") == ("80" if is_new else "90")
    if not is_new:
        answer = pila.post("web", change)
        assert answer.status == 200, answer
    assert answers(18081) and pila.is_mounted("/data") and talk.still_there()
    truth.is_whole(engine, 15)
