# SPDX-License-Identifier: Apache-2.0
"""The command line that runc and crun share. Each test runs the same script on pila-runtime and on Debian's runc, which is the judge;
what that version of runc cannot do runs on pila-runtime alone."""
import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from lib.oci_runtime import eventually, group_of, has_ended, hook_kinds, is_v1, listening, only_pila, receive, runtime, sh  # noqa: F401

pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("its own runtime")]


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
    assert not group_of(runtime).exists()


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
    trees = 8 if is_v1 else 1
    assert own.count(runtime.config["linux"]["cgroupsPath"]) >= trees and inside.count(":/\n") >= trees
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
    eventually(lambda: has_ended(pid), "it ends with the container")


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
        eventually(lambda: has_ended(pid), "they end")
