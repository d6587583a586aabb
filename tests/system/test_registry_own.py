# SPDX-License-Identifier: Apache-2.0
"""What pila's registry does beyond the specification: local images, users, TLS, crashes, garbage; docker, podman and pila
as its clients. The specification's rules are in test_registry_server.py, the cache is in test_registry_cache.py."""
import base64
import json
import os
import shutil
import ssl
import subprocess
import threading
import time
import urllib.request

import pytest
from conftest import against, client_of, images, loaded
from lib import engines
from lib.certificates import make_certificates
from lib.registry import PilaRegistry, descriptor, digest_of, free_port, oci_manifest, path_of

pytestmark = [pytest.mark.slice2, pytest.mark.only_pila("it is pila's own registry")]


@pytest.fixture
def registries(tmp_path):
    """Makes registries that this test alone uses."""
    made = []

    def make(name="registry", arguments=(), port=None):
        made.append(PilaRegistry(tmp_path / name, port, arguments).start())
        return made[-1]

    yield make
    for registry in made:
        if registry.process.poll() is None:
            registry.stop()


@pytest.fixture(scope="module")
def serving():
    """A daemon with a registry."""
    port = free_port()
    engine = loaded(engines.kinds[against](arguments=["--registry-listen", f"127.0.0.1:{port}"]).start(), "busybox", "layers")
    engine.registry = PilaRegistry(engine.directory / "client", port)
    yield engine
    engine.remove_everything()
    engine.stop()
    shutil.rmtree(engine.directory, ignore_errors=True)


def tags_of(registry, name):
    return json.loads(registry.call("GET", f"/v2/{name}/tags/list").content)["tags"]


def disk_use(*directories):
    """Bytes, files with several names counted once."""
    seen = {}
    for directory in directories:
        for place, _, names in os.walk(directory):
            for name in names:
                info = os.lstat(os.path.join(place, name))
                seen[info.st_ino] = info.st_blocks * 512
    return sum(seen.values())


# --- images of the engine ---------------------------------------------------------------------------------------------
def test_a_local_image_is_served(serving, tmp_path):
    registry = serving.registry
    assert {"busybox", "pila/layers"} <= set(json.loads(registry.call("GET", "/v2/_catalog").content)["repositories"])
    assert tags_of(registry, "pila/layers") == ["latest"] and "latest" in tags_of(registry, "library/busybox")
    answer = registry.call("GET", "/v2/pila/layers/manifests/latest")
    digest = answer.headers["Docker-Content-Digest"]
    assert digest_of(answer.content) == digest == registry.call("HEAD", "/v2/pila/layers/manifests/latest").headers["Docker-Content-Digest"]
    manifest = json.loads(answer.content)
    for blob in [manifest["config"], *manifest["layers"]]:
        content = registry.call("GET", f"/v2/pila/layers/blobs/{blob['digest']}").content
        assert digest_of(content) == blob["digest"] and len(content) == blob["size"]
        part = registry.call("GET", f"/v2/pila/layers/blobs/{blob['digest']}", Range="bytes=100-199")
        assert part.status == 206 and part.content == content[100:200]
        assert registry.call("HEAD", f"/v2/busybox/blobs/{blob['digest']}").status in (200, 404)
    assert registry.call("GET", f"/v2/pila/layers/manifests/{digest}").content == answer.content
    (tmp_path / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    subprocess.run(["skopeo", "--policy", tmp_path / "policy.json", "copy", "-q", "--src-tls-verify=false",
                    f"docker://{registry.address}/pila/layers:latest", f"dir:{tmp_path / 'out'}"], check=True)


def test_serving_copies_nothing(serving):
    before = disk_use(serving.directory / "data")
    for layer in json.loads(serving.registry.call("GET", "/v2/busybox/manifests/latest").content)["layers"]:
        serving.registry.call("GET", f"/v2/busybox/blobs/{layer['digest']}")
    assert disk_use(serving.directory / "data") - before < 100_000


def test_a_local_image_is_not_deleted_here(serving):
    answer = serving.registry.call("DELETE", "/v2/busybox/manifests/latest")
    assert answer.status == 405 and b"docker rmi" in answer.content


def test_push_to_the_own_registry_links(serving):
    docker, registry = client_of(serving), serving.registry
    name = f"{registry.address}/mine/busybox:one"
    docker("tag", "busybox", name)
    docker("push", name)
    stored = serving.directory / "data/registry/blobs/sha256"
    manifest = json.loads(registry.call("GET", "/v2/mine/busybox/manifests/one").content)
    for layer in manifest["layers"]:
        assert os.lstat(stored / layer["digest"].split(":")[1]).st_nlink >= 2, "a copy of what the engine has"
    docker("rmi", name)
    assert "Hello" not in docker("run", "--rm", name, "echo", "pulled from it")
    docker("rmi", name)


def test_pulled_from_the_own_registry_it_lies_there_once(serving, registries):
    registry, docker = serving.registry, client_of(serving)
    registry.push(images / "hello.tar", "lies/once:v1")
    (layer, *_) = json.loads(registry.call("GET", "/v2/lies/once/manifests/v1").content)["layers"]
    stored = serving.directory / "data/registry/blobs/sha256" / layer["digest"].split(":")[1]
    docker("pull", f"{registry.address}/lies/once:v1")
    gone = registry.put_image("lies/gone", "v1")
    registry.call("DELETE", f"/v2/lies/gone/manifests/{gone}")  # garbage is looked for
    engines.wait_until(lambda: os.lstat(stored).st_nlink == 2, "one file for both", 20, 0.1)
    assert digest_of(registry.call("GET", f"/v2/lies/once/blobs/{layer['digest']}").content) == layer["digest"]
    docker("rmi", f"{registry.address}/lies/once:v1")
    engines.wait_until(lambda: os.lstat(stored).st_nlink == 1, "the engine removed its name alone", 20, 0.1)
    assert digest_of(registry.call("GET", f"/v2/lies/once/blobs/{layer['digest']}").content) == layer["digest"]


def test_what_was_pushed_wins(serving):
    registry = serving.registry
    assert client_of(serving)("tag", "busybox", "both/here:local") == ""
    assert tags_of(registry, "both/here") == ["local"]
    digest = registry.put_image("both/here", "pushed")
    assert tags_of(registry, "both/here") == ["pushed"]
    assert registry.call("GET", "/v2/both/here/manifests/local").status == 404
    registry.call("DELETE", f"/v2/both/here/manifests/{digest}")
    assert tags_of(registry, "both/here") == ["local"]
    client_of(serving)("rmi", "both/here:local")


def test_a_pulled_image_is_served_as_it_came(serving, registries):
    other = registries("other")
    other.push(images / "hello.tar", "some/hello:v1")
    client_of(serving)("pull", f"{other.address}/some/hello:v1")
    client_of(serving)("tag", f"{other.address}/some/hello:v1", "again/hello:v1")
    there = other.call("GET", "/v2/some/hello/manifests/v1")
    here = serving.registry.call("GET", "/v2/again/hello/manifests/v1")
    assert here.content == there.content and here.headers["Docker-Content-Digest"] == there.headers["Docker-Content-Digest"]
    for blob in [json.loads(here.content)["config"], *json.loads(here.content)["layers"]]:
        assert digest_of(serving.registry.call("GET", f"/v2/again/hello/blobs/{blob['digest']}").content) == blob["digest"]


def test_mounting_a_local_images_blob(serving, registries):
    other = registries("other")
    other.push(images / "hello.tar", "some/hello:v1")
    client_of(serving)("pull", f"{other.address}/some/hello:v1")
    client_of(serving)("tag", f"{other.address}/some/hello:v1", "mount/from:v1")
    (layer,) = json.loads(serving.registry.call("GET", "/v2/mount/from/manifests/v1").content)["layers"]
    answer = serving.registry.call("POST", f"/v2/mount/to/blobs/uploads/?mount={layer['digest']}&from=mount/from", b"")
    assert answer.status == 201
    assert digest_of(serving.registry.call("GET", f"/v2/mount/to/blobs/{layer['digest']}").content) == layer["digest"]


def test_one_registry_a_directory(serving):
    done = subprocess.run([engines.Pila.program, "registry", "--data-dir", serving.directory / "data", "--listen", "127.0.0.1:1"],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "--registry-listen 127.0.0.1:1" in done.stderr


# --- who listens where ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("arguments,words", [
    (["--listen", "0.0.0.0:5999"], "without users and TLS"), (["--listen", "127.0.0.1"], "ADDRESS:PORT"),
    (["--tls-cert", "/etc/hostname"], "tls-key"), (["--htpasswd", "/nonexistent"], "No such file"),
    (["--anonymous-pull"], "auth token"), (["--proxy", "ftp://x"], "http or https URL"), (["--expiry", "soon"], "24h"),
    (["--nonsense"], "unknown flag"), (["--tls-cert", "/etc/hostname", "--tls-key", "/etc/hostname"], "certificate")])
def test_settings_that_are_wrong(tmp_path, arguments, words):
    done = subprocess.run([engines.Pila.program, "registry", "--data-dir", tmp_path, *arguments], capture_output=True, text=True, timeout=20)
    assert done.returncode in (1, 2) and words in done.stderr, done


def test_beyond_this_machine_with_a_warning(registries, tmp_path):
    registry = registries(arguments=["--listen", f"0.0.0.0:{free_port()}", "--allow-insecure"])
    assert "whoever reaches it may" in (registry.directory / "log").read_text()


# --- users ------------------------------------------------------------------------------------------------------------
bcrypt = "me:$2y$05$mK8UxH5ZZ4YOXgRSwzP9f.tlbHtQY1qcvszFelDmW5g8ZF0HZfr/S\n"  # secret


def basic(user="me", password="secret"):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def users(tmp_path):
    (tmp_path / "users").write_text(bcrypt)
    return tmp_path / "users"


def test_basic_authentication(registries, users):
    registry = registries(arguments=["--htpasswd", users])
    asked = registry.call("GET", "/v2/")
    assert asked.status == 401 and asked.headers["WWW-Authenticate"].startswith("Basic realm=")
    assert json.loads(asked.content)["errors"][0]["code"] == "UNAUTHORIZED"
    for bad in (basic(password="wrong"), basic("you"), "Basic !!!", "Bearer x.y.z", "Nonsense", basic(password="")):
        assert registry.call("GET", "/v2/", Authorization=bad).status == 401
    assert registry.call("GET", "/v2/", Authorization=basic()).status == 200
    assert registry.call("POST", "/v2/a/blobs/uploads/", b"").status == 401
    registry.put_blob("a", b"content", Authorization=basic())
    assert registry.call("GET", f"/v2/a/blobs/{digest_of(b'content')}").status == 401
    users.write_text("you" + bcrypt[2:])  # read again when it changes
    os.utime(users, (1, 1))
    assert registry.call("GET", "/v2/", Authorization=basic()).status == 401
    assert registry.call("GET", "/v2/", Authorization=basic("you")).status == 200


def test_weak_hashes_are_refused(tmp_path):
    (tmp_path / "users").write_text("me:$apr1$WEnmlFs9$pq.yQRX/hjHW.MIdpRyI11\n")
    done = subprocess.run([engines.Pila.program, "registry", "--data-dir", tmp_path / "data", "--htpasswd", tmp_path / "users"],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "htpasswd -B" in done.stderr


def token(registry, scope, **headers):
    answer = registry.call("GET", f"/token?service=x&scope={scope}", **headers)
    return answer, "Bearer " + json.loads(answer.content).get("token", "")


def test_tokens(registries, users):
    registry = registries(arguments=["--htpasswd", users, "--auth", "token"])
    asked = registry.call("GET", "/v2/").headers["WWW-Authenticate"]
    assert asked == f'Bearer realm="http://{registry.address}/token",service="{registry.address}"'
    asked = registry.call("POST", "/v2/a/b/blobs/uploads/", b"").headers["WWW-Authenticate"]
    assert 'scope="repository:a/b:pull,push"' in asked
    assert token(registry, "repository:a/b:pull,push")[0].status == 401
    assert token(registry, "repository:a/b:pull,push", Authorization=basic(password="no"))[0].status == 401
    answer, push = token(registry, "repository:a/b:pull,push", Authorization=basic())
    assert answer.status == 200 and 0 < json.loads(answer.content)["expires_in"] <= 600
    assert registry.call("GET", "/v2/", Authorization=push).status == 200
    digest = registry.put_blob("a/b", b"content", Authorization=push)
    _, pull = token(registry, "repository:a/b:pull", Authorization=basic())
    assert registry.call("GET", f"/v2/a/b/blobs/{digest}", Authorization=pull).status == 200
    refused = registry.call("POST", "/v2/a/b/blobs/uploads/", b"", Authorization=pull)
    assert refused.status == 401 and 'error="insufficient_scope"' in refused.headers["WWW-Authenticate"]
    assert registry.call("DELETE", f"/v2/a/b/blobs/{digest}", Authorization=push).status == 401
    assert registry.call("GET", "/v2/other/tags/list", Authorization=push).status == 401
    assert registry.call("GET", "/v2/_catalog", Authorization=push).status == 401
    _, catalog = token(registry, "registry:catalog:*", Authorization=basic())
    assert registry.call("GET", "/v2/_catalog", Authorization=catalog).status == 200
    # One bit of a token changed, or its claims, or nothing signed at all:
    for forged in (push[:-2] + ("A" if push[-2] != "A" else "B") + push[-1], push.rsplit(".", 1)[0] + ".", "Bearer a.b.c",
                   "Bearer " + base64.urlsafe_b64encode(b'{"alg":"none"}').decode() + "." + push.split(".")[1] + "."):
        assert registry.call("GET", "/v2/", Authorization=forged).status == 401
    # OAuth2's form
    answer = registry.call("POST", "/token", b"grant_type=password&username=me&password=secret&service=x&scope=repository:a/b:pull",
                           Content_Type="application/x-www-form-urlencoded")
    assert registry.call("GET", f"/v2/a/b/blobs/{digest}", Authorization="Bearer " + json.loads(answer.content)["access_token"]).status == 200


def test_skopeo_and_tokens(registries, users, tmp_path):
    registry = registries(arguments=["--htpasswd", users, "--auth", "token"])
    with pytest.raises(subprocess.CalledProcessError):
        registry.push(images / "layers.tar", "with/token:v1")
    registry.push(images / "layers.tar", "with/token:v1", "--dest-creds", "me:secret")
    registry.push(images / "layers.tar", "with/another:v1", "--dest-creds", "me:secret")  # mounts from the first
    done = subprocess.run(["skopeo", "inspect", "--tls-verify=false", "--creds", "me:secret", f"docker://{registry.address}/with/another:v1"],
                          capture_output=True, text=True)
    assert done.returncode == 0 and json.loads(done.stdout)["RepoTags"] == ["v1"], done.stderr


def test_mounting_needs_the_right_to_read(registries, users):
    registry = registries(arguments=["--htpasswd", users, "--auth", "token"])
    _, source = token(registry, "repository:secret/one:pull,push", Authorization=basic())
    digest = registry.put_blob("secret/one", b"secret", Authorization=source)
    _, target = token(registry, "repository:open/one:pull,push", Authorization=basic())
    asked = f"/v2/open/one/blobs/uploads/?mount={digest}&from=secret/one"
    assert registry.call("POST", asked, b"", Authorization=target).status == 202
    assert registry.call("HEAD", f"/v2/open/one/blobs/{digest}", Authorization=target).status == 404
    _, both = token(registry, "repository:open/one:pull,push&scope=repository:secret/one:pull", Authorization=basic())
    assert registry.call("POST", asked, b"", Authorization=both).status == 201


def test_who_says_nothing_may_read(registries, users):
    registry = registries(arguments=["--htpasswd", users, "--auth", "token", "--anonymous-pull"])
    _, push = token(registry, "repository:a:pull,push", Authorization=basic())
    digest = registry.put_blob("a", b"content", Authorization=push)
    answer, nobody = token(registry, "repository:a:pull,push")
    assert answer.status == 200
    assert registry.call("GET", f"/v2/a/blobs/{digest}", Authorization=nobody).status == 200
    assert registry.call("POST", "/v2/a/blobs/uploads/", b"", Authorization=nobody).status == 401


@pytest.mark.parametrize("kind", ["basic", "token"])
def test_docker_logs_in(registries, users, engine, tmp_path, kind):
    registry = registries(arguments=["--htpasswd", users, "--auth", kind])
    docker = client_of(engine)
    docker.environment |= {"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path / "docker")}
    name = f"{registry.address}/logged/in"
    docker("tag", "busybox", name)
    assert docker.run("push", name, check=False).returncode == 1
    assert docker.run("login", "-u", "me", "--password-stdin", registry.address, input="wrong", check=False).returncode == 1
    assert "Login Succeeded" in docker("login", "-u", "me", "--password-stdin", registry.address, input="secret")
    assert "digest: sha256:" in docker("push", name)
    docker("rmi", name)
    assert docker("run", "--rm", name, "echo", "pulled") == "pulled"
    docker("rmi", name)


# --- TLS --------------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def test_tls(registries, certificates, tmp_path):
    made = PilaRegistry(tmp_path / "tls", arguments=["--tls-cert", certificates / "server.pem", "--tls-key", certificates / "server.key"])
    made.start()
    url = f"https://127.0.0.1:{made.port}/v2/"
    trusted = ssl.create_default_context(cafile=certificates / "ca.pem")
    assert urllib.request.urlopen(url, context=trusted).status == 200
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url)
    plain = made.call("GET", "/v2/")
    assert plain.status == 400 and b"HTTP request to an HTTPS server" in plain.content
    (tmp_path / "certs").mkdir()
    shutil.copy(certificates / "ca.pem", tmp_path / "certs/ca.crt")
    (tmp_path / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    subprocess.run(["skopeo", "--policy", tmp_path / "policy.json", "--tmpdir", tmp_path, "copy", "-q", "--dest-cert-dir", tmp_path / "certs",
                    f"docker-archive:{images / 'layers.tar'}", f"docker://{made.address}/over/tls:v1"], check=True)
    subprocess.run(["skopeo", "--policy", tmp_path / "policy.json", "--tmpdir", tmp_path, "copy", "-q", "--src-cert-dir", tmp_path / "certs",
                    f"docker://{made.address}/over/tls:v1", f"dir:{tmp_path / 'out'}"], check=True)
    for layer in json.loads((tmp_path / "out/manifest.json").read_text())["layers"]:
        assert digest_of((tmp_path / "out" / layer["digest"].split(":")[1]).read_bytes()) == layer["digest"]
    made.stop()


def test_tls_with_client_certificates(certificates, tmp_path):
    made = PilaRegistry(tmp_path / "tls", arguments=["--tls-cert", certificates / "server.pem", "--tls-key", certificates / "server.key",
                                                     "--tls-client-ca", certificates / "ca.pem"]).start()
    url = f"https://127.0.0.1:{made.port}/v2/"
    for name, allowed in (("client", True), ("nobody", False), (None, False)):
        context = ssl.create_default_context(cafile=certificates / "ca.pem")
        if name:
            context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
        try:
            assert urllib.request.urlopen(url, context=context).status == 200 and allowed
        except (ssl.SSLError, OSError):
            assert not allowed
    made.stop()


# --- other clients ----------------------------------------------------------------------------------------------------
def test_dockerd(registries):
    if engines.Docker.missing():
        pytest.skip(engines.Docker.missing())
    registry = registries()
    dockerd = engines.Docker().start()
    try:
        dockerd.load(images / "layers.tar")
        docker, name = client_of(dockerd), f"{registry.address}/of/dockerd:v1"
        docker("tag", "pila/layers", name)
        pushed = docker("push", name)
        digest = registry.call("HEAD", "/v2/of/dockerd/manifests/v1").headers["Docker-Content-Digest"]
        assert digest in pushed
        docker("rmi", name, "pila/layers")
        assert digest in docker("pull", name)
        again = f"{registry.address}/of/dockerd-too:v1"
        docker("tag", name, again)
        assert "Mounted from of/dockerd" in docker("push", again)
    finally:
        dockerd.stop()
        shutil.rmtree(dockerd.directory, ignore_errors=True)


def test_podman(registries, tmp_path):
    if not shutil.which("podman"):
        pytest.skip("podman is not installed")
    registry = registries()
    (tmp_path / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    (tmp_path / "containers.conf").write_text('[containers]\ndefault_ulimits = ["nofile=1024:1024"]\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n')
    environment = os.environ | {"CONTAINERS_CONF": str(tmp_path / "containers.conf"), "TMPDIR": str(tmp_path)}

    def podman(*words):
        done = subprocess.run(["podman", "--root", tmp_path / "root", "--runroot", tmp_path / "run", "--storage-driver", "vfs", *words],
                              env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    name = f"{registry.address}/of/podman:v1"
    podman("load", "-q", "--signature-policy", tmp_path / "policy.json", "-i", images / "layers.tar")
    podman("push", "-q", "--tls-verify=false", "pila/layers", name)
    podman("rmi", "-a", "-f")
    podman("pull", "-q", "--tls-verify=false", "--signature-policy", tmp_path / "policy.json", name)
    assert tags_of(registry, "of/podman") == ["v1"]


# --- crashes and garbage ----------------------------------------------------------------------------------------------
def test_an_upload_goes_on_after_kill_9(registries):
    registry = registries()
    begun = registry.call("POST", "/v2/kill/ed/blobs/uploads/", b"")
    place = path_of(begun.headers["Location"])
    first, second = os.urandom(3_000_000), os.urandom(1_000_000)
    assert registry.call("PATCH", place, first, Content_Type="application/octet-stream").status == 202
    registry.kill()
    registry.start()
    status = registry.call("GET", place)
    assert status.status == 204 and status.headers["Range"] == f"0-{len(first) - 1}"
    assert registry.call("PUT", f"{place}?digest={digest_of(first + second)}", second).status == 201
    assert registry.call("GET", f"/v2/kill/ed/blobs/{digest_of(first + second)}").content == first + second


def test_kill_9_at_random(registries):
    """What was acknowledged is there and whole; tags lead to manifests, manifests to blobs."""
    registry = registries()
    acknowledged, stop = {}, threading.Event()

    def push(worker):
        number = 0
        while not stop.is_set():
            number += 1
            name, tag = f"kill/{worker}", f"v{number}"
            try:
                digest = registry.put_image(name, tag, layers=(os.urandom(200_000), b"shared by all"), config=f'{{"n":"{name}{number}"}}'.encode())
                acknowledged[name, tag] = digest
            except (OSError, AssertionError, EOFError, __import__("http").client.HTTPException):
                stop.wait(0.01)

    workers = [threading.Thread(target=push, args=(worker,)) for worker in range(3)]
    for worker in workers:
        worker.start()
    for pause in (0.3, 0.5, 0.2, 0.7, 0.4):
        time.sleep(pause)
        registry.kill()
        registry.start()
    stop.set()
    for worker in workers:
        worker.join()
    assert len(acknowledged) > 10
    for (name, tag), digest in acknowledged.items():
        answer = registry.call("GET", f"/v2/{name}/manifests/{tag}")
        assert answer.status == 200 and answer.headers["Docker-Content-Digest"] == digest
    for name in json.loads(registry.call("GET", "/v2/_catalog").content)["repositories"]:
        for tag in tags_of(registry, name):
            manifest = registry.call("GET", f"/v2/{name}/manifests/{tag}")
            assert manifest.status == 200 and digest_of(manifest.content) == manifest.headers["Docker-Content-Digest"]
            for blob in [json.loads(manifest.content)["config"], *json.loads(manifest.content)["layers"]]:
                assert digest_of(registry.call("GET", f"/v2/{name}/blobs/{blob['digest']}").content) == blob["digest"]


def test_a_power_cut(tmp_path):
    """What the disk holds the moment a push is acknowledged, without whatever the kernel would still have written."""
    disk, copy, place = tmp_path / "disk", tmp_path / "copy", tmp_path / "mounted"
    place.mkdir()
    with open(disk, "wb") as file:
        file.truncate(400_000_000)
    subprocess.run(["mkfs.ext4", "-q", "-F", disk], check=True)
    if subprocess.run(["mount", "-o", "loop", disk, place], capture_output=True).returncode:
        pytest.skip("no loop device")
    layers = [os.urandom(3_000_000), os.urandom(100)]
    try:
        registry = PilaRegistry(place).start()
        first = registry.put_image("cut/off", "v1", layers)
        second = registry.put_image("cut/off", "v2", [layers[0]], subject=descriptor(b"it", oci_manifest))
        subprocess.run(["cp", "--sparse=always", disk, copy], check=True)
        registry.kill()
    finally:
        subprocess.run(["umount", place], check=True)
    subprocess.run(["mount", "-o", "loop", copy, place], check=True)
    try:
        registry = PilaRegistry(place).start()
        assert tags_of(registry, "cut/off") == ["v1", "v2"]
        for tag, digest in (("v1", first), ("v2", second)):
            answer = registry.call("GET", f"/v2/cut/off/manifests/{tag}")
            assert digest_of(answer.content) == digest
            for blob in [json.loads(answer.content)["config"], *json.loads(answer.content)["layers"]]:
                assert digest_of(registry.call("GET", f"/v2/cut/off/blobs/{blob['digest']}").content) == blob["digest"]
        (entry,) = json.loads(registry.call("GET", f"/v2/cut/off/referrers/{digest_of(b'it')}").content)["manifests"]
        assert entry["digest"] == second
    finally:
        registry.kill()
        subprocess.run(["umount", place], check=True)


def test_garbage_goes_and_nothing_else(registries):
    registry = registries(arguments=["--expiry", "2s"])
    blobs = registry.directory / "data/registry/blobs/sha256"
    kept = registry.put_image("gar/bage", "kept", layers=(b"shared", b"of the kept"))
    gone = registry.put_image("gar/bage", "gone", layers=(b"shared", b"of the other"))
    orphan = registry.put_blob("gar/bage", b"of no manifest")
    abandoned = path_of(registry.call("POST", "/v2/gar/bage/blobs/uploads/", b"").headers["Location"])
    assert registry.call("DELETE", f"/v2/gar/bage/manifests/{gone}").status == 202
    wanted = {digest_of(content).split(":")[1] for content in (b"shared", b"of the kept", b"{}")} | {kept.split(":")[1]}
    engines.wait_until(lambda: set(os.listdir(blobs)) == wanted, "only garbage is deleted", 30, 0.2)
    assert registry.call("GET", abandoned).status == 404
    assert registry.call("HEAD", f"/v2/gar/bage/blobs/{orphan}").status == 404
    assert registry.call("HEAD", f"/v2/gar/bage/blobs/{digest_of(b'of the kept')}").status == 200
    assert registry.call("GET", "/v2/gar/bage/manifests/kept").status == 200


def test_a_full_disk(tmp_path):
    """64 MiB stay free for others; who wants more is told, and what there is stays."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=110m", "small", place], check=True)
    registry = PilaRegistry(place).start()
    try:
        registry.put_image("fits/in", "v1", layers=(os.urandom(1_000_000),))
        begun = path_of(registry.call("POST", "/v2/fits/in/blobs/uploads/", b"").headers["Location"])
        answer = registry.call("PATCH", begun, bytes(80_000_000), Content_Type="application/octet-stream")
        assert answer.status == 507 and b"no space left" in answer.content
        assert registry.call("GET", begun).headers["Range"] == "0-0"
        assert shutil.disk_usage(place).free > 90_000_000
        assert registry.call("GET", "/v2/fits/in/manifests/v1").status == 200
        registry.put_image("fits/in", "v2", layers=(os.urandom(1_000_000),))
    finally:
        registry.stop()
        subprocess.run(["umount", place], check=True)


def test_two_pieces_at_once(registries):
    """Of one upload: one waits, both arrive, nothing is mixed."""
    registry = registries()
    place = path_of(registry.call("POST", "/v2/at/once/blobs/uploads/", b"").headers["Location"])
    pieces = [bytes([n]) * 1_000_000 for n in range(4)]
    workers = [threading.Thread(target=registry.call, args=("PATCH", place, piece), kwargs={"Content_Type": "application/octet-stream"})
               for piece in pieces]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    content = next((registry.directory / "data/registry/uploads").glob("*/data")).read_bytes()
    assert len(content) == 4_000_000 and all(len(set(content[at:at + 1_000_000])) == 1 for at in range(0, 4_000_000, 1_000_000))


def test_a_manifest_while_garbage_is_collected(registries):
    """Blobs that a manifest comes to name at the last moment."""
    registry = registries(arguments=["--expiry", "1s"])
    until, number = time.monotonic() + 4, 0
    while time.monotonic() < until:
        number += 1
        content = os.urandom(1000)
        registry.put_blob("race/it", content)
        registry.put_blob("race/it", b"{}")
        manifest = {"schemaVersion": 2, "mediaType": oci_manifest, "config": descriptor(b"{}", "application/x"), "layers": [descriptor(content, "application/x")]}
        answer = registry.put_manifest("race/it", "latest", manifest)
        assert answer.status == 201, answer.content
        assert registry.call("GET", f"/v2/race/it/blobs/{digest_of(content)}").content == content
        if number % 3 == 0:
            registry.call("DELETE", f"/v2/race/it/manifests/{answer.headers['Docker-Content-Digest']}")
