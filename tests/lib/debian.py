# SPDX-License-Identifier: Apache-2.0
"""A minimal root file system of this machine's own distribution, as a tar for `docker import`.

Mirrors, proxies and their settings are the machine's: read from its apt configuration, so that a private mirror or a
proxy works inside containers as it does outside.
"""
import re
import shutil
import subprocess
import tempfile
from pathlib import Path


class Unavailable(Exception):
    pass


def os_release():
    return dict(line.replace('"', "").split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)


def sources():
    """[(uris, suites, components)] of the machine's binary package sources, both of apt's formats."""
    found = []
    for path in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]:
        if not path.is_file():
            continue
        if path.suffix == ".sources":
            for stanza in re.split(r"\n\s*\n", path.read_text()):
                fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", stanza, re.M))
                if "deb" in fields.get("Types", "").split() and fields.get("Enabled", "yes").lower() != "no":
                    found.append((fields.get("URIs", "").split(), fields.get("Suites", "").split(),
                                  fields.get("Components", "").split()))
        elif path.suffix == ".list":
            for line in re.findall(r"^deb\s+(.*)$", path.read_text(), re.M):
                words = re.sub(r"\[[^]]*\]", "", line).split()
                if len(words) >= 2:
                    found.append(([words[0]], [words[1]], words[2:]))
    return found


def own_sources():
    """(mirror, lines for sources.list): those of the distribution itself, leaving third parties' out."""
    release = os_release()
    codename = release["VERSION_CODENAME"]
    lines, mirror = [], None
    for uris, suites, components in sources():
        for suite in suites:
            if suite.split("-")[0].split("/")[0] != codename or "main" not in components:
                continue
            mirror = mirror or (uris[0] if suite == codename else None)
            lines += [f"deb {uri} {suite} {' '.join(components)}" for uri in uris]
    if not mirror:
        raise Unavailable(f"apt's sources name no mirror of {codename}")
    return codename, mirror, lines


def apt_settings():
    """Proxies and the like, as apt itself understands them."""
    dump = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True).stdout.splitlines()
    wanted = re.compile(r"Acquire::(https?::(Proxy|No-Cache|Verify-Peer|CaInfo)|Check-Valid-Until|Check-Date|Retries|ForceIPv4)", re.I)
    return [line for line in dump if wanted.match(line) and not line.endswith('"";')]


def bootstrap(root, packages=(), say=print):
    """debootstrap into `root`, with the machine's sources and apt settings in it."""
    codename, mirror, lines = own_sources()
    if not shutil.which("debootstrap"):
        raise Unavailable("debootstrap is not installed")
    https = any(line.split()[1].startswith("https:") for line in lines)
    include = [*packages, *(["ca-certificates"] if https else [])]
    components = sorted({word for line in lines for word in line.split()[3:]})
    command = ["debootstrap", "--variant=minbase", f"--components={','.join(components)}",
               *([f"--include={','.join(include)}"] if include else []), codename, root, mirror]
    say(f"$ {' '.join(map(str, command))}")
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise Unavailable(f"debootstrap failed:\n{done.stdout[-1500:]}")
    (root / "etc/apt/sources.list").write_text("\n".join(lines) + "\n")
    (root / "etc/apt/apt.conf.d/90of-the-host").write_text("\n".join(apt_settings()) + "\n")
    if https and Path("/etc/ssl/certs/ca-certificates.crt").exists():
        shutil.copy("/etc/ssl/certs/ca-certificates.crt", root / "etc/ssl/certs/ca-certificates.crt")
    for name in ("etc/hostname", "etc/resolv.conf"):
        (root / name).unlink(missing_ok=True)
    for stale in (*root.glob("var/cache/apt/archives/*.deb"), *root.glob("var/lib/apt/lists/*_*")):
        stale.unlink()


def make_rootfs(cache, say=print):
    """The tar's path; made once, then kept in `cache`."""
    tar = Path(cache) / f"{os_release()['ID']}-{own_sources()[0]}.tar"
    if tar.exists():
        return tar
    tar.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="debootstrap-") as directory:
        root = Path(directory) / "root"
        bootstrap(root, say=say)
        part = tar.with_suffix(".part")
        subprocess.run(["tar", "-C", root, "--numeric-owner", "--one-file-system", "-cf", part, "."], check=True)
        part.rename(tar)
    return tar
