#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A shell in a sandbox where `docker` and `pila` talk to a fresh daemon with the test images.

  shell.py [--against pila|docker] [COMMAND...]
"""
import argparse
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from lib import engines, sandbox  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", choices=engines.kinds, default="pila")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    kind = engines.kinds[options.against]
    if kind.missing():
        sys.exit(f"shell: {kind.missing()}")
    if not sandbox.inside():
        return sandbox.run([sys.executable, *sys.argv], uplink=True)
    engine = kind("/run/engine").start()
    for archive in ("busybox", "hello", "layers", "config"):
        engine.load(engines.build / f"test-images/{archive}.tar")
    print(f"{engine.name} serves {engine.host}; its log: {engine.log_path}")
    environment = os.environ | {"DOCKER_HOST": engine.host, "PILA_HOST": engine.host, "PS1": r"\w (sandbox)\$ ",
                                "PATH": f"{engines.build / 'bin'}:{os.environ['PATH']}"}
    try:
        return subprocess.run(options.command or ["bash", "--norc"], env=environment).returncode
    finally:
        engine.remove_everything()
        engine.stop()


if __name__ == "__main__":
    sys.exit(main())
