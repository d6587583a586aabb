#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every unit test program of a build (doctest), two at a time, and counts its cases.

  run_unit.py BUILD [--results FILE] [FILTER]
A case that can do nothing here says MESSAGE("skipped: why") and returns; it is counted as skipped.
"""
import argparse
import os
import subprocess
import sys
import xml.etree.ElementTree as xml
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

top = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(top / "tests"))
from lib import report  # noqa: E402


def run(program, pattern):
    arguments = [program, "--reporters=xml", "--no-path-filenames=false"]
    if pattern:
        arguments.append(f"--test-case=*{pattern}*")
    try:
        return subprocess.run(arguments, capture_output=True, text=True, errors="replace", timeout=300, cwd=top)
    except subprocess.TimeoutExpired as late:
        return subprocess.CompletedProcess(arguments, -1, "", f"still running after 300 s\n{late.stderr}")


def cases_of(document):
    """(name, outcome, text, seconds) per case of a doctest XML report."""
    for case in document.iter("TestCase"):
        overall = case.find("OverallResultsAsserts")
        if overall is None or case.get("skipped") == "true":
            continue
        messages = [(message.findtext("Text") or "").strip() for message in case.iter("Message")]
        skips = [text for text in messages if text.startswith("skip")]
        problems = [describe(found) for found in case.iter("Expression") if found.get("success") == "false"]
        problems += [(found.text or "").strip() for found in case.iter("Exception")]
        failed = overall.get("test_case_success", "true") == "false" or int(overall.get("failures", "0")) > 0
        outcome = "failed" if failed or problems else "skipped" if skips else "passed"
        text = "\n".join(problems + messages) if outcome == "failed" else skips[0].partition(":")[2].strip() if skips else ""
        yield case.get("name"), outcome, text, float(overall.get("duration", "0"))


def describe(expression):
    original, expanded = (expression.findtext(name, "").strip() for name in ("Original", "Expanded"))
    return f"{expression.get('filename')}:{expression.get('line')}: {expression.get('type')}({original}) with {expanded}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--results")
    parser.add_argument("filter", nargs="?", default="")
    options = parser.parse_args()
    programs = sorted((options.build / "test").glob("*-test"))
    with report.Results(options.results) as results, ThreadPoolExecutor(min(2, os.cpu_count())) as pool:
        if not programs:
            results.add("unit", "failed", f"no test programs in {options.build}/test", 0)
        for program, done in zip(programs, pool.map(lambda program: run(program, options.filter), programs)):
            room = program.name.removesuffix("-test")
            failures = 0
            try:
                for name, outcome, text, seconds in cases_of(xml.fromstring(done.stdout)):
                    failures += outcome == "failed"
                    results.add(f"unit.{room}: {name}", outcome, text, seconds)
            except xml.ParseError:
                failures = 0
            if done.returncode and not failures:
                results.add(f"unit.{room}", "failed", f"ended with {done.returncode}\n{(done.stdout + done.stderr)[-6000:]}", 0)
    return results.exit_code


if __name__ == "__main__":
    sys.exit(main())
