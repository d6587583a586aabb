# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the system tests. They run inside a sandbox (tests/lib/sandbox.py), as root.

PILA_AGAINST=docker runs the same tests against a real dockerd; PILA_RESULTS names the file ./dev adds up.
"""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import engines, sandbox  # noqa: E402
from lib.registry import PilaRegistry  # noqa: E402
from lib.terminal import Terminal  # noqa: E402

against = os.environ.get("PILA_AGAINST", "pila")
images = Path(os.environ.get("PILA_TEST_IMAGES", engines.build / "test-images"))
base_images = ("busybox:latest", "busybox:test", "pila/hello-world:latest", "pila/layers:latest", "pila/config:latest")


def pytest_configure(config):
    for line in ("slice1: containers, local images, the default bridge", "slice2: registries",
                 "slice3: networks and names", "slice5: every verb and endpoint", "failpoints: needs a build with PILA_WITH_FAILPOINTS", "slow: more than ten seconds",
                 "not_yet(reason): of a later slice, so far only dockerd passes it",
                 "ordinary_build(reason): measures what sanitizers change",
                 "without_thread_sanitizer(reason): does what it does not allow",
                 "only_pila(reason): says something of pila that does not hold for dockerd"):
        config.addinivalue_line("markers", line)


def reason_to_skip(item):
    if not sandbox.inside() or os.geteuid() != 0:
        return "needs root and a sandbox (./dev test)"
    missing = engines.kinds[against].missing()
    if missing:
        return missing
    only = item.get_closest_marker("only_pila")
    if only and against != "pila":
        return f"only for pila: {only.args[0]}"
    later = item.get_closest_marker("not_yet")
    if later and against == "pila":
        return f"not yet: {later.args[0]}"
    ordinary = item.get_closest_marker("ordinary_build")
    if ordinary and "PILA_SANITIZED" in os.environ:
        return f"not with sanitizers: {ordinary.args[0]}"
    untraced = item.get_closest_marker("without_thread_sanitizer")
    if untraced and os.environ.get("PILA_SANITIZED") == "thread":
        return f"not with the thread sanitizer: {untraced.args[0]}"
    return None


def pytest_collection_modifyitems(items):
    if "PILA_FAILPOINT_BUILD" not in os.environ:  # a stage of its own with its own build
        items[:] = [item for item in items if not item.get_closest_marker("failpoints")]
    for item in items:
        reason = reason_to_skip(item)
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_runtest_logreport(report):
    path = os.environ.get("PILA_RESULTS")
    if not path or not (report.when == "call" or report.outcome in ("skipped", "failed")):
        return
    text = report.longrepr[2].removeprefix("Skipped: ") if report.outcome == "skipped" else str(report.longrepr or "")[-4000:]
    name = "system." + report.nodeid.removeprefix("tests/system/").removeprefix("test_").replace(".py::", ": ")
    with open(path, "a") as file:
        print(json.dumps({"name": name, "outcome": report.outcome, "text": text, "seconds": round(report.duration, 3)}), file=file)


def loaded(engine, *archives):
    for archive in archives or ("busybox", "hello", "layers", "config"):
        engine.load(images / f"{archive}.tar")
    return engine


@pytest.fixture(scope="module")
def engine():
    """One server for the tests of a file, with the base images."""
    made = loaded(engines.kinds[against]().start())
    yield made
    try:
        made.remove_everything()
    finally:
        made.stop()
        shutil.rmtree(made.directory, ignore_errors=True)


@pytest.fixture
def fresh():
    """Makes servers that this test alone uses: fresh(arguments=[...], environment={...})."""
    made = []

    def make(start=True, **options):
        if against == "docker":
            options["arguments"] = ["--live-restore", *options.get("arguments", [])]
        engine = engines.kinds[against](**options)
        made.append(engine)
        return engine.start() if start else engine

    yield make
    for engine in made:
        if engine.process and engine.process.poll() is None:
            try:
                engine.remove_everything()
            finally:
                engine.stop()
        shutil.rmtree(engine.directory, ignore_errors=True)


class Client:
    """The docker client, or pila's own verbs where it is not installed."""

    def __init__(self, engine):
        self.engine = engine
        self.program = shutil.which("docker") or str(engines.Pila.program)
        self.environment = os.environ | {"DOCKER_HOST": engine.host, "PILA_HOST": engine.host, "DOCKER_CLI_HINTS": "0",
                                         "HOME": str(engine.directory), "TERM": "xterm"}

    def run(self, *words, check=True, timeout=60, **more):
        done = subprocess.run([self.program, *map(str, words)], env=self.environment, capture_output=True, timeout=timeout * engines.patience,
                              text=True, **({"stdin": subprocess.DEVNULL} if "input" not in more else {}), **more)
        if check and done.returncode:
            raise AssertionError(f"docker {' '.join(map(str, words))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def __call__(self, *words, **more):
        """Standard output without the last newline."""
        return self.run(*words, **more).stdout.rstrip("\n")

    def terminal(self, *words, **more):
        return Terminal([self.program, *map(str, words)], self.environment, **more)

    def inspect(self, name):
        return self.engine.api("GET", f"/containers/{name}/json").json()


@pytest.fixture
def registries(tmp_path):
    """Makes registries of pila's that this test alone uses."""
    made = []

    def make(name="registry", arguments=(), port=None):
        made.append(PilaRegistry(tmp_path / name, port, arguments).start())
        return made[-1]

    yield make
    for registry in made:
        if registry.process.poll() is None:
            registry.stop()


@pytest.fixture
def docker(engine):
    client = Client(engine)
    yield client
    engine.remove_everything(base_images)


def client_of(engine):
    return Client(engine)
