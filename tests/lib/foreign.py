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
emulator_of = {"arm64": "qemu-aarch64-static", "riscv64": "qemu-riscv64-static"}
suites = {"arm64": "bookworm", "riscv64": "trixie"}  # the oldest that have the architecture and are kept up to date


def image(architecture):
    return cache / f"busybox-{architecture}.tar"


def emulators():
    """The directory of qemu-aarch64-static and its like, for a PATH."""
    return cache / "qemu/usr/bin"


def reason_file(architecture):
    return cache / f"no-{architecture}"


def missing(architecture):
    """None, or why a test of this processor cannot run."""
    if (emulators() / emulator_of[architecture]).exists() and image(architecture).exists():
        return None
    known = reason_file(architecture)
    return f"no programs of {architecture}: {known.read_text() if known.exists() else 'tests/lib/foreign.py has not run'}"


def there():
    return [architecture for architecture in suites if not missing(architecture)]


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


def install_emulators():
    if all((emulators() / name).exists() for name in emulator_of.values()):
        return
    host = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
    with tempfile.TemporaryDirectory(prefix="qemu-", dir=cache) as place:
        fetch("qemu-user-static", host, "bookworm", Path(place))
        emulators().mkdir(parents=True, exist_ok=True)
        for name in emulator_of.values():  # the others are 400 MB
            (Path(place) / "usr/bin" / name).rename(emulators() / name)


def install_image(architecture):
    if image(architecture).exists():
        return
    with tempfile.TemporaryDirectory(prefix="busybox-") as root:
        fetch("busybox-static", architecture, suites[architecture], Path(root))
        found = next(path for path in (Path(root) / "bin/busybox", Path(root) / "usr/bin/busybox") if path.exists())
        layer = make_images.busybox_layer(found)
    made = make_images.image([layer], ["busybox"], architecture=architecture, Cmd=["sh"])
    part = image(architecture).with_suffix(".part")
    make_images.write_archive(part, [f"{architecture}/busybox:latest"], made)
    part.rename(image(architecture))


def install():
    """Whatever can be had; {architecture: why not} of the rest."""
    if len(there()) == len(suites):
        return {}
    cache.mkdir(parents=True, exist_ok=True)
    without = {}
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for architecture in suites:
            try:
                install_emulators()
                install_image(architecture)
                reason_file(architecture).unlink(missing_ok=True)
            except (debian.Unavailable, OSError, subprocess.SubprocessError, StopIteration) as reason:
                without[architecture] = " ".join(str(reason).split()) or type(reason).__name__
                reason_file(architecture).write_text(without[architecture])
    return without


if __name__ == "__main__":
    try:
        for architecture, reason in install().items():
            print(f"foreign.py: {architecture}: {reason}: its tests will be skipped", file=sys.stderr)
    except OSError as reason:
        print(f"foreign.py: {reason}: tests of foreign processors will be skipped", file=sys.stderr)
