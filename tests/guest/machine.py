# SPDX-License-Identifier: Apache-2.0
"""A virtual machine as our users have it: this distribution's own kernel and systemd, in QEMU by software emulation.

The image is made once by debootstrap and kept; a run never changes it (snapshot=on). What is to be tested comes on a
second disk; what the guest reports leaves through its second serial port.
"""
import hashlib
import inspect
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import debian  # noqa: E402

kernels = {"debian": "linux-image-cloud-amd64", "ubuntu": "linux-image-virtual"}
packages = """systemd-sysv dbus udev kmod initramfs-tools iproute2 iptables nftables procps curl apparmor python3 python3-pytest
    python3-docker busybox-static file e2fsprogs docker.io liblzma5 libbz2-1.0 libzstd1 zlib1g libsqlite3-0 libmnl0 libnftnl11
    libseccomp2 libssl3""".split()
autostart = """[Unit]
Description=What this machine was started for
After=multi-user.target
FailureAction=poweroff
[Service]
Type=oneshot
ExecStart=/pila/tests/guest/inside.sh
StandardOutput=file:/dev/ttyS1
StandardError=file:/dev/ttyS1
TimeoutStartSec=infinity
[Install]
WantedBy=multi-user.target
"""


def missing():
    if os.uname().machine != "x86_64":
        return "the guest is an x86-64 one"
    if os.getuid() != 0:
        return "making its disk needs root"
    for program in ("qemu-system-x86_64", "debootstrap", "mke2fs"):
        if not shutil.which(program):
            return f"{program} is not installed"
    return None


def configure(root):
    (root / "etc/hostname").write_text("guest\n")
    (root / "etc/fstab").write_text("/dev/vda / ext4 defaults 0 1\n/dev/vdb /pila ext4 ro 0 2\n")
    (root / "pila").mkdir()
    (root / "etc/systemd/system/guest.service").write_text(autostart)
    for unit in ("docker.service", "docker.socket", "containerd.service", "apt-daily.timer", "apt-daily-upgrade.timer",
                 "e2scrub_all.timer", "fstrim.timer", "systemd-networkd-wait-online.service"):
        subprocess.run(["systemctl", "--root", root, "disable", unit], capture_output=True)  # some are not there
    subprocess.run(["systemctl", "--root", root, "enable", "guest.service"], capture_output=True, check=True)


def make_disk(tree, file, megabytes):
    """An ext4 image of a directory, without mounting anything."""
    part = file.with_suffix(".part")
    part.unlink(missing_ok=True)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tree, "-E", "lazy_itable_init=1", part, f"{megabytes}M"], check=True)
    part.rename(file)


def make_image(cache):
    """Directory with disk, kernel, initrd: made once for this recipe, some two minutes."""
    release = debian.os_release()["ID"]
    wanted = [*packages, kernels[release]]
    recipe = hashlib.sha256((autostart + " ".join(wanted) + inspect.getsource(configure)).encode()).hexdigest()[:12]
    image = Path(cache) / f"guest-{release}-{debian.own_sources()[0]}-{recipe}"
    if image.exists():
        return image
    for old in Path(cache).glob("guest-*"):
        shutil.rmtree(old)
    part = image.with_suffix(".part")
    part.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="guest-", dir=cache) as directory:
        root = Path(directory) / "root"
        debian.bootstrap(root, wanted)
        configure(root)
        for what in ("vmlinuz", "initrd.img"):
            shutil.copy(max(root.glob(f"boot/{what}-*")), part / what)
        make_disk(root, part / "disk", 4096)
    part.rename(image)
    return image


def clock_khz():
    """Linux in a slow virtual machine cannot calibrate its clock on a busy host: it is told."""
    found = re.search(r"^cpu MHz\s*:\s*([\d.]+)", Path("/proc/cpuinfo").read_text(), re.M)
    return round(float(found[1]) * 1000) if found else 2_000_000


def run(image, payload, report, console, seconds):
    """Boots, waits for power-off. Lines of the second serial port go to report(). False: not in time."""
    khz = clock_khz()
    words = f"""root=/dev/vda rw console=ttyS0 panic=-1 no_timer_check random.trust_cpu=on mitigations=off
        systemd.show_status=0 tsc_early_khz={khz} tsc=reliable lpj={2 * khz}"""
    read, write = os.pipe()
    command = ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg,tb-size=512", "-cpu", "max", "-m", "3072", "-smp", "1",
               "-display", "none", "-nodefaults", "-kernel", image / "vmlinuz", "-initrd", image / "initrd.img",
               "-append", " ".join(words.split()),
               "-drive", f"file={image / 'disk'},format=raw,if=virtio,snapshot=on",
               "-drive", f"file={payload},format=raw,if=virtio,readonly=on",
               "-serial", f"file:{console}", "-chardev", f"file,id=report,path=/dev/fd/{write}", "-serial", "chardev:report",
               "-device", "virtio-rng-pci"]
    process = subprocess.Popen(command, pass_fds=(write,), stdin=subprocess.DEVNULL)
    os.close(write)
    deadline, rest = time.monotonic() + seconds, b""
    try:
        while time.monotonic() < deadline:
            if not select.select([read], [], [], 1)[0]:
                continue
            data = os.read(read, 65536)
            if not data:
                process.wait()
                return True
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                report(line.decode(errors="replace").rstrip("\r"))
        return False
    finally:
        process.kill()
        process.wait()
        os.close(read)
