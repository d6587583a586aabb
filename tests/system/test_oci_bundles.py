# SPDX-License-Identifier: Apache-2.0
"""What a bundle may ask of pila-runtime: limits, seccomp, clocks, scheduling, ids; what it refuses; life without root; scopes of systemd."""
import ctypes
import json
import os
import shutil
import struct
import subprocess
import threading
from pathlib import Path

import pytest
from lib.oci_runtime import Runtime, eventually, group_of, has_ended, hook_kinds, is_v1, listening, only_pila, pila, receive, runtime, sh  # noqa: F401

pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("its own runtime")]


def limit(runtime, controller, file):
    return Path(f"/sys/fs/cgroup/{controller}{runtime.config['linux']['cgroupsPath']}/{file}").read_text().strip()


v1 = pytest.mark.skipif(not is_v1, reason="reads the files of cgroup v1")


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
    eventually(lambda: has_ended(pid), "its first process ends, too")
    runtime("delete", "--force", "c")
    assert not any(runtime.root.iterdir())
    assert not group_of(runtime).exists()


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
    if is_v1:
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
