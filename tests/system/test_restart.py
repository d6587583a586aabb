# SPDX-License-Identifier: Apache-2.0
"""Restart policies over restarts of the daemon, stops by hand, and long runs."""
import pytest
from conftest import client_of, loaded
from lib.engines import wait_until

pytestmark = pytest.mark.slice5
policies = ("no", "always", "unless-stopped", "on-failure")


def states(docker):
    return {name: docker.inspect(name)["State"]["Status"] for name in policies}


def test_containers_stopped_by_hand(fresh):
    """Docker's rule: `always` comes back with the daemon, `unless-stopped` does not."""
    engine = loaded(fresh(), "busybox")
    docker = client_of(engine)
    for policy in policies:
        docker("run", "-d", "--name", policy, "--restart", policy, "busybox", "sleep", "10000")
    docker("stop", "-t", "0", *policies)
    assert set(states(docker).values()) == {"exited"}
    engine.stop()
    engine.start()
    wait_until(lambda: states(docker)["always"] == "running", "the one that always runs")
    assert states(docker) == {"no": "exited", "always": "running", "unless-stopped": "exited", "on-failure": "exited"}


def test_containers_that_ran_run_on(fresh):
    engine = loaded(fresh(), "busybox")
    docker = client_of(engine)
    for policy in policies:
        docker("run", "-d", "--name", policy, "--restart", policy, "busybox", "sleep", "10000")
    before = {name: docker.inspect(name)["State"]["Pid"] for name in policies}
    engine.stop()
    engine.start()
    assert {name: docker.inspect(name)["State"]["Pid"] for name in policies} == before
    assert all(docker.inspect(name)["RestartCount"] == 0 for name in policies)


def test_the_pauses_between_restarts_grow(fresh):
    engine = loaded(fresh(), "busybox")
    docker = client_of(engine)
    docker("run", "-d", "--name", "fails", "--restart", "on-failure:4", "busybox", "sh", "-c", "cut -d' ' -f1 /proc/uptime; exit 1")
    wait_until(lambda: docker.inspect("fails")["State"]["Status"] == "exited", "it has given up", 30)
    times = [float(line) for line in docker("logs", "fails").split()]
    pauses = [later - sooner for sooner, later in zip(times, times[1:])]
    assert len(times) == 5 and docker.inspect("fails")["RestartCount"] == 4
    tick = 0.011  # of /proc/uptime, and what a float makes of it
    assert pauses[0] >= 0.1 - tick and pauses[3] >= 0.8 - tick and pauses[3] > pauses[0], pauses


@pytest.mark.slow
def test_the_count_goes_on_after_a_long_run(fresh):
    engine = loaded(fresh(), "busybox")
    docker = client_of(engine)
    docker("run", "-d", "--name", "long", "--restart", "on-failure:2", "busybox", "sh", "-c", "sleep 10.5; exit 1")
    wait_until(lambda: docker.inspect("long")["State"]["Status"] == "exited", "it has given up", 60)
    assert docker.inspect("long")["RestartCount"] == 2
