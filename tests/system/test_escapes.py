# SPDX-License-Identifier: Apache-2.0
"""The published escapes of container runtimes and engines, tried. Each test names where it was found; what it holds in place is
said in docs/security.md."""
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import time
from pathlib import Path

import pytest
from conftest import against, client_of, images
from lib import engines
from lib.engines import wait_until
from test_bad_input import image_archive, load, refused, tar_of

secret = "only the host may read this"


@pytest.fixture(scope="module")
def tool(tmp_path_factory):
    compiler = shutil.which("gcc") or shutil.which("cc")
    if not compiler:
        pytest.skip("needs a C compiler")
    directory = tmp_path_factory.mktemp("escape")
    directory.chmod(0o755)
    subprocess.run([compiler, "-O2", "-static", "-o", directory / "escape", Path(__file__).with_name("escape.c")], check=True)
    return directory


@pytest.fixture
def host_file(tmp_path):
    """Of the host, under a path that no container has."""
    path = tmp_path / "hidden" / "secret"
    path.parent.mkdir()
    path.write_text(secret)
    yield path
    assert path.read_text() == secret and sorted(os.listdir(path.parent)) == ["secret"]


def image_of(engine, name, *entries, **config):
    """busybox and a layer on it."""
    with tarfile.open(images / "busybox.tar") as archive:
        manifest = json.load(archive.extractfile("manifest.json"))
        base = archive.extractfile(manifest[0]["Layers"][0]).read()
    layer = tar_of(*entries)
    document = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"], "Env": ["PATH=/usr/bin:/usr/sbin:/bin:/sbin"], **config},
                "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(one).hexdigest() for one in (base, layer)]}}
    answer = load(engine, tar_of(("config.json", json.dumps(document).encode(), {}), ("base.tar", base, {}), ("layer.tar", layer, {}), (
        "manifest.json", json.dumps([{"Config": "config.json", "RepoTags": [f"{name}:latest"], "Layers": ["base.tar", "layer.tar"]}]).encode(), {})))
    assert answer.status == 200 and b"error" not in answer.body, answer
    return name


def link(name, target):
    return (name, None, {"type": tarfile.SYMTYPE, "linkname": target, "mode": 0o777})


# --- the host's program and descriptors -----------------------------------------------------------------------------------
def test_processes_that_join_show_nothing_of_the_host(engine, docker, tool):
    """CVE-2019-5736 (the runtime's program overwritten through /proc/PID/exe), CVE-2016-9962 (its descriptors, ptrace)."""
    programs = [path for path in (engines.build / "bin").iterdir()] if against == "pila" else []
    before = [hashlib.sha256(path.read_bytes()).hexdigest() for path in programs]
    docker("run", "-d", "--name", "hostile", "-v", f"{tool}:/tool:ro", "busybox", "/tool/escape", "watch", "5")
    deadline, runs = time.monotonic() + 5, 0
    while time.monotonic() < deadline:
        runs += docker.run("exec", "hostile", "true", check=False).returncode == 0
    assert docker("wait", "hostile") == "0"
    said = docker("logs", "hostile").splitlines()
    assert runs > 3 and "watching" in said, said[-5:]
    for bad in ("WRITABLE", "OVERWRITTEN", "TRACED", "REACHED", "DESCRIPTOR"):
        assert not [line for line in said if line.startswith(bad)], said
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in programs] == before


def test_own_program_as_entry_point(engine, docker):
    """CVE-2019-5736, the way in: the image makes the runtime start itself once more."""
    name = image_of(engine, "again", link("entry", "/proc/self/exe"))
    before = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (engines.build / "bin").iterdir()]
    docker.run("run", "--rm", "--cap-add", "ALL", name, "/entry", "shim", check=False)
    script = "for p in /proc/[0-9]*; do ( : > $p/exe ) 2>/dev/null && echo written $p; done; exec /entry"
    done = docker.run("run", "--rm", "--cap-add", "ALL", name, "sh", "-c", script, check=False)
    assert "written" not in done.stdout, done
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in (engines.build / "bin").iterdir()] == before


def test_null_is_the_containers_own(docker):
    """Whoever holds the host's /dev/null as standard input changes its mode for everybody on the machine."""
    before = os.stat("/dev/null")
    docker("run", "-d", "--name", "long", "busybox", "sleep", "1000")
    command = ("sh", "-c", "chmod 600 /proc/self/fd/0; chmod 600 /proc/self/fd/1; stat -L -c %d:%i /dev/null /proc/self/fd/0")
    for said in (docker("run", "--rm", "busybox", *command), docker("exec", "long", *command)):
        assert len(set(said.split())) == 1, said
    docker("exec", "-d", "long", *command)
    after = os.stat("/dev/null")
    assert (before.st_mode, before.st_uid) == (after.st_mode, after.st_uid) and before.st_mode & 0o666 == 0o666


def test_no_descriptor_of_the_host_is_inherited(docker):
    """CVE-2024-21626: a descriptor of the host's root was open in the container."""
    listing = docker("run", "--rm", "busybox", "ls", "-l", "/proc/self/fd").splitlines()
    numbers = {line.split()[8] for line in listing if "->" in line}
    assert numbers <= {"0", "1", "2", "3"}, listing  # 3: ls reads the directory
    docker("run", "-d", "--name", "long", "busybox", "sleep", "1000")
    listing = docker("exec", "long", "ls", "-l", "/proc/self/fd", "/proc/1/fd").splitlines()
    assert {line.split()[8] for line in listing if "->" in line} <= {"0", "1", "2", "3"}, listing


@pytest.mark.parametrize("descriptor", range(3, 24))
def test_a_descriptor_as_working_directory(engine, docker, host_file, descriptor):
    """CVE-2024-21626: the working directory may name any descriptor that the runtime has open just then."""
    if against == "docker":
        pytest.skip("Debian 12's runc has it mended by its own means")
    where = f"/proc/self/fd/{descriptor}"
    climb = "/".join([".."] * 12)
    script = f"cat {climb}{host_file} ./{climb}{host_file} 2>&1; pwd -P; ls {climb}{host_file.parent}"
    done = docker.run("run", "--rm", "-w", where, "busybox", "sh", "-c", script, check=False)
    assert secret not in done.stdout + done.stderr and "secret\n" not in done.stdout, done
    docker("run", "-d", "--name", "long", "busybox", "sleep", "1000")
    done = docker.run("exec", "-w", where, "long", "sh", "-c", script, check=False)
    assert secret not in done.stdout + done.stderr and "secret\n" not in done.stdout, done


# --- links exchanged while somebody looks ---------------------------------------------------------------------------------
def test_names_exchanged_during_mounts(engine, docker, tool, host_file):
    """CVE-2021-30465: a volume is mounted below a directory that another container turns into a link to the host."""
    docker("volume", "create", "shared")
    docker("run", "-d", "--name", "swapper", "-v", "shared:/vol", "-v", f"{tool}:/tool:ro", "busybox", "sh", "-c",
           f"mkdir -p /vol/a/deep && ln -s / /vol/b && exec /tool/escape swap /vol/a /vol/b 6")
    wait_until(lambda: "swapping" in docker("logs", "swapper"), "it swaps")
    mounts = Path("/proc/self/mountinfo").read_text()
    deadline = time.monotonic() + 5
    ran = 0
    while time.monotonic() < deadline:
        done = docker.run("run", "--rm", "--network", "none", "-v", "shared:/vol", "--tmpfs", f"/vol/a{host_file.parent}", "-v", "other:/vol/a/deep",
                          "busybox", "sh", "-c", f"cat {host_file} /vol/a{host_file} /vol/b{host_file}; grep -c . /proc/self/mountinfo", check=False)
        assert secret not in done.stdout + done.stderr, done
        ran += 1
    assert ran > 3 and Path("/proc/self/mountinfo").read_text().count("\n") <= mounts.count("\n") + 2


def test_names_exchanged_during_copies(engine, docker, tool, host_file):
    """CVE-2018-15664: docker cp follows what was a directory a moment ago."""
    docker("run", "-d", "--name", "swapper", "-v", f"{tool}:/tool:ro", "busybox", "sh", "-c",
           f"mkdir -p /a{host_file.parent} && echo inside > /a{host_file} && ln -s / /b && exec /tool/escape swap /a /b 6")
    wait_until(lambda: "swapping" in docker("logs", "swapper"), "it swaps")
    deadline, seen, wrote = time.monotonic() + 5, set(), 0
    while time.monotonic() < deadline:
        answer = engine.api("GET", f"/containers/swapper/archive?path=/a{host_file}")
        if answer.status == 200:
            with tarfile.open(fileobj=io.BytesIO(answer.body)) as archive:
                for member in archive:
                    if member.isfile():
                        seen.add(archive.extractfile(member).read())
        wrote += engine.api("PUT", f"/containers/swapper/archive?path=/a{host_file.parent}", tar_of(("new", b"x", {})),
                            headers={"Content-Type": "application/x-tar"}).status == 200
    assert seen <= {b"inside\n"} and seen and wrote, (seen, wrote)  # host_file's fixture sees what was written beside it


# --- /proc, /dev and labels -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("target", ["/proc", "/proc/sys", "/proc/self/attr", "/sys/../proc", "/./proc/"])
def test_nothing_is_mounted_over_proc(engine, docker, target):
    """CVE-2019-16884, CVE-2019-19921, CVE-2023-28642: a volume on /proc makes the runtime write labels and settings nowhere."""
    name = image_of(engine, "volume", Volumes={target: {}})
    for words in (("-v", f"own:{target}", "busybox"), ("--tmpfs", target, "busybox"), (name,)):
        done = docker.run("run", "--rm", *words, "sh", "-c", "stat -f -c %T /proc; cat /proc/self/status", check=False)
        assert done.returncode != 0 or ("proc" in done.stdout.splitlines()[0] and "Seccomp:\t2" in done.stdout), (words, done)


@pytest.mark.parametrize("name, target", [("proc", "/tmp"), ("proc", "tmp"), ("sys", "/tmp"), ("dev", "/tmp"), ("proc", "/proc/self/cwd")])
def test_proc_sys_and_dev_that_are_links(engine, docker, name, target):
    """CVE-2023-27561, CVE-2025-52881: where the image has a link at /proc, the runtime's writes end in a file of the image's choice."""
    made = image_of(engine, "linked", (f"{name}", None, {"type": tarfile.DIRTYPE}), link(f"{name}", target))
    done = docker.run("run", "--rm", made, "sh", "-c", "stat -f -c %T /proc; stat -f -c %T /sys; test -c /dev/null && echo null; grep Seccomp: /proc/self/status",
                      check=False)
    assert done.returncode != 0 or done.stdout.split() == ["proc", "sysfs", "null", "Seccomp:", "2"], done


@pytest.mark.parametrize("path, target", [("dev/console", "/etc/hostname"), ("dev/null", "/proc/sys/kernel/core_pattern"), ("dev/ptmx", "/etc/passwd"),
                                          ("dev/pts", "/proc/self/attr"), ("dev/shm", "/")])
def test_devices_that_are_links(engine, docker, path, target):
    """CVE-2025-52565 (the terminal was bound over what /dev/console led to), CVE-2025-31133 (/dev/null for masks led elsewhere)."""
    made = image_of(engine, "linked", link(path, target))
    pattern = Path("/proc/sys/kernel/core_pattern").read_text()
    script = "stat -c %F /dev/null; for f in kcore keys timer_list; do if [ -e /proc/$f ]; then cat /proc/$f; fi; done | wc -c; echo x > /proc/sys/kernel/core_pattern; ls -ld /dev/console; exit 0"
    done = docker.run("run", "--rm", made, "sh", "-c", script, check=False)
    assert done.returncode != 0 or done.stdout.splitlines()[:2] == ["character special file", "0"], done
    with docker.terminal("run", "--rm", "-it", made, "sh", "-c", script) as terminal:
        terminal.wait(20)
    assert Path("/proc/sys/kernel/core_pattern").read_text() == pattern


def test_devices_in_a_layer_cannot_be_opened(engine, docker):
    """A device node that comes with the image is as forbidden as one that the container makes."""
    devices = [(f"disk{number}", None, {"type": kind, "devmajor": major, "devminor": minor, "mode": 0o666})
               for number, (kind, major, minor) in enumerate([(tarfile.CHRTYPE, 1, 1), (tarfile.CHRTYPE, 1, 2), (tarfile.BLKTYPE, 7, 0),
                                                              (tarfile.CHRTYPE, 10, 237)])]
    made = image_of(engine, "devices", *devices)
    said = docker("run", "--rm", made, "sh", "-c", "for d in /disk*; do dd if=$d of=/dev/null bs=1 count=1 2>&1 | head -1; done").splitlines()
    assert len(said) == len(devices) and all("Operation not permitted" in line or "Permission denied" in line for line in said), said


# --- control groups and namespaces ----------------------------------------------------------------------------------------
def test_release_agent_is_out_of_reach(docker):
    """CVE-2022-0492: a control group hierarchy of one's own, whose release_agent the host's kernel runs."""
    for command in ("mount -t cgroup -o memory cgroup /tmp", "mount -t cgroup -o rdma cgroup /tmp", "unshare -C true", "unshare -U true",
                    "unshare -m true", "mkdir /sys/fs/cgroup/x", "sh -c 'for f in $(find /sys/fs/cgroup -name release_agent); do echo /x > $f && exit 0; done; exit 1'"):
        done = docker.run("run", "--rm", "busybox", "sh", "-c", command, check=False)
        assert done.returncode not in (0, 125), (command, done)


def test_a_fork_bomb_stays_within_its_limit(engine, docker):
    docker("run", "-d", "--name", "bomb", "--pids-limit", "60", "--network", "none", "busybox", "sh", "-c", "b() { b | b & }; while :; do b; done")
    for _ in range(20):
        assert engine.api("GET", "/containers/json", timeout=10).status == 200
    assert docker("run", "--rm", "busybox", "echo", "fine") == "fine"
    docker("rm", "-f", "bomb", timeout=30)


def test_no_abstract_socket_can_be_reached(engine, docker):
    """CVE-2020-15257: containers on the host's network could talk to the shims."""
    docker("run", "-d", "--name", "other", "busybox", "sleep", "1000")
    listing = docker("run", "--rm", "--network", "host", "busybox", "cat", "/proc/net/unix")
    names = [line.split()[-1] for line in listing.splitlines() if "@" in line.split()[-1]]
    if against == "pila":
        assert not [name for name in names if "pila" in name or "shim" in name or engine.instance in name], names


def test_groups_and_capabilities_are_as_few_as_said(docker):
    """CVE-2022-36109 (groups beside the user's), CVE-2022-24769 (capabilities inheritable by files)."""
    status = dict(line.split(":\t", 1) for line in docker("run", "--rm", "-u", "1000", "busybox", "cat", "/proc/self/status").splitlines() if ":\t" in line)
    assert status["CapInh"] == status["CapPrm"] == status["CapEff"] == status["CapAmb"] == "0" * 16, status
    assert docker("run", "--rm", "-u", "0", "busybox", "id", "-G") == "0" and status["Groups"].split() == ["50", "1000"], status  # staff: by the image's own /etc/group
    assert int(dict(line.split(":\t", 1) for line in docker("run", "--rm", "busybox", "cat", "/proc/self/status").splitlines()
                    if ":\t" in line)["CapInh"], 16) == 0


# --- texts that become lines of something else ----------------------------------------------------------------------------
@pytest.mark.parametrize("field, value", [
    ("ExtraHosts", ["good:1.2.3.4\n6.6.6.6 evil"]), ("ExtraHosts", ["good\n6.6.6.6\tevil:1.2.3.4"]), ("Dns", ["1.2.3.4\nnameserver 6.6.6.6"]),
    ("DnsSearch", ["good\nnameserver 6.6.6.6"]), ("DnsOptions", ["ndots:1\nnameserver 6.6.6.6"])])
def test_lines_in_hosts_and_resolver_settings(engine, docker, field, value):
    made = engine.api("POST", "/containers/create", {"Image": "busybox", "Cmd": ["cat", "/etc/hosts", "/etc/resolv.conf"], "HostConfig": {field: value}})
    if made.status == 201:
        identity = made.json()["Id"]
        if engine.api("POST", f"/containers/{identity}/start").status == 204:
            engine.api("POST", f"/containers/{identity}/wait")
            lines = docker("logs", identity).splitlines()
            assert not [line for line in lines if line.split() in (["6.6.6.6", "evil"], ["nameserver", "6.6.6.6"])], lines
    else:
        assert made.status == 400 and made.json()["message"], made


@pytest.mark.parametrize("field", ["Hostname", "Domainname"])
def test_lines_in_names(engine, docker, field):
    made = engine.api("POST", "/containers/create", {"Image": "busybox", "Cmd": ["cat", "/etc/hosts", "/etc/hostname"], field: "good\n6.6.6.6 evil"})
    if made.status == 201 and engine.api("POST", f"/containers/{made.json()['Id']}/start").status == 204:
        engine.api("POST", f"/containers/{made.json()['Id']}/wait")
        assert "6.6.6.6 evil" not in [line.strip() for line in docker("logs", made.json()["Id"]).splitlines()]


def test_a_variable_stays_one_variable(docker):
    """What stands in a value is never another variable or argument."""
    value = "one\nPATH=/evil\nLD_PRELOAD=/evil.so"
    said = docker("run", "--rm", "-e", f"VALUE={value}", "busybox", "sh", "-c", 'echo "$PATH"; echo "${LD_PRELOAD:-none}"; cat /proc/self/environ | tr "\\0" "|"')
    lines = said.splitlines()
    assert "/evil" not in lines[0] and lines[1] == "none" and f"VALUE={value}|" in said, said


def test_what_is_logged_stays_data(engine, docker):
    """A line that looks like an entry of the log is text of the container; and a request cannot write lines into the daemon's log."""
    fake = '{"log":"forged\\n","stream":"stderr","time":"2001-01-01T00:00:00Z"}'
    docker("run", "--name", "liar", "busybox", "sh", "-c", f"echo '\"}}'; echo '{fake}'; printf 'a\\033[2Jb\\n'")
    assert docker("logs", "liar") == f'"}}\n{fake}\na\033[2Jb'
    assert docker.run("logs", "liar").stderr == ""
    assert engine.api("GET", "/containers/x%0aERROR%20forged%0a/json").status in (400, 404)
    assert engine.api("POST", "/containers/create?name=a%0aERROR%20forged", {"Image": "busybox"}).status == 400
    assert not [line for line in engine.log_path.read_text(errors="replace").splitlines() if line.startswith("ERROR forged")]


# --- archives -------------------------------------------------------------------------------------------------------------
def test_a_bomb_ends_before_the_disk_does(fresh):
    """A gigabyte of zeros in five megabytes: refused while there is room left, and nothing of it stays."""
    if against == "docker":
        pytest.skip("dockerd fills the disk")
    engine = fresh(start=False)
    engine.data.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300m", "bomb", engine.data], check=True)
    try:
        engine.start()
        packed = io.BytesIO()
        with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as stream:
            entry = tarfile.TarInfo("zeros")
            entry.size = 1 << 30
            stream.write(entry.tobuf(tarfile.GNU_FORMAT))
            zeros = bytes(16 << 20)
            for _ in range(entry.size // len(zeros)):
                stream.write(zeros)
            stream.write(bytes(1024))
        answer = load(engine, image_archive(packed.getvalue(), diff_id="sha256:" + "0" * 64))
        assert refused(answer), answer
        assert engine.api("GET", "/images/json").json() == []
        free = os.statvfs(engine.data)
        wait_until(lambda: os.statvfs(engine.data).f_bavail * free.f_frsize > 250 << 20, "the room is free again")
        engine.stop()
    finally:
        subprocess.run(["umount", "-l", engine.data], check=True)


# --- the host's files and the API -----------------------------------------------------------------------------------------
def test_other_users_cannot_enter_the_data(engine, docker):
    """CVE-2021-41091: set-user-ID programs of images below a directory that everybody may enter."""
    image_of(engine, "setuid", ("su", b"x", {"mode": 0o4755}))
    docker("run", "-d", "--name", "has", "setuid", "sleep", "1000")
    info = engine.api("GET", "/info").json()
    listing = subprocess.run(["find", info["DockerRootDir"], "-perm", "-4000", "-name", "su"], capture_output=True, text=True).stdout.split()
    assert listing
    for path in listing:
        assert subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "test", "-e", path]).returncode == 1, path


def test_the_socket_is_roots(engine):
    mode = os.stat(engine.socket)
    assert mode.st_uid == 0 and mode.st_mode & 0o007 == 0, oct(mode.st_mode)
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "curl", "-s", "--unix-socket", engine.socket, "http://d/_ping"],
                          capture_output=True, text=True)
    assert done.returncode != 0 and "OK" not in done.stdout
