#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs command lines against a daemon that only records, and compares the requests with those docker sends.

  request_cases.py --record docker          writes request_cases.json
  request_cases.py path/to/pila [PATTERN]   compares; exit 1 on a difference
"""
import copy
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(__file__))
from fake_daemon import FakeDaemon  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
VERSIONS = ["1.50", "1.41"]
FILES = {
    "envfile": "# comment\nA=1\nB=two words\n\n  # indented comment\n\tLEAD=x\nPILA_TEST_HOST\nPILA_TEST_UNSET\nE=\nQ=\"q\"\n",
    "badenvfile": "A=1\nbad name=2\n",
    "labelfile": "# comment\nl1=v1\nl2\n  l3=v 3\n",
    "seccompfile": "{\n  \"defaultAction\": \"SCMP_ACT_ALLOW\"\n}\n",
}


def prepare(directory):
    for name, text in FILES.items():
        with open(os.path.join(directory, name), "w") as file:
            file.write(text)


def run(program, case, version, directory):
    socket = os.path.join(directory, "s")
    environment = {"PATH": os.environ["PATH"], "HOME": directory, "DOCKER_HOST": "unix://" + socket,
                   "PILA_TEST_HOST": "from host", "DOCKER_CLI_HINTS": "false"}
    with FakeDaemon(socket, version) as daemon:
        done = subprocess.run([program] + shlex.split(case), cwd=directory, env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=20)
        requests = daemon.requests
    def clean(text):
        return text.replace(directory, "DIR")
    for request in requests:
        request["query"] = sorted(request["query"].split("&")) if request["query"] else []
    return json.loads(clean(json.dumps({"exit": done.returncode, "stdout": done.stdout, "stderr": done.stderr, "requests": requests})))


def error_lines(text):
    """The message itself: docker's hint how to get help differs in its address and wording between versions."""
    text = re.sub(r"\bdocker\b", "pila", text)
    lines = [line.rstrip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith(("Run 'pila", "See 'pila", "SRun 'pila", "Usage:", "For more help"))]


DEFAULT = "create busybox"  # bodies are kept as differences from what this sends


def packed(known):
    base = known[DEFAULT][VERSIONS[0]]["requests"][0]["body"]
    cases = {}
    for case, results in known.items():
        for result in results.values():
            for request in result["requests"]:
                if case != DEFAULT and request["path"] == "/containers/create":
                    request["body"] = changed(base, request["body"])
        first = results[VERSIONS[0]]
        cases[case] = {v: result for v, result in results.items() if v == VERSIONS[0] or result != first}
    lines = [f" {json.dumps(case)}: {json.dumps(results, sort_keys=True)}" for case, results in cases.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def unpacked(text):
    known = json.loads(text)
    base = known[DEFAULT][VERSIONS[0]]["requests"][0]["body"]
    for case, results in known.items():
        for version in VERSIONS[1:]:
            results.setdefault(version, copy.deepcopy(results[VERSIONS[0]]))
        for version in VERSIONS:
            for request in results[version]["requests"]:
                if case != DEFAULT and request["path"] == "/containers/create":
                    request["body"] = applied(base, request["body"])
    return known


def changed(old, new):
    out = {}
    for key in list(old) + [key for key in new if key not in old]:
        one, other = old.get(key, "(absent)"), new.get(key, "(absent)")
        if one != other:
            nested = isinstance(one, dict) and isinstance(other, dict) and one
            out[key] = changed(one, other) if nested else other
    return out


def applied(old, change):
    out = copy.deepcopy(old)
    for key, value in change.items():
        if value == "(absent)":
            out.pop(key, None)
        elif isinstance(out.get(key), dict) and isinstance(value, dict):
            out[key] = applied(out[key], value)
        else:
            out[key] = value
    return out


def normalise(result):
    """What docker leaves to the order of Go's maps, and what pila leaves out on purpose."""
    requests = result["requests"]
    for request in requests:
        body = request["body"]
        if isinstance(body, dict):
            if isinstance(body.get("Env"), list):
                body["Env"].sort()
            if isinstance(body.get("IPAM"), dict):
                body["IPAM"]["Config"].sort(key=json.dumps)
        request["query"] = [part.replace("+", "%20") for part in request["query"] if not part.startswith("since=")]
    pairs = list(zip(requests, requests[1:]))
    for one, other in pairs:  # docker asks first whether a network is the swarm's own
        if one["method"] == "GET" and other["method"] == "DELETE" and one["path"] == other["path"]:
            requests.remove(one)
    if requests and requests[-1]["path"].endswith("/start") and len(requests) == 3 and "/wait" in requests[1]["path"]:
        del requests[1]  # docker waits for the exit of a container that it leaves behind
    if len({request["method"] for request in requests}) == 1:  # several targets are asked in parallel
        requests.sort(key=lambda request: request["path"])
        result["stdout"] = "".join(sorted(result["stdout"].splitlines(True)))
    result["stdout"] = re.sub(r"\bdocker\b", "pila", result["stdout"])
    result["stderr"] = [line for line in result["stderr"] if "level=" not in line]


def main():
    cases = [line.strip() for line in open(os.path.join(HERE, "request_cases.txt"))]
    cases = [line for line in cases if line and not line.startswith("#")]
    golden = os.path.join(HERE, "request_cases.json")
    with tempfile.TemporaryDirectory(prefix="pila-cli-", dir="/tmp") as directory:
        prepare(directory)
        if sys.argv[1] == "--record":
            known = {case: {v: run(sys.argv[2], case, v, directory) for v in VERSIONS} for case in cases}
            with open(golden, "w") as file:
                file.write(packed(known))
            return 0
        program, pattern = os.path.abspath(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""
        known = unpacked(open(golden).read())
        bad = total = 0
        for case in cases:
            if pattern not in case:
                continue
            for version in VERSIONS:
                total += 1
                want, got = known[case][version], run(program, case, version, directory)
                want, got = copy.deepcopy(want), copy.deepcopy(got)
                want["stderr"], got["stderr"] = error_lines(want["stderr"]), error_lines(got["stderr"])
                normalise(want), normalise(got)
                if want == got:
                    continue
                bad += 1
                print(f"--- {version}: {case}")
                for key in ("exit", "stdout", "stderr"):
                    if want[key] != got[key]:
                        print(f"  {key}: docker {want[key]!r}\n  {' ' * len(key)}  pila   {got[key]!r}")
                show(want["requests"], got["requests"])
        print(f"{total - bad} of {total} alike")
        return 1 if bad else 0


def show(want, got):
    if len(want) != len(got):
        print("  docker:", [r["method"] + " " + r["path"] for r in want], "\n  pila:  ", [r["method"] + " " + r["path"] for r in got])
    for one, other in zip(want, got):
        differences("request", one, other)


def differences(path, one, other):
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(set(one) | set(other)):
            differences(f"{path}.{key}", one.get(key, "(absent)"), other.get(key, "(absent)"))
    elif one != other:
        print(f"  {path}: docker {json.dumps(one)}  pila {json.dumps(other)}")


if __name__ == "__main__":
    sys.exit(main())
