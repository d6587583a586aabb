# SPDX-License-Identifier: Apache-2.0
"""The machine went down under it all: processes, links, rules, control groups are gone at one blow, process ids are other
people's. The guest (tests/guest) shows the real thing."""
import os
import signal
import subprocess
from pathlib import Path

import pytest
from conftest import client_of, loaded
from lib import leaks, truth
from lib.engines import wait_until

pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("takes its processes away by name")]


def power_cut(engine, stranger):
    """stranger: has the numbers that containers and shims had."""
    doomed = truth.processes()
    shims = {pid for pid, _ in truth.shims(doomed)}
    for pid in (engine.pid, *shims):  # at one blow: nobody may note how another ended
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda pid=pid: stands_still(pid), f"{pid} stands still")
    for pid in shims | {pid for pid, parent, _ in doomed if parent in shims}:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    engine.kill()
    for group in leaks.control_groups(engine):  # a frozen process outlives SIGKILL
        state = Path(group.removeprefix("cgroup ")) / "freezer.state"
        if state.exists():
            state.write_text("THAWED")
    wait_until(lambda: truth.shims() == [], "all shims are gone")
    for link in [line.split(":")[1].strip().split("@")[0] for line in subprocess.run(
            ["ip", "-o", "link"], capture_output=True, text=True).stdout.splitlines()]:
        if link != "lo":
            subprocess.run(["ip", "link", "del", link], capture_output=True)
    subprocess.run(["nft", "flush", "ruleset"], check=True)
    for group in sorted(leaks.control_groups(engine), key=len, reverse=True):
        wait_until(lambda group=group: gone(group.removeprefix("cgroup ")), "its control groups are gone")
    started = Path(f"/proc/{stranger}/stat").read_text().rpartition(")")[2].split()[19]
    for record in (engine.run / "containers").glob("*/pid"):
        assert len(record.read_text().splitlines()) == 2
        record.write_text(f"{stranger} {started} {stranger} {started}\nan-earlier-boot\n")


def stands_still(pid):
    return all((task / "stat").read_text().rpartition(")")[2].split()[0] == "T" for task in Path(f"/proc/{pid}/task").iterdir())


def gone(path):
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


@pytest.mark.parametrize("run_directory", ["kept", "empty"])
def test_after_a_power_cut(fresh, run_directory):
    engine = loaded(fresh(), "busybox")
    docker = client_of(engine)
    docker("network", "create", "net")
    sleeper = ("busybox", "sleep", "1000")
    docker("run", "-d", "--name", "plain", "-v", "data:/data", "busybox", "sh", "-c", "echo kept > /data/file; echo said; exec sleep 1000")
    docker("run", "-d", "--name", "always", "--restart", "always", "--network", "net", "-p", "18080:80", "busybox", "httpd", "-f", "-h", "/var/www")
    docker("run", "-d", "--name", "unless", "--restart", "unless-stopped", *sleeper)
    docker("run", "-d", "--name", "unless-off", "--restart", "unless-stopped", *sleeper)
    docker("run", "-d", "--name", "always-off", "--restart", "always", *sleeper)
    docker("run", "-d", "--name", "on-failure", "--restart", "on-failure", *sleeper)
    docker("run", "-d", "--name", "frozen", *sleeper)
    docker("pause", "frozen")
    docker("run", "-d", "--rm", "--name", "passing", "-v", "/scratch", *sleeper)
    docker("create", "--name", "created", *sleeper)
    docker("run", "--name", "ended", "busybox", "sh", "-c", "exit 5", check=False)
    docker("stop", "-t", "0", "unless-off", "always-off")
    volumes = docker("volume", "ls", "-q").split()
    wait_until(lambda: docker("logs", "plain") == "said", "it has spoken")

    stranger = subprocess.Popen(["sleep", "1000"])
    try:
        power_cut(engine, stranger.pid)
        if run_directory == "empty":
            subprocess.run(["rm", "-rf", engine.run], check=True)
        engine.start()
        assert stranger.poll() is None, "somebody else's process was killed"
    finally:
        if stranger.poll() is None:
            stranger.kill()
        stranger.wait()

    def state(name):
        return docker.inspect(name)["State"]
    for name in ("plain", "frozen"):
        now = state(name)
        assert (now["Status"], now["ExitCode"], now["Pid"], now["Paused"]) == ("exited", 255, 0, False), (name, now)
        assert now["FinishedAt"] > now["StartedAt"]
    for name in ("always", "always-off", "unless", "on-failure"):
        wait_until(lambda name=name: state(name)["Running"], f"{name} runs again")
    assert state("unless-off")["Status"] == "exited" and state("created")["Status"] == "created" and state("ended")["ExitCode"] == 5
    wait_until(lambda: "passing" not in docker("ps", "-a", "--format", "{{.Names}}").split(), "--rm is done")
    wait_until(lambda: len(docker("volume", "ls", "-q").split()) == len(volumes) - 1, "with its volume")
    from test_crash import fetch
    wait_until(lambda: fetch() == b"page of pila\n", "the published port answers")
    docker("start", "plain", "frozen", "unless-off")
    assert docker("exec", "plain", "cat", "/data/file") == "kept"
    assert docker("run", "--rm", "--network", "net", "busybox", "wget", "-q", "-O", "-", "http://always/") == "page of pila"
    truth.is_whole(engine)
    engine.remove_everything()
