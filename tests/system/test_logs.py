# SPDX-License-Identifier: Apache-2.0
"""Log files on disk: rotated, compressed, damaged; the daemon's defaults."""
import gzip
import subprocess
from pathlib import Path

import pytest
from conftest import against, client_of, loaded
from lib.engines import wait_until

pytestmark = pytest.mark.slice5
small = ["--log-driver", "local", "--log-opt", "max-size=50k", "--log-opt", "max-file=100"]


def directory_of(engine, name):
    return engine.data / "containers" / client_of(engine).inspect(name)["Id"]


def numbers(first, last):
    return "".join(f"{n}\n" for n in range(first, last + 1))


@pytest.mark.only_pila("dockerd's files are its own")
def test_rotated_files_are_compressed_and_a_restart_catches_up(fresh):
    engine = loaded(fresh(), "busybox")
    docker = client_of(engine)
    docker("run", "-d", "--name", "writer", *small, "busybox", "sh", "-c",
           "seq 1 20000; while [ ! -e /go ]; do sleep 0.1; done; seq 20001 40000; touch /done; exec sleep 10000")
    directory = directory_of(engine, "writer")
    plain = lambda: [path for path in directory.glob("log.local.*") if path.suffix != ".gz"]  # noqa: E731
    wait_until(lambda: len(list(directory.glob("*.gz"))) >= 5 and not plain(), "all rotated files are compressed")
    assert b"20" in gzip.open(sorted(directory.glob("*.gz"))[0]).read()
    engine.kill()
    pid = docker_pid(directory, engine)
    (pid / "root/go").touch()
    wait_until(lambda: (pid / "root/done").exists() and len(plain()) >= 5, "it is rotated without a daemon, too")
    engine.start()
    wait_until(lambda: not plain(), "what was rotated meanwhile is compressed")
    assert docker("logs", "writer") + "\n" == numbers(1, 40000)
    assert docker("logs", "--tail", "30000", "writer") + "\n" == numbers(10001, 40000)
    assert not (directory / "log.compressing").exists()


def docker_pid(directory, engine):
    text = (engine.run / "containers" / directory.name / "pid").read_text()
    return Path("/proc") / text.split()[0]


@pytest.mark.only_pila("dockerd's files are its own")
def test_a_damaged_log_is_read_around(fresh):
    engine = loaded(fresh(), "busybox")
    docker = client_of(engine)
    for driver in ("local", "json-file"):
        docker("run", "--name", driver, "--log-driver", driver, "busybox", "seq", "1", "5")
        path = directory_of(engine, driver) / ("log.local" if driver == "local" else "log.json")
        whole = path.read_bytes()
        path.write_bytes(whole[:-4])  # as if it had been killed in the middle of a write
        assert docker("logs", driver) + "\n" == numbers(1, 4)
        docker("start", driver)
        docker("wait", driver)
        assert docker("logs", driver) + "\n" == numbers(1, 4) + numbers(1, 5)
        path.write_bytes(bytes(range(256)) * 16 + b"\n" + whole)
        assert docker("logs", driver) + "\n" == numbers(1, 5)


def test_defaults_of_the_daemon(fresh):
    engine = loaded(fresh(arguments=["--log-driver", "local", "--log-opt", "max-size=1m"]), "busybox")
    docker = client_of(engine)
    form = "{{.HostConfig.LogConfig.Type}} {{.HostConfig.LogConfig.Config}}"
    for flags, expected in (([], "local map[max-size:1m]"),
                            (["--log-driver", "local", "--log-opt", "max-file=3"], "local map[max-file:3 max-size:1m]"),
                            (["--log-driver", "local", "--log-opt", "max-size=2m"], "local map[max-size:2m]"),
                            (["--log-driver", "json-file"], "json-file map[]"), (["--log-driver", "none"], "none map[]")):
        name = docker("create", *flags, "busybox")
        assert docker("inspect", "-f", form, name) == expected
    assert docker("info", "-f", "{{.LoggingDriver}}") == "local"


@pytest.mark.only_pila("its own words")
def test_a_daemon_refuses_defaults_that_are_no_good(fresh):
    for arguments, text in ((["--log-driver", "nosuch"], "no log driver named 'nosuch'"),
                            (["--log-opt", "nosuch=1"], "unknown log opt 'nosuch'"), (["--log-opt", "odd"], "must be NAME=VALUE")):
        engine = fresh(start=False, arguments=arguments)
        done = subprocess.run(engine.command(), capture_output=True, text=True, timeout=20)
        assert done.returncode != 0 and text in done.stderr, done


def test_a_slow_follower_gets_every_line_of_a_rotated_log(fresh):
    if against == "docker":
        pytest.skip("20.10 loses lines there")
    engine = loaded(fresh(), "busybox")
    docker = client_of(engine)
    docker("run", "--name", "big", "--log-driver", "local", "--log-opt", "max-size=1m", "--log-opt", "max-file=100", "busybox",
           "seq", "1", "1000000", timeout=120)
    slow = subprocess.run(f"{docker.program} logs -f big | (sleep 2; cat) | tail -n 1; {docker.program} logs -f big | wc -l", shell=True,
                          env=docker.environment, capture_output=True, text=True, timeout=120)
    assert slow.stdout.split() == ["1000000", "1000000"]
