#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Adds up the results of a test run: failures by name, skips by reason, and the closing line.

  summary.py RESULTS BROKEN           RESULTS: a JSON line per test; BROKEN: a line per stage that ended badly.
                                      With PILA_SUM=FILE the sum goes there, so that the caller says the closing line.
  summary.py --total FILE...          the closing line of several runs
"""
import json
import os
import sys
from collections import defaultdict
from pathlib import Path


def closing_line(passed, failed, skipped):
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed or not passed else 0


def total(paths):
    counts = [0, 0, 0]
    for path in map(Path, paths):  # a run that died before its sum is a failure
        counts = [mine + more for mine, more in zip(counts, json.loads(path.read_text()) if path.exists() else (0, 1, 0))]
    return closing_line(*counts)


def main():
    if sys.argv[1] == "--total":
        return total(sys.argv[2:])
    results, broken = Path(sys.argv[1]), Path(sys.argv[2])
    entries = [json.loads(line) for line in results.read_text().splitlines()]
    passed, failed, skipped = ([entry for entry in entries if entry["outcome"] == outcome]
                               for outcome in ("passed", "failed", "skipped"))
    reasons = defaultdict(list)
    for entry in skipped:
        reasons[entry["text"]].append(entry["name"])
    for reason, names in sorted(reasons.items()):
        print(f"skipped ({reason}): {', '.join(names[:6])}" + (f" and {len(names) - 6} more" if len(names) > 6 else ""))
    for entry in failed:
        print(f"FAILED {entry['name']}")
    # A stage that ended badly without naming a failed test (a build, a runner that crashed) is a failure of its own.
    stages = broken.read_text().splitlines() if broken.exists() else []
    silent = [stage for stage in stages if stage.startswith("build") or not failed]
    for stage in silent:
        print(f"FAILED stage: {stage}")
    counts = (len(passed), len(failed) + len(silent), len(skipped))
    if "PILA_SUM" in os.environ:
        Path(os.environ["PILA_SUM"]).write_text(json.dumps(counts))
        return 1 if counts[1] else 0
    return closing_line(*counts)


if __name__ == "__main__":
    sys.exit(main())
