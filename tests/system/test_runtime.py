# SPDX-License-Identifier: Apache-2.0
"""pila-runtime by itself, with a bundle, as its own user: no daemon, no root."""
import json
import os
import shutil
import signal
import subprocess
import time

import pytest
from conftest import images
from lib import engines

pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("its own runtime")]
nobody = {"user": 65534, "group": 65534, "extra_groups": []}


@pytest.fixture(params=["root", "nobody"])
def bundle(request, tmp_path_factory):
    """(run, config): run(*arguments) starts the runtime in the bundle as the user; config(dict) changes its configuration."""
    place = tmp_path_factory.mktemp("bundle")
    (place / "rootfs").mkdir()
    subprocess.run(["tar", "-C", place / "rootfs", "-xf", images / "rootfs.tar"], check=True)
    program = shutil.copy(engines.build / "bin/pila-runtime", place)
    who = nobody if request.param == "nobody" else {}
    if who:
        (place / "state").mkdir()
        who = {**who, "env": {**os.environ, "XDG_RUNTIME_DIR": str(place / "state")}}  # /tmp may not be everybody's to write
        subprocess.run(["chown", "-R", "65534:65534", place], check=True)
        for above in (place, *place.parents[:2]):
            os.chmod(above, 0o755)

    def run(*arguments, **more):
        return subprocess.run([program, *arguments], cwd=place, capture_output=True, text=True, timeout=30, **who, **more)

    assert run("spec", *(["--rootless"] if who else [])).returncode == 0
    config = json.loads((place / "config.json").read_text())

    def change(args, **process):
        config["process"].update(terminal=False, args=args, **process)
        config["root"]["readonly"] = False
        (place / "config.json").write_text(json.dumps(config))

    run.program, run.place, run.who = program, place, who
    return run, change


def test_runs_a_bundle(bundle):
    run, change = bundle
    change(["sh", "-c", "id -u; echo $$; hostname; cat; echo written > /made; echo err >&2; exit 5"])
    done = run("run", "--bundle", str(run.place), "one", input="typed\n")
    assert (done.returncode, done.stdout, done.stderr) == (5, "0\n1\npila\ntyped\n", "err\n")
    assert (run.place / "rootfs/made").read_text() == "written\n"
    if run.who:
        assert (run.place / "rootfs/made").stat().st_uid == 65534


def test_a_signal_reaches_it(bundle):
    run, change = bundle
    change(["sh", "-c", "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done"])
    process = subprocess.Popen([run.program, "run", "two"], cwd=run.place, stdout=subprocess.PIPE, text=True, **run.who)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.read() == "bye\n" and process.wait(20) == 3


def test_its_end_ends_the_container(bundle):
    run, change = bundle
    change(["sh", "-c", "echo ready; sleep 987654"])
    process = subprocess.Popen([run.program, "run", "three"], cwd=run.place, stdout=subprocess.PIPE, text=True, **run.who)
    assert process.stdout.readline() == "ready\n"
    process.kill()
    process.wait(20)
    deadline = time.monotonic() + 10
    while "sleep 987654" in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout:
        assert time.monotonic() < deadline, "the container outlived its runtime"
        time.sleep(0.05)
    change(["echo", "again"])  # the id is free
    assert run("run", "three").stdout == "again\n"


def test_an_id_in_use_is_refused(bundle):
    run, change = bundle
    change(["sh", "-c", "echo ready; cat"])
    process = subprocess.Popen([run.program, "run", "five"], cwd=run.place, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **run.who)
    assert process.stdout.readline() == "ready\n"
    done = run("run", "five")
    assert done.returncode != 0 and "five already exists" in done.stderr
    process.communicate("")
    assert process.returncode == 0


@pytest.mark.parametrize("wrong, word", [("{", "config.json"), ('{"ociVersion": "1.0.2"}', "root"), (None, "config.json")])
def test_a_broken_bundle_is_told(bundle, wrong, word):
    run, _ = bundle
    if wrong is None:
        (run.place / "config.json").unlink()
    else:
        (run.place / "config.json").write_text(wrong)
    done = run("run", "four")
    assert done.returncode not in (0, 5) and word in done.stderr and done.stdout == "", done
