#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the images the tests use, from what the machine has: no network, byte for byte the same each time.

  make_images.py DIRECTORY    writes busybox.tar, hello.tar, layers.tar, config.tar (for `docker load`) and
                              rootfs.tar (for `docker import`); does nothing when they are newer than their sources
"""
import argparse
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

created = "2024-05-06T07:08:09Z"
passwd = """root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
pila:x:1000:1000:pila:/home/pila:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/bin/false
"""
group = """root:x:0:
daemon:x:1:
tty:x:5:
www-data:x:33:
staff:x:50:pila
pila:x:1000:
nogroup:x:65534:
"""


class Layer:
    """A tar with fixed owners and times."""

    def __init__(self):
        self.buffer = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.buffer, mode="w", format=tarfile.PAX_FORMAT)

    def add(self, name, kind=tarfile.REGTYPE, data=b"", mode=0o644, target="", owner=0):
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode, entry.linkname, entry.size = kind, mode, target, len(data)
        entry.uid = entry.gid = owner
        entry.mtime = 1714979289
        self.tar.addfile(entry, io.BytesIO(data))
        return self

    def directory(self, name, mode=0o755, owner=0):
        return self.add(name, tarfile.DIRTYPE, mode=mode, owner=owner)

    def bytes(self):
        self.tar.close()
        return self.buffer.getvalue()


def busybox_layer(foreign=None):
    """`foreign`: the program for another processor, of a version like ours."""
    busybox = shutil.which("busybox", path=os.environ.get("PATH", "") + ":/bin:/usr/bin:/sbin")
    if not busybox:
        sys.exit("make_images.py: busybox is not installed (package busybox-static)")
    if b"dynamically linked" in subprocess.run(["file", "-L", busybox], capture_output=True).stdout:
        sys.exit(f"make_images.py: {busybox} is not static (install busybox-static)")
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    layer = Layer()
    for name in ("bin", "dev", "etc", "home", "proc", "sys", "usr", "usr/bin", "usr/sbin", "var", "var/www"):
        layer.directory(name)
    layer.directory("root", 0o700).directory("tmp", 0o1777).directory("home/pila", 0o755, 1000)
    layer.add("bin/busybox", data=Path(foreign or busybox).read_bytes(), mode=0o755)
    for applet in sorted(set(applets) - {"busybox"}):
        layer.add(f"bin/{applet}", tarfile.LNKTYPE, mode=0o755, target="bin/busybox")
    layer.add("etc/passwd", data=passwd.encode()).add("etc/group", data=group.encode())
    layer.add("etc/shadow", data=b"root:*:19000:0:99999:7:::\n", mode=0o640)
    layer.add("var/www/index.html", data=b"page of pila\n")
    layer.add("not-executable", data=b"#!/bin/sh\necho never\n")
    return layer.bytes()


def layers_of_changes():
    """What a second layer may do to a first one."""
    first = Layer()
    first.directory("data").add("data/kept", data=b"first\n").add("data/removed", data=b"first\n")
    first.add("data/replaced", data=b"first\n").directory("data/opaque").add("data/opaque/old", data=b"first\n")
    first.directory("data/becomes-file").add("data/becomes-file/child", data=b"first\n")
    first.add("data/link", tarfile.SYMTYPE, target="kept", mode=0o777)
    first.add("data/hard", tarfile.LNKTYPE, target="data/kept")
    second = Layer()
    second.directory("data").add("data/.wh.removed").add("data/replaced", data=b"second\n", mode=0o600, owner=1000)
    second.directory("data/opaque").add("data/opaque/.wh..wh..opq").add("data/opaque/new", data=b"second\n")
    second.add("data/becomes-file", data=b"second\n")
    second.add("data/set-user", data=b"", mode=0o4755)
    return [first.bytes(), second.bytes()]


def image(layers, commands, architecture=None, **config):
    """(config bytes, layers) of an image."""
    machine = os.uname().machine
    document = {
        "architecture": architecture or {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine),
        "os": "linux", "created": created,
        "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], **config},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]},
        "history": [{"created": created, "created_by": command} for command in commands],
    }
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode(), layers


def write_archive(path, tags, made):
    config, layers = made
    names = [hashlib.sha256(layer).hexdigest() + "/layer.tar" for layer in layers]
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    archive = Layer()
    archive.add(config_name, data=config)
    for name, layer in dict(zip(names, layers)).items():
        archive.directory(os.path.dirname(name)).add(name, data=layer)
    manifest = [{"Config": config_name, "RepoTags": tags, "Layers": names}]
    archive.add("manifest.json", data=json.dumps(manifest).encode())
    replace(path, archive.bytes())


def replace(path, data):
    temporary = path.with_suffix(".part")
    temporary.write_bytes(data)
    temporary.rename(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    directory = parser.parse_args().directory
    directory.mkdir(parents=True, exist_ok=True)
    here = Path(__file__).resolve().parent
    newest = max(source.stat().st_mtime for source in (here / "make_images.py", here / "payload.c"))
    outputs = [directory / name for name in ("busybox.tar", "hello.tar", "layers.tar", "config.tar", "rootfs.tar")]
    if all(output.exists() and output.stat().st_mtime > newest for output in outputs):
        return
    subprocess.run(["gcc", "-O2", "-static", "-s", "-o", directory / "payload", here / "payload.c"], check=True)
    base = busybox_layer()
    hello = Layer().add("hello", data=(directory / "payload").read_bytes(), mode=0o755).bytes()
    write_archive(directory / "busybox.tar", ["busybox:latest", "busybox:test"],
                  image([base], ["ADD rootfs.tar /"], Cmd=["sh"]))
    write_archive(directory / "hello.tar", ["pila/hello-world:latest"],
                  image([hello], ["COPY hello /"], Cmd=["/hello"]))
    write_archive(directory / "layers.tar", ["pila/layers:latest"],
                  image([base, *layers_of_changes()], ["ADD rootfs.tar /", "first", "second"], Cmd=["sh"]))
    write_archive(directory / "config.tar", ["pila/config:latest"], image(
        [base], ["ADD rootfs.tar /"], Entrypoint=["/bin/echo", "entry"], Cmd=["default", "command"], User="pila:staff",
        WorkingDir="/var/www", Labels={"org.example.colour": "blue"}, ExposedPorts={"8080/tcp": {}, "53/udp": {}},
        StopSignal="SIGUSR1", Env=["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "COLOUR=blue", "EMPTY="]))
    replace(directory / "rootfs.tar", base)


if __name__ == "__main__":
    main()
