# SPDX-License-Identifier: Apache-2.0
"""One line per test: for people on standard output, as JSON lines in a file that ./dev adds up (tools/summary)."""
import json
import sys


class Results:
    def __init__(self, path=None, verbose=False):
        self.path, self.verbose, self.counts = path, verbose, {"passed": 0, "failed": 0, "skipped": 0}

    def __enter__(self):
        self.file = open(self.path, "a") if self.path else None
        return self

    def __exit__(self, *_):
        if self.file:
            self.file.close()
        else:
            print("{passed} passed, {failed} failed, {skipped} skipped".format(**self.counts))

    def add(self, name, outcome, text, seconds):
        self.counts[outcome] += 1
        if outcome == "failed":
            print(f"FAILED {name}\n{text}\n", flush=True)
        elif outcome == "skipped":
            if self.verbose or not self.file:
                print(f"skipped {name}: {text}", flush=True)
        elif self.verbose or (not self.file and sys.stdout.isatty()):
            print(f"ok {name} ({seconds:.2f} s)", flush=True)
        if self.file:
            print(json.dumps({"name": name, "outcome": outcome, "text": text, "seconds": round(seconds, 3)}),
                  file=self.file, flush=True)

    @property
    def exit_code(self):
        return 1 if self.counts["failed"] else 0
