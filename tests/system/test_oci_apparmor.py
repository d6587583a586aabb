# SPDX-License-Identifier: Apache-2.0
"""A bundle's AppArmor profile, on a machine that has it."""
import shutil
import subprocess
from pathlib import Path

import pytest
from lib.oci_runtime import runtime, sh  # noqa: F401

enabled = Path("/sys/module/apparmor/parameters/enabled")
pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("its own runtime"),
              pytest.mark.skipif(not enabled.exists() or enabled.read_text() != "Y\n", reason="needs AppArmor (./dev test --guest has it)"),
              pytest.mark.skipif(not shutil.which("apparmor_parser"), reason="apparmor_parser is not installed")]
profile = """profile {name} flags=(attach_disconnected) {{
  file,
  capability,
  signal,
  deny /secret r,
}}
"""
label = "cat /proc/self/attr/current"


@pytest.fixture
def loaded(tmp_path):
    files = []
    for name in ("pila-test-one", "pila-test-two"):
        file = tmp_path / name
        file.write_text(profile.format(name=name))
        subprocess.run(["apparmor_parser", "-Kr", file], check=True)
        files.append(file)
    yield
    for file in files:
        subprocess.run(["apparmor_parser", "-KR", file], check=True)


@pytest.mark.usefixtures("loaded")
def test_a_profile_of_the_bundle(runtime):
    (runtime.rootfs / "secret").write_text("held\n")
    runtime.config["process"]["apparmorProfile"] = "pila-test-one"
    done = runtime.run(*sh, f"{label}; cat /secret", check=False)
    assert done.stdout == "pila-test-one (enforce)\n" and "Permission denied" in done.stderr, done
    runtime.config["process"]["apparmorProfile"] = "unconfined"
    assert runtime.run(*sh, f"{label}; cat /secret").stdout == "unconfined\nheld\n"


@pytest.mark.usefixtures("loaded")
def test_profiles_of_exec(runtime):
    runtime.config["process"]["apparmorProfile"] = "pila-test-one"
    runtime.config["process"]["args"] = ["sleep", "1000"]
    runtime.up()
    assert Path(f"/proc/{runtime.state()['pid']}/attr/current").read_text() == "pila-test-one (enforce)\n"
    assert runtime("exec", "c", *sh, label).stdout == "pila-test-one (enforce)\n"
    assert runtime("exec", "--apparmor", "pila-test-two", "c", *sh, label).stdout == "pila-test-two (enforce)\n"
    assert runtime("exec", "--apparmor", "unconfined", "c", *sh, label).stdout == "unconfined\n"


def test_a_profile_that_is_not_loaded(runtime):
    runtime.config["process"]["apparmorProfile"] = "pila-test-nosuch"
    done = runtime.run("true", check=False)
    assert done.returncode != 0 and "apparmor" in done.stderr.lower() and runtime("list", "-q").stdout == "", done
