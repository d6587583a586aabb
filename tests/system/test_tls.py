# SPDX-License-Identifier: Apache-2.0
"""The API over TCP with certificates of both sides: dockerd's --tlsverify, and the flags of the clients, docker's and pila's."""
import os
import shutil
import subprocess
import threading
import time

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
def server(certificates):
    port = free_port()
    arguments = ["--tlsverify", "--tlscacert", certificates / "ca.pem", "--tlscert", certificates / "server.pem", "--tlskey",
                 certificates / "server.key", "-H", f"tcp://0.0.0.0:{port}"]
    made = loaded(engines.kinds[against](arguments=arguments).start(), "busybox")
    made.port = port
    yield made
    made.remove_everything()
    made.stop()
    shutil.rmtree(made.directory, ignore_errors=True)


@pytest.fixture(scope="module", params=["docker", "pila"])
def remote(request, server, certificates):
    """A client, by TLS and with a certificate."""
    client = client_of(server)
    client.port = server.port
    client.program = shutil.which("docker") if request.param == "docker" else engines.Pila.program
    if not client.program:
        pytest.skip("docker is not installed")
    del client.environment["DOCKER_HOST"]
    client.tls = ["-H", f"tcp://127.0.0.1:{server.port}", "--tlsverify", "--tlscacert", certificates / "ca.pem", "--tlscert",
                  certificates / "client.pem", "--tlskey", certificates / "client.key"]
    client.plain = client.run
    client.run = lambda *words, **more: client.plain(*client.tls, *words, **more)
    return client


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


def test_output_that_is_read_late(remote):
    """The daemon has long closed its side when the last of it is read; every byte counts."""
    reader = subprocess.Popen([remote.program, *map(str, remote.tls), "run", "-i", "--rm", "busybox", "sh", "-c", "cat >/dev/null; seq 300000"],
                              env=remote.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    time.sleep(2)
    assert len(reader.stdout.read().split()) == 300_000 and reader.wait(30) == 0


def test_detached_from_a_terminal(remote):
    remote("run", "-dit", "--name", "stays", "busybox", "cat")
    terminal = Terminal([remote.program, *map(str, remote.tls), "attach", "stays"], remote.environment)
    terminal.send("hello\n")
    terminal.expect("hello\r\nhello")
    terminal.send("\x10\x11")
    terminal.wait()
    assert remote("inspect", "-f", "{{.State.Running}}", "stays") == "true"
    remote("rm", "-f", "stays")


def test_build(remote, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM busybox\nCOPY large /\nRUN wc -c < /large\n")
    (tmp_path / "large").write_bytes(bytes(3_000_000))
    environment = dict(remote.environment, DOCKER_BUILDKIT="0")
    done = subprocess.run([remote.program, *map(str, remote.tls), "build", "-t", "over-tls", tmp_path], env=environment, capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == 0 and "3000000" in done.stdout, done
    remote("rmi", "-f", "over-tls")


@pytest.mark.parametrize("who", ["nobody", "none", "plain"])
def test_strangers(remote, certificates, who):
    options = {"nobody": ["--tlsverify", "--tlscacert", certificates / "ca.pem", "--tlscert", certificates / "nobody.pem", "--tlskey",
                          certificates / "nobody.key"],
               "none": ["--tls", "--tlscacert", certificates / "ca.pem", "--tlsverify"], "plain": []}[who]
    done = subprocess.run([remote.program, "-H", f"tcp://127.0.0.1:{remote.port}", *map(str, options), "ps"], capture_output=True, text=True,
                          env=remote.environment, timeout=30)
    # A server that closes while more comes may lose its alert on the way.
    words = ["HTTP request to an HTTPS server"] if who == "plain" else ["tls", "reset by peer", "broken pipe"]
    assert done.returncode == 1 and any(word in done.stderr.lower() for word in map(str.lower, words)), done


@pytest.fixture
def usual(certificates, tmp_path):
    """A directory as DOCKER_CERT_PATH has it."""
    for name, kept in ("ca.pem", "ca.pem"), ("client.pem", "cert.pem"), ("client.key", "key.pem"):
        shutil.copy(certificates / name, tmp_path / kept)
    return tmp_path


def ask(remote, *words, **environment):
    """`ps -q` with this environment alone; what the client says when it fails, else None."""
    clean = {name: value for name, value in remote.environment.items() if not name.startswith(("DOCKER_", "PILA_HOST"))}
    done = subprocess.run([remote.program, *map(str, words), "ps", "-q"], capture_output=True, text=True, timeout=30,
                          env=clean | {name: str(value) for name, value in environment.items()})
    return done.stderr if done.returncode else None


def test_environment(remote, usual, tmp_path):
    host = f"tcp://127.0.0.1:{remote.port}"
    everything = {"DOCKER_HOST": host, "DOCKER_CERT_PATH": usual, "DOCKER_TLS_VERIFY": "1"}
    assert ask(remote, **everything) is None
    assert ask(remote, **everything | {"DOCKER_TLS_VERIFY": "0"}) is None, "only whether it is there counts"
    assert "HTTPS server" in ask(remote, **everything | {"DOCKER_TLS_VERIFY": ""})
    assert ask(remote, "--tlsverify", "-H", host, DOCKER_CERT_PATH=usual) is None
    assert ask(remote, "--tlsverify", "-H", host, DOCKER_CONFIG=usual) is None, "beside config.json"
    (tmp_path / "home").mkdir()
    assert "/home/.docker/ca.pem" in ask(remote, "--tlsverify", "-H", host, HOME=tmp_path / "home")
    (tmp_path / "home/.docker").symlink_to(usual)
    assert ask(remote, "--tlsverify", "-H", host, HOME=tmp_path / "home") is None
    assert "localhost:2376" in ask(remote, "--tlsverify", DOCKER_CERT_PATH=usual), "where TLS is without a host"
    assert ":2375" in ask(remote, "--tlsverify", "-H", "tcp://127.0.0.1", DOCKER_CERT_PATH=usual)


def test_whom_a_client_believes(remote, certificates, usual, tmp_path):
    host = ["-H", f"tcp://127.0.0.1:{remote.port}"]
    environment = {"DOCKER_CERT_PATH": usual}
    assert ask(remote, *host, "--tlsverify", **environment) is None
    assert "certificate" in ask(remote, *host, "--tlsverify", "--tlscacert", certificates / "stranger.pem", **environment)
    assert ask(remote, *host, "--tls", "--tlscacert", certificates / "stranger.pem", **environment) is None, "does not verify"
    assert ask(remote, *host, "--tlsverify=false", "--tlscacert", certificates / "stranger.pem", **environment) is None
    name = ["-H", f"tcp://127.0.0.2:{remote.port}"]  # an address that the certificate does not name
    assert "certificate" in ask(remote, *name, "--tlsverify", **environment)
    assert ask(remote, *name, "--tls", **environment) is None
    assert str(tmp_path / "none") in ask(remote, *host, "--tlsverify", "--tlscacert", tmp_path / "none", **environment)
    assert str(tmp_path / "none") in ask(remote, *host, "--tlsverify", "--tlscert", tmp_path / "none", **environment)
    assert "https://" in ask(remote, "-H", f"https://127.0.0.1:{remote.port}", "--tlsverify", **environment)


def test_unix_sockets_take_no_notice(remote, server, usual):
    assert ask(remote, "--tlsverify", "-H", server.host, DOCKER_CERT_PATH=usual) is None


@pytest.mark.only_pila("dockerd warns instead")
@pytest.mark.parametrize("arguments,words", [
    (["-H", "tcp://0.0.0.0:2375"], "--tlsverify"), (["--tls", "-H", "tcp://0.0.0.0:2375"], "--tlscert"), (["--tlsverify"], "--tlscert"),
    (["--tlscacert", "/x"], "--tlsverify"), (["--tlsverify", "--tlscert", "/x", "--tlskey", "/x"], "--tlscacert"),
    (["--tls", "--tlscert", "/nonexistent", "--tlskey", "/x"], "/nonexistent")])
def test_settings_that_are_wrong(tmp_path, arguments, words):
    done = subprocess.run([engines.Pila.program, "daemon", "--instance", os.environ["PILA_TEST_INSTANCE"] + "w", "--data-dir", tmp_path / "data", "--run-dir",
                           tmp_path / "run", *arguments], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and words in done.stderr, done
