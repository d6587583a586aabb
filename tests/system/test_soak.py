# SPDX-License-Identifier: Apache-2.0
"""Ten minutes (PILA_SOAK_SECONDS; 45 s in the ordinary run) of eight clients and a killer of processes (lib/soak.py): no wrong
answer, nothing acknowledged is lost, and afterwards the machine, the data directory and the store are as before."""
import os
import random
import shutil
import sqlite3
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from conftest import base_images, client_of, loaded
from lib import engines, leaks, soak
from lib.engines import wait_until

pytestmark = [pytest.mark.only_pila("kills pila's processes by name"), pytest.mark.slow]
seconds = int(os.environ.get("PILA_SOAK_SECONDS", "45"))
seed = int(os.environ.get("PILA_SOAK_SEED") or random.randrange(1 << 31))
most_growth = 24 << 20  # of the daemon's memory over a quiet minute's work; sanitizers are not held to it


def data_files(engine):
    """Below the data directory, by kind: what an identity names is counted, the rest told by name."""
    found = Counter()
    for path in engine.data.rglob("*"):
        parts = path.relative_to(engine.data).parts
        if parts[0].startswith("node.db"):
            continue
        if parts[0] == "layers" or parts[0] == "blobs":
            found["/".join(parts[:3])] += len(parts) <= 3
        else:
            found["/".join(parts)] += 1
    return +found


def resident(engine):
    return next(int(line.split()[1]) << 10 for line in Path(f"/proc/{engine.pid}/status").read_text().splitlines() if line.startswith("VmRSS"))


def whole(engine):
    """The record of each container is true, each shim has a container, and the store is sound."""
    listed = engine.api("GET", "/containers/json?all=1").json()
    wrong, alive = [], set()
    for one in listed:
        answer = engine.api("GET", f"/containers/{one['Id']}/json?size=1")
        if answer.status != 200:
            wrong.append(f"inspect {one['Names']}: {answer}")
            continue
        state = answer.json()["State"]
        if state["Running"]:
            alive.add(one["Id"])
            if not os.path.exists(f"/proc/{state['Pid']}"):
                wrong.append(f"{one['Names']} is said to run as {state['Pid']}")
        elif state["Pid"]:
            wrong.append(f"{one['Names']} is {state['Status']} and has the process {state['Pid']}")
    there = {identity for _, identity in soak.shims()}
    if there != alive:
        wrong.append(f"shims without container: {there - alive}; containers without shim: {alive - there}")
    return wrong


def is_whole(engine, seconds=30):
    """Containers that come and go by their restart policy may be met in the middle of it: hence more than one look."""
    deadline = time.monotonic() + seconds
    while wrong := whole(engine):
        assert time.monotonic() < deadline, wrong
        time.sleep(0.2)


def check_store(engine, tmp_path):
    for file in engine.data.glob("node.db*"):
        shutil.copy(file, tmp_path)
    with sqlite3.connect(tmp_path / "node.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return sorted(key if isinstance(key, str) else key.decode() for key, in database.execute("SELECT key FROM kv"))


def picture(engine):
    containers = sorted((one["Id"], one["Names"], one["State"]) for one in engine.api("GET", "/containers/json?all=1").json()
                        if "phoenix" not in str(one["Names"]) and "shared" not in str(one["Names"]))
    images = sorted((one["Id"], sorted(one["RepoTags"] or [])) for one in engine.api("GET", "/images/json").json())
    networks = sorted(one["Name"] for one in engine.api("GET", "/networks").json())
    volumes = sorted(one["Name"] for one in engine.api("GET", "/volumes").json()["Volumes"] or [])
    return containers, images, networks, volumes


def warm(engine, tmp_path):
    """Each kind of work once: pools are filled, caches made."""
    journal = soak.Journal(tmp_path / "warm.log")
    worker = soak.Worker(99, engine, journal, 0, threading.Event())
    for story, _ in worker.stories:
        story()
    engine.remove_everything(base_images)
    assert journal.problems == []


def test_soak(fresh, tmp_path):
    engine = loaded(fresh(), "busybox", "hello")
    warm(engine, tmp_path)
    engine.stop()
    keys = check_store(engine, tmp_path)
    engine.start()
    docker = client_of(engine)
    docker("run", "--rm", "busybox", "true")
    clean, files = leaks.snapshot(engine), data_files(engine)

    directory = engines.build / "soak"
    directory.mkdir(exist_ok=True)
    journal = soak.Journal(directory / f"{seed}.log")
    print(f"seed {seed}, log {journal.path}")
    stop = threading.Event()
    workers = [soak.Worker(number, engine, journal, seed, stop) for number in range(8)]
    watcher = soak.Watcher(engine, journal, stop)
    for thread in (*workers, watcher):
        thread.start()
    try:
        soak.Killer(engine, journal, seed).run(seconds)
    finally:
        stop.set()
        for thread in (*workers, watcher):
            thread.join(soak.request_seconds + 30)
        shutil.copy(engine.log_path, directory / f"{seed}.daemon.log")
    print(dict(sorted(journal.counts.items())))
    assert [thread.name for thread in workers if thread.is_alive()] == []
    assert journal.problems == [], f"seed {seed}, log {journal.path}"

    is_whole(engine)
    before = picture(engine)
    assert engine.stop() == 0
    check_store(engine, tmp_path)
    engine.start()
    assert picture(engine) == before
    is_whole(engine)
    for worker in workers:
        lost = set(worker.written) - set(volume_text(docker, worker))
        assert not lost, f"{worker.name}-data lost {sorted(lost)}"
    after(engine, docker, clean, files)
    assert engine.stop() == 0
    more = [key for key in check_store(engine, tmp_path) if key not in keys]
    assert more == []
    shutil.copy(engine.log_path, directory / f"{seed}.daemon.log")
    engine.start()


def volume_text(docker, worker):
    if not worker.written:
        return []
    return docker("run", "--rm", "-v", f"{worker.name}-data:/data", "busybox", "cat", "/data/log").split()


def after(engine, docker, clean, files):
    engine.remove_everything(base_images)
    assert leaks.settle(engine, clean, 30) == []
    wait_until(lambda: data_files(engine) - files == Counter() or None, "the data directory is as before",
               10) if data_files(engine) != files else None
    assert sorted((data_files(engine) - files).elements()) == []
    assert sorted((files - data_files(engine)).elements()) == []
    if "PILA_FAILPOINT_BUILD" in os.environ or "TSAN_OPTIONS" in os.environ:
        return
    for _ in range(20):
        docker("run", "--rm", "busybox", "true")
    begin = resident(engine)
    until = time.monotonic() + min(seconds, 60) / 3
    while time.monotonic() < until:
        docker("run", "--rm", "busybox", "true")
    assert resident(engine) - begin < most_growth
