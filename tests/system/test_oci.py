# SPDX-License-Identifier: Apache-2.0
"""The command line that runc and crun share. Each test runs the same script on pila-runtime and on Debian's runc, which is the judge;
what that version of runc cannot do runs on pila-runtime alone."""
import array
import ctypes
import json
import os
import pty
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest
from conftest import images
from lib import engines

pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("its own runtime")]
pila = str(engines.build / "bin/pila-runtime")
sh = ["sh", "-c"]


def eventually(condition, what, seconds=10):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return value


class Runtime:
    """One runtime with its own state directory and one bundle, `config`, which write() puts into place."""

    def __init__(self, program, place):
        self.program, self.place, self.root = program, place, place / "state"
        self.bundle = place / "bundle"
        self.rootfs = self.bundle / "rootfs"
        self.rootfs.mkdir(parents=True)
        subprocess.run(["tar", "-C", self.rootfs, "-xf", images / "rootfs.tar"], check=True)
        subprocess.run([pila, "spec"], cwd=self.bundle, check=True)
        self.config = json.loads((self.bundle / "config.json").read_text())
        self.config["ociVersion"] = "1.0.2"
        self.config["process"].update(terminal=False, args=["sleep", "1000"])
        self.config["root"]["readonly"] = False
        # So that others on this machine are never met.
        self.config["linux"]["cgroupsPath"] = f"/pila-oci-{os.getpid()}-{place.name}"
        self.is_pila = program == pila

    def write(self, *args, **process):
        if args:
            self.config["process"]["args"] = list(args)
        self.config["process"].update(process)
        (self.bundle / "config.json").write_text(json.dumps(self.config))

    def __call__(self, *words, check=True, options=(), **more):
        done = subprocess.run([self.program, "--root", self.root, *options, *map(str, words)], text=True, timeout=30,
                              **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL} | more))
        assert not check or done.returncode == 0, (words, done.returncode, done.stdout, done.stderr)
        return done

    def output(self, *words, **more):
        """Of a container's own streams: those that create was given."""
        self.write(*words) if words else None
        with open(self.place / "output", "w+") as file:
            self("create", "--bundle", self.bundle, "c", stdout=file, stderr=file, **more)
            self("start", "c")
            self.wait()
            self("delete", "c")
            file.seek(0)
            return file.read()

    def run(self, *words, check=True, **more):
        self.write(*words) if words else None
        return self("run", "--bundle", self.bundle, "c", check=check, **more)

    def create(self, *options, name="c"):
        # Not to pipes: the container would hold them.
        self("create", "--bundle", self.bundle, *options, name, stdout=subprocess.DEVNULL, stderr=open(self.place / "errors", "w"))

    def state(self, name="c"):
        return json.loads(self("state", name).stdout)

    def wait(self, name="c", status="stopped"):
        eventually(lambda: self.state(name)["status"] == status, f"{name} is never {status}")

    def up(self, name="c"):
        self.write()
        self.create(name=name)
        self("start", name)

    def clean(self):
        names = self("list", "--quiet", check=False).stdout.split()
        for name in names:
            self("delete", "--force", name, check=False)


def programs():
    runc = shutil.which("runc")
    return [pytest.param(pila, id="pila"),
            pytest.param(runc, id="runc", marks=[] if runc else pytest.mark.skip(reason="runc is not installed"))]


@pytest.fixture(params=programs())
def runtime(request, tmp_path):
    made = Runtime(request.param, tmp_path)
    yield made
    made.clean()


@pytest.fixture
def only_pila(tmp_path):
    made = Runtime(pila, tmp_path)
    yield made
    made.clean()


def test_create_start_kill_delete(runtime):
    runtime.config["annotations"] = {"org.example": "x"}
    runtime.write()
    runtime.create("--pid-file", runtime.place / "pid")
    pid = int((runtime.place / "pid").read_text())
    state = runtime.state()
    assert {key: state[key] for key in ("id", "pid", "status", "bundle", "annotations")} == {
        "id": "c", "pid": pid, "status": "created", "bundle": str(runtime.bundle), "annotations": {"org.example": "x"}}
    assert "sleep" not in Path(f"/proc/{pid}/cmdline").read_text()
    runtime("start", "c")
    eventually(lambda: Path(f"/proc/{pid}/cmdline").read_text() == "sleep\0001000\0", "its program runs")
    assert runtime.state()["status"] == "running"
    assert [entry["id"] for entry in json.loads(runtime("list", "--format", "json").stdout)] == ["c"]
    assert f"{pid} " in runtime("list").stdout
    assert json.loads(runtime("ps", "--format", "json", "c").stdout) == [pid]
    assert "sleep 1000" in runtime("ps", "c").stdout
    runtime("kill", "c", "KILL")
    runtime.wait()
    assert runtime.state()["pid"] == 0
    runtime("delete", "c")
    assert runtime("list", "--quiet").stdout == ""
    assert not Path("/sys/fs/cgroup/memory" + runtime.config["linux"]["cgroupsPath"]).exists()


def test_what_is_refused_in_which_state(runtime):
    def refused(*words):
        done = runtime(*words, check=False)
        assert done.returncode != 0, words
        return done.stderr

    for words in (["state", "c"], ["start", "c"], ["kill", "c"], ["delete", "c"], ["exec", "c", "true"], ["pause", "c"]):
        assert "does not exist" in refused(*words)
    runtime("delete", "--force", "c")  # fine: it is not there
    runtime.up()
    assert "exist" in refused("create", "--bundle", str(runtime.bundle), "c")
    assert "already running" in refused("start", "c")
    assert "not stopped" in refused("delete", "c")
    assert "not paused" in refused("resume", "c")
    runtime("pause", "c")
    assert runtime.state()["status"] == "paused"
    assert "paused" in refused("exec", "c", "true")
    runtime("resume", "c")
    runtime("kill", "c", "SIGKILL")
    runtime.wait()
    assert "not running" in refused("kill", "c", "TERM")
    refused("exec", "c", "true")
    assert "stopped" in refused("start", "c")
    runtime("delete", "c")


def test_delete_ends_what_was_only_created_and_by_force_what_runs(runtime):
    runtime.write()
    runtime.create()
    pid = runtime.state()["pid"]
    runtime("delete", "c")
    assert not Path(f"/proc/{pid}").exists()
    runtime.up()
    pid = runtime.state()["pid"]
    runtime("delete", "--force", "c")
    assert not Path(f"/proc/{pid}").exists() and runtime("list", "-q").stdout == ""


def test_a_program_that_is_not_there_is_told_by_create(runtime):
    runtime.write("no-such-program")
    done = runtime("create", "--bundle", runtime.bundle, "c", check=False)
    assert done.returncode == 1 and 'exec: "no-such-program": executable file not found in $PATH' in done.stderr.replace("\\", "")
    assert runtime("list", "-q").stdout == ""


def test_errors_in_the_log(runtime):
    log = runtime.place / "log"
    runtime("start", "nobody", check=False, options=["--log", log, "--log-format", "json"])
    entry = json.loads(log.read_text())
    assert entry["level"] == "error" and "does not exist" in entry["msg"] and entry["time"].startswith("20")


hook_script = """#!/bin/sh
exec >> {log} 2>&1
state=$(cat)
echo "{kind} $(readlink /proc/self/ns/mnt) $(readlink /proc/self/ns/net) $A $state"
"""


def write_hook(runtime, place, kind, log, text=hook_script, **more):
    path = place / f"hook-{kind}"
    path.write_text(text.format(kind=kind, log=log))
    path.chmod(0o755)
    return {"path": "/" + str(path.relative_to(runtime.rootfs)) if kind == "startContainer" else str(path), "args": ["hook"],
            "env": ["A=1", "PATH=/bin:/usr/bin"], **more}


hook_kinds = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


def test_hooks_in_their_namespaces_order_and_state(runtime):
    log = runtime.place / "hooks"
    (runtime.rootfs / "log").touch()
    runtime.config["mounts"].append({"destination": "/log", "type": "bind", "source": str(log), "options": ["bind"]})
    log.touch()
    runtime.config["annotations"] = {"some": "thing"}
    runtime.config["hooks"] = {kind: [write_hook(runtime, runtime.rootfs if kind == "startContainer" else runtime.place, kind,
                                                 "/log" if kind == "startContainer" else log)] for kind in hook_kinds}
    runtime.write()
    runtime.create()
    pid = runtime.state()["pid"]
    container = {kind: os.readlink(f"/proc/{pid}/ns/{kind}") for kind in ("mnt", "net")}
    host = {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in ("mnt", "net")}
    lines = [line.split(" ", 4) for line in log.read_text().splitlines()]
    # runc's poststart hooks run as early as create, which the specification does not have.
    assert [line[0] for line in lines][:3] == ["prestart", "createRuntime", "createContainer"] and len(lines) == (3 if runtime.is_pila else 4)
    runtime("start", "c")
    runtime("kill", "c", "KILL")
    runtime.wait()
    runtime("delete", "c")
    lines = [line.split(" ", 4) for line in log.read_text().splitlines()]
    assert [line[0] for line in lines] == list(hook_kinds) or not runtime.is_pila
    statuses = {"prestart": "creating", "createRuntime": "creating", "createContainer": "creating", "startContainer": "created",
                "poststart": "running", "poststop": "stopped"}
    for kind, mounts, network, variable, text in lines:
        if kind == "poststart" and not runtime.is_pila:
            continue
        inside = kind in ("createContainer", "startContainer")
        assert (mounts, network) == ((container if inside else host)["mnt"], (container if inside else host)["net"]), kind
        state = json.loads(text)
        assert (variable, state["id"], state["bundle"], state["status"], state["annotations"]) == (
            "1", "c", str(runtime.bundle), statuses[kind], {"some": "thing"}), kind
        if not inside:
            assert state.get("pid", 0) == (0 if kind == "poststop" else pid)


@pytest.mark.parametrize("kind", hook_kinds)
def test_a_hook_that_fails(runtime, kind):
    failing = runtime.rootfs / "fails"
    failing.write_text("#!/bin/sh\necho because >&2; exit 3\n")
    failing.chmod(0o755)
    ended = runtime.place / "poststop-ran"
    inside = kind == "startContainer"
    runtime.config["hooks"] = {kind: [{"path": "/fails" if inside else str(failing)}]}
    if kind != "poststop":
        runtime.config["hooks"]["poststop"] = [{"path": "/bin/sh", "args": ["sh", "-c", f"/usr/bin/touch {ended}"]}]
    runtime.write()
    if kind in ("prestart", "createRuntime", "createContainer") or (kind == "poststart" and not runtime.is_pila):
        done = runtime("create", "--bundle", runtime.bundle, "c", check=False)
        assert done.returncode != 0 and "exit status 3" in done.stderr and "because" in done.stderr
        assert runtime("list", "-q").stdout == "" and ended.exists()
        return
    runtime.create()
    done = runtime("start", "c", check=False)
    if kind == "poststop":
        runtime("delete", "--force", "c")
    else:
        # runc tells of a startContainer hook by the end of the container alone.
        assert done.returncode != 0 or (inside and not runtime.is_pila)
        runtime.wait()
        runtime("delete", "c")
        assert ended.exists()


def test_a_hook_that_takes_too_long(runtime):
    runtime.config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", "/bin/sleep 20"], "timeout": 1}]}
    runtime.write()
    begin = time.monotonic()
    assert runtime("create", "--bundle", runtime.bundle, "c", check=False).returncode != 0
    assert time.monotonic() - begin < 10 or not runtime.is_pila  # runc waits for the output of its grandchild


def test_exec(runtime):
    runtime.config["process"]["env"].append("OWN=yes")
    runtime.up()

    def run(*words, **more):
        return runtime("exec", *words, **more).stdout

    assert run("c", "sh", "-c", "echo $OWN; pwd; id -u; pidof sleep") == "yes\n/\n0\n1\n"
    assert runtime("exec", "c", "sh", "-c", "exit 9", check=False).returncode == 9
    assert runtime("exec", "c", "sh", "-c", "kill -9 $$", check=False).returncode == 137
    assert run("--cwd", "/tmp", "--env", "A=b", "--env", "C=d", "c", "sh", "-c", "pwd; echo $A$C") == "/tmp\nbd\n"
    assert run("--user", "5:6", "--additional-gids", "7", "c", "id") == "uid=5 gid=6 groups=7\n"
    assert runtime("exec", "-", "c", "cat", check=False).returncode != 0
    assert runtime("exec", "c", "cat", input="typed", stdin=None).stdout == "typed"
    assert "executable file not found" in runtime("exec", "c", "no-such", check=False).stderr
    assert runtime("exec", "c", "no-such", check=False).returncode == 255
    caps = [line.split()[1] for line in run("--cap", "CAP_SYS_ADMIN", "c", "cat", "/proc/self/status").splitlines() if line.startswith("CapEff")]
    assert int(caps[0], 16) == 1 << 29 | 1 << 5 | 1 << 10 | 1 << 21
    inside, own = run("c", "cat", "/proc/self/cgroup"), Path(f"/proc/{runtime.state()['pid']}/cgroup").read_text()
    assert own.count(runtime.config["linux"]["cgroupsPath"]) >= 8 and inside.count(":/\n") >= 8
    members = json.loads(runtime("ps", "-f", "json", "c").stdout)
    assert len(members) == 1


def test_exec_of_a_process_file(runtime):
    runtime.up()
    file = runtime.place / "process.json"
    file.write_text(json.dumps({"args": ["sh", "-c", "echo $X; id -u; umask; grep Cap /proc/self/status; ulimit -n; grep NoNew /proc/self/status"],
                                "env": ["X=y", "PATH=/bin"], "cwd": "/tmp", "user": {"uid": 0, "gid": 0, "umask": 0o77},
                                "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 99, "hard": 99}],
                                "capabilities": {"bounding": ["CAP_KILL"], "effective": ["CAP_KILL"], "permitted": ["CAP_KILL"]}}))
    lines = runtime("exec", "--process", file, "c").stdout.split()
    kill = f"{1 << 5:016x}"
    assert lines == ["y", "0", "0077" if runtime.is_pila else "0022", "CapInh:", "0" * 16, "CapPrm:", kill, "CapEff:", kill, "CapBnd:", kill, "CapAmb:", "0" * 16, "99", "NoNewPrivs:", "0"]


def test_a_detached_exec(runtime):
    runtime.up()
    runtime("exec", "--detach", "--pid-file", runtime.place / "pid", "c", "sleep", "2000", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    pid = int((runtime.place / "pid").read_text())
    assert Path(f"/proc/{pid}/cmdline").read_text() == "sleep\0002000\0"
    for kind in ("pid", "mnt", "net", "uts", "ipc", "cgroup"):
        assert os.readlink(f"/proc/{pid}/ns/{kind}") == os.readlink(f"/proc/{runtime.state()['pid']}/ns/{kind}")
    runtime("delete", "--force", "c")
    eventually(lambda: not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text(), "it ends with the container")


def listening(path):
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(path))
    made.listen(4)
    made.settimeout(20)
    return made


def receive(server, size=65536):
    """(bytes, descriptors) of the next connection's first message."""
    connection, _ = server.accept()
    text, rights, _, _ = connection.recvmsg(size, socket.CMSG_LEN(64))
    fds = array.array("i")
    for level, kind, data in rights:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(data[:len(data) - len(data) % 4])
    return text, list(fds)


def read_terminal(master, until):
    text = b""
    while until not in text:
        text += os.read(master, 4096)
    return text


def test_a_terminal_over_the_console_socket(runtime):
    with listening(runtime.place / "console") as server:
        runtime.write(*sh, "tty; stty size; exec sleep 1000", terminal=True, consoleSize={"height": 33, "width": 77})
        assert runtime("create", "--bundle", runtime.bundle, "c", check=False).returncode != 0
        runtime.create("--console-socket", runtime.place / "console")
        text, (master,) = receive(server)
        assert b"ptmx" in text or b"pts" in text
        runtime("start", "c")
        shown = read_terminal(master, b"\n33 77") if runtime.is_pila else read_terminal(master, b"\n")
        assert b"/dev/" in shown
        runtime("exec", "--tty", "--detach", "--console-socket", runtime.place / "console", "c", "sh", "-c", "tty; echo in; sleep 1000",
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, (another,) = receive(server)
        assert b"/dev/pts/" in read_terminal(another, b"in\r\n")
        os.close(master), os.close(another)


def test_descriptors_are_passed_on(runtime):
    reader, writer = os.pipe()
    closed = os.open("/dev/null", os.O_RDONLY)
    script = "{ echo passed >&3; } 2>/dev/null; ls /proc/self/fd | wc -l; echo $LISTEN_FDS $LISTEN_PID"

    def child():
        os.dup2(writer, 3)
        os.set_inheritable(3, True)

    kept = dict(pass_fds=[writer, 3], preexec_fn=child, close_fds=False)
    assert runtime.output(*sh, script, **kept).split() == ["4"]
    runtime.write(*sh, script)
    with open(runtime.place / "output", "w+") as file:
        runtime("create", "--bundle", runtime.bundle, "--preserve-fds", "1", "c", stdout=file, stderr=file, **kept)
        runtime("start", "c")
        runtime.wait()
    assert os.read(reader, 100) == b"passed\n"
    runtime("delete", "c")
    with open(runtime.place / "output", "w+") as file:
        runtime("run", "--bundle", runtime.bundle, "c", stdout=file, stderr=file, **kept, env=os.environ | {"LISTEN_FDS": "1"} | (
            {} if runtime.is_pila else {"LISTEN_PID": "?"}), check=False)
        file.seek(0)
        assert file.read().split() == ["5", "1", "1"] or not runtime.is_pila
    assert not runtime.is_pila or os.read(reader, 100) == b"passed\n"
    os.close(reader), os.close(writer), os.close(closed)


def test_mount_options(runtime):
    tree = runtime.place / "tree"
    (tree / "below").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "x", tree / "below"], check=True)
    try:
        (runtime.rootfs / "full").mkdir()
        (runtime.rootfs / "full/file").write_text("held\n")
        (runtime.rootfs / "full").chmod(0o750)

        def bind(name, *options):
            return {"destination": f"/{name}", "type": "bind", "source": str(tree), "options": ["rbind", *options]}

        runtime.config["mounts"] += [bind("ro", "ro"), bind("rro", "rro"), bind("nosuid", "nosuid", "nodev", "noexec", "noatime"),
                                     bind("rnoexec", "rnoexec", "rnodev"), bind("slave", "rslave"), bind("private", "rprivate"),
                                     {"destination": "/full", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "nosuid"]},
                                     {"destination": "/new", "type": "tmpfs", "source": "tmpfs", "options": ["size=1m", "mode=1777"]}]
        lines = runtime.run("cat", "/proc/self/mountinfo").stdout.splitlines()
        shown = {line.split()[4]: set(line.split()[5].split(",")) for line in lines}
        assert "ro" in shown["/ro"] and "ro" not in shown["/ro/below"]
        assert "ro" in shown["/rro"] and "ro" in shown["/rro/below"]
        assert {"nosuid", "nodev", "noexec", "noatime"} <= shown["/nosuid"] and "noexec" not in shown["/nosuid/below"]
        assert {"noexec", "nodev"} <= shown["/rnoexec"] and {"noexec", "nodev"} <= shown["/rnoexec/below"]
        words = runtime.run(*sh, "cat /full/file; stat -c %a /full /new; touch /ro/x; touch /rro/below/x; touch /private/below/y && rm /private/below/y",
                            check=False).stdout.split()
        assert words == ["held", "750", "1777" if runtime.is_pila else "755"]  # Debian's runc forgets mode=
    finally:
        subprocess.run(["umount", tree / "below"], check=True)


def test_masked_and_readonly_paths_devices_and_limits_of_the_process(runtime):
    runtime.config["linux"]["devices"] = [{"path": "/dev/own", "type": "c", "major": 10, "minor": 232, "fileMode": 0o666, "uid": 3, "gid": 4}]
    runtime.config["linux"]["resources"]["devices"].append({"allow": True, "type": "c", "major": 10, "minor": 232, "access": "r"})
    runtime.config["linux"]["sysctl"] = {"net.ipv4.ip_unprivileged_port_start": "77"}
    runtime.config["process"]["oomScoreAdj"] = 500
    script = ("wc -c < /proc/keys; echo x > /proc/sys/kernel/hostname; stat -c '%a %u %g %t %T' /dev/own; (: < /dev/own) 2>&1 | grep -c permitted; (: > /dev/own) 2>&1 | grep -c permitted;"
              "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/self/oom_score_adj; ulimit -n; readlink /dev/fd; readlink /dev/ptmx; ls /dev/pts")
    done = runtime.run(*sh, script, check=False)
    assert done.stdout.split() == ["0", "666", "3", "4", "a", "e8", "0", "1", "77", "500", "1024", "/proc/self/fd", "pts/ptmx", "ptmx"]
    assert "Read-only" in done.stderr


def test_namespaces_joined_by_path(runtime):
    runtime.up("first")
    pid = runtime.state("first")["pid"]
    for entry in runtime.config["linux"]["namespaces"]:
        if entry["type"] in ("network", "ipc", "uts", "pid"):
            entry["path"] = f"/proc/{pid}/ns/{ {'network': 'net'}.get(entry['type'], entry['type']) }"
    runtime.config["linux"]["cgroupsPath"] += "-second"
    links = runtime.output(*sh, "for n in net ipc uts pid; do readlink /proc/self/ns/$n; done; pidof sleep | wc -w").split()
    assert links[:4] == [os.readlink(f"/proc/{pid}/ns/{kind}") for kind in ("net", "ipc", "uts", "pid")]
    assert links[4] == "1"


def test_without_a_pid_namespace_all_processes_end(runtime):
    runtime.config["linux"]["namespaces"] = [entry for entry in runtime.config["linux"]["namespaces"] if entry["type"] != "pid"]
    runtime.write(*sh, "sleep 31415 & exec sleep 27182")
    runtime.create()
    runtime("start", "c")
    members = eventually(lambda: (found := json.loads(runtime("ps", "-f", "json", "c").stdout)) and len(found) == 2 and found, "two processes")
    runtime("kill", "--all", "c", "KILL")
    runtime.wait()
    runtime("delete", "c")
    for pid in members:
        eventually(lambda: not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text(), "they end")


def limit(runtime, controller, file):
    return Path(f"/sys/fs/cgroup/{controller}{runtime.config['linux']['cgroupsPath']}/{file}").read_text().strip()


v1 = pytest.mark.skipif(not Path("/sys/fs/cgroup/memory").exists(), reason="reads the files of cgroup v1")


@v1
def test_limits_their_update_and_what_is_used(runtime):
    runtime.config["linux"]["resources"].update(memory={"limit": 64 << 20, "reservation": 32 << 20}, pids={"limit": 33},
                                                cpu={"shares": 300, "quota": 50000, "period": 100000, "cpus": "0"})
    runtime.up()
    assert (limit(runtime, "memory", "memory.limit_in_bytes"), limit(runtime, "memory", "memory.soft_limit_in_bytes")) == (str(64 << 20), str(32 << 20))
    assert (limit(runtime, "pids", "pids.max"), limit(runtime, "cpu", "cpu.shares"), limit(runtime, "cpuset", "cpuset.cpus")) == ("33", "300", "0")
    runtime("update", "--memory", 48 << 20, "--pids-limit", "44", "--cpu-quota", "20000", "--cpu-period", "50000", "c")
    assert (limit(runtime, "memory", "memory.limit_in_bytes"), limit(runtime, "pids", "pids.max"), limit(runtime, "cpu", "cpu.cfs_quota_us")) == (
        str(48 << 20), "44", "20000")
    runtime("update", "--resources", "-", "c", input=json.dumps({"memory": {"limit": 80 << 20}, "cpu": {"shares": 77}, "pids": {"limit": 55}}), stdin=None)
    assert (limit(runtime, "memory", "memory.limit_in_bytes"), limit(runtime, "cpu", "cpu.shares"), limit(runtime, "pids", "pids.max")) == (
        str(80 << 20), "77", "55")
    event = json.loads(runtime("events", "--stats", "c").stdout)
    assert (event["type"], event["id"]) == ("stats", "c")
    data = event["data"]
    assert data["memory"]["usage"]["limit"] == 80 << 20 and 0 < data["memory"]["usage"]["usage"] < 80 << 20
    assert data["pids"]["current"] == 1 and data["cpu"]["usage"]["total"] > 0


def test_events_follow_the_container(runtime):
    runtime.up()
    process = subprocess.Popen([runtime.program, "--root", runtime.root, "events", "--interval", "100ms", "c"], stdout=subprocess.PIPE, text=True)
    assert json.loads(process.stdout.readline())["type"] == "stats"
    runtime("kill", "c", "KILL")
    if runtime.is_pila:
        assert process.wait(20) == 0
    process.kill()
    process.wait()


def test_run_detached_and_kept(runtime):
    runtime.write()
    runtime("run", "--detach", "--bundle", runtime.bundle, "--pid-file", runtime.place / "pid", "c", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert runtime.state()["status"] == "running" and runtime.state()["pid"] == int((runtime.place / "pid").read_text())
    runtime("delete", "--force", "c")
    done = runtime.run(*sh, "exit 4", check=False)
    assert done.returncode == 4 and runtime("list", "-q").stdout == ""
    if runtime.is_pila:  # newer than Debian's runc
        assert runtime("run", "--keep", "--bundle", runtime.bundle, "c", check=False).returncode == 4
        assert runtime.state()["status"] == "stopped"


def test_a_foreground_container_can_be_asked_about(runtime):
    runtime.write(*sh, "echo ready; sleep 1000")
    process = subprocess.Popen([runtime.program, "--root", runtime.root, "run", "--bundle", runtime.bundle, "c"], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    eventually(lambda: runtime.state()["status"] == "running", "it runs")
    assert runtime("exec", "c", "echo", "in").stdout == "in\n"
    runtime("kill", "c", "KILL")
    assert process.wait(20) == 137


def test_a_killed_create_leaves_what_delete_cleans(only_pila):
    runtime = only_pila
    hook = runtime.place / "reached"
    runtime.config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", f"echo > {hook}; /bin/sleep 1000"]}]}
    runtime.write()
    process = subprocess.Popen([pila, "--root", runtime.root, "create", "--bundle", runtime.bundle, "c"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    eventually(hook.exists, "the hook runs")
    pid = runtime.state()["pid"]
    process.kill()
    process.wait()
    eventually(lambda: not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text(), "its first process ends, too")
    runtime("delete", "--force", "c")
    assert not any(runtime.root.iterdir())
    assert not Path("/sys/fs/cgroup/memory" + runtime.config["linux"]["cgroupsPath"]).exists()


def test_nothing_of_the_host_is_within_reach_between_create_and_start(only_pila):
    only_pila.write()
    only_pila.create()
    shown = only_pila("exec", "c", "sh", "-c", "ls -l /proc/1/fd; readlink /proc/1/exe; cat /proc/1/environ; ls /proc/1/root", check=False)
    assert "->" not in shown.stdout.replace("-> /dev/null", ""), shown.stdout
    fds = {os.readlink(f"/proc/{only_pila.state()['pid']}/fd/{fd}").split(":")[0] for fd in os.listdir(f"/proc/{only_pila.state()['pid']}/fd")}
    assert all(name in ("/dev/null", "socket") or name.endswith("errors") for name in fds), fds


def notified(server, answers):
    """Answers `answers` notifications of the first listener that arrives with errno 42 (ENOMSG); its state and how many there were."""
    text, fds = receive(server)
    libc = ctypes.CDLL(None, use_errno=True)
    size = struct.calcsize("=QII") + 64
    for _ in range(answers):
        request = ctypes.create_string_buffer(size)
        if libc.ioctl(fds[0], 0xc0502100, request) < 0:  # SECCOMP_IOCTL_NOTIF_RECV
            break
        response = ctypes.create_string_buffer(struct.pack("=QqiI", struct.unpack_from("=Q", request)[0], 0, -42, 0))
        libc.ioctl(fds[0], 0xc0182101, response)  # SECCOMP_IOCTL_NOTIF_SEND
    os.close(fds[0])
    return json.loads(text)


@pytest.mark.parametrize("no_new_privileges", [True, False])
def test_seccomp_notifications(runtime, no_new_privileges):
    with listening(runtime.place / "agent") as server:
        runtime.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": str(runtime.place / "agent"), "listenerMetadata": "more",
                                              "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}]}
        told = []
        agent = threading.Thread(target=lambda: told.append(notified(server, 1)))
        agent.start()
        try:
            text = runtime.output(*sh, "mkdir /made; ls -d /made; true")
        finally:
            agent.join(25)
    assert "No message of desired type" in text and "No such file" in text, text
    state = told[0]
    assert (state["fds"], state["metadata"], state["state"]["id"]) == (["seccompFd"], "more", "c")
    assert state["pid"] == state["state"]["pid"]


def test_seccomp_of_the_container_holds_for_exec(runtime):
    runtime.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]}
    runtime.up()
    assert "not supported" in runtime("exec", "c", "mkdir", "/x", check=False).stderr


def test_a_seccomp_profile_that_cannot_work_is_refused(runtime):
    for more, word in (({"defaultAction": "SCMP_ACT_NOTIFY"}, "NOTIFY"), ({"defaultAction": "SCMP_ACT_ALLOW", "flags": ["NO_FLAG"]}, "NO_FLAG" if runtime.is_pila else "flags"),
                       ({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/x", "syscalls": [{"names": ["write"], "action": "SCMP_ACT_NOTIFY"}]}, "write")):
        runtime.config["linux"]["seccomp"] = {"syscalls": [], **more}
        done = runtime.run("true", check=False)
        assert done.returncode != 0 and word in done.stderr, done


def test_user_namespace(runtime):
    runtime.config["linux"]["namespaces"].append({"type": "user"})
    for key in ("uidMappings", "gidMappings"):
        runtime.config["linux"][key] = [{"containerID": 0, "hostID": 100000, "size": 1000}]
    subprocess.run(["chown", "-R", "100000:100000", runtime.rootfs], check=True)
    for above in (runtime.bundle, runtime.place, *runtime.place.parents[:3]):
        above.chmod(0o755)
    runtime.up()
    pid = runtime.state()["pid"]
    assert os.stat(f"/proc/{pid}").st_uid == 100000
    assert runtime("exec", "c", "sh", "-c", "id -u; echo $(cat /proc/self/uid_map); touch /x && stat -c %u /x").stdout == "0\n0 100000 1000\n0\n"
    runtime("delete", "--force", "c")


def test_offsets_of_clocks(only_pila):
    only_pila.config["linux"]["namespaces"].append({"type": "time"})
    only_pila.config["linux"]["timeOffsets"] = {"boottime": {"secs": 1000000, "nanosecs": 5}, "monotonic": {"secs": 7}}
    before = float(Path("/proc/uptime").read_text().split()[0])
    words = only_pila.run(*sh, "cat /proc/uptime /proc/self/timens_offsets").stdout.split()
    only_pila.config["process"]["args"] = ["sleep", "100"]
    assert before + 999999 < float(words[0]) < before + 1000100 and words[2:] == ["monotonic", "7", "0", "boottime", "1000000", "5"]
    only_pila.up()
    assert float(only_pila("exec", "c", "cat", "/proc/uptime").stdout.split()[0]) > before + 999999


def test_scheduler_io_priority_personality_and_affinity(only_pila):
    only_pila.config["process"].update(scheduler={"policy": "SCHED_BATCH", "nice": 5}, ioPriority={"class": "IOPRIO_CLASS_BE", "priority": 6},
                                       execCPUAffinity={"initial": "0", "final": "0"})
    only_pila.config["linux"]["personality"] = {"domain": "LINUX32"}
    only_pila.up()
    pid = only_pila.state()["pid"]
    assert os.sched_getscheduler(pid) == os.SCHED_BATCH and os.getpriority(os.PRIO_PROCESS, pid) == 5
    assert ctypes.CDLL(None).syscall(252, 1, pid) == 2 << 13 | 6  # ioprio_get
    assert Path(f"/proc/{pid}/personality").read_text().strip() == "00000008"
    assert "Cpus_allowed_list:\t0\n" in only_pila("exec", "c", "cat", "/proc/self/status").stdout
    for section, value, word in (("scheduler", {"policy": "SCHED_MOON"}, "scheduler.policy"), ("scheduler", {"policy": "SCHED_OTHER", "runtime": 5}, "SCHED_DEADLINE"),
                                 ("ioPriority", {"class": "X"}, "ioPriority.class"), ("ioPriority", {"class": "IOPRIO_CLASS_BE", "priority": 8}, "ioPriority.priority"),
                                 ("execCPUAffinity", {"initial": "x"}, "execCPUAffinity.initial")):
        only_pila.config["process"][section] = value
        only_pila.write("true")
        done = only_pila("run", "--bundle", only_pila.bundle, "d", check=False)
        assert done.returncode == 1 and word in done.stderr
        del only_pila.config["process"][section]


def test_id_mapped_mounts(only_pila):
    data = only_pila.place / "data"
    data.mkdir()
    (data / "file").touch()
    os.chown(data / "file", 1000, 1000)
    mapping = [{"containerID": 1000, "hostID": 5, "size": 1}]
    only_pila.config["mounts"].append({"destination": "/data", "type": "bind", "source": str(data), "options": ["bind"], "uidMappings": mapping, "gidMappings": mapping})
    done = only_pila.run("stat", "-c", "%u %g", "/data/file", check=False)
    if "Invalid argument" in done.stderr:
        pytest.skip("the file system of the test cannot map ids")
    assert done.stdout == "5 5\n", done


def test_what_cannot_be_had_is_refused_by_name(only_pila):
    def refused(change):
        kept = json.loads(json.dumps(only_pila.config))
        change(only_pila.config)
        done = only_pila.run("true", check=False)
        only_pila.config = kept
        assert done.returncode != 0 and only_pila("list", "-q").stdout == ""
        return done.stderr

    assert "intelRdt" in refused(lambda c: c["linux"].update(intelRdt={"closID": "x"}))
    assert "netDevices" in refused(lambda c: c["linux"].update(netDevices={"eth0": {}}))
    assert "hooks.prestart" in refused(lambda c: c.update(hooks={"prestart": [{"path": "relative"}]}))
    assert "timeOffsets" in refused(lambda c: c["linux"].update(timeOffsets={"boottime": {"secs": 1}}))
    if not Path("/sys/fs/selinux/enforce").exists():
        assert "process.selinuxLabel" in refused(lambda c: c["process"].update(selinuxLabel="system_u:system_r:x"))
        assert "linux.mountLabel" in refused(lambda c: c["linux"].update(mountLabel="system_u:object_r:x"))
    if not Path("/sys/module/apparmor/parameters/enabled").exists():
        assert "process.apparmorProfile" in refused(lambda c: c["process"].update(apparmorProfile="some"))
    if Path("/sys/fs/cgroup/memory").exists():
        assert "unified" in refused(lambda c: c["linux"]["resources"].update(unified={"memory.high": "1000000"}))
        assert "hugetlb" in refused(lambda c: c["linux"]["resources"].update(hugepageLimits=[{"pageSize": "2MB", "limit": 0}]))
    if not Path("/run/systemd/system").exists():
        only_pila.write("true")
        done = only_pila("run", "--bundle", only_pila.bundle, "c", check=False, options=["--systemd-cgroup"])
        assert done.returncode == 1 and "systemd" in done.stderr


def test_a_newer_version_is_accepted(only_pila):
    only_pila.config["ociVersion"] = "1.7.0"
    only_pila.config["unheardOf"] = {"field": 1}
    assert only_pila.run("echo", "fine").stdout == "fine\n"


def test_features_are_true(only_pila):
    features = json.loads(only_pila("features").stdout)
    assert features["hooks"] == list(hook_kinds) and "rnosymfollow" in features["mountOptions"]
    assert "SCMP_ACT_NOTIFY" in features["linux"]["seccomp"]["actions"]
    # Every mount option of the list is taken for one, not for data of a file system.
    for option in features["mountOptions"]:
        if option in ("idmap", "ridmap", "remount", "mand", "tmpcopyup", "silent", "loud", "iversion", "noiversion"):
            continue
        only_pila.config["mounts"] = [{"destination": "/proc", "type": "proc", "source": "proc"},
                                      {"destination": "/m", "type": "bind", "source": "/tmp", "options": ["bind", option]}]
        assert only_pila.run("true", check=False).returncode == 0, option
    only_pila.config["mounts"] = [{"destination": "/m", "type": "tmpfs", "source": "x", "options": ["no-such-option"]}]
    assert only_pila.run("true", check=False).returncode == 1


systemd_script = """
mount --make-rprivate / && mkdir -p /run/systemd && mount -t tmpfs x /run/systemd && mkdir /run/systemd/system || exit 77
export XDG_RUNTIME_DIR={place}/xdg DBUS_SESSION_BUS_ADDRESS=
group=/sys/fs/cgroup/systemd/pila-oci-$$
mkdir -m 700 $XDG_RUNTIME_DIR && mkdir $group || exit 77
sh -c "echo \\$\\$ > $group/cgroup.procs; exec /lib/systemd/systemd --user --unit=basic.target" > {place}/systemd.log 2>&1 &
systemd=$!
for i in $(seq 100); do [ -S $XDG_RUNTIME_DIR/systemd/private ] && break; sleep 0.1; done
ln -s $XDG_RUNTIME_DIR/systemd/private /run/systemd/private
[ -S /run/systemd/private ] || exit 77
{pila} --root {place}/state --systemd-cgroup create --bundle {bundle} c > /dev/null 2> {place}/errors < /dev/null || cat {place}/errors
cat /proc/$({pila} --root {place}/state ps -f json c | tr -d '[]')/cgroup
systemctl --user show pre-c.scope -p Slice,Delegate,MemoryLimit,TasksMax,CPUShares,CPUQuotaPerSecUSec
{pila} --root {place}/state delete --force c
kill -KILL $systemd; wait $systemd
find $group /sys/fs/cgroup/*/my.slice -depth -type d -exec rmdir {{}} + 2> /dev/null
exit 0
"""


@v1
@pytest.mark.skipif(not Path("/lib/systemd/systemd").exists(), reason="systemd is not installed")
def test_a_scope_of_systemd(only_pila):
    """Asked of a real one: a user instance of root's, where it finds the hierarchy it needs."""
    only_pila.config["linux"]["cgroupsPath"] = "my-own.slice:pre:c"
    only_pila.config["linux"]["resources"].update(memory={"limit": 64 << 20}, pids={"limit": 20}, cpu={"shares": 512, "quota": 20000, "period": 100000})
    only_pila.write()
    script = systemd_script.format(place=only_pila.place, pila=pila, bundle=only_pila.bundle)
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    if done.returncode == 77:
        pytest.skip("systemd does not run here")
    groups = [line.split(":")[2] for line in done.stdout.splitlines() if line[:1].isdigit()]
    assert groups.count("/my.slice/my-own.slice/pre-c.scope") >= 8, done
    assert {"Slice=my-own.slice", "Delegate=yes", "MemoryLimit=67108864", "TasksMax=20", "CPUShares=512", "CPUQuotaPerSecUSec=200ms"} <= set(
        done.stdout.splitlines())


class TestRootless:
    who = {"user": 65534, "group": 65534, "extra_groups": []}

    @pytest.fixture
    def rootless(self, tmp_path):
        made = Runtime(pila, tmp_path)
        made.program = shutil.copy(pila, tmp_path)
        (made.bundle / "config.json").unlink()
        subprocess.run([pila, "spec", "--rootless"], cwd=made.bundle, check=True)
        made.config = json.loads((made.bundle / "config.json").read_text())
        made.config["process"].update(terminal=False, args=["sleep", "1000"])
        made.config["root"]["readonly"] = False
        for key in ("uidMappings", "gidMappings"):
            made.config["linux"][key][0]["hostID"] = 65534
        subprocess.run(["chown", "-R", "65534:65534", tmp_path], check=True)
        for above in (tmp_path, *tmp_path.parents[:2]):
            above.chmod(0o755)
        yield made
        for name in made("list", "-q", check=False, **self.who).stdout.split():
            made("delete", "--force", name, check=False, **self.who)

    def test_life(self, rootless):
        rootless.write()
        rootless("create", "--bundle", rootless.bundle, "c", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self.who)
        assert json.loads(rootless("state", "c", **self.who).stdout)["status"] == "created"
        rootless("start", "c", **self.who)
        assert rootless("exec", "c", "sh", "-c", "id -u; echo $$ | grep -c .; touch /x; readlink /proc/self/ns/pid", **self.who).stdout.split()[:2] == ["0", "1"]
        assert rootless("exec", "c", "readlink", "/proc/self/ns/pid", **self.who).stdout == rootless("exec", "c", "readlink", "/proc/1/ns/pid", **self.who).stdout
        assert (rootless.rootfs / "x").stat().st_uid == 65534
        rootless("kill", "c", "KILL", **self.who)
        eventually(lambda: json.loads(rootless("state", "c", **self.who).stdout)["status"] == "stopped", "it ends")
        rootless("delete", "c", **self.who)

    def test_limits_are_not_dropped_silently(self, rootless):
        rootless.config["linux"].setdefault("resources", {})["memory"] = {"limit": 1 << 25}
        rootless.write("true")
        done = rootless("run", "--bundle", rootless.bundle, "c", check=False, **self.who)
        assert done.returncode == 1 and "limits" in done.stderr
