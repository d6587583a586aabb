#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Images of other processors, and the emulators for them, from Debian's own packages: into .cache/ (or PILA_CACHE).

Each architecture has an apt directory of its own, so dpkg's state is not touched. Run before the tests: inside their sandbox
there is no network.
"""
import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path

top = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(top / "tests/lib"), str(top / "tests/images")]
import debian  # noqa: E402
import make_images  # noqa: E402

cache = Path(os.environ.get("PILA_CACHE", top / ".cache")) / "foreign"
suites = {"arm64": "bookworm", "riscv64": "trixie"}  # the oldest that have the architecture and are kept up to date


def image(architecture):
    return cache / f"busybox-{architecture}.tar"


def emulators():
    """The directory of qemu-aarch64-static and its like, for a PATH."""
    return cache / "qemu/usr/bin"


def missing():
    """None, or why a test of foreign processors cannot run."""
    return None if (cache / "complete").exists() else "images and emulators of other processors are not there (tests/lib/foreign.py)"


def fetch(package, architecture, suite, into):
    """Unpacks one package of Debian, checked by apt as always."""
    with tempfile.TemporaryDirectory(prefix="apt-") as private:
        private = Path(private)
        for name in ("lists/partial", "cache/archives/partial", "etc/preferences.d", "etc/apt.conf.d"):
            (private / name).mkdir(parents=True)
        mirror = next(uris[0] for uris, _, components in debian.sources() if "main" in components and "security" not in uris[0])
        (private / "etc/sources.list").write_text(
            f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {mirror} {suite} main\n")
        (private / "status").touch()
        (private / "apt.conf").write_text("\n".join([
            *debian.apt_settings(), f'APT::Architecture "{architecture}";', f'APT::Architectures {{ "{architecture}"; }};',
            f'Dir::State "{private}";', f'Dir::State::status "{private}/status";', f'Dir::Cache "{private}/cache";',
            f'Dir::Etc "{private}/etc";', 'APT::Sandbox::User "root";', 'Acquire::Languages "none";']) + "\n")
        environment = {**os.environ, "APT_CONFIG": str(private / "apt.conf")}
        for command in (["apt-get", "-qq", "update"], ["apt-get", "-qq", "download", package]):
            done = subprocess.run(command, cwd=private, env=environment, capture_output=True, text=True, timeout=300)
            if done.returncode:
                raise debian.Unavailable(f"{' '.join(command)} for {architecture}: {done.stderr.strip()[-500:]}")
        into.mkdir(parents=True, exist_ok=True)
        subprocess.run(["dpkg-deb", "-x", next(private.glob("*.deb")), into], check=True)


def install():
    if (cache / "complete").exists():
        return
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        host = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
        fetch("qemu-user-static", host, "bookworm", cache / "qemu")
        for emulator in emulators().iterdir():
            if emulator.name not in ("qemu-aarch64-static", "qemu-riscv64-static"):
                emulator.unlink()  # 400 MB
        for architecture, suite in suites.items():
            with tempfile.TemporaryDirectory(prefix="busybox-") as root:
                fetch("busybox-static", architecture, suite, Path(root))
                found = next(path for path in (Path(root) / "bin/busybox", Path(root) / "usr/bin/busybox") if path.exists())
                layer = make_images.busybox_layer(found)
            made = make_images.image([layer], ["busybox"], architecture=architecture, Cmd=["sh"])
            make_images.write_archive(image(architecture), [f"{architecture}/busybox:latest"], made)
        (cache / "complete").touch()


if __name__ == "__main__":
    try:
        install()
    except (debian.Unavailable, OSError, subprocess.SubprocessError, StopIteration) as reason:
        print(f"foreign.py: {reason}: tests of foreign processors will be skipped", file=sys.stderr)
