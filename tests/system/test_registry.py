# SPDX-License-Identifier: Apache-2.0
"""Pull and push against Docker's own registry on the loopback, filled and read by skopeo."""
import gzip
import hashlib
import http.client
import http.server
import json
import os
import shutil
import subprocess
import threading

import pytest
from conftest import against, client_of, images, loaded
from lib import engines
from lib.registry import Registry, free_port

pytestmark = pytest.mark.slice2


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    if Registry.missing():
        pytest.skip(Registry.missing())
    made = Registry(tmp_path_factory.mktemp("registry")).start()
    made.push(images / "hello.tar", "pila/hello-world:latest")
    made.push(images / "layers.tar", "pila/layers:v2")
    made.push(images / "busybox.tar:busybox:latest", "oci/busybox:latest", "--format", "oci")
    yield made
    made.stop()


def test_pull_and_run(docker, registry):
    name = f"{registry.address}/pila/hello-world"
    text = docker("pull", name)
    assert "Status: Downloaded newer image for" in text and "Digest: sha256:" in text
    assert "Hello from pila!" in docker("run", "--rm", name)
    assert "Image is up to date" in docker("pull", name)


def test_run_pulls_what_is_not_there(docker, registry):
    done = docker.run("run", "--rm", f"{registry.address}/pila/hello-world")
    assert "Hello from pila!" in done.stdout and "Unable to find image" in done.stderr


def test_pull_by_digest(docker, registry):
    docker("pull", f"{registry.address}/pila/hello-world")
    digest = docker.engine.api("GET", f"/images/{registry.address}/pila/hello-world/json").json()["RepoDigests"][0]
    docker("rmi", f"{registry.address}/pila/hello-world")
    docker("pull", digest)
    assert "Hello" in docker("run", "--rm", digest)


def test_layers_come_as_they_were(docker, registry):
    assert docker("run", "--rm", f"{registry.address}/pila/layers:v2", "cat", "/data/replaced", "/data/kept") == "second\nfirst"


def test_oci_manifests(docker, registry):
    assert docker("run", "--rm", f"{registry.address}/oci/busybox", "echo", "oci") == "oci"


def test_a_tag_that_is_not_there(docker, registry):
    done = docker.run("pull", f"{registry.address}/pila/hello-world:nosuch", check=False)
    assert done.returncode == 1 and "manifest unknown" in done.stderr or "not found" in done.stderr


def test_a_repository_that_is_not_there(docker, registry):
    done = docker.run("pull", f"{registry.address}/no/such", check=False)
    assert done.returncode == 1 and done.stderr.strip()


def test_a_registry_that_is_not_there(docker):
    done = docker.run("pull", f"127.0.0.1:{free_port()}/x/y", check=False)
    assert done.returncode == 1 and "connection refused" in done.stderr.lower()


def test_push_what_was_made_here(docker, registry):
    docker("run", "--name", "made", "busybox", "sh", "-c", "echo pushed > /made")
    docker("commit", "-c", 'CMD ["cat", "/made"]', "made", f"{registry.address}/made/here:one")
    assert "digest: sha256:" in docker("push", f"{registry.address}/made/here:one")
    docker("rmi", f"{registry.address}/made/here:one")
    assert docker("run", "--rm", f"{registry.address}/made/here:one") == "pushed"
    seen = json.loads(subprocess.run(["skopeo", "inspect", "--tls-verify=false", f"docker://{registry.address}/made/here:one"],
                                     capture_output=True, text=True, check=True).stdout)
    assert len(seen["Layers"]) == 2


def test_push_again_says_that_layers_are_there(docker, registry):
    docker("tag", "busybox", f"{registry.address}/again/busybox")
    docker("push", f"{registry.address}/again/busybox")
    assert "Layer already exists" in docker("push", f"{registry.address}/again/busybox")


def test_two_pulls_at_once(docker, registry):
    answers = []
    workers = [threading.Thread(target=lambda: answers.append(docker.run("pull", f"{registry.address}/pila/layers:v2", check=False)))
               for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [answer.returncode for answer in answers] == [0] * 4, [answer.stderr for answer in answers]


def test_a_mirror_is_asked_first(fresh, registry):
    docker = client_of(fresh(arguments=["--registry-mirror", f"http://{registry.address}"]))
    assert "docker.io/pila/hello-world" in docker("pull", "pila/hello-world")
    assert "Hello" in docker("run", "--rm", "pila/hello-world")


def test_through_a_proxy(fresh, registry):
    """The registry's name means something to the proxy alone."""
    asked = []

    class Proxy(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_CONNECT(self):
            asked.append("CONNECT " + self.path)
            self.send_error(502, "no TLS there")

        def do_GET(self):
            asked.append(self.path)
            upstream = http.client.HTTPConnection(registry.address)
            upstream.putrequest(self.command, self.path.removeprefix("http://registry.test:5000"), skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():  # some come several times
                upstream.putheader(name, value)
            upstream.endheaders()
            answer = upstream.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.read())

        do_HEAD = do_GET

    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{proxy.server_port}"
    engine = fresh(environment={"HTTP_PROXY": address, "HTTPS_PROXY": address, "NO_PROXY": "elsewhere.test"},
                   arguments=["--insecure-registry", "registry.test:5000"])
    docker = client_of(engine)
    assert "Hello" in docker("run", "--rm", "registry.test:5000/pila/hello-world")
    assert any(path.startswith("http://registry.test:5000/v2/pila/hello-world/blobs/") for path in asked), asked
    proxy.shutdown()
    proxy.server_close()
    done = docker.run("pull", "registry.test:5000/pila/layers:v2", check=False)
    assert done.returncode == 1 and "proxy" in done.stderr, done


# --- a registry that asks who one is --------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """Basic authentication: me, with the password secret."""
    if Registry.missing():
        pytest.skip(Registry.missing())
    place = tmp_path_factory.mktemp("guarded")
    (place / "users").write_text("me:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n")  # bcrypt
    made = Registry(place / "registry", extra=f"auth: {{htpasswd: {{realm: here, path: {place / 'users'}}}}}\n").start()
    yield made
    made.stop()


@pytest.fixture(params=["docker", "pila"])
def visitor(request, docker, tmp_path, guarded):
    """A client with an empty configuration of its own, run(*words) -> done, and its configuration's path."""
    program = shutil.which("docker") if request.param == "docker" else engines.Pila.program
    if not program or (request.param == "pila" and against != "pila"):
        pytest.skip("this client is not there")
    tools = tmp_path / "bin"
    tools.mkdir()
    environment = docker.environment | {"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path / "config"),
                                        "PATH": f"{tools}:{os.environ['PATH']}"}

    def run(*words, **more):
        return subprocess.run([program, *words], env=environment, capture_output=True, text=True, timeout=60,
                              **({} if "input" in more else {"stdin": subprocess.DEVNULL}), **more)

    run.config, run.tools = tmp_path / "config/config.json", tools
    run.config.parent.mkdir()
    run.image = f"{guarded.address}/mine/busybox:{request.param}"
    docker("tag", "busybox", run.image)
    yield run
    docker.run("rmi", run.image, check=False)


def logs_in_and_uses_it(run, docker, address):
    refused = run("push", run.image)
    assert refused.returncode == 1 and ("no basic auth" in refused.stderr or "authentication required" in refused.stderr), refused
    wrong = run("login", "-u", "me", "--password-stdin", address, input="wrong")
    assert wrong.returncode == 1 and "401" in wrong.stderr or "unauthorized" in wrong.stderr or "incorrect" in wrong.stderr, wrong
    done = run("login", "-u", "me", "--password-stdin", address, input="secret")
    assert done.returncode == 0 and "Login Succeeded" in done.stdout, done
    pushed = run("push", run.image)
    assert pushed.returncode == 0 and "digest: sha256:" in pushed.stdout, pushed
    docker("rmi", run.image)
    pulled = run("pull", run.image)
    assert pulled.returncode == 0, pulled


def logs_out(run, address):
    assert run("logout", address).returncode == 0
    assert run("pull", run.image).returncode == 1


def test_login_push_pull_logout(visitor, docker, guarded):
    logs_in_and_uses_it(visitor, docker, guarded.address)
    assert guarded.address in json.loads(visitor.config.read_text())["auths"]
    logs_out(visitor, guarded.address)


def test_login_with_a_credential_helper(visitor, docker, guarded):
    """The password is in the helper's keeping, not in the configuration."""
    helper = visitor.tools / "docker-credential-drawer"
    helper.write_text(f"""#!/bin/sh
case $1 in
    store) cat > {visitor.tools}/drawer ;;
    get) [ -f {visitor.tools}/drawer ] || {{ echo "credentials not found in native keychain"; exit 1; }}; cat {visitor.tools}/drawer ;;
    erase) cat > /dev/null; rm -f {visitor.tools}/drawer ;;
    list) echo "{{}}" ;;
esac
""")
    helper.chmod(0o755)
    visitor.config.write_text('{"credsStore": "drawer"}')
    logs_in_and_uses_it(visitor, docker, guarded.address)
    assert json.loads((visitor.tools / "drawer").read_text())["Secret"] == "secret"
    assert "c2VjcmV0" not in visitor.config.read_text() and "secret" not in visitor.config.read_text()
    logs_out(visitor, guarded.address)
    assert not (visitor.tools / "drawer").exists()


# --- a registry that lies ----------------------------------------------------------------------------------------------
class Liar(http.server.BaseHTTPRequestHandler):
    """Serves one image; `lie` says what is wrong with it."""
    lie = ""
    layer = gzip.compress(b"\0" * 10240)
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {
            "type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(gzip.decompress(self.layer)).hexdigest()]}}).encode()
        digest = {data: "sha256:" + hashlib.sha256(data).hexdigest() for data in (config, self.layer)}
        manifest = json.dumps({
            "schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(config), "digest": digest[config]},
            "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": len(self.layer),
                        "digest": digest[self.layer]}]}).encode()
        if self.path == "/v2/":
            self.answer(b"{}")
        elif "/manifests/" in self.path:
            if self.lie == "manifest is no JSON":
                manifest = b"<html>"
            self.answer(manifest, "application/vnd.docker.distribution.manifest.v2+json")
        elif digest[config] in self.path:
            self.answer(config if self.lie != "config" else config + b" ")
        elif digest[self.layer] in self.path:
            self.answer(self.layer[:-1] + b"\1" if self.lie == "layer" else self.layer, cut=self.lie == "cut off",
                        endless=self.lie == "endless")
        else:
            self.send_error(404)

    def answer(self, data, kind="application/octet-stream", cut=False, endless=False):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Docker-Content-Digest", "sha256:" + hashlib.sha256(data).hexdigest())
        if endless:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if endless:
            try:
                for _ in range(2000):
                    self.wfile.write(b"10000\r\n" + b"\0" * 0x10000 + b"\r\n")
            except OSError:
                pass
            self.close_connection = True
            return
        self.wfile.write(data[:len(data) // 2] if cut else data)
        if cut:
            self.close_connection = True


@pytest.mark.parametrize("lie", ["config", "layer", "cut off", "endless", "manifest is no JSON"])
def test_what_does_not_match_its_digest_is_refused(docker, lie):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Liar,), {"lie": lie}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        done = docker.run("pull", f"127.0.0.1:{server.server_port}/lying/image", check=False, timeout=120)
        assert done.returncode == 1 and done.stderr.strip(), done
        assert "lying/image" not in docker("images")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_names_of_the_hub_without_a_network_fail_soon(fresh):
    docker = client_of(loaded(fresh(), "busybox"))
    done = docker.run("pull", "nosuch-image-of-pilas-tests", check=False, timeout=60)
    assert done.returncode == 1 and done.stderr.strip()
