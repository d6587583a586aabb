# SPDX-License-Identifier: Apache-2.0
"""Ten minutes (PILA_SOAK_SECONDS; 45 s in the ordinary run) of eight clients and a killer of processes (lib/soak.py): no wrong
answer, nothing acknowledged is lost, and afterwards the machine, the data directory and the store are as before."""
import os
import random
import shutil
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from conftest import base_images, client_of, loaded
from lib import engines, leaks, soak, truth

pytestmark = [pytest.mark.only_pila("kills pila's processes by name"), pytest.mark.slow]
seconds = int(os.environ.get("PILA_SOAK_SECONDS", "45"))
seed = int(os.environ.get("PILA_SOAK_SEED") or random.randrange(1 << 31))
most_growth = 24 << 20  # of the daemon's memory over a quiet minute's work; sanitizers are not held to it


def data_files(engine):
    """Below the data directory, by kind: what an identity names is counted, the rest told by name."""
    found = Counter()
    for path in engine.data.rglob("*"):
        parts = path.relative_to(engine.data).parts
        if parts[0].startswith("node.db") or parts[-1] == "unsynced":  # a mark until the layer has reached the disk
            continue
        if parts[0] == "layers" or parts[0] == "blobs":
            found["/".join(parts[:3])] += len(parts) <= 3
        else:
            found["/".join(parts)] += 1
    return +found


def resident(engine):
    return next(int(line.split()[1]) << 10 for line in Path(f"/proc/{engine.pid}/status").read_text().splitlines() if line.startswith("VmRSS"))


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


def settle(engine, threads):
    """Who follows or awaits a shared container that another client has paused would do so for ever."""
    deadline = time.monotonic() + soak.request_seconds + 30
    while any(thread.is_alive() for thread in threads) and time.monotonic() < deadline:
        for name in soak.shared_names:
            engine.api("DELETE", f"/containers/{name}?force=1&v=1")
        time.sleep(0.5)


def work(engine, journal, seconds, kinds, earlier=()):
    stop = threading.Event()
    workers = [soak.Worker(number, engine, journal, seed, stop) for number in range(8)]
    for worker, before in zip(workers, earlier):
        worker.made, worker.written, worker.leftover = before.made, before.written, before.leftover
    watcher = soak.Watcher(engine, journal, stop)
    for thread in (*workers, watcher):
        thread.start()
    try:
        soak.Killer(engine, journal, seed, kinds).run(seconds)
    finally:
        stop.set()
        settle(engine, (*workers, watcher))
        shutil.copy(engine.log_path, journal.path.with_suffix(".daemon.log"))
    assert [thread.name for thread in workers if thread.is_alive()] == []
    assert journal.problems == [], f"seed {seed}, log {journal.path}"
    truth.is_whole(engine)
    return workers


def test_soak(fresh, tmp_path):
    engine = loaded(fresh(), "busybox", "hello")
    engine.stop()
    keys = check_store(engine, tmp_path)
    engine.start()
    warm(engine, tmp_path)
    clean, files = leaks.steady(engine), data_files(engine)

    directory = engines.build / "soak"
    directory.mkdir(exist_ok=True)
    journal = soak.Journal(directory / f"{seed}.log")
    print(f"seed {seed}, log {journal.path}")
    everything = ("daemon", "shim", "spare", "spawner", "helper", "main")
    workers = work(engine, journal, seconds, everything)
    before = picture(engine)
    assert engine.stop() == 0
    check_store(engine, tmp_path)
    engine.start()
    assert picture(engine) == before
    truth.is_whole(engine)
    # The last daemon lives on, so that what it keeps after others were killed is seen.
    workers = work(engine, journal, max(10, seconds // 6), everything[1:], workers)
    print(dict(sorted(journal.counts.items())))
    docker = client_of(engine)
    for worker in workers:
        lost = set(worker.written) - set(volume_text(docker, worker))
        assert not lost, f"{worker.name}-data lost {sorted(lost)}"

    engine.remove_everything(base_images)
    warm(engine, tmp_path)
    more = leaks.settle(engine, clean, 30)
    if more:
        machine = [subprocess.run(words, capture_output=True, text=True).stdout for words in (
            ("ip", "-d", "-o", "link"), ("ip", "addr"), ("nft", "list", "ruleset"), ("ps", "-efww"))]
        journal.path.with_suffix(".machine.log").write_text("\n".join(machine))
    assert more == [], f"seed {seed}, log {journal.path}"
    check_files(engine, files)
    check_memory(engine, docker)
    assert engine.stop() == 0
    assert [key for key in check_store(engine, tmp_path) if key not in keys] == []
    engine.start()


def volume_text(docker, worker):
    if not worker.written:
        return []
    return docker("run", "--rm", "-v", f"{worker.name}-data:/data", "busybox", "cat", "/data/log").split()


def check_files(engine, before, patience=10):
    deadline = time.monotonic() + patience  # what was removed is deleted in the background
    while data_files(engine) != before and time.monotonic() < deadline:
        time.sleep(0.2)
    now = data_files(engine)
    assert (sorted((now - before).elements()), sorted((before - now).elements())) == ([], [])


def check_memory(engine, docker):
    if "ASAN_OPTIONS" in os.environ or "TSAN_OPTIONS" in os.environ:  # they keep what was freed
        return
    for _ in range(20):
        docker("run", "--rm", "busybox", "true")
    begin, until = resident(engine), time.monotonic() + min(seconds, 60) / 4
    while time.monotonic() < until:
        docker("run", "--rm", "busybox", "true")
    assert resident(engine) - begin < most_growth
