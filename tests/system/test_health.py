# SPDX-License-Identifier: Apache-2.0
"""Health checks and limits across restarts of the daemon."""
import json
import time
from pathlib import Path

import pytest

from lib.engines import wait_until

pytestmark = pytest.mark.only_pila("containers live on when the daemon is killed")


def state(engine, name):
    return engine.api("GET", f"/containers/{name}/json").json()["State"]


def create(engine, name, body):
    made = engine.api("POST", f"/containers/create?name={name}", {"Image": "busybox", "Cmd": ["sleep", "1000"], **body})
    assert made.status == 201, made
    assert engine.api("POST", f"/containers/{name}/start").status == 204
    return made.json()["Id"]


def test_probes_go_on_after_the_daemon_was_killed(engine):
    create(engine, "probed", {"Healthcheck": {"Test": ["CMD-SHELL", "test ! -e /sick"], "Interval": 300_000_000, "Retries": 1}})
    wait_until(lambda: state(engine, "probed")["Health"]["Status"] == "healthy", "healthy")
    engine.kill()
    engine.start()
    health = state(engine, "probed")["Health"]
    assert health["Status"] == "healthy", health
    wait_until(lambda: state(engine, "probed")["Health"]["Log"], "a probe by the new daemon")
    made = engine.api("POST", "/containers/probed/exec", {"Cmd": ["touch", "/sick"]}).json()["Id"]
    assert engine.api("POST", f"/exec/{made}/start", {"Detach": True}).status == 200
    wait_until(lambda: state(engine, "probed")["Health"]["Status"] == "unhealthy", "unhealthy")
    assert engine.api("DELETE", "/containers/probed?force=1").status == 204


def test_memory_kills_and_limits_after_the_daemon_was_killed(engine):
    limit = 20 << 20
    container = create(engine, "limited", {"Cmd": ["sh", "-c", "while [ ! -e /go ]; do sleep 0.1; done; tail -c 100m /dev/zero; exec sleep 1000"],
                                           "HostConfig": {"Memory": limit, "MemorySwap": limit}})
    engine.kill()
    engine.start()
    updated = engine.api("POST", "/containers/limited/update", {"CpuShares": 333})
    assert updated.status == 200, updated
    stats = engine.api("GET", "/containers/limited/stats?stream=0&one-shot=1").json()
    assert stats["memory_stats"]["limit"] == limit and stats["id"] == container
    assert not state(engine, "limited")["OOMKilled"]
    made = engine.api("POST", "/containers/limited/exec", {"Cmd": ["touch", "/go"]}).json()["Id"]
    engine.api("POST", f"/exec/{made}/start", {"Detach": True})
    wait_until(lambda: state(engine, "limited")["OOMKilled"], "the kill is told")
    assert state(engine, "limited")["Running"]
    assert engine.api("GET", "/containers/limited/json").json()["HostConfig"]["CpuShares"] == 333
    assert engine.api("DELETE", "/containers/limited?force=1").status == 204


@pytest.mark.ordinary_build("sanitizers have threads that wake up")
def test_watching_costs_no_threads_and_not_watching_nothing(engine):
    create(engine, "watched", {})
    threads = lambda: len(list(Path(f"/proc/{engine.pid}/task").iterdir()))  # noqa: E731
    engine.api("GET", "/containers/watched/stats?stream=0&one-shot=1")
    before = threads()
    import http.client
    import socket
    watchers = []
    for _ in range(20):
        client = socket.socket(socket.AF_UNIX)
        client.connect(engine.socket)
        client.sendall(b"GET /containers/watched/stats HTTP/1.1\r\nHost: d\r\n\r\n")
        answer = http.client.HTTPResponse(client)
        answer.begin()
        watchers.append((client, answer))
    for _, answer in watchers:
        first, second = (json.loads(answer.readline()) for _ in range(2))
        assert second["preread"] == first["read"]
    assert threads() <= before + 2, (before, threads())  # of the HTTP server's pool
    for client, answer in watchers:
        answer.close()
        client.close()
    switches = lambda: sum(int(line.split()[1]) for status in Path(f"/proc/{engine.pid}/task").glob("*/status")  # noqa: E731
                           for line in status.read_text().splitlines() if line.startswith("voluntary"))
    time.sleep(1.5)  # the last tick notices that everybody has gone
    seen = switches()
    time.sleep(3)
    assert switches() - seen < 6, "an idle daemon wakes up"  # three ticks would be nine, on three threads
    assert engine.api("DELETE", "/containers/watched?force=1").status == 204
