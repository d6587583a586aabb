# SPDX-License-Identifier: Apache-2.0
"""Runs a file of tests/system/node once and hands out its tests' outcomes one by one."""
import json
import os
import re
import subprocess
import threading
from pathlib import Path

import pytest
from lib import npm

here = Path(__file__).resolve().parent / "node"
node_modules, reason_without = npm.modules()
needs_packages = pytest.mark.skipif(node_modules is None, reason=str(reason_without))


def names(script):
    return re.findall(r"^test\('(.*?)'", (here / script).read_text(), re.M)


class Outcomes:
    """Of a script that runs in the background; waits for the one that is asked for."""

    def __init__(self, script, environment, directory):
        self.outcomes, self.changed, self.ended = {}, threading.Condition(), False
        self.errors = open(directory / f"{script}.err", "w+")
        self.process = subprocess.Popen([npm.node(), here / script], cwd=directory, text=True, stdout=subprocess.PIPE,
                                        stderr=self.errors, stdin=subprocess.DEVNULL,
                                        env=os.environ | {"NODE_PATH": str(node_modules)} | environment)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            if not line.startswith("{"):
                continue
            outcome = json.loads(line)
            with self.changed:
                self.outcomes[outcome["name"]] = outcome
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def check(self, name, seconds=120):
        with self.changed:
            self.changed.wait_for(lambda: name in self.outcomes or self.ended, seconds)
            outcome = self.outcomes.get(name)
        if outcome is None:
            self.errors.seek(0)
            raise AssertionError(f"{name}: no outcome (the script has ended: {self.ended})\n{self.errors.read()[-4000:]}")
        assert outcome["error"] is None, outcome["error"]

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.errors.close()
