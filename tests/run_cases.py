#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the text cases of tests/cases against pila or a real dockerd. The form of a case: docs/testing.md.

  run_cases.py [--against pila|docker] [--images DIR] [--junit FILE] [--list] [NAME...]
NAME is part of AREA/FILE or AREA/FILE:SECTION, from the beginning of a word; the sections before a chosen one run, too: it may
need what they have made.
"""
import argparse
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from lib import engines, patterns, report, sandbox  # noqa: E402

here = Path(__file__).resolve().parent
base_images = ["busybox:latest", "busybox:test", "pila/hello-world:latest", "pila/layers:latest", "pila/config:latest"]
methods = ("GET", "POST", "PUT", "DELETE", "HEAD")


@dataclass
class Step:
    kind: str  # "shell" or "api"
    line: int
    text: str
    retry: bool = False
    body: list = field(default_factory=list)
    headers: dict = field(default_factory=dict)
    expected: list = field(default_factory=list)
    expected_stderr: list = field(default_factory=list)
    status: int = 0
    statuses: dict = field(default_factory=dict)  # of engines that answer otherwise


@dataclass
class Section:
    name: str
    line: int
    steps: list = field(default_factory=list)
    directives: dict = field(default_factory=dict)


@dataclass
class Case:
    name: str  # AREA/FILE
    directives: dict = field(default_factory=dict)
    sections: list = field(default_factory=list)
    teardown: Section = None


def parse(path):
    case = Case(f"{path.parent.name}/{path.stem}")
    section, step = Section("setup", 1), None
    case.sections.append(section)
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("== "):
            section, step = Section(line[3:].strip(), number), None
            if section.name == "teardown":
                case.teardown = section
            else:
                case.sections.append(section)
        elif line.startswith("#") and step is None:
            continue
        elif line.startswith("@") and step is None:
            name, _, value = line[1:].partition(" ")
            target = case.directives if len(case.sections) == 1 and not case.teardown else section.directives
            target[name] = value.strip()
        elif line.startswith(("$ ", "$~ ")):
            step = Step("shell", number, line.partition(" ")[2], retry=line.startswith("$~"))
            section.steps.append(step)
        elif line.split(" ")[0].lstrip("~") in methods and (step is None or step.status or step.kind == "shell"):
            step = Step("api", number, line.lstrip("~"), retry=line.startswith("~"))
            section.steps.append(step)
        elif step is None:
            if line.strip():
                raise SystemExit(f"{path}:{number}: not part of a step: {line}")
        elif line == "":
            step = None
        else:
            add_line(path, number, step, line)
    case.sections = [section for section in case.sections if section.steps or section.name != "setup"]
    return case


def set_status(path, number, step, text):
    """"400", or "400 (docker: 500)": exit code or HTTP status, and that of an engine that is otherwise."""
    found = re.fullmatch(r"(\d+)(?: \((\w+): (\d+)\))?", text)
    if not found:
        raise SystemExit(f"{path}:{number}: expected a status, got: {text}")
    step.status = int(found[1])
    step.statuses = {found[2]: int(found[3])} if found[2] else {}


def add_line(path, number, step, line):
    if line.startswith(">> ") and step.kind == "api":
        name, _, value = line[3:].partition(":")
        step.headers[name.strip()] = value.strip()
    elif line.startswith(">") and not step.expected:
        step.body.append(line[2:])
    elif step.kind == "shell" and line.startswith("? "):
        set_status(path, number, step, line[2:])
    elif step.kind == "shell" and (line.startswith("! ") or line == "!"):
        step.expected_stderr.append(line[2:])
    elif step.kind == "api" and not step.status:
        set_status(path, number, step, line)
    else:
        step.expected.append("" if line == "<empty>" else line)


class Runner:
    def __init__(self, engine, client, verbose):
        self.engine, self.client, self.verbose = engine, client, verbose
        self.bin = Path(tempfile.mkdtemp(prefix="bin-", dir="/run"))
        self.write_program("docker", {"docker": shutil.which("docker"), "pila": str(engines.Pila.program)}[client])
        if engines.Pila.program.exists():
            self.write_program("pila", str(engines.Pila.program))

    def write_program(self, name, target):
        (self.bin / name).symlink_to(target)

    def environment(self, variables, directory):
        return os.environ | variables | {
            "PATH": f"{self.bin}:{os.environ['PATH']}", "DOCKER_HOST": self.engine.host, "HOME": str(directory),
            "PILA_HOST": self.engine.host, "DOCKER_CLI_HINTS": "0", "LC_ALL": "C.UTF-8", "IMAGES": os.environ["IMAGES"]}

    def step(self, step, variables, directory, limit):
        deadline = time.monotonic() + (15 if step.retry else 0)
        while True:
            trial = dict(variables)
            try:
                (self.shell if step.kind == "shell" else self.call)(step, trial, directory, limit)
                variables.update(trial)
                return
            except patterns.Mismatch:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.1)

    def shell(self, step, variables, directory, limit):
        script = "\n".join([step.text, *step.body])
        done = subprocess.Popen(["bash", "-c", script], cwd=directory, env=self.environment(variables, directory),
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                errors="replace", start_new_session=True)
        try:
            stdout, stderr = done.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(done.pid, signal.SIGKILL)
            stdout, stderr = done.communicate()
            output = patterns.indent(stdout + stderr)
            raise patterns.Mismatch(f"still running after {limit} s; so far:\n{output}") from None
        seen = f"\n  stdout:\n{patterns.indent(stdout)}\n  stderr:\n{patterns.indent(stderr)}"
        status = step.statuses.get(self.engine.name, step.status)
        if done.returncode != status:
            raise patterns.Mismatch(f"exit code {done.returncode}, expected {status}{seen}")
        names = variables | {"client": self.client}
        patterns.check_text("standard output", step.expected, stdout, names)
        patterns.check_text("standard error", step.expected_stderr, stderr, names)
        names.pop("client")
        variables.update(names)

    def call(self, step, variables, directory, limit):
        replace = lambda text: re.sub(r"\$\{(\w+)\}", lambda found: variables[found[1]], text)  # noqa: E731
        method, target = replace(step.text).split(" ", 1)
        body = replace("\n".join(step.body)).encode() if step.body else None
        try:
            answer = self.engine.api(method, target, body, headers=step.headers, timeout=limit)
        except OSError as broken:
            raise patterns.Mismatch(f"no answer: {broken}") from None
        status = step.statuses.get(self.engine.name, step.status)
        if answer.status != status:
            raise patterns.Mismatch(f"status {answer.status}, expected {status}\n{patterns.indent(answer.text)}")
        if not step.expected:
            return
        text = "\n".join(step.expected)
        try:
            expected = json.loads(text)
        except ValueError:
            patterns.check_text("body", step.expected, answer.text, variables)
            return
        try:
            patterns.check_json(expected, answer.json(), variables)
        except ValueError:
            raise patterns.Mismatch(f"the answer is not JSON:\n{patterns.indent(answer.text)}") from None
        except patterns.Mismatch as mismatch:
            raise patterns.Mismatch(f"{mismatch}\n  body:\n{patterns.indent(answer.text[:3000])}") from None

    def section(self, case, section, variables, directory):
        limit = float(section.directives.get("timeout", case.directives.get("timeout", 30)))
        for step in section.steps:
            try:
                self.step(step, variables, directory, limit)
            except patterns.Mismatch as mismatch:
                where = f"tests/cases/{case.name}.test:{step.line}"
                return f"{where}: {'$ ' if step.kind == 'shell' else ''}{step.text}\n  {mismatch}"
        return None

    def run(self, case, wanted, results):
        variables, broken = {}, None
        with tempfile.TemporaryDirectory(prefix="case-") as directory:
            last = max(at for at, section in enumerate(case.sections) if wanted(f"{case.name}:{section.name}"))
            for section in case.sections[:last + 1]:
                name = f"cases.{case.name}:{section.name}" + (" (pila's verbs)" if self.client == "pila" else "")
                reason = self.skipped(case.directives | section.directives)
                begin = time.monotonic()
                if broken and section.name != "setup":
                    results.add(name, "failed", "the setup failed", 0)
                    continue
                if reason:
                    results.add(name, "skipped", reason, 0)
                    continue
                problem = self.section(case, section, variables, directory)
                if self.engine.process.poll() is not None:
                    problem = f"{problem}\nthe daemon ended with {self.engine.process.returncode}:\n{self.engine.log_tail()}"
                    self.engine.start()
                results.add(name, "failed" if problem else "passed", problem or "", time.monotonic() - begin)
                broken = problem if section.name == "setup" else broken
            if case.teardown:
                self.section(case, case.teardown, variables, directory)
        self.engine.remove_everything(base_images)

    def skipped(self, directives):
        """None, or the reason why a section does not run here."""
        only = directives.get("only", "").split()
        if only and self.engine.name not in only:
            return f"only for {' and '.join(only)}"
        if f"not-{self.engine.name}" in directives:
            return f"not for {self.engine.name}: " + directives[f"not-{self.engine.name}"]
        if f"not-client-{self.client}" in directives:
            return f"not with the client {self.client}: " + directives[f"not-client-{self.client}"]
        for needed in shlex.split(directives.get("requires", "")):
            reason = missing(needed)
            if reason:
                return reason
        return None


def missing(needed):
    kind, _, value = needed.partition(":")
    if kind == "tool":
        return None if shutil.which(value) else f"{value} is not installed"
    if kind == "cgroup":
        here_is = "v2" if Path("/sys/fs/cgroup/cgroup.controllers").exists() else "v1"
        return None if value == here_is else f"this machine has cgroup {here_is}, not {value}"
    if kind == "runtime":  # a sanitizer's cannot be static, and so cannot run inside of containers
        static = b"/ld-linux" not in (engines.build / "bin/pila-runtime").read_bytes()[:8192]
        return None if (value == "static") == static else f"pila-runtime is {'not ' * (value == 'static')}static here"
    if kind == "file":
        return None if Path(os.path.expandvars(value)).exists() else f"{value} is not there"
    raise SystemExit(f"unknown requirement {needed}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", choices=engines.kinds, default="pila")
    parser.add_argument("--client", choices=("docker", "pila"), help="only this command line; default: every one there is")
    parser.add_argument("--images", default=str(engines.build / "test-images"))
    parser.add_argument("--results", help="append one line of JSON per case to this file")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    os.environ["IMAGES"] = options.images
    cases = [parse(path) for path in sorted((here / "cases").glob("*/*.test"))]
    words = re.compile("|".join(rf"(?<![a-z]){re.escape(name)}" for name in options.names))  # of none: matches all
    wanted = words.search
    chosen = [case for case in cases if any(wanted(f"{case.name}:{s.name}") for s in case.sections)]
    if options.list:
        print(*(f"{case.name}:{section.name}" for case in chosen for section in case.sections), sep="\n")
        return 0
    if not chosen:
        raise SystemExit(f"no case is called {' or '.join(options.names)}")
    kind = engines.kinds[options.against]
    if os.geteuid() != 0 or kind.missing():
        with report.Results(options.results) as results:
            results.add("cases", "skipped", kind.missing() or "needs root", 0)
        return 0
    sandbox.enter(sys.argv)
    return run(options, kind, chosen, wanted)


def run(options, kind, chosen, wanted):
    clients = [options.client] if options.client else ["docker", "pila"] if options.against == "pila" else ["docker"]
    with report.Results(options.results, options.verbose) as results:
        if "docker" in clients and not shutil.which("docker"):
            results.add("cases.docker-client", "skipped", "the docker client is not installed", 0)
            clients.remove("docker")
        engine = kind(directory="/run/engine").start()
        try:
            for archive in ("busybox", "hello", "layers", "config"):
                engine.load(f"{options.images}/{archive}.tar")
            for client in clients:
                runner = Runner(engine, client, options.verbose)
                for case in chosen:
                    if client == "docker" or "clients" in case.directives and "pila" in case.directives["clients"]:
                        runner.run(case, wanted, results)
            engine.stop()
        except (engines.NotReady, OSError, AssertionError) as problem:
            results.add(f"cases.{kind.name}", "failed", f"{problem}\n{engine.log_tail()}", 0)
    return results.exit_code


if __name__ == "__main__":
    sys.exit(main())
