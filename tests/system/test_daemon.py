# SPDX-License-Identifier: Apache-2.0
"""The daemon as a process: a second one, a full disk, broken flags, its own limits."""
import os
import shutil
import subprocess
import time
from collections import Counter
from types import SimpleNamespace

import pytest
from conftest import against, client_of, images, loaded
from lib import engines, leaks
from lib.engines import wait_until

pytestmark = pytest.mark.slice1


def test_a_second_daemon_on_the_same_data_gets_a_clear_error(fresh):
    first = loaded(fresh(), "busybox")
    second = type(first)(directory=first.directory)
    second.socket = str(first.directory / "second.sock")
    done = subprocess.run(list(map(str, second.command())), capture_output=True, text=True, timeout=30)
    assert done.returncode != 0
    said = done.stderr + done.stdout
    assert any(word in said for word in ("already", "in use", "locked", "still running", "another", "pid file found")), said
    assert first.api("GET", "/_ping").status == 200
    assert client_of(first)("run", "--rm", "busybox", "echo", "fine") == "fine"


@pytest.mark.only_pila("Docker has no instances")
def test_a_second_daemon_of_the_same_name_disturbs_nobody(fresh):
    """Elsewhere on the disk, in a network namespace of its own even: control groups are the whole machine's."""
    first = loaded(fresh(), "busybox")
    client_of(first)("run", "-d", "--name", "lives", "busybox", "sleep", "1000")
    second = type(first)()
    second.instance = first.instance
    for prefix in ([], ["unshare", "--net"]):
        done = subprocess.run([*prefix, *map(str, second.command())], capture_output=True, text=True, timeout=30)
        assert done.returncode != 0
        assert f"has the instance name {first.instance}" in done.stderr and "--instance" in done.stderr, done.stderr
    assert client_of(first)("exec", "lives", "echo", "fine") == "fine"


def test_a_stale_socket_is_no_hindrance(fresh):
    engine = fresh()
    engine.kill()
    assert os.path.exists(engine.socket)
    engine.start()


@pytest.mark.only_pila("pila's own flags")
@pytest.mark.parametrize("arguments", [["--no-such-flag"], ["--log-level", "loud"], ["--docker-socket"], ["--config", "/nosuch.yml"],
                                       ["--data-dir", "/proc/nosuch"], ["-H", "tcp://nonsense"]])
def test_bad_flags_end_it_with_a_word(arguments):
    done = subprocess.run([engines.Pila.program, "daemon", "--run-dir", "/run/x", "--instance", "pilax", *arguments], capture_output=True,
                          text=True, timeout=20)
    assert done.returncode != 0 and done.stderr.strip(), done


@pytest.mark.only_pila("pila's own flags")
def test_without_root_it_says_what_to_do(tmp_path):
    done = subprocess.run([engines.Pila.program, "daemon", "--data-dir", tmp_path / "data", "--run-dir", tmp_path / "run"],
                          capture_output=True, text=True, timeout=20, user=65534, group=65534, extra_groups=[])
    assert done.returncode == 1 and "needs root" in done.stderr and "sudo" in done.stderr, done
    assert not list(tmp_path.iterdir())


@pytest.mark.only_pila("pila's own flags")
def test_a_configuration_file_says_what_flags_say(fresh, tmp_path):
    config = tmp_path / "pila.yml"
    config.write_text("log-level: debug\nlog-format: json\n")
    engine = loaded(fresh(arguments=["--config", str(config)]), "busybox")
    client_of(engine)("run", "--rm", "busybox", "true")
    lines = engine.log_path.read_text().splitlines()
    assert lines and all(line.startswith("{") for line in lines)


@pytest.mark.only_pila("pila's own flags")
def test_the_api_on_a_tcp_port(fresh):
    import http.client

    from lib.registry import free_port
    port = free_port()
    fresh(arguments=["-H", f"tcp://127.0.0.1:{port}"])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/_ping")
    assert connection.getresponse().read() == b"OK"


@pytest.fixture
def small_disk(tmp_path_factory):
    """128 MiB for all that an engine keeps (pila takes no image that would leave less than 64)."""
    directory = tmp_path_factory.mktemp("disk")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128m", "small", directory], check=True)
    yield directory
    subprocess.run(["umount", "-l", directory], check=True)


def test_a_full_disk_is_told_and_survived(small_disk, fresh):
    engine = loaded(fresh(directory=small_disk / "engine"), "busybox")
    docker = client_of(engine)
    docker("run", "-d", "--name", "before", "busybox", "sleep", "1000")
    filler = docker.run("run", "--name", "filler", "busybox", "dd", "if=/dev/zero", "of=/filler", "bs=1M", "count=200", check=False)
    assert filler.returncode != 0 and "No space left" in filler.stderr
    assert shutil.disk_usage(small_disk).free < 1 << 20
    committed = docker.run("commit", "filler", "too/big", check=False)
    assert committed.returncode != 0
    answer = engine.api("POST", "/images/load?quiet=1", (images / "layers.tar").read_bytes(), headers={"Content-Type": "application/x-tar"})
    assert answer.status >= 400 or b"errorDetail" in answer.body
    assert "too/big" not in docker("images") and docker.inspect("before")["State"]["Running"]
    docker("rm", "filler")
    wait_until(lambda: shutil.disk_usage(small_disk).free > 100 << 20, "removing the container frees the disk")
    assert docker("run", "--rm", "busybox", "echo", "again") == "again"
    engine.load(images / "layers.tar")


@pytest.mark.only_pila("dockerd holds the container up")
def test_the_log_survives_a_full_disk(small_disk, fresh):
    engine = loaded(fresh(directory=small_disk / "engine"), "busybox")
    docker = client_of(engine)
    done = docker.run("run", "--name", "chatty", "busybox", "sh", "-c", "yes | head -c 200000000; echo; exit 3", check=False, timeout=120)
    assert done.returncode == 3, "output to the client goes on although nothing can be kept"
    docker("rm", "chatty")
    assert docker("run", "--rm", "busybox", "echo", "again") == "again"


@pytest.mark.ordinary_build("processor time")
@pytest.mark.only_pila("nothing polls")
def test_idle_costs_next_to_nothing(fresh):
    engine = loaded(fresh(), "busybox")
    client_of(engine)("run", "-d", "busybox", "sleep", "1000")
    time.sleep(1)
    before = cpu_seconds(engine.pid)
    time.sleep(5)
    assert cpu_seconds(engine.pid) - before <= 0.02


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_events_since_the_start_are_kept(fresh):
    engine = loaded(fresh(), "busybox")
    docker = client_of(engine)
    docker("run", "--name", "told", "busybox", "true")
    text = docker("events", "--since", "0", "--until", str(int(time.time()) + 1))
    for action in ("create", "start", "die"):
        assert f"container {action}" in text


@pytest.mark.skipif(against == "docker", reason="coexistence is a promise of pila's")
def test_beside_a_real_docker(fresh):
    """Both on one machine, in one network namespace: neither disturbs the other, each one's ports and rules stay."""
    if engines.Docker.missing():
        pytest.skip(engines.Docker.missing())
    other = engines.Docker().start()
    try:
        loaded(other, "busybox")
        theirs = client_of(other)
        theirs("run", "-d", "--name", "theirs", "-p", "18090:80", "busybox", "httpd", "-f", "-h", "/var/www")
        rules = subprocess.run(["iptables-save"], capture_output=True, text=True).stdout
        engine = loaded(fresh(), "busybox")
        ours = client_of(engine)
        ours("run", "-d", "--name", "ours", "-p", "18091:80", "busybox", "httpd", "-f", "-h", "/var/www")
        from test_crash import fetch
        for port in (18090, 18091):
            wait_until(lambda port=port: fetch(port=port) == b"page of pila\n", f"port {port} answers")
        assert ours("run", "--rm", "busybox", "sh", "-c", "ip route | head -1").startswith("default")
        engine.remove_everything()
        engine.stop()
        assert without_counters(subprocess.run(["iptables-save"], capture_output=True, text=True).stdout) == without_counters(rules)
        assert fetch(port=18090) == b"page of pila\n"
        engine.start()
    finally:
        other.remove_everything()
        other.stop()


def without_counters(text):
    import re
    return re.sub(r"\[\d+:\d+\]|^#.*$", "", text, flags=re.M)


@pytest.mark.only_pila("a switch of pila's")
def test_as_on_an_older_kernel_below_a_shared_root(fresh):
    """Linux before 6.8 cannot name overlay's layers one by one, and systemd makes "/" shared: Debian 12."""
    engine = fresh(start=False, environment={"PILA_NO_NEW_MOUNT_API": "1"})
    plain = engine.command
    engine.command = lambda: ["unshare", "--mount", "--propagation", "shared", *plain()]
    docker = client_of(loaded(engine.start(), "busybox", "layers"))
    assert docker("run", "--rm", "busybox", "echo", "fine") == "fine"
    docker("run", "--name", "made", "pila/layers", "sh", "-c", "echo new > /new")
    docker("commit", "made", "made/again")
    assert docker("run", "--rm", "made/again", "cat", "/new") == "new"


@pytest.mark.only_pila("dockerd does not start then")
def test_without_the_right_to_make_networks(fresh):
    """As where the kernel has no nftables: what needs none of it works, the rest says why not."""
    engine = fresh(start=False)
    plain = engine.command
    engine.command = lambda: ["setpriv", "--bounding-set=-net_admin", *plain()]
    docker = client_of(loaded(engine.start(), "busybox"))
    assert "CAP_NET_ADMIN" in engine.log_tail()
    assert docker("run", "--rm", "--network", "host", "busybox", "echo", "fine") == "fine"
    for words in (("run", "--rm", "busybox", "true"), ("network", "create", "own")):
        done = docker.run(*words, check=False)
        assert done.returncode != 0 and "networks need root (CAP_NET_ADMIN) and nftables" in done.stderr, done
    assert docker("ps", "-aq") == ""


def test_a_daemon_leaves_nothing(fresh):
    """Stopped with nothing running, a daemon leaves no process, link, rule, mount or control group."""
    ours = SimpleNamespace(pid=os.getpid())

    def outside():
        return leaks.processes(ours) + leaks.mounts(ours) + leaks.links()
    before = outside()
    engine = loaded(fresh(), "busybox")
    client_of(engine)("run", "--rm", "busybox", "true")
    engine.remove_everything()
    engine.stop()
    more = outside() - before
    if against == "docker":
        more = [line for line in more if not line.startswith(("link docker0", "mount "))]
    else:
        more += leaks.control_groups(engine) + Counter(line for line in leaks.rules() if f" {engine.instance} " in line)
    assert sorted(more) == []
