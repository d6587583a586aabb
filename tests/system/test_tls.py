# SPDX-License-Identifier: Apache-2.0
"""The API over TCP with certificates of both sides: dockerd's --tlsverify and the docker client's."""
import os
import shutil
import subprocess
import threading

import pytest
from conftest import against, client_of, loaded
from lib import engines
from lib.certificates import make_certificates
from lib.registry import free_port
from lib.terminal import Terminal

pytestmark = pytest.mark.slice5


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def remote(certificates):
    """The docker client, by TLS and with a certificate."""
    if not shutil.which("docker"):
        pytest.skip("docker is not installed")
    port = free_port()
    arguments = ["--tlsverify", "--tlscacert", certificates / "ca.pem", "--tlscert", certificates / "server.pem", "--tlskey",
                 certificates / "server.key", "-H", f"tcp://0.0.0.0:{port}"]
    made = loaded(engines.kinds[against](arguments=arguments).start(), "busybox")
    client = client_of(made)
    client.port = port
    client.program = shutil.which("docker")
    del client.environment["DOCKER_HOST"]
    client.tls = ["-H", f"tcp://127.0.0.1:{port}", "--tlsverify", "--tlscacert", certificates / "ca.pem", "--tlscert",
                  certificates / "client.pem", "--tlskey", certificates / "client.key"]
    plain = client.run
    client.run = lambda *words, **more: plain(*client.tls, *words, **more)
    yield client
    made.remove_everything()
    made.stop()
    shutil.rmtree(made.directory, ignore_errors=True)


def test_verbs(remote):
    assert "Server" in remote("version")
    assert remote("run", "--rm", "busybox", "echo", "over TLS") == "over TLS"
    remote("run", "-d", "--name", "lives", "busybox", "sleep", "600")
    assert remote("exec", "lives", "echo", "inside") == "inside"
    assert remote("ps", "-q", "--no-trunc") == remote("inspect", "-f", "{{.Id}}", "lives")
    remote("rm", "-f", "lives")


def test_standard_input_and_its_end(remote):
    """Half of the connection closes, the other goes on; more than any buffer holds."""
    text = "".join(f"line {n}\n" for n in range(100_000))
    done = remote.run("run", "-i", "--rm", "busybox", "sh", "-c", "cat; echo done", input=text)
    assert done.stdout == text + "done\n"
    assert remote.run("run", "-i", "--rm", "busybox", "wc", "-c", input=text).stdout.strip() == str(len(text))


def test_a_terminal(remote):
    terminal = Terminal([remote.program, *map(str, remote.tls), "run", "-it", "--rm", "busybox", "sh"], remote.environment)
    terminal.expect("# ")
    terminal.send("echo $((6*7))\n")
    terminal.expect("42")
    terminal.send("exit 3\n")
    assert terminal.wait() == 3


def test_streams_that_are_followed(remote):
    remote("run", "-d", "--name", "talks", "busybox", "sh", "-c", "for n in 1 2 3; do echo $n; sleep 0.3; done")
    assert remote("logs", "-f", "talks").split() == ["1", "2", "3"]
    assert remote("wait", "talks") == "0"
    remote("rm", "talks")


def test_large_bodies(remote, tmp_path):
    (tmp_path / "large").write_bytes(os.urandom(5_000_000))
    remote("create", "--name", "takes", "busybox")
    remote("cp", tmp_path / "large", "takes:/large")
    remote("cp", "takes:/large", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "large").read_bytes()
    remote("save", "-o", tmp_path / "saved.tar", "busybox")
    remote("load", "-i", tmp_path / "saved.tar")
    remote("rm", "takes")


def test_many_at_once(remote):
    answers = []
    workers = [threading.Thread(target=lambda: answers.append(remote("run", "--rm", "busybox", "echo", "ok"))) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert answers == ["ok"] * 6


@pytest.mark.parametrize("who", ["nobody", "none", "plain"])
def test_strangers(remote, certificates, who):
    options = {"nobody": ["--tlsverify", "--tlscacert", certificates / "ca.pem", "--tlscert", certificates / "nobody.pem", "--tlskey",
                          certificates / "nobody.key"],
               "none": ["--tls", "--tlscacert", certificates / "ca.pem", "--tlsverify"], "plain": []}[who]
    done = subprocess.run([remote.program, "-H", f"tcp://127.0.0.1:{remote.port}", *map(str, options), "ps"], capture_output=True, text=True,
                          env=remote.environment, timeout=30)
    assert done.returncode == 1 and ("HTTP request to an HTTPS server" in done.stderr if who == "plain" else "tls" in done.stderr.lower())


@pytest.mark.only_pila("dockerd warns instead")
@pytest.mark.parametrize("arguments,words", [
    (["-H", "tcp://0.0.0.0:2375"], "--tlsverify"), (["--tls", "-H", "tcp://0.0.0.0:2375"], "--tlscert"), (["--tlsverify"], "--tlscert"),
    (["--tlscacert", "/x"], "--tlsverify"), (["--tlsverify", "--tlscert", "/x", "--tlskey", "/x"], "--tlscacert"),
    (["--tls", "--tlscert", "/nonexistent", "--tlskey", "/x"], "/nonexistent")])
def test_settings_that_are_wrong(tmp_path, arguments, words):
    done = subprocess.run([engines.Pila.program, "daemon", "--instance", os.environ["PILA_TEST_INSTANCE"] + "w", "--data-dir", tmp_path / "data", "--run-dir",
                           tmp_path / "run", *arguments], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and words in done.stderr, done
