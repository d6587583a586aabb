# SPDX-License-Identifier: Apache-2.0
"""Where processes of a bundle are: below a root that was only changed, without mounts of their own; in groups below the container's."""
import json
import os
import subprocess
from pathlib import Path

import pytest
from lib.oci_runtime import eventually, group_of, is_v1, needs_v2, only_pila, runtime, sh  # noqa: F401

pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("its own runtime")]
v1 = pytest.mark.skipif(not is_v1, reason="cgroup v2 has one tree for all controllers")


def mounts_below(path):
    return [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if line.split()[4].startswith(str(path))]


@pytest.fixture
def without_mounts(runtime):
    linux = runtime.config["linux"]
    linux["namespaces"] = [entry for entry in linux["namespaces"] if entry["type"] != "mount"]
    del linux["maskedPaths"], linux["readonlyPaths"]
    runtime.config["mounts"] = [entry for entry in runtime.config["mounts"] if entry["destination"] in ("/proc", "/dev")]
    yield runtime
    runtime.clean()
    if not runtime.is_pila:  # runc leaves them
        subprocess.run(["umount", "-R", runtime.rootfs])


def test_a_root_without_a_mount_namespace(without_mounts):
    runtime = without_mounts
    own = os.readlink("/proc/self/ns/mnt")
    runtime.write(*sh, "readlink /proc/self/ns/mnt; ls -d /etc /bundle /proc/self; pwd; echo in > /made; : > /dev/null; exec sleep 1000")
    output = open(runtime.place / "output", "w+")
    runtime("create", "--bundle", runtime.bundle, "c", stdout=output, stderr=output)
    assert {str(runtime.rootfs), f"{runtime.rootfs}/proc", f"{runtime.rootfs}/dev"} <= set(mounts_below(runtime.rootfs))
    runtime("start", "c")
    eventually(lambda: (runtime.rootfs / "made").exists(), "it has looked around")
    text = (runtime.place / "output").read_text()
    assert text.splitlines()[0] == own and "/etc\n/proc/self\n/\n" in text.replace("ls: /bundle: No such file or directory\n", ""), text
    if runtime.is_pila:  # runc's exec is in the host's root
        assert runtime("exec", "c", "cat", "/made", "/proc/1/cmdline").stdout == "in\nsleep\0001000\0"
    runtime("delete", "--force", "c")
    assert mounts_below(runtime.rootfs) == [] or not runtime.is_pila


def test_what_a_shared_mount_namespace_cannot_have(without_mounts):
    runtime = without_mounts
    for key, value in (("maskedPaths", ["/proc/kcore"]), ("readonlyPaths", ["/proc/sys"])):
        runtime.config["linux"][key] = value
        done = runtime.run("true", check=False)
        assert done.returncode != 0 and (key in done.stderr if runtime.is_pila else "private MNT namespace" in done.stderr), done
        del runtime.config["linux"][key]
    if runtime.is_pila:  # runc changes the host's
        runtime.config["linux"]["rootfsPropagation"] = "slave"
        assert "rootfsPropagation" in runtime.run("true", check=False).stderr


def test_a_start_without_a_mount_namespace_that_fails_leaves_no_mounts(without_mounts):
    runtime = without_mounts
    runtime.config["root"]["readonly"] = True
    assert runtime.run("echo", "fine").stdout == "fine\n"
    assert mounts_below(runtime.rootfs) == [] or not runtime.is_pila
    assert runtime.run("no-such-program", check=False).returncode != 0
    runtime.config["mounts"].append({"destination": "/x", "type": "no-such-type", "source": "x"})
    assert runtime.run("true", check=False).returncode != 0
    assert mounts_below(runtime.rootfs) == [] or not runtime.is_pila


def groups_of(runtime, *options):
    """Controller -> path of a process of exec's, as the host sees it."""
    runtime("exec", "--detach", "--pid-file", runtime.place / "pid", *options, "c", "sleep", "2000", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lines = Path(f"/proc/{(runtime.place / 'pid').read_text()}/cgroup").read_text().splitlines()
    return {name: line.split(":")[2] for line in lines for name in line.split(":")[1].split(",")}


def refused(runtime, *options):
    done = runtime("exec", *options, "c", "true", check=False)
    assert done.returncode != 0 or not runtime.is_pila, options  # Debian's runc takes one controller twice
    return done.stderr


@v1
def test_exec_in_groups_of_some_controllers(runtime):
    runtime.up()
    path = runtime.config["linux"]["cgroupsPath"]
    for controller, names in (("memory", ["a", "b/c"]), ("pids", ["b/c"]), ("freezer", ["b/c"])):
        for name in names:
            Path(f"/sys/fs/cgroup/{controller}{path}/{name}").mkdir(parents=True)
    found = groups_of(runtime, "--cgroup", "memory:a")
    assert (found["memory"], found["pids"], found["freezer"]) == (f"{path}/a", path, path)
    found = groups_of(runtime, "--cgroup", "memory:/a/", "--cgroup", "pids,freezer:b/c")
    assert (found["memory"], found["pids"], found["freezer"], found["cpu"]) == (f"{path}/a", f"{path}/b/c", f"{path}/b/c", path)
    for options, word in ((["memory:nosuch"], "no"), (["memory:../.."], ""), (["nosuch:a"], "nosuch"), (["memory:a:b"], "a:b"),
                          ([",memory:a"], "empty"), (["memory:a", "memory:b/c"], "memory"), (["a", "pids:b"], "")):
        said = refused(runtime, *(part for option in options for part in ("--cgroup", option)))
        assert word in said or not runtime.is_pila, options
    runtime("delete", "--force", "c")
    assert not group_of(runtime).exists()


@needs_v2
def test_exec_in_a_group_of_the_one_tree(runtime):
    runtime.up()
    path = runtime.config["linux"]["cgroupsPath"]
    Path(f"/sys/fs/cgroup{path}/a/b").mkdir(parents=True)
    assert groups_of(runtime, "--cgroup", "a/b")[""] == f"{path}/a/b"
    assert groups_of(runtime, "--cgroup", "/")[""] == path
    for options in (["memory:a"], ["nosuch"], ["../.."], ["a", "a/b"]):
        said = refused(runtime, *(part for option in options for part in ("--cgroup", option)))
        assert "--cgroup" in said or not runtime.is_pila, options
    runtime("delete", "--force", "c")
    assert not group_of(runtime).exists()


def test_state_files_tell_nothing_of_it_where_mounts_are_its_own(only_pila):
    only_pila.up()
    record = json.loads((only_pila.root / "c/state.json").read_text())
    assert record["mountNamespace"] == record["mountBefore"] == 0
