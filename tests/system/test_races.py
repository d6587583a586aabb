# SPDX-License-Identifier: Apache-2.0
"""Two clients do different things to one container at the same moment: one comes first, the other is told so, and nothing
that was removed comes back."""
import sqlite3
import threading

import pytest
from conftest import client_of, loaded
from lib import api, leaks, truth
from lib.engines import wait_until

pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("looks into pila's store")]
acts = {"kill": ("POST", "/containers/{0}/kill", None), "restart": ("POST", "/containers/{0}/restart?t=0", None),
        "stop": ("POST", "/containers/{0}/stop?t=0", None), "pause": ("POST", "/containers/{0}/pause", None),
        "rename": ("POST", "/containers/{0}/rename?name={0}-new", None),
        "update": ("POST", "/containers/{0}/update", {"RestartPolicy": {"Name": "always"}}),
        "connect": ("POST", "/networks/side/connect", {"Container": "{0}"}), "start": ("POST", "/containers/{0}/start", None),
        "commit": ("POST", "/commit?container={0}&repo=made&tag={0}", {}),
        "exec": ("POST", "/containers/{0}/exec", {"Cmd": ["true"]})}


def keys_of(engine):
    database = sqlite3.connect(engine.data / "node.db")
    try:
        return {key if isinstance(key, str) else key.decode() for key, in database.execute("SELECT key FROM kv")}
    finally:
        database.close()


@pytest.mark.parametrize("act", sorted(acts))
def test_while_it_is_removed(fresh, act):
    engine = loaded(fresh(), "busybox")
    client_of(engine)("network", "create", "side")
    before = {key for key in leaks.processes(engine)}
    method, target, body = acts[act]
    answers, meet = [], threading.Barrier(3)

    def ask(method, target, body=None):
        meet.wait()
        answers.append(api.request(engine.socket, method, target, body, timeout=60))

    for number in range(25):
        name = f"c{number}"
        assert engine.api("POST", f"/containers/create?name={name}", {"Image": "busybox", "Cmd": ["sleep", "1000"]}).status == 201
        if number % 5:
            assert engine.api("POST", f"/containers/{name}/start").status == 204
        filled = {key: value.format(name) if isinstance(value, str) else value for key, value in body.items()} if body else body
        both = [threading.Thread(target=ask, args=(method, target.format(name), filled)) for _ in range(2)]
        both.append(threading.Thread(target=ask, args=("DELETE", f"/containers/{name}?force=1")))
        for one in both:
            one.start()
        for one in both:
            one.join()
        assert all(answer.status < 500 for answer in answers), answers[-3:]
        for late in (name, f"{name}-new"):  # a rename may come first
            engine.api("DELETE", f"/containers/{late}?force=1")
    assert engine.api("GET", "/containers/json?all=1").json() == []
    wait_until(lambda: truth.shims() == [], "every shim has ended", 5)
    for number in range(25):  # every name is free again
        for name in (f"c{number}", f"c{number}-new"):
            made = engine.api("POST", f"/containers/create?name={name}", {"Image": "busybox"})
            assert made.status == 201, made
            engine.api("DELETE", f"/containers/{name}")
    engine.stop()
    assert [key for key in keys_of(engine) if key.startswith("container/")] == []
    engine.start()
    assert engine.api("GET", "/containers/json?all=1").json() == []
    wait_until(lambda: set(leaks.processes(engine)) <= before, "no process is left", 5)
