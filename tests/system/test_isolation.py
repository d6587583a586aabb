# SPDX-License-Identifier: Apache-2.0
"""What the daemon's own settings decide for all containers."""
import json
import subprocess

import pytest
from conftest import against, client_of, loaded
from lib import engines


def profile(tmp_path, **more):
    path = tmp_path / "profile.json"
    path.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW",
                                "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]} | more))
    return path


def test_a_seccomp_profile_for_all_containers(fresh, tmp_path):
    path = profile(tmp_path)
    engine = loaded(fresh(arguments=["--seccomp-profile", path]), "busybox")
    docker = client_of(engine)
    assert "No space left" in docker.run("run", "--rm", "busybox", "mkdir", "/x", check=False).stderr
    docker("run", "-d", "--name", "one", "busybox", "sleep", "1000")
    assert "No space left" in docker.run("exec", "one", "mkdir", "/x", check=False).stderr
    docker("run", "--rm", "--security-opt", "seccomp=unconfined", "busybox", "mkdir", "/x")
    assert f"name=seccomp,profile={path}" in docker("info", "-f", "{{.SecurityOptions}}")


def test_no_filter_at_all(fresh):
    engine = loaded(fresh(arguments=["--seccomp-profile", "unconfined"]), "busybox")
    docker = client_of(engine)
    assert docker("run", "--rm", "busybox", "grep", "Seccomp:", "/proc/self/status").split() == ["Seccomp:", "0"]
    if against == "pila":  # dockerd 20.10 does not know "builtin"
        assert docker("run", "--rm", "--security-opt", "seccomp=builtin", "busybox", "grep", "Seccomp:",
                      "/proc/self/status").split() == ["Seccomp:", "2"]


@pytest.mark.only_pila("dockerd tells when a container starts")
def test_a_profile_that_cannot_be(tmp_path):
    engine = engines.kinds[against](arguments=["--seccomp-profile", profile(tmp_path, defaultAction="NOTHING")])
    with pytest.raises(engines.NotReady) as failed:
        engine.start()
    assert "--seccomp-profile" in str(failed.value) and "string NOTHING is not a valid action" in str(failed.value)


@pytest.mark.only_pila("asks pila-runtime")
def test_the_default_profile_can_be_printed_and_used(fresh, tmp_path):
    path = tmp_path / "default.json"
    path.write_bytes(subprocess.check_output([engines.build / "bin/pila-runtime", "seccomp"]))
    docker = client_of(loaded(fresh(), "busybox"))
    assert "Operation not permitted" in docker.run("run", "--rm", "--security-opt", f"seccomp={path}", "busybox",
                                                   "unshare", "-m", "true", check=False).stderr


@pytest.fixture
def devices(fresh, tmp_path):
    low, high = tmp_path / "low", tmp_path / "high"
    low.mkdir(), high.mkdir()
    (high / "vendor.yaml").write_text("""
cdiVersion: "0.6.0"
kind: vendor.com/thing
containerEdits:
  env: [THING_VENDOR=yes]
devices:
  - name: one
    containerEdits:
      env: [THING=one]
      deviceNodes:
        - {path: /dev/thing, hostPath: /dev/null, permissions: rw}
      mounts:
        - {hostPath: %s, containerPath: /thing, options: [ro]}
  - name: hooked
    containerEdits:
      hooks: [{hookName: createContainer, path: /bin/true}]
""" % high)
    (low / "other.json").write_text(json.dumps({
        "cdiVersion": "0.6.0", "kind": "vendor.com/thing",
        "devices": [{"name": "one", "containerEdits": {"env": ["THING=low"]}},
                    {"name": "two", "containerEdits": {"env": ["THING=two"]}}]}))
    engine = loaded(fresh(arguments=["--cdi-spec-dir", low, "--cdi-spec-dir", high]), "busybox")
    return client_of(engine), [str(low), str(high)]


@pytest.mark.only_pila("dockerd has CDI since version 25")
def test_devices_by_cdi_name(devices):
    docker, directories = devices
    script = "echo $THING $THING_VENDOR; stat -c '%A %t,%T' /dev/thing; echo x > /dev/thing; ls /thing; touch /thing/x"
    done = docker.run("run", "--rm", "--device", "vendor.com/thing=one", "busybox", "sh", "-c", script, check=False)
    assert done.stdout.split("\n")[:3] == ["one yes", "crw-rw-rw- 1,3", "vendor.yaml"]
    assert "Read-only file system" in done.stderr
    assert docker("run", "--rm", "--device", "vendor.com/thing=two", "busybox", "sh", "-c", "echo $THING $THING_VENDOR") == "two"
    assert docker.engine.api("GET", "/info").json()["CDISpecDirs"] == directories


@pytest.mark.only_pila("dockerd has CDI since version 25")
def test_cdi_devices_that_there_are_not(devices):
    docker, _ = devices
    for name, text in (("vendor.com/thing=three", "CDI device injection failed: unresolvable CDI devices vendor.com/thing=three"),
                       ("vendor.com/thing=hooked", "vendor.com/thing=hooked asks for hooks, which pila does not have")):
        failed = docker.run("run", "--rm", "--device", name, "busybox", "true", check=False)
        assert failed.returncode == 125 and text in failed.stderr


@pytest.mark.only_pila("dockerd would have to live through kill -9 with --live-restore")
def test_a_mounted_volume_across_a_kill_of_the_daemon(fresh):
    engine = loaded(fresh(), "busybox")
    docker = client_of(engine)

    def mounted():
        with open("/proc/self/mountinfo") as table:
            return "/volumes/memory/_data " in table.read()

    docker("volume", "create", "--opt", "type=tmpfs", "--opt", "device=tmpfs", "memory")
    docker("run", "-d", "--name", "user", "-v", "memory:/m", "busybox", "sh", "-c", "echo kept > /m/file; sleep 1000")
    engines.wait_until(lambda: docker.run("exec", "user", "cat", "/m/file", check=False).stdout == "kept\n", "the file is there")
    engine.kill()
    engine.start()
    assert mounted()
    assert docker("run", "--rm", "-v", "memory:/m", "busybox", "cat", "/m/file") == "kept"  # one file system for both
    assert mounted()
    docker("rm", "-f", "user")
    engines.wait_until(lambda: not mounted(), "the last user is gone, and the mount with it")

    docker("run", "-d", "--name", "user", "-v", "memory:/m", "busybox", "sleep", "1000")
    pid = docker.inspect("user")["State"]["Pid"]
    engine.kill()
    subprocess.run(["kill", "-9", str(pid)], check=True)
    engine.start()
    engines.wait_until(lambda: not mounted(), "nor does one stay that nobody used any more when the daemon came back")
