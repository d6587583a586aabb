# SPDX-License-Identifier: Apache-2.0
"""The wall clock is set while containers run: forward and back by hours. Durations stay what they are; times are the clock's."""
import re
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest
from conftest import client_of, loaded
from lib.engines import wait_until

pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("puts its own clock before the C library's")]


@pytest.fixture
def clocked(fresh, tmp_path):
    compiler = shutil.which("gcc") or shutil.which("cc")
    if not compiler:
        pytest.skip("needs a C compiler")
    library, offset = tmp_path / "clock.so", tmp_path / "offset"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, Path(__file__).with_name("clock.c")], check=True)
    offset.write_text("0")
    preload = str(library)
    for sanitizer in ("libasan.so", "libtsan.so"):  # must come first, where the daemon has one
        from lib.engines import Pila
        needed = subprocess.run(["ldd", Pila.program], capture_output=True, text=True).stdout
        found = re.search(rf"{sanitizer}\S* => (\S+)", needed)
        if found:
            preload = f"{found[1]}:{preload}"
    engine = loaded(fresh(environment={"LD_PRELOAD": preload, "PILA_TEST_CLOCK": str(offset)}), "busybox")

    def step(seconds):
        offset.write_text(str(seconds))
    assert abs(system_time(engine) - time.time()) < 5
    return engine, client_of(engine), step


def system_time(engine):
    text = engine.api("GET", "/info").json()["SystemTime"]
    import datetime
    return datetime.datetime.fromisoformat(text[:19] + "+00:00").timestamp()


hours = 3600
both_ways = pytest.mark.parametrize("seconds", [-30 * hours, 30 * hours])


@both_ways
def test_health_checks_go_on(clocked, seconds):
    engine, docker, step = clocked
    docker("run", "-d", "--name", "checked", "--health-cmd", "true", "--health-interval", "300ms", "--health-start-period", "1h", "busybox",
           "sleep", "1000")
    wait_until(lambda: docker.inspect("checked")["State"]["Health"]["Status"] == "healthy", "it is healthy")
    step(seconds)
    assert abs(system_time(engine) - time.time() - seconds) < 60

    def last():
        return docker.inspect("checked")["State"]["Health"]["Log"][-1]["Start"]
    before = last()
    wait_until(lambda: last() != before, "another probe", 5)
    assert docker.inspect("checked")["State"]["Health"]["Status"] == "healthy"


@both_ways
def test_a_start_period_is_as_long_as_it_says(clocked, seconds):
    _, docker, step = clocked
    docker("run", "-d", "--name", "slow", "--health-cmd", "false", "--health-interval", "100ms", "--health-retries", "1",
           "--health-start-period", "3s", "busybox", "sleep", "1000")
    began = time.monotonic()
    step(seconds)
    wait_until(lambda: docker.inspect("slow")["State"]["Health"]["Status"] == "unhealthy", "the period ends", 20)
    assert time.monotonic() - began > 2.5


@both_ways
def test_a_stop_waits_as_long_as_it_says(clocked, seconds):
    _, docker, step = clocked
    docker("run", "-d", "--name", "deaf", "busybox", "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done")
    stepper = threading.Timer(0.7, step, (seconds,))
    stepper.start()
    began = time.monotonic()
    docker("stop", "-t", "2", "deaf")
    assert 2 <= time.monotonic() - began < 5
    stepper.join()


@both_ways
def test_restarts_keep_their_pace(clocked, seconds):
    """Back-off grows: 0.1 s, 0.2 s, ...; a step may neither start it anew nor make anybody wait."""
    _, docker, step = clocked
    docker("run", "-d", "--name", "fails", "--restart", "always", "busybox", "false")
    wait_until(lambda: docker.inspect("fails")["RestartCount"] >= 3, "it was started three times", 10)
    step(seconds)
    seen = docker.inspect("fails")["RestartCount"]
    wait_until(lambda: docker.inspect("fails")["RestartCount"] > seen, "it goes on", 10)
    assert docker.inspect("fails")["RestartCount"] >= seen + 1
    docker("rm", "-f", "fails")


@both_ways
def test_what_people_read_is_no_nonsense(clocked, seconds):
    engine, docker, step = clocked
    docker("run", "-d", "--name", "runs", "busybox", "sleep", "1000")
    docker("run", "--name", "ended", "busybox", "true")
    step(seconds)
    for name in ("runs", "ended"):
        status = docker("ps", "-a", "--filter", f"name={name}", "--format", "{{.Status}}")
        assert "-" not in status and re.match(r"Up |Exited \(0\) ", status), status
    docker("run", "--name", "later", "busybox", "echo", "said")
    assert docker("logs", "later") == "said" and docker("logs", "--tail", "1", "later") == "said"
    engine.kill()
    engine.start()
    assert docker.inspect("runs")["State"]["Running"]
    assert "-" not in docker("ps", "--format", "{{.Status}}")


@both_ways
def test_events_come_as_they_happen(clocked, seconds):
    engine, docker, step = clocked
    docker("run", "--name", "before", "busybox", "true")
    step(seconds)
    new, all_of_them = Follower(docker), Follower(docker, "--since", "0")
    time.sleep(1)  # for the clients to ask
    docker("run", "--name", "after", "busybox", "true")
    told = all_of_them.until("die after\n")
    assert told.index("die before\n") < told.index("create after\n")
    assert not [line for line in new.until("die after\n") if "before" in line], "a follower was told of the past"


class Follower:
    def __init__(self, docker, *more):
        self.process = subprocess.Popen([docker.program, "events", "--format", "{{.Action}} {{.Actor.Attributes.name}}", *more],
                                        env=docker.environment, stdout=subprocess.PIPE, text=True)
        self.lines = []
        threading.Thread(target=lambda: self.lines.extend(iter(self.process.stdout.readline, "")), daemon=True).start()

    def until(self, line):
        wait_until(lambda: line in self.lines, f"{line!r} is told")
        self.process.kill()
        self.process.wait()
        return self.lines
