#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What this machine's own layout cannot show (systemd, cgroup v2, AppArmor, a reboot), in a virtual machine.

  run.py --images DIR [--results FILE] [--steps "NAME..."]
The guest's console is kept in build/guest/console.log.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import machine
from lib import debian, report

top = Path(__file__).resolve().parents[2]
build = Path(os.environ.get("PILA_BUILD", top / "build"))
minutes = 40


def make_payload(directory, images, steps):
    """The disk the guest finds at /pila: this repository's files as they are, its executables and test images."""
    tree = directory / "pila"
    names = subprocess.run(["git", "-C", top, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "dev", "tools", "tests", "README.md"], capture_output=True,
                           check=True).stdout.split(b"\0")
    for name in filter(None, names):
        source, target = top / name.decode(), tree / name.decode()
        if source.exists() and "fuzz" not in target.parts:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    (tree / "build/bin").mkdir(parents=True)
    for program in ("pila", "pila-runtime"):
        subprocess.run(["strip", "-g", "-o", tree / "build/bin" / program, build / "bin" / program], check=True)
    shutil.copytree(images, tree / "images")
    (tree / "steps").write_text(steps)
    megabytes = sum(file.stat().st_size for file in tree.rglob("*") if file.is_file()) // (1 << 20) + 64
    machine.make_disk(tree, directory / "payload", megabytes)
    return directory / "payload"


def run_guest(options, results):
    why = machine.missing()
    if why:
        results.add("guest", "skipped", why, 0)
        return
    cache, place = top / ".cache", build / "guest"
    cache.mkdir(exist_ok=True)
    place.mkdir(exist_ok=True)
    try:
        image = machine.make_image(cache)
    except debian.Unavailable as problem:
        results.add("guest", "skipped", str(problem), 0)
        return

    def heard(line):
        try:
            result = json.loads(line)
        except ValueError:
            print(line, flush=True)  # a word of the runner itself
            return
        if result["outcome"] == "passed" and result["name"].count(".") == 1:
            print(f"{result['name']}: {result['seconds']} s", flush=True)
        results.add(result["name"], result["outcome"], result["text"], result["seconds"])

    with tempfile.TemporaryDirectory(dir=cache, prefix="payload-") as directory:
        payload = make_payload(Path(directory), options.images, options.steps)
        if not machine.run(image, payload, heard, place / "console.log", minutes * 60):
            results.add("guest", "failed", f"it did not power off within {minutes} minutes; see {place}/console.log", 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", required=True)
    parser.add_argument("--results")
    parser.add_argument("--steps", default="", help="only these functions of inside.py")
    options = parser.parse_args()
    with report.Results(options.results, verbose=True) as results:
        run_guest(options, results)
    return results.exit_code


if __name__ == "__main__":
    sys.exit(main())
