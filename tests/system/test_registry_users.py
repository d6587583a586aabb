# SPDX-License-Identifier: Apache-2.0
"""Who may do what with pila's registry: where it listens, Basic credentials, tokens, rights per repository."""
import base64
import json
import os
import shutil
import subprocess

import pytest
from conftest import client_of, images, loaded
from lib import engines
from lib.registry import digest_of, free_port

pytestmark = [pytest.mark.slice2, pytest.mark.only_pila("it is pila's own registry")]


@pytest.mark.parametrize("arguments,words", [
    (["--listen", "0.0.0.0:5999"], "without users and TLS"), (["--listen", "127.0.0.1"], "ADDRESS:PORT"),
    (["--tls-cert", "/etc/hostname"], "tls-key"), (["--htpasswd", "/nonexistent"], "No such file"),
    (["--anonymous-pull"], "auth token"), (["--proxy", "ftp://x"], "http or https URL"), (["--expiry", "soon"], "24h"),
    (["--rights", "/etc/hostname"], "htpasswd"), (["--nonsense"], "unknown flag"), (["--tls-cert", "/etc/hostname", "--tls-key", "/etc/hostname"], "certificate")])
def test_settings_that_are_wrong(tmp_path, arguments, words):
    done = subprocess.run([engines.Pila.program, "registry", "--data-dir", tmp_path, *arguments], capture_output=True, text=True, timeout=20)
    assert done.returncode in (1, 2) and words in done.stderr, done


def test_beyond_this_machine_with_a_warning(registries, tmp_path):
    registry = registries(arguments=["--listen", f"0.0.0.0:{free_port()}", "--allow-insecure"])
    assert "whoever reaches it may" in (registry.directory / "log").read_text()


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


# --- rights -----------------------------------------------------------------------------------------------------------
some_rights = """# who      where       what
me         team/**     pull,push,delete
me         shared/*    pull
you        shared/**   push
*          public      pull
"""


@pytest.fixture
def two_users(tmp_path):
    (tmp_path / "users").write_text(bcrypt + "you" + bcrypt[2:])
    (tmp_path / "rights").write_text(some_rights)
    return ["--htpasswd", tmp_path / "users", "--rights", tmp_path / "rights"]


def uploads(registry, name, **headers):
    return registry.call("POST", f"/v2/{name}/blobs/uploads/", b"", **headers).status


def test_rights_with_passwords(registries, two_users, tmp_path):
    registry = registries(arguments=two_users)
    me, you = {"Authorization": basic()}, {"Authorization": basic("you")}
    assert uploads(registry, "team/a/b", **me) == 202 and uploads(registry, "shared/x", **you) == 202
    refused = registry.call("POST", "/v2/shared/x/blobs/uploads/", b"", **me)
    assert refused.status == 403 and json.loads(refused.content)["errors"][0]["code"] == "DENIED"
    assert b"me may not push shared/x" in refused.content
    assert uploads(registry, "team/a", **you) == 403 and uploads(registry, "public", **you) == 403
    assert uploads(registry, "team/a") == 401, "nobody is asked for a password, not refused"
    digest = registry.put_blob("shared/x", b"content", **you)
    assert registry.call("GET", f"/v2/shared/x/blobs/{digest}", **me).status == 200
    assert registry.call("DELETE", f"/v2/shared/x/blobs/{digest}", **you).status == 403
    assert registry.call("GET", "/v2/shared/x/y/tags/list", **me).status == 403, "* is one component"
    assert registry.call("GET", "/v2/shared/x/y/tags/list", **you).status == 404, "** is any number"
    assert registry.call("GET", "/v2/", **me).status == 200
    # A blob of a repository that one may not read is not mounted from there.
    secret = registry.put_blob("team/secret", b"secret", **me)
    assert registry.call("POST", f"/v2/shared/x/blobs/uploads/?mount={secret}&from=team/secret", b"", **you).status == 202
    (tmp_path / "rights").write_text("you shared/** pull\n")  # read again at once
    assert uploads(registry, "shared/x", **you) == 403 and uploads(registry, "team/a", **me) == 403
    (tmp_path / "rights").write_text("you shared/** fly, and more nonsense\n")
    assert registry.call("GET", f"/v2/shared/x/blobs/{digest}", **you).status == 200, "rights as before"
    assert uploads(registry, "shared/x", **you) == 403
    assert "rights as before" in (registry.directory / "log").read_text()


def test_rights_and_the_catalog(registries, two_users, tmp_path):
    registry = registries(arguments=["--htpasswd", two_users[1]])
    for name in "public", "shared/x", "shared/y/z", "team/a":
        registry.put_image(name, "v1", Authorization=basic())
    registry.stop()
    registry.arguments = two_users
    registry.start()

    def catalog(user):
        return json.loads(registry.call("GET", "/v2/_catalog", Authorization=basic(user)).content)["repositories"]
    assert catalog("me") == ["public", "shared/x", "team/a"]
    assert catalog("you") == ["public", "shared/x", "shared/y/z"]
    page = registry.call("GET", "/v2/_catalog?n=2", Authorization=basic("me"))
    assert json.loads(page.content)["repositories"] == ["public", "shared/x"] and "last=shared%2Fx" in page.headers["Link"]


def scopes_of(answer):
    return json.loads(answer.content)["scope"]


def test_rights_with_tokens(registries, two_users, tmp_path):
    (tmp_path / "rights").write_text(some_rights + "- open/* pull\n")
    registry = registries(arguments=[*two_users, "--auth", "token"])
    answer, mine = token(registry, "repository:team/a:pull,push&scope=repository:shared/x:pull,push&scope=repository:no/no:pull", Authorization=basic())
    assert scopes_of(answer) == "repository:team/a:pull,push repository:shared/x:pull"
    assert uploads(registry, "team/a", Authorization=mine) == 202 and uploads(registry, "shared/x", Authorization=mine) == 403
    assert scopes_of(token(registry, "repository:team/a:*", Authorization=basic())[0]) == "repository:team/a:delete,pull,push"
    assert scopes_of(token(registry, "repository:shared/x:*", Authorization=basic())[0]) == "repository:shared/x:pull"
    answer, nobody = token(registry, "repository:open/a:pull,push&scope=repository:team/a:pull&scope=registry:catalog:*")
    assert scopes_of(answer) == "repository:open/a:pull"
    assert registry.call("GET", "/v2/open/a/tags/list", Authorization=nobody).status == 404
    assert registry.call("GET", "/v2/open/a/tags/list").status == 404 and registry.call("GET", "/v2/team/a/tags/list").status == 401
    assert token(registry, "repository:open/a:pull", Authorization=basic(password="no"))[0].status == 401
    (tmp_path / "rights").write_text("me other pull\n")  # a token of before is worth no more
    assert uploads(registry, "team/a", Authorization=mine) == 403


@pytest.mark.parametrize("text,arguments,words", [
    ("me team/** pull,fly", [], "line 1: fly is none of"), ("- open/* push", ["--auth", "token"], "nothing but pull"),
    ("- open/* pull", [], "auth token"), ("me ** all", ["--auth", "token", "--anonymous-pull"], "- ** pull")])
def test_rights_that_are_wrong(two_users, tmp_path, text, arguments, words):
    (tmp_path / "rights").write_text(text + "\n")
    done = subprocess.run([engines.Pila.program, "registry", "--data-dir", tmp_path / "data", *two_users, *arguments], capture_output=True,
                          text=True, timeout=20)
    assert done.returncode == 1 and words in done.stderr, done


@pytest.mark.parametrize("kind", ["basic", "token"])
@pytest.mark.parametrize("program", ["docker", "skopeo"])
def test_rights_as_clients_see_them(registries, two_users, engine, tmp_path, kind, program):
    registry = registries(arguments=[*two_users, "--auth", kind])
    if program == "skopeo":
        registry.push(images / "layers.tar", "team/one:v1", "--dest-creds", "me:secret")
        with pytest.raises(subprocess.CalledProcessError) as refused:
            registry.push(images / "layers.tar", "shared/one:v1", "--dest-creds", "me:secret")
        assert "denied" in refused.value.stderr or "unauthorized" in refused.value.stderr, refused.value.stderr
        return
    docker = client_of(engine)
    docker.environment |= {"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path / "docker")}
    docker("login", "-u", "me", "--password-stdin", registry.address, input="secret")
    mine, others = f"{registry.address}/team/one", f"{registry.address}/shared/one"
    docker("tag", "busybox", mine)
    docker("tag", "busybox", others)
    assert "digest: sha256:" in docker("push", mine)
    refused = docker.run("push", others, check=False)
    assert refused.returncode == 1 and "denied" in refused.stderr, refused
    docker("rmi", mine, others)


# --- refresh tokens ---------------------------------------------------------------------------------------------------
def refreshed(registry, refresh, scope="repository:a/b:pull"):
    return registry.call("POST", "/token", f"grant_type=refresh_token&client_id=x&service=x&refresh_token={refresh}&scope={scope}".encode(),
                         Content_Type="application/x-www-form-urlencoded")


def test_refresh_tokens(registries, two_users):
    registry = registries(arguments=[*two_users[:2], "--auth", "token"])
    plain, _ = token(registry, "repository:a/b:pull", Authorization=basic())
    assert "refresh_token" not in json.loads(plain.content), "who does not ask for one gets none"
    answer = registry.call("GET", "/token?service=x&offline_token=true", Authorization=basic())
    refresh = json.loads(answer.content)["refresh_token"]
    by_form = registry.call("POST", "/token", b"grant_type=password&username=you&password=secret&access_type=offline&client_id=x&service=x")
    others = json.loads(by_form.content)["refresh_token"]
    again = refreshed(registry, refresh, "repository:a/b:pull,push")
    assert again.status == 200 and json.loads(again.content)["refresh_token"] == refresh
    access = "Bearer " + json.loads(again.content)["access_token"]
    assert uploads(registry, "a/b", Authorization=access) == 202
    assert registry.call("GET", "/v2/", Authorization="Bearer " + refresh).status == 401, "it is no access token"
    assert refreshed(registry, access.split()[1]).status == 401, "nor the other way round"
    assert refreshed(registry, refresh[:-2] + ("A" if refresh[-2] != "A" else "B") + refresh[-1]).status == 401
    assert refreshed(registry, "").status == 400
    key = registry.directory / "data/registry/token-key"
    assert key.stat().st_mode & 0o777 == 0o600
    registry.kill()
    registry.start()  # access tokens end with the process, these do not
    assert registry.call("GET", "/v2/", Authorization=access).status == 401
    assert refreshed(registry, refresh).status == 200
    users = two_users[1]
    users.write_text(bcrypt.replace("mK8", "mK9") + "you" + bcrypt[2:])  # another password of me
    assert refreshed(registry, refresh).status == 401 and refreshed(registry, others).status == 200
    users.write_text(bcrypt)
    assert refreshed(registry, refresh).status == 200 and refreshed(registry, others).status == 401


def test_refresh_tokens_give_no_more_than_rights(registries, two_users, tmp_path):
    registry = registries(arguments=[*two_users, "--auth", "token"])
    refresh = json.loads(registry.call("GET", "/token?offline_token=true", Authorization=basic()).content)["refresh_token"]
    assert scopes_of(refreshed(registry, refresh, "repository:team/a:pull,push repository:shared/x:pull,push")) == \
        "repository:team/a:pull,push repository:shared/x:pull"


@pytest.mark.parametrize("kind", ["pila", "docker"])
def test_logged_in_by_refresh_token(registries, two_users, tmp_path, kind):
    """`docker login` keeps the token, not the password; it is good until that changes."""
    if engines.kinds[kind].missing():
        pytest.skip(engines.kinds[kind].missing())
    registry = registries(arguments=[*two_users[:2], "--auth", "token"])
    daemon = loaded(engines.kinds[kind]().start(), "busybox")
    try:
        docker = client_of(daemon)
        docker.environment |= {"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path / "docker")}
        docker("login", "-u", "me", "--password-stdin", registry.address, input="secret")
        kept = json.loads((tmp_path / "docker/config.json").read_text())["auths"][registry.address]
        assert kept["identitytoken"] and base64.b64decode(kept["auth"]) == b"me:"
        registry.kill()
        registry.start()
        docker("tag", "busybox", f"{registry.address}/kept/login")
        assert "digest: sha256:" in docker("push", f"{registry.address}/kept/login")
        docker("rmi", f"{registry.address}/kept/login")
        docker("pull", f"{registry.address}/kept/login")
        two_users[1].write_text("you" + bcrypt[2:])
        assert docker.run("push", f"{registry.address}/kept/login", check=False).returncode == 1
    finally:
        daemon.remove_everything()
        daemon.stop()
        shutil.rmtree(daemon.directory, ignore_errors=True)
