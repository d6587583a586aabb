# SPDX-License-Identifier: Apache-2.0
"""The engines that run containers through an OCI runtime, with pila-runtime as theirs: podman, buildah and containerd's ctr."""
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from conftest import images
from lib import engines
from lib.terminal import Terminal

pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("its own runtime")]
runtime = str(engines.build / "bin/pila-runtime")


class Tool:
    def __init__(self, place, *words, limit=60):
        if not shutil.which(words[0]):
            pytest.skip(f"{words[0]} is not installed")
        self.place, self.words, self.limit = place, [str(word) for word in words], limit

    def __call__(self, *words, check=True, **more):
        done = subprocess.run([*self.words, *map(str, words)], text=True, timeout=self.limit,
                              **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL} | more))
        assert not check or done.returncode == 0, (words, done.returncode, done.stdout, done.stderr)
        return done

    def output(self, *words, **more):
        return self(*words, **more).stdout.strip()


@pytest.fixture(scope="module")
def podman(tmp_path_factory):
    place = tmp_path_factory.mktemp("podman")
    made = Tool(place, "podman", "--root", place / "root", "--runroot", place / "run", "--tmpdir", place / "tmp", "--storage-driver", "vfs", "--events-backend",
                "file", "--cgroup-manager", "cgroupfs", "--runtime", runtime)
    made("load", "--input", images / "busybox.tar")
    yield made
    made("rm", "--all", "--force", "--time", "0", check=False)
    for group in sorted(Path("/sys/fs/cgroup").glob("*/libpod_parent/**"), reverse=True):  # podman leaves its parent behind
        try:
            group.rmdir()
        except OSError:
            continue  # another podman's


here = ["--network", "none", "--pull", "never"]


def test_podman_runs(podman):
    done = podman("run", "--rm", *here, "busybox", "sh", "-c", "echo out; echo err >&2; cat; exit 3", check=False)
    assert (done.returncode, done.stdout) == (3, "out\n") and "err\n" in done.stderr
    assert podman.output("run", "--rm", "-i", *here, "busybox", "cat", input="typed", stdin=None) == "typed"
    for words, code, told in ((["no-such"], 127, "not found in $PATH"), (["/etc"], 126, "is a directory")):
        done = podman("run", "--rm", *here, "busybox", *words, check=False)
        assert done.returncode == code and told in done.stderr


def test_podman_life(podman):
    podman("run", "--detach", "--name", "a", *here, "busybox", "sleep", "1000")
    assert podman.output("exec", "a", "sh", "-c", "echo in; ps | grep -c 'sleep 100[0]'") == "in\n1"
    assert podman("exec", "a", "sh", "-c", "exit 5", check=False).returncode == 5
    assert podman("exec", "a", "no-such", check=False).returncode == 127
    podman("exec", "--detach", "a", "sleep", "100")
    assert "sleep 100" in podman.output("top", "a")

    def state():
        return podman.output("ps", "--all", "--format", "{{.State}} {{.ExitCode}}", "--filter", "name=a").lower()

    podman("pause", "a")
    assert state().startswith("paused")
    podman("unpause", "a")
    podman("update", "--memory", "64m", "a")
    podman("stop", "--time", "0", "a")
    assert state().startswith("exited") and state().endswith("137")
    podman("start", "a")
    podman("restart", "--time", "0", "a")
    assert state().startswith(("running", "up"))
    podman("kill", "--signal", "KILL", "a")
    podman("rm", "--force", "a")
    podman("create", "--name", "b", *here, "busybox", "echo", "hello")
    assert podman.output("start", "--attach", "b") == "hello"
    podman("rm", "b")
    assert podman.output("ps", "--all", "--quiet") == ""


def test_podman_options(podman):
    def run(*words, check=True):
        return podman("run", "--rm", *here, *words, check=check).stdout.split()

    assert run("--read-only", "--cap-drop", "all", "--cap-add", "chown", "--user", "5:6", "busybox", "sh", "-c",
               "id -u; id -g; touch /a; grep CapEff /proc/self/status") == ["5", "6", "CapEff:", "0000000000000001"]
    assert run("--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536", "busybox", "cat", "/proc/self/uid_map") == ["0", "100000", "65536"]
    assert run("--ulimit", "nofile=100:200", "--sysctl", "net.ipv4.ip_forward=1", "--hostname", "hh", "busybox", "sh", "-c",
               "ulimit -n; cat /proc/sys/net/ipv4/ip_forward; hostname") == ["100", "1", "hh"]
    assert run("--memory", "50m", "--pids-limit", "20", "--cpus", "0.5", "busybox", "sh", "-c",
               "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; true") == ["20"]
    assert run("--volume", f"{podman.place}:/h:ro", "busybox", "sh", "-c", "test -d /h/root && ! touch /h/x && echo ro") == ["ro"]


def test_podman_terminals(podman):
    with_terminal = Terminal([*podman.words, "run", "--rm", "-it", *here, "busybox", "sh"], dict(os.environ))
    with_terminal.line("tty; stty size; exit 7")
    with_terminal.expect("/dev/pts/0")
    with_terminal.expect("24 80")
    assert with_terminal.wait() == 7


def test_buildah_builds_and_runs(tmp_path):
    buildah = Tool(tmp_path, "buildah", "--root", tmp_path / "root", "--runroot", tmp_path / "run", "--storage-driver", "vfs")
    buildah("pull", f"docker-archive:{images / 'busybox.tar'}")
    (tmp_path / "Dockerfile").write_text("FROM localhost/busybox:latest\nRUN echo made > /made && id -u\nRUN cat /made\n")
    # Its default asks for more open files than a machine without CAP_SYS_RESOURCE gives.
    done = buildah("bud", "--pull-never", "--network", "none", "--isolation", "oci", "--runtime", runtime, "--no-cache", "--tag", "x", tmp_path)
    assert "made" in done.stdout
    container = buildah.output("from", "--pull-never", "localhost/busybox:latest")
    done = buildah("run", "--isolation", "oci", "--runtime", runtime, "--network", "none", container, "sh", "-c", "echo run; exit 3", check=False)
    assert done.stdout == "run\n" and done.returncode == 3
    buildah("rm", container)


@pytest.fixture
def ctr(tmp_path):
    if not shutil.which("containerd"):
        pytest.skip("containerd is not installed")
    (tmp_path / "config.toml").write_text(f"""version = 2
root = "{tmp_path}/root"
state = "{tmp_path}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{tmp_path}/c.sock"
[ttrpc]
address = "{tmp_path}/c.ttrpc"
""")
    with open(tmp_path / "log", "w") as log:
        daemon = subprocess.Popen(["containerd", "--config", tmp_path / "config.toml"], stdout=log, stderr=log)
    deadline = time.monotonic() + 20
    while not (tmp_path / "c.sock").exists():
        assert time.monotonic() < deadline and daemon.poll() is None, (tmp_path / "log").read_text()
        time.sleep(0.05)
    made = Tool(tmp_path, "ctr", "--address", tmp_path / "c.sock")
    try:
        made("image", "import", images / "busybox.tar")
        yield made
    finally:
        for name in made.output("task", "ls", "--quiet", check=False).split():
            made("task", "delete", "--force", name, check=False)
        daemon.terminate()
        daemon.wait(20)


def test_ctr_life(ctr):
    run = ["run", "--runtime", "io.containerd.runc.v2", "--runc-binary", runtime, "--snapshotter", "native"]
    image = ctr.output("image", "ls", "--quiet").split()[0]
    done = ctr(*run, "--rm", image, "x1", "sh", "-c", "echo hi; exit 4", check=False)
    assert (done.returncode, done.stdout) == (4, "hi\n")
    done = ctr(*run, "--rm", image, "x2", "no-such", check=False)
    assert "executable file not found in $PATH" in done.stderr
    # The shim would hold our pipes.
    ctr(*run, "--detach", image, "x3", "sleep", "1000", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def status():
        return ctr.output("task", "ls").splitlines()[-1].split()[-1]

    assert status() == "RUNNING"
    done = ctr("task", "exec", "--exec-id", "e1", "x3", "sh", "-c", "echo in; exit 6", check=False)
    assert (done.returncode, done.stdout) == (6, "in\n")
    assert "not found in $PATH" in ctr("task", "exec", "--exec-id", "e2", "x3", "no-such", check=False).stderr
    ctr("task", "pause", "x3")
    assert status() == "PAUSED"
    ctr("task", "resume", "x3")
    ctr("task", "kill", "--signal", "KILL", "x3")
    deadline = time.monotonic() + 10
    while status() != "STOPPED":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    ctr("task", "delete", "x3", check=False)
    ctr("container", "delete", "x3")
    assert ctr.output("container", "ls", "--quiet") == ""
