# SPDX-License-Identifier: Apache-2.0
"""Eight clients do a day's work at an engine while somebody kills its processes at random; used by test_soak.py.

An answer must be as expected unless something was killed shortly before or in the course of the story. What was acknowledged
holds in any case. The seed and every action are written to a file: PILA_SOAK_SEED=N repeats the same decisions.
"""
import http.client
import io
import json
import os
import random
import signal
import struct
import tarfile
import threading
import time

from . import api, truth

request_seconds = 60  # whoever waits longer has found a hang
shared_names = ("shared-0", "shared-1", "shared-2")
shadow_seconds = 5    # so long after a kill its effects may show


class Disturbed(Exception):
    """Not as expected, but something was killed meanwhile: the story ends here."""


class Wrong(Exception):
    """Not as expected, and nothing explains it."""


class Journal:
    """What happened when, for the reader of a failure; and which kills can explain it."""

    def __init__(self, path):
        self.path, self.file, self.lock = path, open(path, "w", buffering=1), threading.Lock()
        self.began, self.kills, self.problems, self.counts = time.monotonic(), [], [], {}

    def note(self, who, text):
        with self.lock:
            print(f"{time.monotonic() - self.began:8.3f} {who:8} {text}", file=self.file)

    def count(self, what):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1

    def killed(self, what):
        self.kills.append(time.monotonic())
        self.count(f"kill {what.split()[0]}")
        self.note("killer", what)

    def explains(self, begin):
        return any(moment >= begin - shadow_seconds for moment in self.kills[-20:])

    def problem(self, who, text):
        self.note(who, f"PROBLEM {text}")
        with self.lock:
            self.problems.append(f"{time.monotonic() - self.began:.3f} {who}: {text}")


class Worker(threading.Thread):
    """One client with containers, a volume and a network of its own; everybody shares some names."""

    def __init__(self, number, engine, journal, seed, stop):
        super().__init__(name=f"w{number}", daemon=True)
        self.number, self.engine, self.journal, self.stop = number, engine, journal, stop
        self.rng = random.Random(f"{seed}-{number}")
        self.begin, self.made, self.written = 0.0, 0, []  # begin: of the story; a kill in its course may show later
        self.leftover = set()  # targets of DELETE that nobody has acknowledged yet
        self.stories = [(self.short_run, 6), (self.service, 6), (self.volume, 3), (self.copy, 2), (self.commit, 1), (self.networks, 3),
                        (self.shared, 6), (self.observe, 3), (self.phoenix, 1), (self.checked, 1)]

    # --- asking -------------------------------------------------------------------------------------------------------
    def ask(self, method, target, *ok, body=None, **more):
        asked = time.monotonic()
        try:
            answer = api.request(self.engine.socket, method, target, body, timeout=request_seconds, **more)
        except TimeoutError:
            raise Wrong(f"{method} {target}: no answer in {request_seconds} s") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.journal.note(self.name, f"{method} {target} {type(error).__name__}: {error}")
            self.stop.wait(0.05)
            return self.unexpected(f"{method} {target}: {type(error).__name__}: {error}")
        self.journal.note(self.name, f"{method} {target} {answer.status} {time.monotonic() - asked:.3f}")
        self.journal.count(f"{method} {'/'.join(part for part in target.split('?')[0].split('/')[1:] if part.isalpha())}")
        if answer.status not in ok:
            return self.unexpected(f"{method} {target}: {answer}")
        return answer

    def unexpected(self, text):
        if self.journal.explains(self.begin):
            raise Disturbed(text)
        raise Wrong(text)

    def expect(self, condition, text):
        if not condition:
            self.unexpected(text)

    def create(self, command, host=None, **config):
        self.made += 1
        name = f"{self.name}-{self.made}"
        self.leftover.add(f"/containers/{name}?force=1&v=1")  # before: the answer may not reach us
        body = {"Image": "busybox", "Cmd": command, "Labels": {"owner": self.name}, "HostConfig": host or {}, **config}
        self.ask("POST", f"/containers/create?name={name}", 201, body=body)
        return name

    def set_going(self, name):
        self.ask("POST", f"/containers/{name}/start", 204)

    def remove(self, name):
        self.ask("DELETE", f"/containers/{name}?force=1&v=1", 204)
        self.leftover.discard(f"/containers/{name}?force=1&v=1")

    def execute(self, name, *command):
        made = self.ask("POST", f"/containers/{name}/exec", 201, body={"Cmd": list(command), "AttachStdout": True}).json()["Id"]
        body = self.ask("POST", f"/exec/{made}/start", 200, body={}).body
        code = self.ask("GET", f"/exec/{made}/json", 200).json()["ExitCode"]
        return code, frames(body)

    # --- stories ------------------------------------------------------------------------------------------------------
    def short_run(self):
        code, word = self.rng.randrange(50), f"{self.name} says {self.made}"
        host = {"AutoRemove": True, "NetworkMode": self.rng.choice(["none", "bridge", "host"])}
        name = self.create(["sh", "-c", f"echo {word}; exit {code}"], host)
        self.set_going(name)
        try:
            ended = self.ask("POST", f"/containers/{name}/wait?condition=removed", 200).json()
        except Disturbed as gone:
            if "No such container" in str(gone):
                return
            raise
        except Wrong as gone:  # it may be gone already
            if "No such container" not in str(gone):
                raise
            return
        self.expect(ended["StatusCode"] == code, f"{name} ended with {ended}, not {code}")
        self.ask("GET", f"/containers/{name}/json", 404)
        self.leftover.discard(f"/containers/{name}?force=1&v=1")

    def service(self):
        port = 20000 + 100 * self.number + self.made % 100
        host = {"PortBindings": {"80/tcp": [{"HostPort": str(port)}]}}
        name = self.create(["sh", "-c", "echo ready; echo page > /index.html; httpd -p 80 -h /; while :; do date; sleep 0.2; done"], host,
                           ExposedPorts={"80/tcp": {}}, StopSignal="KILL" if self.made % 2 else "TERM")
        self.set_going(name)
        for act in self.rng.sample([self.fetch, self.run_in, self.logs, self.stats, self.freeze, self.change, self.again,
                                    self.look], self.rng.randrange(2, 7)):
            if act(name, port) == "paused":
                break
        end = self.rng.choice(["stop", "kill", "rm"])
        if end == "stop":
            self.ask("POST", f"/containers/{name}/stop?t={self.rng.randrange(2)}", 204, 304)
        elif end == "kill":
            self.ask("POST", f"/containers/{name}/kill", 204)
        if end != "rm":
            state = self.ask("GET", f"/containers/{name}/json", 200).json()["State"]
            self.expect(state["Status"] == "exited" and state["Pid"] == 0, f"{name} after {end}: {state}")
        self.remove(name)

    def fetch(self, name, port):
        deadline = time.monotonic() + 10
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            try:
                connection.request("GET", "/index.html")
                text = connection.getresponse().read()
                self.journal.note(self.name, f"fetch {port}")
                return self.expect(text == b"page\n", f"port {port} of {name}: {text}")
            except (OSError, http.client.HTTPException) as error:
                if time.monotonic() > deadline:
                    return self.unexpected(f"port {port} of {name}: {error}")
                time.sleep(0.05)
            finally:
                connection.close()

    def run_in(self, name, port):
        code, text = self.execute(name, "sh", "-c", "echo inside; exit 3")
        self.expect((code, text) == (3, b"inside\n"), f"exec in {name}: {code} {text}")

    def logs(self, name, port):
        text = frames(self.ask("GET", f"/containers/{name}/logs?stdout=1&stderr=1&tail=all", 200).body)
        self.expect(text.startswith(b"ready\n") or text == b"", f"log of {name}: {text[:100]}")

    def stats(self, name, port):
        self.ask("GET", f"/containers/{name}/stats?stream=0&one-shot=1", 200)

    def freeze(self, name, port):
        self.ask("POST", f"/containers/{name}/pause", 204)
        self.expect(self.ask("GET", f"/containers/{name}/json", 200).json()["State"]["Paused"], f"{name} is not paused")
        if self.rng.random() < 0.3:
            return "paused"  # and ended so
        self.ask("POST", f"/containers/{name}/unpause", 204)
        return None

    def change(self, name, port):
        self.ask("POST", f"/containers/{name}/update", 200, body={"Memory": 64 << 20, "MemorySwap": 128 << 20})

    def again(self, name, port):
        self.ask("POST", f"/containers/{name}/restart?t=0", 204)
        state = self.ask("GET", f"/containers/{name}/json", 200).json()["State"]
        self.expect(state["Running"], f"{name} restarted: {state}")

    def look(self, name, port):
        self.ask("GET", f"/containers/{name}/top", 200)
        self.ask("GET", f"/containers/{name}/changes", 200)
        self.ask("POST", f"/containers/{name}/rename?name={name}-x", 204)
        self.ask("POST", f"/containers/{name}-x/rename?name={name}", 204)

    def volume(self):
        """Whatever a container that ended well has written is there for ever."""
        volume, line = f"{self.name}-data", f"{self.name}.{self.made}"
        name = self.create(["sh", "-c", f"echo {line} >> /data/log"], {"Binds": [f"{volume}:/data"], "NetworkMode": "none"})
        self.set_going(name)
        ended = self.ask("POST", f"/containers/{name}/wait", 200).json()
        if ended["StatusCode"] == 0:
            state = self.ask("GET", f"/containers/{name}/json", 200).json()["State"]
            self.expect(state["ExitCode"] == 0, f"{name}: {state}")
            self.written.append(line)
        self.remove(name)
        name = self.create(["cat", "/data/log"], {"Binds": [f"{volume}:/data:ro"], "NetworkMode": "none"})
        self.set_going(name)
        if self.ask("POST", f"/containers/{name}/wait", 200).json()["StatusCode"] == 0:
            text = frames(self.ask("GET", f"/containers/{name}/logs?stdout=1", 200).body).decode().split()
            missing = set(self.written) - set(text)
            if missing and not self.journal.explains(self.begin):
                raise Wrong(f"volume {volume} lost {sorted(missing)}")
        self.remove(name)

    def copy(self):
        data = self.rng.randbytes(self.rng.randrange(1, 200_000))
        name = self.create(["sleep", "1000"], {"NetworkMode": "none"})
        if self.rng.random() < 0.7:
            self.set_going(name)
        self.ask("PUT", f"/containers/{name}/archive?path=/tmp", 200, body=archive("blob", data), headers={"Content-Type": "application/x-tar"})
        back = self.ask("GET", f"/containers/{name}/archive?path=/tmp/blob", 200).body
        try:
            same = tarfile.open(fileobj=io.BytesIO(back)).extractfile("blob").read() == data
        except (tarfile.TarError, KeyError, AttributeError):
            same = False
        self.expect(same, f"what was copied to {name} comes back otherwise")
        self.remove(name)

    def commit(self):
        tag, text = f"soak/{self.name}:n{self.made}", f"text {self.made} of {self.name}"
        name = self.create(["sh", "-c", f"echo {text} > /text"], {"NetworkMode": "none"})
        self.set_going(name)
        if self.ask("POST", f"/containers/{name}/wait", 200).json()["StatusCode"] != 0:
            return self.unexpected(f"{name} failed")
        self.leftover.add(f"/images/{tag}?force=1")
        self.ask("POST", f"/commit?container={name}&repo={tag.split(':')[0]}&tag={tag.split(':')[1]}", 201, body={})
        self.remove(name)
        name = self.create(["cat", "/text"], {"NetworkMode": "none"}, Image=tag)
        self.set_going(name)
        if self.ask("POST", f"/containers/{name}/wait", 200).json()["StatusCode"] == 0:
            said = frames(self.ask("GET", f"/containers/{name}/logs?stdout=1", 200).body).decode()
            self.expect(said == text + "\n", f"image {tag} has {said!r}")
        self.remove(name)
        self.ask("DELETE", f"/images/{tag}?force=1", 200)
        self.leftover.discard(f"/images/{tag}?force=1")

    def networks(self):
        network = f"{self.name}-net{self.made}"
        self.leftover.add(f"/networks/{network}")
        self.ask("POST", "/networks/create", 201, body={"Name": network, "CheckDuplicate": True})
        server = self.create(["sh", "-c", "mkdir /w; echo page > /w/index.html; exec httpd -f -h /w"], {"NetworkMode": network})
        self.set_going(server)
        client = self.create(["sleep", "1000"], {"NetworkMode": network})
        self.set_going(client)
        for _ in range(50):
            code, text = self.execute(client, "wget", "-q", "-O", "-", f"http://{server}/")
            if code == 0:
                break
            time.sleep(0.1)
        self.expect(text == b"page\n", f"{server} seen from {client}: {code} {text}")
        self.ask("POST", "/networks/bridge/connect", 200, body={"Container": client})
        self.ask("POST", f"/networks/{network}/disconnect", 200, body={"Container": client, "Force": True})
        for name in (client, server):
            self.remove(name)
        self.ask("DELETE", f"/networks/{network}", 204)
        self.leftover.discard(f"/networks/{network}")

    def shared(self):
        """Names that everybody works on: any answer that says what is the matter will do."""
        name = self.rng.choice(shared_names)
        act = self.rng.choice(["create", "create", "start", "start", "stop", "kill", "rm", "exec", "logs", "pause", "unpause", "restart",
                               "wait", "inspect"])
        fine = (200, 201, 204, 304, 400, 404, 409)
        if act == "create":
            body = {"Image": "busybox", "Cmd": ["sh", "-c", "i=0; while sleep 0.1; do i=$((i+1)); echo $i; [ $i -gt 50 ] && exit 4; done"],
                    "HostConfig": {"RestartPolicy": {"Name": self.rng.choice(["no", "on-failure"])}}}
            self.ask("POST", f"/containers/create?name={name}", *fine, body=body)
        elif act == "rm":
            self.ask("DELETE", f"/containers/{name}?force={self.rng.randrange(2)}&v=1", *fine)
        elif act == "exec":
            made = self.ask("POST", f"/containers/{name}/exec", *fine, body={"Cmd": ["sleep", "0.1"]})
            if made.status == 201:
                self.ask("POST", f"/exec/{made.json()['Id']}/start", *fine, body={"Detach": bool(self.rng.randrange(2))})
        elif act == "logs":
            self.ask("GET", f"/containers/{name}/logs?stdout=1&tail=5&follow={self.rng.randrange(2)}", *fine)
        elif act == "wait":
            self.ask("POST", f"/containers/{name}/wait", *fine)
        elif act == "inspect":
            self.ask("GET", f"/containers/{name}/json?size=1", *fine)
        else:
            self.ask("POST", f"/containers/{name}/{act}" + ("?t=1" if act in ("stop", "restart") else ""), *fine)

    def observe(self):
        listed = self.ask("GET", "/containers/json?all=1", 200).json()
        self.expect(len({one["Id"] for one in listed}) == len(listed), "a container is listed twice")
        for target in ("/images/json", "/networks", "/volumes", "/info", "/system/df", f"/events?since={int(time.time()) - 5}"
                       f"&until={int(time.time())}", "/containers/json?size=1"):
            self.ask("GET", target, 200)
        self.ask("POST", f'/containers/prune?filters={{"label":["owner={self.name}"]}}', 200)

    def phoenix(self):
        name = f"{self.name}-phoenix"
        if f"/containers/{name}?force=1&v=1" in self.leftover:
            self.leftover.discard(f"/containers/{name}?force=1&v=1")
            try:
                self.ask("DELETE", f"/containers/{name}?force=1&v=1", 204, 404)  # 404: only the last answer was lost
            except Disturbed:
                self.leftover.add(f"/containers/{name}?force=1&v=1")
                raise
        self.leftover.add(f"/containers/{name}?force=1&v=1")
        self.ask("POST", f"/containers/create?name={name}", 201, body={
            "Image": "busybox", "Cmd": ["sh", "-c", "sleep 2; exit 1"], "HostConfig": {"RestartPolicy": {"Name": "always"}}})
        self.set_going(name)

    def checked(self):
        name = self.create(["sleep", "1000"], {"NetworkMode": "none"}, Healthcheck={"Test": ["CMD", "true"], "Interval": 200_000_000})
        self.set_going(name)
        for _ in range(100):
            status = self.ask("GET", f"/containers/{name}/json", 200).json()["State"].get("Health", {}).get("Status")
            if status == "healthy":
                break
            time.sleep(0.1)
        self.expect(status == "healthy", f"{name} is {status}")
        self.remove(name)

    # --- the loop -----------------------------------------------------------------------------------------------------
    def tidy(self):
        """What a disturbed story has left goes away sooner or later; 404: it never was, or went with the lost answer."""
        for target in sorted(self.leftover):
            if target.endswith("-phoenix?force=1&v=1"):
                continue
            self.ask("DELETE", target, 200, 204, 404)
            self.leftover.discard(target)

    def run(self):
        stories, weights = zip(*self.stories)
        while not self.stop.is_set():
            story = self.rng.choices(stories, weights)[0]
            self.begin = time.monotonic()
            try:
                story()
                if self.rng.random() < 0.3:
                    self.tidy()
            except Disturbed as reason:
                self.journal.count("disturbed")
                self.journal.note(self.name, f"disturbed: {reason}")
            except Wrong as problem:
                self.journal.problem(self.name, f"{story.__name__}: {problem}")
            except Exception as problem:  # of the test itself: just as much a failure
                self.journal.problem(self.name, f"{story.__name__}: {type(problem).__name__}: {problem}")


def archive(name, data):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def frames(body):
    """The payloads of Docker's multiplexed stream."""
    text, at = b"", 0
    while at + 8 <= len(body):
        size = struct.unpack(">I", body[at + 4:at + 8])[0]
        text += body[at + 8:at + 8 + size]
        at += 8 + size
    return text


class Watcher(threading.Thread):
    """Follows the events all the time, over every restart of the daemon."""

    def __init__(self, engine, journal, stop):
        super().__init__(name="events", daemon=True)
        self.engine, self.journal, self.stop = engine, journal, stop

    def run(self):
        while not self.stop.is_set():
            connection = api.UnixConnection(self.engine.socket, timeout=2)
            try:
                connection.request("GET", "/events")
                response, last = connection.getresponse(), 0
                while line := response.readline():
                    event = json.loads(line)
                    if event["timeNano"] < last - 2_000_000_000:
                        self.journal.problem(self.name, f"an event from the past: {event}")
                    last = event["timeNano"]
                    self.journal.count("events")
                    if self.stop.is_set():
                        break
            except (OSError, ValueError, http.client.HTTPException):
                self.stop.wait(0.05)
            finally:
                connection.close()


class Killer:
    """kill -9, in phases: for a while every now and then, then nothing, so that calm work is seen to be faultless."""
    calm, wild = 8, 12

    def __init__(self, engine, journal, seed, kinds=("daemon", "shim", "spare", "spawner", "helper", "main")):
        self.engine, self.journal, self.rng, self.kinds = engine, journal, random.Random(f"{seed}-killer"), kinds

    def run(self, seconds):
        began = time.monotonic()
        while (now := time.monotonic() - began) < seconds:
            if now % (self.calm + self.wild) < self.calm:
                time.sleep(0.1)
                continue
            kind = self.rng.choice(self.kinds)
            getattr(self, kind)()
            time.sleep(self.rng.choice([0.05, 0.3, 0.7, 1.5, 3]))

    def shoot(self, kind, candidates):
        if candidates:
            pid = sorted(candidates)[self.rng.randrange(len(candidates))]
            self.journal.killed(f"{kind} {pid}")
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def daemon(self):
        self.journal.killed(f"daemon {self.engine.pid}")
        self.engine.kill()
        begin = time.monotonic()
        self.engine.start(seconds=request_seconds)
        self.journal.killed(f"started again as {self.engine.pid}, answers after {time.monotonic() - begin:.3f} s")

    def shim(self):
        self.shoot("shim", [pid for pid, _ in truth.shims()])

    def spare(self):
        self.shoot("spare", [pid for pid, _, line in truth.processes() if line[:2] == ["pila-runtime", "shim"] and not line[2]])

    def spawner(self):
        self.shoot("spawner", [pid for pid, _, line in truth.processes() if line[:2] == ["pila-runtime", "spawner"]])

    def helper(self):
        self.shoot("helper", [pid for pid, _, line in truth.processes() if line[:2] == ["pila-runtime", "helper"]])

    def main(self):
        known = truth.processes()
        parents = {pid for pid, _ in truth.shims(known)}
        self.shoot("main", [pid for pid, parent, _ in known if parent in parents])
