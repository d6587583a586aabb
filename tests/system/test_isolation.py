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
