# SPDX-License-Identifier: Apache-2.0
"""Many clients at few objects: what they were told is what one client at a time could have been told, in an order that agrees with when
they asked (linearizability). The watch is the witness: every change, with its revision."""
import bisect
import collections
import json
import random
import threading
import time

import pytest
from lib.cluster import control_plane, maps, merge_patch

pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("dockerd has no such API")]
names = [f"h{number}" for number in range(6)]

# One question and its answer; revision: of what was written or seen (0: it was not there), uid: of what was deleted.
Event = collections.namedtuple("Event", "revision name kind uid tree")


class Told:
    def __init__(self, action, name, start, end, status, revision=0, uid="", tree=None, expected=0):
        self.action, self.name, self.start, self.end, self.status = action, name, start, end, status
        self.revision, self.uid, self.tree, self.expected = revision, uid, tree, expected

    def __repr__(self):
        return f"{self.action} {self.name}: {self.status}, revision {self.revision}, expected {self.expected}"


class Client(threading.Thread):
    def __init__(self, plane, number, until):
        super().__init__()
        self.plane, self.number, self.until = plane, number, until
        self.choice, self.connection, self.told, self.seen, self.count = random.Random(number), plane.connect(), [], {}, 0

    def run(self):
        while time.monotonic() < self.until:
            self.one()

    def one(self):
        name, self.count = self.choice.choice(names), self.count + 1
        action = self.choice.choices(["create", "replace", "overwrite", "patch", "delete", "get", "list"], [3, 3, 1, 2, 2, 6, 1])[0]
        body = {"metadata": {"name": name}, "data": {"by": f"{self.number}-{self.count}"}}
        known = self.seen.get(name)
        expected = 0
        if action == "replace":
            if not known:
                return
            expected = int(known["metadata"]["resourceVersion"])
            body["metadata"]["resourceVersion"] = str(expected)
        request = {"create": ("POST", maps, body), "replace": ("PUT", f"{maps}/{name}", body), "overwrite": ("PUT", f"{maps}/{name}", body),
                   "patch": ("PATCH", f"{maps}/{name}", body, merge_patch), "delete": ("DELETE", f"{maps}/{name}"), "get": ("GET", f"{maps}/{name}"),
                   "list": ("GET", maps)}[action]
        start = time.monotonic_ns()
        answer = self.plane.request(*request, connection=self.connection)
        told = Told(action, name, start, time.monotonic_ns(), answer.status, expected=expected)
        tree = answer.json
        if answer.status in (200, 201):
            if action == "delete":
                told.uid = tree["details"]["uid"]
            else:
                told.revision, told.tree = int(tree["metadata"]["resourceVersion"]), tree
                if action != "list":
                    self.seen[name] = tree
        self.told.append(told)


def witness(plane, events):
    connection = plane.connect()
    connection.request("GET", maps + "?watch=1&resourceVersion=0&sendInitialEvents=false&resourceVersionMatch=NotOlderThan")
    response = connection.getresponse()
    assert response.status == 200
    while line := response.readline():
        event = json.loads(line)
        metadata = event["object"]["metadata"]
        if metadata["name"] == "end":
            break
        if metadata["name"] in names:
            events.append(Event(int(metadata["resourceVersion"]), metadata["name"], event["type"], metadata["uid"], event["object"]))


class History:
    """The states of one object in their order: from which revision on it was what (0: not there)."""

    def __init__(self, events):
        self.begins, self.revisions = [0], [0]
        there = False
        for event in events:
            assert event.kind == ("MODIFIED" if there and event.kind == "MODIFIED" else "DELETED" if there else "ADDED"), event
            there = event.kind != "DELETED"
            self.begins.append(event.revision)
            self.revisions.append(event.revision if there else 0)

    def states(self, low, high):
        """What it was at some time from revision `low` on until `high`."""
        first, last = bisect.bisect_right(self.begins, low) - 1, bisect.bisect_right(self.begins, high)
        return self.revisions[first:last]


def bounds(told, points):
    """(low, high) for each of `told`: the newest revision that was known to someone before it was asked; the newest that can have been
    made by the time it was answered."""
    known = sorted((one.end, revision) for one, revision in points)
    newest, best = [], 0
    for _, revision in known:
        best = max(best, revision)
        newest.append(best)
    ends = [end for end, _ in known]
    begun = sorted((one.start, revision) for one, revision in points)
    starts, best, possible = [start for start, _ in begun], 0, []
    for _, revision in begun:
        best = max(best, revision)
        possible.append(best)
    for one in told:
        before, by = bisect.bisect_left(ends, one.start), bisect.bisect_right(starts, one.end)
        yield one, newest[before - 1] if before else 0, possible[by - 1] if by else 0


def check_object(name, told, events):
    history = History(events)
    by_revision = {event.revision: event for event in events}
    deletions = {event.uid: event.revision for event in events if event.kind == "DELETED"}
    points = []
    for one in told:
        if one.status == 200 and one.action == "delete":
            points.append((one, deletions[one.uid]))
        elif one.status in (200, 201):
            assert one.revision in by_revision, one
            assert by_revision[one.revision].tree["data"] == one.tree["data"], one
            points.append((one, one.revision))
    # Every change was one client's, and what was told of it is what happened.
    writes = [revision for one, revision in points if one.action != "get"]
    assert len(writes) == len(set(writes)) and set(writes) == set(by_revision), name
    # Whatever was written or seen before a question was asked is behind its answer.
    low, high = {}, {}
    for one, least, most in bounds(told, points):
        low[one], high[one] = least, most
    for one, revision in points:
        if one.action == "get":
            assert revision in history.states(low[one], high[one]), (one, low[one], high[one])
        else:
            assert low[one] < revision, (one, low[one])
        if one.action == "replace":
            assert history.states(revision - 1, revision - 1) == [one.expected], one
    for one in told:
        states = history.states(low[one], high[one])
        if one.status == 404:
            assert 0 in states, (one, states)
        elif one.status == 409 and one.action == "create":
            assert any(states), (one, states)
        elif one.status == 409:
            assert one.action == "replace" and any(state != one.expected for state in states), (one, states)
        else:
            assert one.status in (200, 201), one


def check_lists(told, everything, histories):
    """A list is the whole collection as it was at its revision."""
    points = [(one, one.revision) for one in everything if one.revision]
    for one, least, most in bounds([one for one in told if one.action == "list"], points):
        assert least <= one.revision, (one, least, most)
        found = {item["metadata"]["name"]: int(item["metadata"]["resourceVersion"]) for item in one.tree["items"] if item["metadata"]["name"] in names}
        assert found == {name: at for name in names if (at := histories[name].states(one.revision, one.revision)[0])}, one


@pytest.mark.parametrize("clients", [3, 12])
def test_histories(clients):
    with control_plane() as plane:
        events = []
        watcher = threading.Thread(target=witness, args=(plane, events))
        watcher.start()
        until = time.monotonic() + 4
        threads = [Client(plane, number, until) for number in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert plane.request("POST", maps, {"metadata": {"name": "end"}}).status == 201
        watcher.join(20)
        assert not watcher.is_alive()
    everything = [one for thread in threads for one in thread.told]
    assert len(everything) > 500 and [event.revision for event in events] == sorted({event.revision for event in events})
    histories = {}
    for name in names:
        own = [event for event in events if event.name == name]
        check_object(name, [one for one in everything if one.name == name and one.action != "list"], own)
        histories[name] = History(own)
    check_lists(everything, everything, histories)
    counts = collections.Counter((one.action, one.status) for one in everything)
    for needed in (("create", 409), ("replace", 200), ("replace", 409), ("delete", 200), ("get", 404), ("get", 200), ("list", 200)):
        assert counts[needed], counts
