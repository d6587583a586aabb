# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the control plane amid concurrent writes: what was acknowledged is there as it was, nothing is there by half, revisions
only grow; and many clients at one object never lose a change."""
import http.client
import json
import os
import random
import subprocess
import threading
import time

import pytest
from lib.cluster import ControlPlane, control_plane, maps, merge_patch
from lib.engines import wait_until

pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("dockerd has no such API")]


@pytest.fixture
def plane():
    with control_plane() as made:
        yield made


class Writer(threading.Thread):
    """Creates, changes and removes objects of its own until the server is gone; `sure` is what was acknowledged last of each, and
    `open` the one whose answer never came."""

    def __init__(self, plane, name, seed):
        super().__init__()
        self.plane, self.label, self.choice = plane, name, random.Random(seed)
        self.sure, self.open, self.count = {}, None, 0
        self.connection = plane.connect()
        self.connection.connect()

    def call(self, method, name, body=None):
        path = maps if method == "POST" else f"{maps}/{name}"
        return self.plane.request(method, path, body, connection=self.connection)

    def run(self):
        try:
            while True:
                self.one()
        except (OSError, http.client.HTTPException):
            pass

    def one(self):
        self.count += 1
        known = [name for name, state in self.sure.items() if state]
        action = self.choice.choice(["create", "create", "change", "remove"]) if known else "create"
        name = f"{self.label}-{self.count}" if action == "create" else self.choice.choice(known)
        body = {"metadata": {"name": name}, "data": {"n": str(self.count), "filler": "x" * self.choice.randrange(2000)}}
        self.open = name
        if action == "remove":
            answer = self.call("DELETE", name)
            assert answer.status == 200, answer
            self.sure[name] = None
        else:
            answer = self.call("POST" if action == "create" else "PUT", name, body)
            assert answer.status in (200, 201), answer
            self.sure[name] = answer.json
        self.open = None


@pytest.mark.parametrize("seed", range(int(os.environ.get("PILA_CLUSTER_KILLS", "6"))))
def test_killed_amid_writes(plane, seed):
    choice = random.Random(seed)
    writers = [Writer(plane, f"w{number}", seed * 100 + number) for number in range(12)]
    for writer in writers:
        writer.start()
    time.sleep(choice.uniform(0.05, 0.8))
    plane.kill()
    for writer in writers:
        writer.join()
    plane.start()
    listed = plane.request("GET", maps).json
    found = {item["metadata"]["name"]: item for item in listed["items"] if item["metadata"]["name"] != "kube-root-ca.crt"}
    acknowledged, newest = 0, 0
    for writer in writers:
        for name, state in writer.sure.items():
            acknowledged += 1
            if state:
                newest = max(newest, int(state["metadata"]["resourceVersion"]))
            if name == writer.open:
                continue  # its last change may be there or not
            assert found.get(name) == state, name
        open_one = found.get(writer.open)
        assert open_one is None or len(open_one["data"]) == 2
    assert acknowledged > 20
    known = {name for writer in writers for name in [*writer.sure, writer.open]}
    assert set(found) <= known
    assert int(listed["metadata"]["resourceVersion"]) >= newest
    later = plane.request("POST", maps, {"metadata": {"name": "later"}}).json
    assert int(later["metadata"]["resourceVersion"]) > newest


def stop_settled(plane):
    """When the controllers have taken their lease, and said so: a start writes nothing any more."""
    said = "/api/v1/namespaces/kube-system/events?fieldSelector=reason=LeaderElection"
    wait_until(lambda: plane.request("GET", said).json["items"], "the lease is taken", 20)
    plane.stop()


@pytest.mark.failpoints
@pytest.mark.parametrize("place, stays", [("state.before-commit", False), ("state.after-commit", True)])
def test_killed_beside_a_commit(plane, place, stays):
    """Before it the write is lost, which nobody was told of; after it it is there, though nobody was told."""
    stop_settled(plane)
    plane.start(failpoints=f"{place}=3*off->crash")
    connection, sure = plane.connect(), []
    with pytest.raises((OSError, http.client.HTTPException)):
        for number in range(10):
            answer = plane.request("POST", maps, {"metadata": {"name": f"c{number}"}}, connection=connection)
            assert answer.status == 201, answer
            sure.append(f"c{number}")
    plane.process.wait()
    plane.start()
    found = [item["metadata"]["name"] for item in plane.request("GET", maps).json["items"] if item["metadata"]["name"] != "kube-root-ca.crt"]
    assert sure and found == sure + [f"c{len(sure)}"] * stays


@pytest.mark.failpoints
def test_a_commit_that_fails(plane):
    stop_settled(plane)
    plane.start(failpoints="state.before-commit=2*off->2*error")
    statuses = [plane.request("POST", maps, {"metadata": {"name": f"c{number}"}}).status for number in range(6)]
    assert statuses == [201, 201, 500, 500, 201, 201]
    found = [item["metadata"]["name"] for item in plane.request("GET", maps).json["items"] if item["metadata"]["name"] != "kube-root-ca.crt"]
    assert found == ["c0", "c1", "c4", "c5"]


def test_no_change_is_lost(plane):
    """Clients that count up one number, each from what it read: compare and swap, and patches that need no reading."""
    plane.request("POST", maps, {"metadata": {"name": "counter", "annotations": {}}, "data": {"n": "0"}})
    each, clients = 25, 8

    def count(number):
        connection = plane.connect()
        done = 0
        while done < each:
            current = plane.request("GET", f"{maps}/counter", connection=connection).json
            current["data"]["n"] = str(int(current["data"]["n"]) + 1)
            answer = plane.request("PUT", f"{maps}/counter", current, connection=connection)
            assert answer.status in (200, 409), answer
            done += answer.status == 200
        patch = {"metadata": {"annotations": {f"client{number}": "was here"}}}
        answer = plane.request("PATCH", f"{maps}/counter", patch, merge_patch, connection=connection)
        assert answer.status == 200, answer

    threads = [threading.Thread(target=count, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = plane.request("GET", f"{maps}/counter").json
    assert found["data"]["n"] == str(each * clients)
    assert len(found["metadata"]["annotations"]) == clients


def test_watchers_see_every_change_once(plane):
    """Twenty watchers, some slow, some that come back with the last revision they saw."""
    start = plane.request("GET", maps).json["metadata"]["resourceVersion"]
    changes, names = 300, [f"seen{number}" for number in range(10)]
    problems = []

    def watch(number):
        choice = random.Random(number)
        revision, seen, live = start, [], {}
        while len(seen) < changes:
            connection = plane.connect()
            connection.request("GET", f"{maps}?watch=1&resourceVersion={revision}&allowWatchBookmarks=true&timeoutSeconds=20")
            response = connection.getresponse()
            until = len(seen) + (choice.randrange(1, 100) if number % 2 else changes)
            while len(seen) < min(until, changes):
                line = response.readline()
                if not line:
                    break
                event = json.loads(line)
                item = event["object"]
                revision = item["metadata"]["resourceVersion"]
                if event["type"] == "BOOKMARK":
                    continue
                name = item["metadata"]["name"]
                if (event["type"] == "ADDED") == (name in live):
                    problems.append((number, event["type"], name))
                live[name] = True
                if event["type"] == "DELETED":
                    del live[name]
                seen.append(int(revision))
                if number % 5 == 0:
                    time.sleep(0.001)
            connection.close()
        if seen != sorted(set(seen)) or len(seen) != changes:
            problems.append((number, "order", seen[:20]))

    watchers = [threading.Thread(target=watch, args=(number,)) for number in range(20)]
    for watcher in watchers:
        watcher.start()
    connection, there = plane.connect(), set()
    for change in range(changes):
        name = names[change % len(names)]
        if name not in there:
            answer = plane.request("POST", maps, {"metadata": {"name": name}, "data": {"n": str(change)}}, connection=connection)
            there.add(name)
        elif change % 3:
            answer = plane.request("PUT", f"{maps}/{name}", {"metadata": {"name": name}, "data": {"n": str(change)}}, connection=connection)
        else:
            answer = plane.request("DELETE", f"{maps}/{name}", connection=connection)
            there.remove(name)
        assert answer.status in (200, 201), answer
    for watcher in watchers:
        watcher.join(60)
    assert not any(watcher.is_alive() for watcher in watchers), "a watcher waits for what does not come"
    assert problems == []


@pytest.fixture
def disk(tmp_path):
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "pila-full", path], check=True)
    yield path
    subprocess.run(["umount", path], check=True)


def test_full_disk(disk):
    """Writes are refused in words, reads and watches go on, nothing acknowledged is lost, and with room it goes on by itself."""
    with ControlPlane(disk) as made:
        filler, connection, sure, refused = disk / "filler", made.connect(), {}, None
        with open(filler, "wb") as file:
            room = os.statvfs(disk)
            file.write(b"x" * max(0, room.f_bavail * room.f_frsize - (2 << 20)))
        for number in range(200):
            answer = made.request("POST", maps, {"metadata": {"name": f"c{number}"}, "data": {"filler": "x" * 50_000}}, connection=connection)
            if answer.status != 201:
                refused = answer
                break
            sure[f"c{number}"] = answer.json
        assert refused and refused.json["kind"] == "Status" and refused.status in (500, 507) and "no space left" in refused.json["message"].lower(), refused
        assert len(sure) > 5

        def check():
            found = {item["metadata"]["name"]: item for item in made.request("GET", maps).json["items"] if item["metadata"]["name"] in sure}
            assert found == sure

        check()
        assert made.request("GET", "/readyz").status == 200
        for _ in range(20):  # again and again: refused, never half
            assert made.request("PATCH", f"{maps}/c0", {"data": {"more": "y" * 50_000}}, merge_patch).status != 200
        check()
        filler.unlink()
        wait_until(lambda: made.request("POST", maps, {"metadata": {"name": "later"}}).status in (201, 409), "there is room again", 10)
        made.kill()
        made.start()
        check()
        assert made.request("GET", f"{maps}/later").status == 200
