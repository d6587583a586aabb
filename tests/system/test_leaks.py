# SPDX-License-Identifier: Apache-2.0
"""After all that was made is removed, the machine is as it was: processes, mounts, namespaces, links, control groups,
rules, files of the run directory, descriptors of the daemon."""
import threading

import pytest
from conftest import base_images, client_of
from lib import api, leaks

pytestmark = pytest.mark.slice1


@pytest.fixture(scope="module")
def clean(engine):
    """The state after a first container of each kind: pools are filled, caches made."""
    docker = client_of(engine)
    for words in (("run", "--rm", "busybox", "true"), ("run", "--rm", "-p", "18080:80", "busybox", "true"),
                  ("run", "--rm", "--network", "none", "busybox", "true")):
        docker(*words)
    docker("network", "create", "warm")
    docker("run", "--name", "warm", "--network", "warm", "busybox", "true")
    docker("logs", "-f", "warm")
    docker("rm", "warm")
    docker("network", "rm", "warm")
    return leaks.steady(engine)


def nothing_left(engine, before):
    engine.remove_everything(base_images)
    assert leaks.settle(engine, before) == []


def test_after_runs(engine, clean, docker):
    for _ in range(5):
        docker("run", "--rm", "busybox", "true")
        docker("run", "--rm", "-p", "18080:80", "-v", "/tmp:/x", "busybox", "true")
    nothing_left(engine, clean)


def test_after_failed_starts(engine, clean, docker):
    docker("run", "--rm", "busybox", "nosuch", check=False)
    docker("run", "--rm", "-u", "nosuch", "busybox", "true", check=False)
    docker("run", "--rm", "--network", "nosuch", "busybox", "true", check=False)
    docker("run", "-d", "--name", "holder", "-p", "18080:80", "busybox", "sleep", "1000")
    docker("run", "--rm", "-p", "18080:80", "busybox", "true", check=False)
    docker("run", "--rm", "--device", "/dev/nosuch", "busybox", "true", check=False)
    nothing_left(engine, clean)


def test_after_execs_attaches_and_logs(engine, clean, docker):
    docker("run", "-d", "--name", "box", "busybox", "sleep", "1000")
    for _ in range(10):
        docker("exec", "box", "true")
        docker("exec", "box", "nosuch", check=False)
        docker("logs", "box")
        docker("top", "box")
        docker("stats", "--no-stream", "box")
    with docker.terminal("exec", "-it", "box", "sh") as terminal:
        terminal.expect("/ # ")  # ... and the client dies
    nothing_left(engine, clean)


def test_after_kill_of_the_client(engine, clean, docker):
    for _ in range(3):
        with docker.terminal("run", "-it", "busybox") as terminal:
            terminal.expect("/ # ")
    nothing_left(engine, clean)


@pytest.mark.slice3
def test_after_networks(engine, clean, docker):
    for number in range(3):
        docker("network", "create", f"n{number}")
        docker("run", "-d", "--network", f"n{number}", "--name", f"c{number}", "-p", f"1808{number}:80", "busybox", "sleep", "1000")
    docker("network", "connect", "n0", "c1")
    docker("network", "disconnect", "n0", "c1")
    nothing_left(engine, clean)


def test_after_images(engine, clean, docker):
    docker("run", "--name", "made", "busybox", "sh", "-c", "echo x > /x")
    docker("commit", "made", "made/image")
    docker("run", "--rm", "made/image", "cat", "/x")
    nothing_left(engine, clean)


def test_after_a_hundred_containers_by_four_clients(engine, clean):
    problems = []

    def work():
        for _ in range(25):
            made = api.request(engine.socket, "POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"]}).json().get("Id")
            for method, path, wanted in (("POST", "/start", 204), ("POST", "/wait", 200), ("DELETE", "", 204)):
                answer = api.request(engine.socket, method, f"/containers/{made}{path}")
                if answer.status != wanted:
                    problems.append((method, path, answer))
    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert problems == []
    nothing_left(engine, clean)
