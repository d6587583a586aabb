# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the daemon: containers run on, ports answer, logs continue, exit codes that fell in between are known."""
import os
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from conftest import against, client_of, loaded
from lib import api, leaks, truth
from lib.engines import wait_until

pytestmark = pytest.mark.slice1


@pytest.fixture
def crashing(fresh):
    engine = loaded(fresh(), "busybox", "hello")
    return engine, client_of(engine)


def again(engine):
    engine.kill()
    engine.start()


def test_a_running_container_runs_on(crashing):
    engine, docker = crashing
    docker("run", "-d", "--name", "runs", "busybox", "sleep", "1000")
    before = docker.inspect("runs")
    again(engine)
    after = docker.inspect("runs")
    assert after["State"] == before["State"]
    assert after["Id"] == before["Id"] and after["HostConfig"] == before["HostConfig"] and after["Config"] == before["Config"]
    assert docker("exec", "runs", "echo", "alive") == "alive"
    docker("stop", "-t", "0", "runs")
    assert docker.inspect("runs")["State"]["ExitCode"] == 137


@pytest.mark.parametrize("down", [False, True])
def test_the_exit_code_is_known(crashing, down):
    """down: it ends while no daemon runs."""
    engine, docker = crashing
    docker("run", "-d", "--name", "ends", "busybox", "sh", "-c", "sleep 1; exit 23")
    engine.kill()
    if down:
        time.sleep(1.5)
    engine.start()
    wait_until(lambda: docker.inspect("ends")["State"]["Status"] == "exited", "the container has ended")
    assert docker.inspect("ends")["State"]["ExitCode"] == 23
    finished = docker.inspect("ends")["State"]["FinishedAt"]
    started = docker.inspect("ends")["State"]["StartedAt"]
    assert finished > started


def test_wait_across_a_restart(crashing):
    engine, docker = crashing
    docker("run", "-d", "--name", "waited", "busybox", "sh", "-c", "sleep 2; exit 9")
    again(engine)
    assert docker("wait", "waited") == "9"


def test_logs_have_no_gap(crashing):
    engine, docker = crashing
    docker("run", "-d", "--name", "talks", "busybox", "sh", "-c", "i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo $i; sleep 0.05; done")
    time.sleep(0.5)
    engine.kill()
    time.sleep(0.5)
    engine.start()
    wait_until(lambda: not docker.inspect("talks")["State"]["Running"], "the container has ended")
    assert docker("logs", "talks").split() == [str(number) for number in range(1, 41)]


@pytest.mark.only_pila("dockerd's proxy on the loopback ends with it")
def test_a_published_port_answers_all_the_time(crashing):
    engine, docker = crashing
    docker("run", "-d", "--name", "web", "-p", "18080:80", "busybox", "httpd", "-f", "-h", "/var/www")
    wait_until(lambda: fetch() == b"page of pila\n", "the server answers")
    failures, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            if fetch() != b"page of pila\n":
                failures.append(time.monotonic())
            time.sleep(0.01)
    asker = threading.Thread(target=ask, daemon=True)
    asker.start()
    try:
        for _ in range(2):
            again(engine)
            time.sleep(0.2)
    finally:
        stop.set()
        asker.join()
    assert failures == []
    assert "18080" in docker("port", "web")


def fetch(host="127.0.0.1", port=18080):
    return fetch_path(port, "/", host)


def fetch_path(port, path, host="127.0.0.1"):
    import http.client
    connection = http.client.HTTPConnection(host, port, timeout=3)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    except OSError:
        return None
    finally:
        connection.close()


def test_the_port_is_still_taken_and_freed_in_the_end(crashing):
    engine, docker = crashing
    docker("run", "-d", "--name", "web", "-p", "18080:80", "busybox", "httpd", "-f", "-h", "/var/www")
    again(engine)
    refused = docker.run("run", "--rm", "-p", "18080:80", "busybox", "true", check=False)
    assert refused.returncode == 125
    docker("rm", "-f", "web")
    docker("run", "-d", "--name", "next", "-p", "18080:80", "busybox", "httpd", "-f", "-h", "/var/www")
    wait_until(lambda: fetch() == b"page of pila\n", "the new server answers")


@pytest.mark.slice3
def test_names_are_found_after_a_restart(crashing):
    engine, docker = crashing
    docker("network", "create", "net")
    docker("run", "-d", "--name", "server", "--network", "net", "busybox", "httpd", "-f", "-h", "/var/www")
    docker("run", "-d", "--name", "asker", "--network", "net", "busybox", "sleep", "1000")
    wait_until(lambda: "page" in docker("exec", "asker", "wget", "-q", "-O", "-", "http://server/", check=False), "the name leads there")
    again(engine)
    wait_until(lambda: "page" in docker("exec", "asker", "wget", "-q", "-O", "-", "http://server/", check=False), "the name still does")


def test_everything_is_still_there(crashing):
    """Containers in every state, images, names, networks: the same lists before and after."""
    engine, docker = crashing
    docker("network", "create", "--label", "a=b", "kept")
    docker("create", "--name", "created", "busybox")
    docker("run", "--name", "ended", "busybox", "sh", "-c", "exit 3", check=False)
    docker("run", "-d", "--name", "running", "busybox", "sleep", "1000")
    docker("run", "-d", "--name", "paused", "busybox", "sleep", "1000")
    docker("pause", "paused")
    docker("commit", "ended", "made/here")
    before = everything(engine)
    again(engine)
    assert everything(engine) == before
    docker("unpause", "paused")
    docker("exec", "paused", "true")


def everything(engine):
    def of(target, *members):
        return sorted(([(member, item.get(member)) for member in members] for item in engine.api("GET", target).json()), key=str)
    return (of("/containers/json?all=1", "Id", "Names", "Image", "State", "Created", "Labels"),
            of("/images/json", "Id", "RepoTags", "Size"), of("/networks", "Id", "Name", "Driver", "Labels"))


@pytest.mark.skipif(against == "docker", reason="dockerd 20.10 leaves half-made containers behind")
@pytest.mark.slow
def test_killed_at_random_moments_under_load(crashing):
    """Create, start and remove while the daemon is killed again and again: what was acknowledged holds, nothing is left."""
    engine, docker = crashing
    rng = random.Random(4)
    acknowledged, stop = {}, threading.Event()

    def work(worker):
        number = 0
        while not stop.is_set():
            number += 1
            name = f"w{worker}n{number}"
            try:
                created = api.request(engine.socket, "POST", f"/containers/create?name={name}",
                                      {"Image": "busybox", "Cmd": ["sleep", "1000"], "HostConfig": {"NetworkMode": "none"}}, timeout=20)
                if created.status != 201:
                    continue
                acknowledged[name] = ("created", created.json()["Id"])
                if api.request(engine.socket, "POST", f"/containers/{name}/start", timeout=20).status == 204:
                    acknowledged[name] = ("running", created.json()["Id"])
                if number % 2 == 0:
                    acknowledged[name] = ("either", created.json()["Id"])
                    if api.request(engine.socket, "DELETE", f"/containers/{name}?force=1", timeout=20).status == 204:
                        acknowledged[name] = ("gone", created.json()["Id"])
            except (OSError, ValueError):  # the daemon was killed in the middle of an answer
                time.sleep(0.02)
    workers = [threading.Thread(target=work, args=(worker,), daemon=True) for worker in range(3)]
    for worker in workers:
        worker.start()
    for _ in range(6):
        time.sleep(rng.uniform(0.05, 0.5))
        engine.kill()
        engine.start()
    stop.set()
    for worker in workers:
        worker.join()
    listed = {item["Names"][0][1:]: (item["State"], item["Id"]) for item in engine.api("GET", "/containers/json?all=1").json()}
    for name, (state, identity) in acknowledged.items():
        if state == "gone":
            assert name not in listed
        elif state != "either":
            assert listed[name][1] == identity
            assert state != "running" or listed[name][0] == "running", (name, listed[name])
    engine.remove_everything(("busybox:latest", "busybox:test", "pila/hello-world:latest"))
    assert engine.api("GET", "/containers/json?all=1").json() == []


def test_sigterm_leaves_containers_running(crashing):
    engine, docker = crashing
    docker("run", "-d", "--name", "stays", "busybox", "sleep", "1000")
    before = docker.inspect("stays")["State"]["Pid"]
    assert engine.stop() == 0
    engine.start()
    state = docker.inspect("stays")["State"]
    assert state["Running"] and state["Pid"] == before


@pytest.mark.only_pila("a flag of pila's")
def test_stop_containers_on_exit(fresh):
    engine = loaded(fresh(arguments=["--stop-containers-on-exit"]), "busybox")
    docker = client_of(engine)
    docker("run", "-d", "--name", "goes", "busybox", "sh", "-c", "trap 'exit 6' TERM; while :; do sleep 0.1; done")
    wait_until(lambda: docker("exec", "goes", "true", check=False) == "", "it runs")
    assert engine.stop() == 0
    engine.start()
    state = docker.inspect("goes")["State"]
    assert not state["Running"] and state["ExitCode"] == 6


def test_restart_policy_always_after_a_crash_of_the_container(crashing):
    _, docker = crashing
    docker("run", "-d", "--name", "phoenix", "--restart", "always", "busybox", "sh", "-c", "sleep 0.3; exit 1")
    wait_until(lambda: docker.inspect("phoenix")["RestartCount"] >= 2, "it was started again twice", 30)
    docker("stop", "-t", "0", "phoenix")
    assert not docker.inspect("phoenix")["State"]["Running"]


@pytest.mark.only_pila("Docker has none")
@pytest.mark.parametrize("killed", [("spawner",), ("spare",), ("spawner", "spare")], ids=" and ".join)
def test_killed_before_they_have_a_container(crashing, killed):
    engine, docker = crashing
    docker("run", "--rm", "busybox", "true")

    def waiting():
        lines = [(pid, line) for pid, _, line in truth.processes() if line[0] == "pila-runtime"]
        return {"spawner": [pid for pid, line in lines if line[1] == "spawner"],
                "spare": [pid for pid, line in lines if line[1] == "shim" and not line[2]]}

    def one_of_each():
        return all(len(pids) == 1 for pids in waiting().values())

    wait_until(one_of_each, "one of each waits")
    for kind, pids in waiting().items():
        if kind in killed:
            os.kill(pids[0], signal.SIGKILL)
    assert docker("run", "--rm", "busybox", "echo", "still") == "still"
    wait_until(one_of_each, "one of each waits again")
    wait_until(lambda: not any("zombie" in line for line in leaks.processes(engine)), "the dead are reaped")


@pytest.mark.only_pila("Docker's shim is containerd's")
@pytest.mark.parametrize("daemon", ["up", "down", "dies too"])
def test_a_killed_shim_takes_its_container_along(crashing, daemon):
    engine, docker = crashing
    groups = leaks.control_groups(engine)
    docker("run", "-d", "--name", "orphan", "-p", "8099:80", "busybox", "sh", "-c", "sleep 1001 & sleep 1002")
    pid = docker.inspect("orphan")["State"]["Pid"]
    shim = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    if daemon == "down":
        engine.stop()
    elif daemon == "dies too":
        os.kill(engine.pid, signal.SIGSTOP)
    os.kill(shim, signal.SIGKILL)
    if daemon == "dies too":
        engine.kill()
    if daemon != "up":
        engine.start()
    wait_until(lambda: docker.inspect("orphan")["State"]["Status"] == "exited", "its end is known")
    assert docker.inspect("orphan")["State"]["ExitCode"] != 0
    assert not any("sleep 1001" in line or "sleep 1002" in line for line in leaks.processes(engine))
    wait_until(lambda: leaks.control_groups(engine) - groups == Counter(), "its control groups are gone")
    docker("start", "orphan")  # the port is free again
    assert docker.inspect("orphan")["State"]["Running"]


@pytest.mark.only_pila("Docker's shim is containerd's")
@pytest.mark.parametrize("daemon", ["up", "down"])
def test_the_end_of_an_earlier_run_is_not_taken_for_this_one(crashing, daemon):
    engine, docker = crashing
    docker("create", "--name", "twice", "busybox", "sh", "-c", "[ -e /once ] && sleep 1000; touch /once; exit 23")
    docker("start", "twice")
    assert docker("wait", "twice") == "23"
    docker("start", "twice")
    pid = docker.inspect("twice")["State"]["Pid"]
    shim = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    confined = docker.inspect("twice")["AppArmorProfile"] not in ("", "unconfined")  # it forgets at exec with whose death it is to end
    if daemon == "down":
        engine.kill()
    os.kill(pid, signal.SIGSTOP)
    os.kill(shim, signal.SIGKILL)
    if daemon == "down" and confined:
        engine.start()
    wait_until(lambda: pid not in {one for one, _, _ in truth.processes()}, "it has ended with its shim")
    if daemon == "down" and not confined:
        engine.start()
    wait_until(lambda: docker.inspect("twice")["State"]["Status"] == "exited", "its end is known")
    assert docker.inspect("twice")["State"]["ExitCode"] in (137, 255)
