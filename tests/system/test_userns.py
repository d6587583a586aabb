# SPDX-License-Identifier: Apache-2.0
"""--userns-remap: root of a container is somebody else on the host, and nobody inside notices (decision 040)."""
import io
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest
from conftest import against, client_of, loaded
from lib import engines
from lib.engines import wait_until

pytestmark = pytest.mark.without_thread_sanitizer("a process with threads may not make user namespaces, and that sanitizer has one")
first, count = 231072, 65536  # of the subordinate ids that the sandbox's files get


@pytest.fixture(scope="module")
def remapped(tmp_path_factory):
    """subuid(5) and subgid(5) of this sandbox name daemon, which every system has."""
    ranges = tmp_path_factory.mktemp("ids") / "ranges"
    ranges.write_text(f"daemon:{first}:{count}\n")
    for path in ("/etc/subuid", "/etc/subgid"):
        subprocess.run(["mount", "--bind", ranges, path], check=True)
    # Until Linux 6.3 the sandbox's /run, a tmpfs, cannot map ids.
    kernel = tuple(int(number) for number in re.match(r"(\d+)\.(\d+)", os.uname().release).groups())
    directory = None if kernel >= (6, 3) else tempfile.mkdtemp(prefix="remapped-", dir="/var/tmp")
    engine = engines.kinds[against](directory, arguments=["--userns-remap", "daemon"] + ["--live-restore"] * (against == "docker"))
    engine.directory.chmod(0o711)  # dockerd wants it so
    loaded(engine.start())
    yield engine, client_of(engine)
    try:
        engine.remove_everything()
    finally:
        engine.stop()
        for path in ("/etc/subuid", "/etc/subgid"):
            subprocess.run(["umount", path], check=True)
        if directory:
            shutil.rmtree(directory)


@pytest.fixture
def docker(remapped):
    yield remapped[1]
    remapped[0].remove_everything(("busybox:latest", "busybox:test", "pila/hello-world:latest", "pila/layers:latest",
                                   "pila/config:latest"))


def host_ids(docker, name):
    status = Path(f"/proc/{docker.inspect(name)['State']['Pid']}/status").read_text()
    return [line.split()[1:] for line in status.splitlines() if line.startswith(("Uid:", "Gid:"))]


def test_root_inside_is_somebody_else_outside(docker):
    docker("run", "-d", "--name", "mapped", "busybox", "sleep", "1000")
    assert docker("exec", "mapped", "cat", "/proc/self/uid_map").split() == ["0", str(first), str(count)]
    assert docker("exec", "mapped", "cat", "/proc/self/gid_map").split() == ["0", str(first), str(count)]
    assert docker("exec", "mapped", "id", "-u") == "0"
    assert host_ids(docker, "mapped") == [[str(first)] * 4] * 2
    assert docker("exec", "-u", "33:7", "mapped", "id")== "uid=33(www-data) gid=7 groups=7"


def test_a_user_of_the_image(docker):
    docker("run", "-d", "--name", "user", "-u", "1000:1001", "busybox", "sleep", "1000")
    assert host_ids(docker, "user") == [[str(first + 1000)] * 4, [str(first + 1001)] * 4]


def test_files_of_the_image_belong_to_whom_the_image_says(docker):
    assert docker("run", "--rm", "busybox", "stat", "-c", "%u:%g", "/bin/busybox", "/etc/passwd", "/", "/etc/hosts") \
        .split() == ["0:0"] * 4
    # ... and may be changed and given away like one's own.
    script = "echo more >> /etc/passwd && chown 33:33 /etc/passwd && rm /bin/wget && mkdir /new && stat -c %u /etc/passwd"
    assert docker("run", "--rm", "busybox", "sh", "-c", script) == "33"


def test_a_file_from_inside_is_shifted_on_the_host(docker):
    docker("run", "-d", "--name", "writer", "busybox", "sh", "-c", "echo x > /file; chown 5:6 /file; touch /own; sleep 1000")
    root = Path(f"/proc/{docker.inspect('writer')['State']['Pid']}/root")
    wait_until(lambda: (root / "own").exists(), "the files are there")
    assert ((root / "file").stat().st_uid, (root / "file").stat().st_gid) == (first + 5, first + 6)
    assert (root / "own").stat().st_uid == first


def entries(archive):
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {entry.name.strip("/"): (entry.uid, entry.gid) for entry in tar}


@pytest.mark.only_pila("dockerd's archives have the host's ids")
@pytest.mark.parametrize("running", [True, False])
def test_archives_have_the_ids_of_the_container(remapped, docker, running):
    engine = remapped[0]
    docker("run", "-d", "--name", "files", "-v", "shelf:/shelf", "busybox", "sh", "-c",
           "mkdir /d; touch /d/root /d/five; chown 5:6 /d/five; touch /shelf/nine; chown 9:9 /shelf/nine; echo done; sleep 1000")
    wait_until(lambda: docker("logs", "files") == "done", "it has made its files")
    if not running:
        docker("stop", "-t", "0", "files")
    assert entries(engine.api("GET", "/containers/files/archive?path=/d").body) == \
        {"d": (0, 0), "d/root": (0, 0), "d/five": (5, 6)}
    assert entries(engine.api("GET", "/containers/files/archive?path=/shelf/nine").body) == {"nine": (9, 9)}
    exported = entries(engine.api("GET", "/containers/files/export").body)
    assert exported["d/five"] == (5, 6) and exported["bin/busybox"] == (0, 0)
    # The way back, as whoever the archive says.
    bytes_ = io.BytesIO()
    with tarfile.open(fileobj=bytes_, mode="w") as tar:
        for name, uid in (("seven", 7), ("nobody", 0)):
            entry = tarfile.TarInfo(name)
            entry.uid = entry.gid = uid
            tar.addfile(entry)
    for path in ("/d", "/shelf"):
        assert engine.api("PUT", f"/containers/files/archive?path={path}", bytes_.getvalue()).status == 200
    if not running:
        docker("start", "files")
        wait_until(lambda: docker("logs", "files").count("done") == 2 or docker("exec", "files", "true") == "", "it runs")
    assert docker("exec", "files", "stat", "-c", "%u:%g", "/d/seven", "/d/nobody", "/shelf/seven").split() == \
        ["7:7", "0:0", "7:7"]


@pytest.mark.only_pila("dockerd takes the host's ids")
def test_an_id_that_the_container_does_not_have(remapped, docker):
    docker("run", "-d", "--name", "files", "busybox", "sleep", "1000")
    bytes_ = io.BytesIO()
    with tarfile.open(fileobj=bytes_, mode="w") as tar:
        entry = tarfile.TarInfo("far")
        entry.uid = count + 1
        tar.addfile(entry)
    answer = remapped[0].api("PUT", "/containers/files/archive?path=/", bytes_.getvalue())
    assert answer.status == 400 and "cannot be mapped" in answer.json()["message"]


@pytest.mark.only_pila("dockerd keeps the shifted ids in the image")
def test_commit_and_diff(docker):
    docker("run", "--name", "changed", "busybox", "sh", "-c", "mkdir /made; touch /made/it; chown 12:13 /made/it; rm /etc/passwd")
    assert set(docker("diff", "changed").split("\n")) >= {"A /made", "A /made/it", "D /etc/passwd"}
    docker("commit", "changed", "remapped/commit")
    for user in ((), ("--userns", "host")):
        assert docker("run", "--rm", *user, "remapped/commit", "stat", "-c", "%u:%g", "/made/it", "/made").split() == \
            ["12:13", "0:0"]


def test_volumes_belong_to_root_of_the_container(docker):
    docker("volume", "create", "box")
    where = Path(docker("volume", "inspect", "-f", "{{.Mountpoint}}", "box"))
    assert where.stat().st_uid == first
    docker("run", "--rm", "-v", "box:/box", "busybox", "sh", "-c", "echo x > /box/mine")
    assert (where / "mine").stat().st_uid == first
    # What the image has at its place is taken over with its owners.
    docker("run", "--rm", "-v", "www:/var/www", "busybox", "stat", "-c", "%u", "/var/www/index.html")
    where = Path(docker("volume", "inspect", "-f", "{{.Mountpoint}}", "www"))
    assert (where / "index.html").stat().st_uid == first


def test_bind_mounts_keep_the_hosts_ids(docker, tmp_path):
    os.chmod(tmp_path, 0o777)
    (tmp_path / "roots").write_text("secret")
    (tmp_path / "roots").chmod(0o600)
    mount = ("-v", f"{tmp_path}:/host")
    assert docker("run", "--rm", *mount, "busybox", "stat", "-c", "%u", "/host/roots") == "65534"
    assert docker("run", "--rm", *mount, "busybox", "sh", "-c", "cat /host/roots 2>&1 || true").endswith("Permission denied")
    docker("run", "--rm", *mount, "busybox", "touch", "/host/theirs")
    assert (tmp_path / "theirs").stat().st_uid == first
    # A directory that only the host's root may enter can be mounted all the same.
    tmp_path.chmod(0o700)
    assert docker("run", "--rm", *mount, "busybox", "sh", "-c", "ls /host 2>&1 || true").endswith("Permission denied")


def test_network_ping_and_low_ports(docker):
    docker("run", "-d", "--name", "server", "busybox", "httpd", "-f", "-p", "80", "-h", "/var/www")
    address = docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "server")
    wait_until(lambda: "page of pila" in docker("run", "--rm", "busybox", "sh", "-c", f"wget -q -O - http://{address}/ || true"),
               "the page comes")
    assert " 0% packet loss" in docker("run", "--rm", "busybox", "ping", "-c", "1", "-W", "5", address)
    # The network is the container's own: with the capability it may be changed.
    assert "mtu 1234" in docker("run", "--rm", "--cap-add", "NET_ADMIN", "busybox", "sh", "-c",
                                "ip link set lo mtu 1234 && ip link show lo")
    assert docker("run", "--rm", "--network", "container:server", "busybox", "wget", "-q", "-O", "-", "http://127.0.0.1/") \
        == "page of pila"


def test_standard_streams_can_be_opened_again(docker):
    assert docker("run", "--rm", "busybox", "sh", "-c", "echo out > /dev/stdout; echo x > /dev/null") == "out"
    assert docker("run", "--rm", "-u", "1000", "busybox", "sh", "-c", "echo out > /dev/stdout") == "out"


@pytest.mark.ordinary_build("--init: such a runtime is not static")
def test_terminal_and_init(docker):
    terminal = docker.terminal("run", "--rm", "-it", "--init", "busybox", "sh", "-c", "tty; stat -c %u $(tty); cat /proc/1/comm")
    terminal.expect("/dev/pts/0")
    terminal.expect("0")
    terminal.expect("init")


def test_memory_file_systems_and_devices(docker):
    script = "touch /dev/shm/x /mem/y; stat -c %u /mem; head -c 4 /dev/zero | wc -c; ls /sys/class/net; stat -c %u /proc/1"
    assert docker("run", "--rm", "--tmpfs", "/mem", "busybox", "sh", "-c", script).split() == ["0", "4", "eth0", "lo", "0"]


def test_limits_hold(docker):
    assert docker("run", "--rm", "--ulimit", "nofile=64:128", "busybox", "sh", "-c", "ulimit -n; ulimit -Hn").split() == \
        ["64", "128"]
    assert docker("run", "--rm", "--pids-limit", "17", "busybox", "sh", "-c",
                  "cat /sys/fs/cgroup/pids/pids.max 2> /dev/null || cat /sys/fs/cgroup/pids.max") == "17"
    assert docker("run", "--rm", "--oom-score-adj", "500", "busybox", "cat", "/proc/self/oom_score_adj") == "500"


def test_userns_host_opts_out(docker):
    docker("run", "-d", "--userns", "host", "--name", "plain", "busybox", "sleep", "1000")
    assert docker("exec", "plain", "cat", "/proc/self/uid_map").split() == ["0", "0", "4294967295"]
    assert host_ids(docker, "plain") == [["0"] * 4] * 2
    assert docker.inspect("plain")["HostConfig"]["UsernsMode"] == "host"


@pytest.mark.parametrize("flags, text", [
    (["--privileged"], "privileged mode is incompatible with user namespaces.  You must run the container in the host "
                       "namespace when running privileged mode"),
    (["--network", "host"], "cannot share the host's network namespace when user namespaces are enabled"),
    (["--pid", "host"], "cannot share the host PID namespace when user namespaces are enabled")])
def test_what_does_not_go_together(docker, flags, text):
    failed = docker.run("run", "--rm", *flags, "busybox", "true", check=False)
    assert text in failed.stderr
    if flags != ["--privileged"]:
        docker("run", "--rm", "--userns", "host", *flags, "busybox", "true")


def test_info_says_so(docker):
    assert "name=userns" in docker("info", "-f", "{{.SecurityOptions}}")


def test_kill_of_the_daemon(remapped, docker):
    engine = remapped[0]
    docker("run", "-d", "--name", "runs", "busybox", "sh", "-c", "touch /made; sleep 1000")
    engine.kill()
    engine.start()
    assert docker("exec", "runs", "stat", "-c", "%u", "/made") == "0"
    assert docker("exec", "runs", "cat", "/proc/self/uid_map").split() == ["0", str(first), str(count)]
    if against == "pila":
        assert entries(engine.api("GET", "/containers/runs/archive?path=/made").body) == {"made": (0, 0)}


@pytest.mark.only_pila("dockerd makes the user that is missing")
@pytest.mark.parametrize("setting, text", [
    ("no-such-user", "user no-such-user has no entry in /etc/passwd"),
    ("a:b:c", 'invalid user/group specification in --userns-remap: "a:b:c"'),
    ("bin", 'no ranges found for "bin" in /etc/subuid; add a line such as')])
def test_a_setting_that_cannot_be(remapped, setting, text):
    engine = engines.kinds[against](arguments=["--userns-remap", setting])
    with pytest.raises(engines.NotReady, match="") as failed:
        engine.start()
    assert text in str(failed.value)


@pytest.mark.only_pila("a verb of pila's own")
def test_what_comes_while_it_runs(docker, tmp_path):
    """pila set: mounts are made by root of the container's user namespace (decision 067)."""
    (tmp_path / "file").write_text("text")
    (tmp_path / "file").chmod(0o644)
    tmp_path.chmod(0o755)
    docker("run", "-d", "--name", "mapped", "busybox", "sleep", "1000")

    def pila(*words):
        done = subprocess.run([engines.Pila.program, "set", *words, "mapped"], env=docker.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    pila("-v", "data:/new/data", "-v", f"{tmp_path}:/host:ro", "--tmpfs", "/scratch", "--mount", "type=image,source=pila/layers,target=/image",
         "-p", "18080:80", "-m", "64m")
    docker("exec", "mapped", "sh", "-c", "echo own > /new/data/own && echo own > /scratch/own")
    assert docker("exec", "mapped", "stat", "-c", "%u", "/new", "/new/data", "/new/data/own", "/scratch").split() == ["0"] * 4
    assert docker("exec", "mapped", "cat", "/host/file") == "text"
    assert docker.run("exec", "mapped", "touch", "/host/made", check=False).returncode != 0
    assert docker("exec", "mapped", "ls", "/image") != ""
    pila("--unmount", "/host", "--unmount", "/scratch", "--unmount", "/image", "--unmount", "/new/data")
    assert docker("exec", "mapped", "ls", "/host", "/scratch", "/new/data").split() == ["/host:", "/new/data:", "/scratch:"]
    docker("restart", "-t", "0", "mapped")
    assert "18080" in docker("port", "mapped")


def test_builds(remapped, docker, tmp_path):
    """Layers have the ids that the container saw: the same image as without remapping."""
    (tmp_path / "file").write_text("text")
    (tmp_path / "Dockerfile").write_text(
        "FROM busybox\nRUN echo worker:x:1500:1500::/home/worker:/bin/sh >> /etc/passwd && mkdir -p /home/worker && chown 1500:1500 /home/worker && touch /by-root && echo worker:x:1500: >> /etc/group && cp /bin/true /set-id && chown 1500 /set-id && chmod 4755 /set-id\n"
        "COPY file /copied\nCOPY --chown=worker:100 file /owned/file\nCOPY --chown=1234:5678 file /numbers\nADD --chown=worker file /added\n"
        "USER worker\nRUN touch ~/by-worker && ! touch /root/x && cat /proc/self/uid_map\nWORKDIR /made/here\nRUN id -u > ~/id\n")
    docker.environment["DOCKER_BUILDKIT"] = "0"
    assert str(first) in docker("build", "-t", "mapped-build", tmp_path)
    wanted = {"by-root": (0, 0), "set-id": (1500, 0), "copied": (0, 0), "owned": (1500, 100), "owned/file": (1500, 100), "numbers": (1234, 5678),
              "added": (1500, 1500), "home/worker/by-worker": (1500, 1500), "home/worker/id": (1500, 1500), "made/here": (0, 0)}
    found = {}
    archive = tarfile.open(fileobj=io.BytesIO(remapped[0].api("GET", "/images/mapped-build/get", timeout=60).body))
    for member in archive.getmembers():
        if member.isfile() and not member.name.endswith((".json", "VERSION", "json", "repositories", "oci-layout")):
            try:
                layer = tarfile.open(fileobj=archive.extractfile(member))
            except tarfile.ReadError:
                continue
            found |= {entry.name.rstrip("/"): (entry.uid, entry.gid) for entry in layer}
    assert {name: found.get(name) for name in wanted} == wanted
    assert not [name for name, ids in found.items() if max(ids) >= first]
    assert docker("run", "--rm", "mapped-build", "stat", "-c", "%u:%g:%a", "/set-id", "/owned/file", "/numbers").split() == \
        ["1500:0:4755", "1500:100:644", "1234:5678:644"]
    assert docker("run", "--rm", "--userns", "host", "mapped-build", "stat", "-c", "%u", "/by-root", "/set-id").split() == ["0", "1500"]
