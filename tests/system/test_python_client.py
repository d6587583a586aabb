# SPDX-License-Identifier: Apache-2.0
"""docker-py, Debian's: a client that is stricter about shapes than the command line."""
import io
import tarfile
import threading
import time

import pytest

docker_py = pytest.importorskip("docker", reason="python3-docker is not installed")
pytestmark = pytest.mark.slice1


@pytest.fixture
def client(engine):
    made = docker_py.DockerClient(base_url=engine.host, timeout=60)
    yield made
    made.close()
    engine.remove_everything(("busybox:latest", "busybox:test", "pila/hello-world:latest", "pila/layers:latest", "pila/config:latest"))


def test_version_and_info(client):
    assert client.version()["Os"] == "linux"
    assert client.info()["OSType"] == "linux"
    assert client.ping()


def test_run_returns_the_output(client):
    assert client.containers.run("busybox", ["echo", "hi"], remove=True) == b"hi\n"


def test_run_raises_on_exit_code_with_the_error_output(client):
    with pytest.raises(docker_py.errors.ContainerError) as caught:
        client.containers.run("busybox", ["sh", "-c", "echo bad >&2; exit 3"], remove=True)
    assert caught.value.exit_status == 3 and b"bad" in caught.value.stderr


def test_life_of_a_container(client):
    container = client.containers.run("busybox", ["sleep", "1000"], detach=True, name="py", labels={"a": "b"}, environment={"X": "1"})
    container.reload()
    assert container.status == "running" and container.labels == {"a": "b"}
    assert container.attrs["Config"]["Env"][0] == "X=1"
    container.pause()
    container.reload()
    assert container.status == "paused"
    container.unpause()
    code, output = container.exec_run(["sh", "-c", "echo $X; exit 5"])
    assert (code, output) == (5, b"1\n")
    container.rename("renamed")
    assert client.containers.get("renamed").id == container.id
    container.stop(timeout=0)
    assert container.wait()["StatusCode"] == 137
    container.remove()
    with pytest.raises(docker_py.errors.NotFound):
        client.containers.get("renamed")


def test_exec_with_separate_streams(client):
    container = client.containers.run("busybox", ["sleep", "1000"], detach=True)
    code, (out, error) = container.exec_run(["sh", "-c", "echo o; echo e >&2"], demux=True)
    assert (code, out, error) == (0, b"o\n", b"e\n")


def test_logs_stream_as_they_come(client):
    container = client.containers.run("busybox", ["sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.3; done"], detach=True)
    begin, times = time.monotonic(), []
    for _ in container.logs(stream=True, follow=True):
        times.append(time.monotonic() - begin)
    assert len(times) == 3 and times[2] - times[0] > 0.3


def test_attach_socket_for_input(client):
    container = client.containers.create("busybox", ["cat"], stdin_open=True)
    socket = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
    container.start()
    socket._sock.sendall(b"through\n")
    assert socket.read(8 + 8)[8:] == b"through\n"
    container.kill()


def test_archives_in_and_out(client):
    container = client.containers.create("busybox", ["cat", "/in/file"])
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        entry = tarfile.TarInfo("file")
        entry.size = 5
        tar.addfile(entry, io.BytesIO(b"hello"))
    client.containers.run("busybox", "true", remove=True)
    assert container.put_archive("/tmp", data.getvalue())
    chunks, stat = container.get_archive("/tmp/file")
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
        assert tar.extractfile("file").read() == b"hello"
    assert stat["name"] == "file" and stat["size"] == 5


def test_events_tell_what_happens(client):
    seen, ready = [], threading.Event()
    stream = client.events(decode=True)

    def listen():
        ready.set()
        for event in stream:
            seen.append((event["Type"], event["Action"]))
            if event["Action"] == "destroy":
                return
    listener = threading.Thread(target=listen)
    listener.start()
    ready.wait()
    time.sleep(0.2)  # the request is on its way
    client.containers.run("busybox", "true", remove=True)
    listener.join(20)
    stream.close()
    actions = [action for kind, action in seen if kind == "container"]
    for action in ("create", "start", "die", "destroy"):
        assert action in actions, seen


def test_images(client):
    image = client.images.get("busybox")
    assert "busybox:latest" in image.tags
    assert image.tag("py/image", "one")
    assert client.images.get("py/image:one").id == image.id
    data = b"".join(client.images.get("py/image:one").save(named="py/image:one"))
    client.images.remove("py/image:one")
    with pytest.raises(docker_py.errors.ImageNotFound):
        client.images.get("py/image:one")
    assert client.images.load(data)[0].id == image.id
    client.images.remove("py/image:one")


def test_commit(client):
    container = client.containers.create("busybox", ["sh", "-c", "echo x > /made"])
    container.start()
    container.wait()
    image = container.commit("py/committed", "v1", message="why", author="who", changes="CMD cat /made")
    assert client.containers.run(image.id, remove=True) == b"x\n"
    assert client.images.get("py/committed:v1").attrs["Author"] == "who"


def test_stats_once(client):
    container = client.containers.run("busybox", ["sleep", "1000"], detach=True)
    stats = container.stats(stream=False)
    assert stats["memory_stats"]["usage"] > 0 and stats["cpu_stats"]["cpu_usage"]["total_usage"] > 0


def test_top(client):
    container = client.containers.run("busybox", ["sleep", "1000"], detach=True)
    assert container.top()["Processes"][0][-1] == "sleep 1000"


def test_errors_are_typed(client):
    with pytest.raises(docker_py.errors.ImageNotFound):
        client.containers.create("nosuch:tag")
    client.containers.create("busybox", name="same")
    with pytest.raises(docker_py.errors.APIError) as caught:
        client.containers.create("busybox", name="same")
    assert caught.value.status_code == 409


@pytest.mark.slice3
def test_networks(client):
    network = client.networks.create("py", driver="bridge", labels={"x": "y"})
    server = client.containers.run("busybox", ["httpd", "-f", "-h", "/var/www"], detach=True, name="server", network="py")
    command = "for i in 1 2 3 4 5 6 7 8 9; do wget -q -O - http://server/ && exit; sleep 0.1; done"
    assert client.containers.run("busybox", ["sh", "-c", command], network="py", remove=True) == b"page of pila\n"
    network.reload()
    assert [container.id for container in network.containers] == [server.id]
    network.disconnect(server)
    network.reload()
    assert network.containers == []
    network.remove()


def test_published_ports(client):
    container = client.containers.run("busybox", ["sleep", "1000"], detach=True, ports={"80/tcp": None, "53/udp": ("127.0.0.1", None)})
    container.reload()
    assert int(container.ports["80/tcp"][0]["HostPort"]) > 1024
    assert container.ports["53/udp"][0]["HostIp"] == "127.0.0.1"


def test_fifty_containers_at_once(client):
    failures = []

    def one(number):
        try:
            assert client.containers.run("busybox", ["echo", str(number)], remove=True) == f"{number}\n".encode()
        except Exception as problem:  # noqa: BLE001: reported below, with the thread's number
            failures.append((number, problem))
    for batch in range(0, 50, 10):
        threads = [threading.Thread(target=one, args=(batch + offset,)) for offset in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
    assert failures == []
