# SPDX-License-Identifier: Apache-2.0
"""Images for other processors: run by an emulator of CPUs that pila registers with the kernel, or refused with what to install."""
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from conftest import client_of, images, loaded
from lib import foreign
from lib.engines import wait_until

pytestmark = [pytest.mark.only_pila("dockerd leaves it to the distribution")]
machines = {"arm64": "aarch64", "riscv64": "riscv64"}
table = Path("/proc/sys/fs/binfmt_misc")
each = pytest.mark.parametrize("architecture", machines)


def registered():
    return {path.name for path in table.glob("*") if path.name.startswith("pila-")}


def forget_all():
    """The table is the whole machine's until Linux 6.7; later it goes with the sandbox's mount."""
    for name in registered():
        (table / name).write_text("-1")


def need(*architectures):
    for architecture in architectures:
        if foreign.missing(architecture):
            pytest.skip(foreign.missing(architecture))


def engine_with(fresh, path):
    if not foreign.there():
        pytest.skip("; ".join(map(foreign.missing, machines)))
    if any("qemu" in path.name for path in table.glob("*")):
        pytest.skip("the distribution has registered emulators")
    engine = loaded(fresh(environment={"PATH": path}), "busybox")
    for architecture in foreign.there():
        engine.load(foreign.image(architecture))
    return engine, client_of(engine)


@pytest.fixture
def emulated(fresh):
    yield engine_with(fresh, f"{foreign.emulators()}:{os.environ['PATH']}")
    forget_all()


@pytest.fixture
def bare(fresh):
    if list(Path("/usr/bin").glob("qemu-aarch64*")):
        pytest.skip("an emulator is installed")
    yield engine_with(fresh, os.environ["PATH"])
    assert registered() == set()


@each
def test_a_program_of_another_processor(emulated, architecture):
    need(architecture)
    _, docker = emulated
    image = f"{architecture}/busybox"
    assert docker("run", "--rm", "--platform", f"linux/{architecture}", image, "uname", "-m") == machines[architecture]
    # Children are emulated, too; argv[0] arrives as it was given, which busybox goes by.
    said = docker("run", "--rm", "--platform", f"linux/{architecture}", image, "sh", "-c", "echo $0; cat /proc/self/cmdline | tr '\\0' ' '; ls /")
    assert said.startswith(f"sh\n") and "cat /proc/self/cmdline" in said and "bin" in said.split(), said
    assert docker.run("run", "--rm", image, "sh", "-c", "exit 7", check=False).returncode == 7
    assert registered() == {f"pila-{machines[architecture]}"}


def test_without_asking_for_the_platform_there_is_a_warning(emulated):
    need("arm64")
    engine, _ = emulated
    made = engine.api("POST", "/containers/create", {"Image": "arm64/busybox", "Cmd": ["true"]}).json()
    assert made["Warnings"] == ["The requested image's platform (linux/arm64) does not match the detected host platform (linux/amd64) "
                                "and no specific platform was requested"]
    made = engine.api("POST", "/containers/create?platform=linux/arm64/v8", {"Image": "arm64/busybox", "Cmd": ["true"]}).json()
    assert made["Warnings"] == []


def test_another_platform_than_the_images_is_not_found(emulated):
    need("arm64")
    engine, _ = emulated
    for image, platform in (("busybox", "linux/arm64"), ("arm64/busybox", "linux/amd64"), ("arm64/busybox", "linux/arm/v7"),
                            ("arm64/busybox", "windows/arm64")):
        answer = engine.api("POST", f"/containers/create?platform={platform}", {"Image": image, "Cmd": ["true"]})
        assert answer.status == 404 and "does not match the specified platform" in answer.json()["message"], answer
    assert engine.api("POST", "/containers/create?platform=a/b/c/d", {"Image": "busybox", "Cmd": ["true"]}).status == 400
    assert engine.api("GET", "/containers/json?all=1").json() == []


def test_inspect_and_info_tell(emulated):
    need(*machines)
    engine, docker = emulated
    docker("run", "-d", "--name", "own", "busybox", "sleep", "1000")
    docker("run", "-d", "--name", "other", "riscv64/busybox", "sleep", "1000")
    emulator = str(foreign.emulators() / "qemu-riscv64-static")
    assert [docker("inspect", "-f", "{{.Architecture}} {{.Emulator}}", name) for name in ("own", "other")] == ["amd64 ", f"riscv64 {emulator}"]
    platforms = {one["Platform"]: one.get("Emulator") for one in engine.api("GET", "/info").json()["Platforms"]}
    assert platforms["linux/amd64"] is None and platforms["linux/386"] is None and platforms["linux/riscv64"] == emulator
    assert platforms["linux/arm64"].endswith("/qemu-aarch64-static")  # not registered yet, but it could be


def test_it_runs_on_without_the_daemon(emulated):
    need("arm64")
    engine, docker = emulated
    docker("run", "-d", "--name", "goes", "arm64/busybox", "sh", "-c", "while sleep 0.2; do uname -m; done")
    engine.kill()
    engine.start()
    seen = len(docker("logs", "goes").splitlines())
    wait_until(lambda: len(docker("logs", "goes").splitlines()) > seen, "it goes on")
    assert docker("exec", "goes", "uname", "-m") == "aarch64"


def test_build_for_another_processor(emulated):
    need("arm64")
    engine, docker = emulated
    recipe = "FROM arm64/busybox\nARG TARGETARCH\nRUN uname -m > /machine; echo $TARGETARCH >> /machine\n"
    done = subprocess.run(["docker", "-H", engine.host, "build", "--platform", "linux/arm64", "-t", "made", "-"], input=recipe, text=True,
                          env=os.environ | {"DOCKER_BUILDKIT": "0"}, capture_output=True, timeout=60)
    assert done.returncode == 0, done
    assert docker("run", "--rm", "--platform", "linux/arm64", "made", "cat", "/machine").split() == ["aarch64", "arm64"]
    assert docker("image", "inspect", "-f", "{{.Architecture}}", "made") == "arm64"


def test_two_at_once_register_once(emulated):
    need("riscv64")
    engine, docker = emulated
    running = [subprocess.Popen(["docker", "-H", engine.host, "run", "--rm", "riscv64/busybox", "uname", "-m"], stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True) for _ in range(4)]
    assert [one.communicate(timeout=60)[0] for one in running] == ["riscv64\n"] * 4


@each
def test_what_to_install_is_said(bare, architecture):
    need(architecture)
    _, docker = bare
    done = docker.run("run", "--rm", f"{architecture}/busybox", "true", check=False)
    said = done.stderr
    assert done.returncode == 125 and "exec format error" in said and f"programs for {architecture} cannot run" in said and "apt install qemu-user-static" in said, said
    docker("create", "--name", "kept", f"{architecture}/busybox", "true")
    assert docker("inspect", "-f", "{{.Emulator}}", "kept") == "none installed"


def test_an_image_that_says_wrong_runs_all_the_same(bare, tmp_path):
    """Whoever builds on one machine for another may forget to say so: the processor decides."""
    engine, docker = bare
    with tarfile.open(images / "busybox.tar") as archive:
        archive.extractall(tmp_path / "image")
    manifest = json.loads((tmp_path / "image/manifest.json").read_text())
    config = tmp_path / "image" / manifest[0]["Config"]
    document = json.loads(config.read_text()) | {"architecture": "s390x"}
    (tmp_path / "image/other.json").write_text(json.dumps(document))
    manifest[0] |= {"Config": "other.json", "RepoTags": ["wrong:latest"]}
    (tmp_path / "image/manifest.json").write_text(json.dumps(manifest))
    with tarfile.open(tmp_path / "wrong.tar", "w") as archive:
        archive.add(tmp_path / "image", ".")
    engine.load(tmp_path / "wrong.tar")
    assert "ciao" in docker("run", "--rm", "wrong", "echo", "ciao")

