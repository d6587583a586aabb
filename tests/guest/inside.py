# SPDX-License-Identifier: Apache-2.0
"""Runs in the guest, as its administrator would: installs pila, uses it, kills it, reboots, removes it.

Standard output is the guest's second serial port: one JSON line a result, as the other tests write them.
"""
import json
import os
import subprocess
import sys
import time
import traceback
import urllib.request
from pathlib import Path

product = Path("/pila")
work = Path("/var/tmp/guest")
stage_file = work / "stage"
environment = os.environ | {"DOCKER_HOST": "unix:///run/pila/docker.sock", "PILA_HOST": "unix:///run/pila/docker.sock", "HOME": "/root", "LANG": "C.UTF-8",
                            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
unified = Path("/sys/fs/cgroup")


def report(**result):
    print(json.dumps(result), flush=True)


def sh(*words, check=True, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, env=environment, timeout=300, **more)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(map(str, words))}: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout.strip()


def docker(*words, **more):
    return sh("docker", *words, **more)


def pila(*words, **more):
    return sh("/usr/local/bin/pila", *words, **more)


def until(condition, what, seconds=60):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.2)
    return value


def running(name):
    return docker("inspect", "-f", "{{.State.Running}}", name, check=False) == "true"


def answers(port):
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10).read().decode().strip()
    except OSError:
        return ""


def main_pid():
    return int(sh("systemctl", "show", "-p", "MainPID", "--value", "pila.service"))


# --- the first boot -----------------------------------------------------------------------------------------------------
def this_is_what_users_have():
    assert (unified / "cgroup.controllers").exists() and not (unified / "memory").exists(), "cgroup v2 alone"
    assert sh("cat", "/proc/1/comm") == "systemd"
    assert sh("cat", "/sys/module/apparmor/parameters/enabled") == "Y"


def install_starts_the_service():
    sh(product / "dev", "install", "--as-built")
    assert sh("systemctl", "is-active", "pila.service") == "active"
    assert sh("systemctl", "is-enabled", "pila.service") == "enabled"
    assert docker("version", "-f", "{{.Server.Version}}")  # at once: the service is up when its socket answers
    assert docker("info", "-f", "{{.CgroupVersion}}") == "2"
    for archive in ("busybox", "hello"):
        docker("load", "-qi", product / f"images/{archive}.tar")
    assert docker("run", "--rm", "busybox", "echo", "ciao a tutti") == "ciao a tutti"
    assert docker("run", "--rm", "pila/hello-world")


def a_container_sees_its_own_group():
    text = docker("run", "--rm", "--network", "none", "busybox", "sh", "-c", "cat /proc/self/cgroup; ls /sys/fs/cgroup; "
                  "mkdir /sys/fs/cgroup/x 2>&1; true")
    lines = text.splitlines()
    assert lines[0] == "0::/" and "memory.current" in lines and "Read-only file system" in lines[-1], text


def limits_are_in_the_group():
    inside = docker("run", "--rm", "-m", "64m", "--memory-swap", "96m", "--memory-reservation", "32m", "--cpus", "0.5",
                    "--cpu-shares", "512", "--pids-limit", "33", "--cpuset-cpus", "0", "busybox", "sh", "-c",
                    "cd /sys/fs/cgroup; cat memory.max memory.swap.max memory.low cpu.max cpu.weight pids.max cpuset.cpus")
    # 512 shares of 2..262144 are 20 of 1..10000, as runc converts them
    assert inside.splitlines() == [str(64 << 20), str(32 << 20), str(32 << 20), "50000 100000", "20", "33", "0"], inside


def memory_that_is_not_there_ends_it():
    docker("run", "--name", "eater", "-m", "20m", "--memory-swap", "20m", "busybox", "sh", "-c",
           "x=a; while :; do x=$x$x; done", check=False)
    assert docker("inspect", "-f", "{{.State.ExitCode}} {{.State.OOMKilled}}", "eater") == "137 true"
    docker("rm", "eater")


def forks_end_at_the_limit():
    text = docker("run", "--rm", "--pids-limit", "10", "busybox", "sh", "-c",
                  "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done; echo", check=False)
    assert docker("run", "--rm", "--pids-limit", "10", "busybox", "cat", "/sys/fs/cgroup/pids.max") == "10", text


def devices_are_refused():
    """The program in the kernel that stands for v1's devices controller."""
    attempt = ("mknod /tmp/disk b 254 0 || exit 7; dd if=/tmp/disk of=/dev/null bs=512 count=1 2>&1; echo code $?; "
               "echo fine > /dev/null && head -c 4 /dev/urandom | wc -c; ls -c /dev | head -1 > /dev/zero && echo ok")
    text = docker("run", "--rm", "busybox", "sh", "-c", attempt)
    assert "Operation not permitted" in text and "code 1" in text and text.endswith("4\nok"), text
    text = docker("run", "--rm", "--privileged", "busybox", "sh", "-c", "dd if=/dev/vda of=/dev/null bs=512 count=1 2>&1; echo code $?")
    assert "code 0" in text, text
    text = docker("run", "--rm", "--device", "/dev/vda:/dev/mine:r", "busybox", "sh", "-c",
                  "dd if=/dev/mine of=/dev/null bs=512 count=1 2>/dev/null; echo read $?; echo x > /dev/mine; echo write $?")
    assert "read 0" in text and "write 1" in text, text


def apparmor_confines():
    own = ("run", "--rm", "busybox", "cat", "/proc/self/attr/apparmor/current")
    assert docker(*own) == "pila-default (enforce)"
    assert docker("run", "--rm", "--security-opt", "apparmor=unconfined", *own[2:]) == "unconfined"
    assert docker("run", "--rm", "--privileged", *own[2:]) == "unconfined"
    assert "name=apparmor" in docker("info", "-f", "{{.SecurityOptions}}")
    docker("run", "-d", "--name", "confined", "busybox", "sleep", "1000")
    assert docker("inspect", "-f", "{{.AppArmorProfile}}", "confined") == "pila-default"
    assert docker("exec", "confined", *own[3:]) == "pila-default (enforce)"
    docker("rm", "-f", "confined")  # an unconfined shim may end it
    # The capability alone, which Docker's profile refuses, too.
    mount = ("--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", "busybox", "sh", "-c", "mkdir /m; mount -t tmpfs x /m 2>&1; true")
    said = docker("run", "--rm", *mount)
    assert "denied" in said, said
    assert docker("run", "--rm", "--security-opt", "apparmor=unconfined", *mount) == ""


own_profile = """profile guest-own flags=(attach_disconnected,mediate_deleted) {
  file,
  capability,
  signal,
  network,
  deny /etc/passwd r,
}
"""


def a_profile_of_the_administrator_confines():
    file = work / "guest-own"
    file.write_text(own_profile)
    sh("apparmor_parser", "-Kr", file)
    label, secret = ("cat", "/proc/self/attr/apparmor/current"), ("cat", "/etc/passwd")
    option = ("--security-opt", "apparmor=guest-own")
    for client in (docker, pila):
        assert client("run", "--rm", *option, "busybox", *label) == "guest-own (enforce)"
        client("run", "-d", "--name", "own", *option, "busybox", "sleep", "1000")
        assert docker("inspect", "-f", "{{.AppArmorProfile}}", "own") == "guest-own"
        assert client("exec", "own", *label) == "guest-own (enforce)"
        assert "Permission denied" in client("exec", "own", "sh", "-c", "cat /etc/passwd 2>&1; true")
        assert client("exec", "--privileged", "own", *label) in ("guest-own (enforce)", "unconfined")
        client("rm", "-f", "own")
    assert "root" in docker("run", "--rm", "busybox", *secret)
    said = subprocess.run(["docker", "run", "--rm", "--security-opt", "apparmor=guest-nosuch", "busybox", "true"], env=environment,
                          capture_output=True, text=True, timeout=300)
    assert said.returncode == 125 and "apparmor" in said.stderr.lower(), said
    assert docker("ps", "-aq", "-f", "name=own") == ""
    sh("apparmor_parser", "-KR", file)


def pause_freezes():
    docker("run", "-d", "--name", "counts", "busybox", "sh", "-c", "while :; do echo x; sleep 0.05; done")
    docker("pause", "counts")
    group = unified / "pila" / docker("inspect", "-f", "{{.Id}}", "counts")
    assert (group / "cgroup.freeze").read_text().strip() == "1"
    first = docker("logs", "counts")
    time.sleep(1)
    assert docker("logs", "counts") == first
    docker("unpause", "counts")
    until(lambda: docker("logs", "counts") != first, "it goes on")
    docker("rm", "-f", "counts")
    assert not group.exists()


def ports_and_names():
    docker("network", "create", "town")
    docker("run", "-d", "--name", "web", "--network", "town", "-p", "8080:80", "busybox", "sh", "-c",
           "mkdir /www; echo ciao > /www/index.html; httpd -f -h /www")
    until(lambda: answers(8080) == "ciao", "the published port answers")
    assert docker("run", "--rm", "--network", "town", "busybox", "wget", "-qO-", "http://web/") == "ciao"


def containers_outlive_the_service():
    docker("run", "-d", "--name", "stays", "--restart", "always", "-p", "8081:80", "busybox", "sh", "-c",
           "mkdir /www; echo $$ > /www/index.html; httpd -f -h /www")
    docker("run", "-d", "--name", "plain", "busybox", "sleep", "100000")
    until(lambda: answers(8081), "it serves")
    pid = docker("inspect", "-f", "{{.State.Pid}}", "stays")
    sh("systemctl", "restart", "pila.service")
    assert docker("inspect", "-f", "{{.State.Pid}}", "stays") == pid and answers(8081)
    daemon = main_pid()
    os.kill(daemon, 9)
    until(lambda: main_pid() not in (0, daemon), "systemd starts it again")
    until(lambda: docker("inspect", "-f", "{{.State.Pid}}", "stays", check=False) == pid, "the container is adopted")
    assert answers(8081) and docker("exec", "stays", "echo", "in") == "in"


def beside_a_real_docker():
    """Its FORWARD policy is drop, which it sets when it is the first to switch forwarding on."""
    sh("systemctl", "start", "docker.service")
    sh("iptables", "-P", "FORWARD", "DROP")
    own = environment | {"DOCKER_HOST": "unix:///var/run/docker.sock"}
    subprocess.run(["docker", "load", "-qi", product / "images/busybox.tar"], env=own, check=True, capture_output=True, timeout=300)
    subprocess.run(["docker", "run", "-d", "--name", "other", "-p", "8090:80", "busybox", "sh", "-c",
                    "mkdir /www; echo other > /www/index.html; httpd -f -h /www"], env=own, check=True, capture_output=True, timeout=300)
    until(lambda: answers(8090) == "other", "Docker's container answers")
    until(lambda: answers(8080) == "ciao" and answers(8081), "ours answer, too")
    assert docker("run", "--rm", "--network", "town", "busybox", "wget", "-qO-", "http://web/") == "ciao"
    sh("systemctl", "restart", "pila.service")
    until(lambda: answers(8080) == "ciao" and answers(8090) == "other", "both after our restart")
    subprocess.run(["docker", "rm", "-f", "other"], env=own, check=True, capture_output=True, timeout=300)
    sh("systemctl", "stop", "docker.service", "docker.socket", "containerd.service")


def the_clock_is_set():
    """Durations stay what they are, times are the clock's (system/test_clock.py does the same without setting a real one)."""
    docker("run", "-d", "--name", "checked", "--health-cmd", "true", "--health-interval", "500ms", "busybox", "sh", "-c", "trap '' TERM; sleep 1000")
    for hours in (30, -30):
        sh("date", "-s", f"@{int(time.time()) + hours * 3600}")
        began = time.time()
        last = docker("inspect", "-f", "{{(index .State.Health.Log 0).Start}}", "checked")
        until(lambda: docker("inspect", "-f", "{{(index .State.Health.Log 0).Start}}", "checked") != last, "health is looked at again")
        assert docker("run", "--rm", "busybox", "date", "+%s") >= str(int(began))
        assert "start" in docker("events", "--since", str(int(began)), "--until", str(int(time.time()) + 1), "--filter", "event=start")
    begin = time.monotonic()
    docker("stop", "-t", "2", "checked")
    assert 2 <= time.monotonic() - begin < 30
    docker("rm", "checked")


def tests_of(title, command, **more):
    """A runner of this repository: its own results are passed on, with what it said if it ended badly."""
    results = work / "results"
    results.unlink(missing_ok=True)
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=product,
                          env=environment | {"PILA_RESULTS": str(results), "PILA_BUILD": str(product / "build"),
                                             "PILA_TEST_IMAGES": str(product / "images"), "PYTHONDONTWRITEBYTECODE": "1"} | more)
    seen = 0
    for line in results.read_text().splitlines() if results.exists() else []:
        result = json.loads(line)
        seen += 1
        report(**{**result, "name": f"guest.{result['name']}"})
    if not seen:
        raise AssertionError(f"{title} reported nothing, ended with {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")


def text_cases():
    tests_of("run_cases", [sys.executable, "tests/run_cases.py", "--client", "pila", "--images", product / "images", "--results",
                           work / "results", "isolation/", "limits/", "lifecycle/", "network/", "ports/", "exec/", "run/", "volumes/"])


def system_tests():
    tests_of("pytest", [sys.executable, "tests/lib/sandbox.py", "--", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
                        "tests/system/test_crash.py", "tests/system/test_leaks.py", "tests/system/test_userns.py"])


def live_edits():
    """The kernel's rules and mounts are changed under a container: this kernel's, too."""
    tests_of("pytest", [sys.executable, "tests/lib/sandbox.py", "--", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
                        "tests/system/test_set_ports.py", "tests/system/test_set_mounts.py"])


def oci_tests():
    """Bundles, with Debian's runc beside us. Not in a sandbox, which would hide systemd: this machine is one."""
    files = [path for path in sorted(product.glob("tests/system/test_oci*.py")) if path.name != "test_oci_engines.py"]  # podman is not installed
    tests_of("pytest", [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files], PILA_SANDBOX="1")


# --- the second ---------------------------------------------------------------------------------------------------------
def after_the_reboot():
    assert sh("systemctl", "is-active", "pila.service") == "active"
    until(lambda: running("stays"), "what is always to run runs again")
    until(lambda: answers(8081), "its port answers")
    state = json.loads(docker("inspect", "-f", "{{json .State}}", "plain"))
    assert state["Status"] == "exited" and state["ExitCode"] != 0 and state["Pid"] == 0, state
    docker("start", "plain")
    docker("start", "web")
    until(lambda: answers(8080) == "ciao", "a container that was started again serves")


def rule_of(name, interpreter):
    """As the daemon registers an emulator (os/binfmt.cpp), here one that nobody needs: e_machine 0xabcd."""
    magic = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xcd\xab"
    mask = b"\xff" * 7 + b"\x00" + b"\xff" * 8 + b"\xfe\xff\xff\xff"
    return f":{name}:M::{''.join(f'{chr(92)}x{byte:02x}' for byte in magic)}:{''.join(f'{chr(92)}x{byte:02x}' for byte in mask)}:{interpreter}:POCF"


def uninstall_leaves_nothing():
    table = Path("/proc/sys/fs/binfmt_misc")
    for name in ("pila-aarch64", "pila-test", "other-test"):
        (table / "register").write_text(rule_of(name, "/bin/busybox"))
    (table / "register").write_text(":mypila-x:E::mypila::/bin/busybox:")
    foreign = sorted(entry.name for entry in table.iterdir() if not entry.name.startswith("pila-"))
    assert {"other-test", "mypila-x", "register", "status"} <= set(foreign), foreign
    if names := docker("ps", "-aq").split():
        docker("rm", "-f", *names)
    docker("network", "rm", "town", check=False)  # of ports_and_names
    sh(product / "dev", "uninstall", "--purge")
    for path in ("/usr/local/bin/pila", "/usr/local/bin/pila-runtime", "/etc/systemd/system/pila.service", "/var/lib/pila", "/run/pila",
                 "/sys/fs/cgroup/pila"):
        assert not os.path.exists(path), path
    assert sorted(entry.name for entry in table.iterdir()) == foreign, "emulators of ours go, others stay"
    assert "pila" not in sh("nft", "list", "tables"), sh("nft", "list", "tables")
    assert "pila" not in sh("ip", "-o", "link") and "pila" not in sh("ps", "-eo", "comm"), sh("ps", "-ef")


first = [this_is_what_users_have, install_starts_the_service, a_container_sees_its_own_group, limits_are_in_the_group,
         memory_that_is_not_there_ends_it, forks_end_at_the_limit, devices_are_refused, apparmor_confines,
         a_profile_of_the_administrator_confines, pause_freezes, ports_and_names, containers_outlive_the_service, beside_a_real_docker, the_clock_is_set, text_cases, system_tests, live_edits, oci_tests]
second = [after_the_reboot, uninstall_leaves_nothing]


def main():
    work.mkdir(parents=True, exist_ok=True)
    rebooted = stage_file.exists()
    stage_file.touch()
    wanted = (product / "steps").read_text().split()
    for step in second if rebooted else first:
        if wanted and step.__name__ not in wanted:
            continue
        begin = time.monotonic()
        try:
            step()
            outcome, text = "passed", ""
        except Exception:
            outcome, text = "failed", traceback.format_exc(limit=4)
            text += sh("journalctl", "-u", "pila.service", "-n", "15", "--no-pager", "-o", "cat", check=False)[-3000:]
        report(name=f"guest.{step.__name__}", outcome=outcome, text=text, seconds=round(time.monotonic() - begin, 1))
    done = rebooted or wanted and not any(step.__name__ in wanted for step in second)
    sh("systemctl", "--no-block", "poweroff" if done else "reboot")


main()
