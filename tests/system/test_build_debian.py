# SPDX-License-Identifier: Apache-2.0
"""A build on a real distribution: dpkg, useradd, su, tar, perl as people use them, layer by layer what dockerd makes of it."""
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from conftest import client_of
from lib import debian, engines

pytestmark = [pytest.mark.slice1, pytest.mark.slow, pytest.mark.only_pila("it starts a dockerd beside pila")]
cache = Path(os.environ.get("PILA_CACHE", engines.top / ".cache"))

# setxattr(2) of a file capability, cap_net_raw=ep: there is no setcap in a minimal Debian.
capability = {"x86_64": 188, "aarch64": 5}.get(platform.machine())
dockerfile = f"""FROM distribution
SHELL ["/bin/bash", "-ec"]
COPY package /package
RUN chmod u+s /package/usr/bin/own && dpkg-deb -b /package /tmp/own.deb && dpkg -i /tmp/own.deb && dpkg -L own-package && test "$(cat /var/own/made)" = made
RUN useradd -m -s /bin/bash -u 1500 -k /etc/skel worker && su worker -c 'id -un > ~/who; umask 077; mkdir -p ~/deep/er; touch ~/deep/er/file'
RUN mkdir /many && cd /many && for i in {{1..200}}; do echo $i > f$i; ln f$i hard$i; ln -s f$i soft$i; done; \
    ln -s /none dangling; mkfifo pipe; mknod zero c 1 5; install -m 4755 -o worker -g nogroup /bin/true set-id
RUN cp /bin/true /usr/bin/capable && perl -e 'my ($p, $n, $v) = ("/usr/bin/capable", "security.capability", pack("V5", 0x02000001, 1<<13, 0, 0, 0)); \
    syscall({capability}, $p, $n, $v, 20, 0) == 0 or die $!'
RUN tar -C / -cf /tmp/doc.tar usr/share/doc && mkdir /again && tar -C /again -xpf /tmp/doc.tar && rm -r /usr/share/doc /tmp/*
RUN rm -r /again/usr/share && mkdir -p /again/usr/share/doc && echo new > /again/usr/share/doc/file
RUN mv /many /moved && chmod 2775 /moved && chown -h worker:nogroup /moved/dangling /moved/soft1 && ln -f /moved/f1 /linked && sed -i s/2/two/ /moved/f2
RUN dpkg -P own-package && test ! -e /usr/bin/own && rm -rf /package
USER worker
RUN id -u > ~/id && touch -d @1000000000 ~/old && ! touch /root/x 2>/dev/null
COPY --chown=worker:users file /home/worker/copied/file
COPY --chown=1234:5678 --from=distribution /etc/debian_version /of/numbers
WORKDIR /home/worker/new/place
RUN ! touch here 2>/dev/null && stat -c %u . > ~/whose
"""
# Times, inode numbers and the order of things that happened are in these.
differing = {"var/log/dpkg.log", "var/log/alternatives.log", "var/cache/ldconfig/aux-cache", "var/log/lastlog", "var/log/faillog", "tmp/own.deb"}


def make_context(place):
    for path, text, mode in (("package/DEBIAN/control", "Package: own-package\nVersion: 1\nArchitecture: all\nMaintainer: me <me@example.org>\nDescription: ours\n", 0o644),
                             ("package/DEBIAN/postinst", "#!/bin/sh\nset -e\nmkdir -p /var/own && echo made > /var/own/made\n", 0o755),
                             ("package/DEBIAN/postrm", "#!/bin/sh\nrm -rf /var/own\n", 0o755), ("package/DEBIAN/conffiles", "/etc/own.conf\n", 0o644),
                             ("package/etc/own.conf", "a=b\n", 0o600), ("package/usr/bin/own", "#!/bin/sh\necho own\n", 0o755), ("file", "text\n", 0o640),
                             ("Dockerfile", dockerfile, 0o644)):
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text)
        (place / path).chmod(mode)


def layers_of(engine, name):
    """Of each layer what is in it: names, types, modes, owners, contents, attributes; hard links by what they name together."""
    archive = tarfile.open(fileobj=io.BytesIO(engine.api("GET", f"/images/{name}/get", timeout=120).body))
    (manifest,) = json.load(archive.extractfile("manifest.json"))
    layers = []
    for layer in manifest["Layers"]:
        tar = tarfile.open(fileobj=archive.extractfile(layer))
        entries, same = {}, {}
        for member in tar:
            path = member.name.removeprefix("./").rstrip("/")
            if path in differing:
                continue
            if "/.wh." in f"/{path}":  # dockerd has them linked to each other
                entries[path] = ("whiteout", path)
                continue
            target = member.linkname.removeprefix("./")
            first = same.get(target, target) if member.islnk() else path
            same[path] = first
            content = hashlib.sha256(tar.extractfile(member).read()).hexdigest() if member.isreg() else None
            attributes = {key: value for key, value in member.pax_headers.items() if "xattr" in key}
            entries[path] = (None if member.islnk() else (member.type, oct(member.mode & 0o7777), member.uid, member.gid, member.linkname, content,
                                                          str(attributes), member.mtime == 1_000_000_000), first)
        groups = {}
        for path, (_, first) in entries.items():
            groups.setdefault(first, set()).add(path)
        # Which of several names comes first is nobody's promise.
        layers.append({path: (entries.get(first, entries[path])[0], tuple(sorted(groups[first]))) for path, (_, first) in entries.items()})
    return layers


def test_the_same_layers_as_dockerd(tmp_path):
    if engines.Docker.missing() or not shutil.which("docker"):
        pytest.skip(engines.Docker.missing() or "docker is not installed")
    if not capability:
        pytest.skip(f"no number of setxattr(2) for {platform.machine()} is written down here")
    try:
        root = debian.make_rootfs(cache)
    except debian.Unavailable as reason:
        pytest.skip(str(reason))
    make_context(tmp_path)
    found = {}
    for kind in ("pila", "docker"):
        engine = engines.kinds[kind]().start()
        try:
            docker = client_of(engine)
            docker("import", root, "distribution")
            done = subprocess.run(["docker", "build", "-t", "made", tmp_path], env=docker.environment | {"DOCKER_BUILDKIT": "0"}, capture_output=True,
                                  text=True, timeout=300)
            assert done.returncode == 0, done
            found[kind] = layers_of(engine, "made")
            assert docker("run", "--rm", "made", "sh", "-c", "pwd; cat ~/id ~/who; stat -c %u:%g:%a /moved/set-id") == \
                "/home/worker/new/place\n1500\nworker\n1500:65534:4755"
        finally:
            engine.remove_everything()
            engine.stop()
            shutil.rmtree(engine.directory, ignore_errors=True)
    assert len(found["pila"]) == len(found["docker"])
    differences = [(number, path, ours.get(path), theirs.get(path)) for number, (ours, theirs) in enumerate(zip(found["pila"], found["docker"]))
                   for path in sorted(ours.keys() | theirs.keys()) if ours.get(path) != theirs.get(path)]
    assert not differences, "\n".join(map(str, differences[:20]))
    everything = {path for layer in found["pila"] for path in layer}
    assert "home/worker/copied/file" in everything and "again/usr/.wh.share" not in everything and "moved/f1" in everything
