# SPDX-License-Identifier: Apache-2.0
"""The Kubernetes API with the real kubectl, each version that this machine has from 1.27 to 1.33."""
import json
import re
import secrets
import subprocess

import pytest
from lib.cluster import maps, merge_patch
from lib.cluster_fixtures import admin, kubectl, plane, run  # noqa: F401
from lib.engines import Pila, wait_until

pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("dockerd has no such API")]

shop = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, labels: {app: shop}}
spec:
  replicas: 2
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
      - name: web
        image: nginx:1.27
        ports: [{containerPort: 80}]
        resources: {requests: {cpu: 100m, memory: 64Mi}}
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{port: 80, targetPort: 80}]}
"""


@pytest.fixture
def space(kubectl):
    name = f"t-{secrets.token_hex(4)}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name)
    assert "not found" in kubectl.fails("get", "namespace", name)


def test_what_there_is(kubectl):
    assert "v1.33" in kubectl("version")
    kinds = kubectl("api-resources", "--no-headers", "-o", "wide")
    assert re.search(r"^deployments\s+deploy\s+apps/v1\s+true\s+Deployment\s+create,delete,deletecollection,get,list,patch,update,watch\s+all", kinds, re.M)
    assert {"v1", "apps/v1", "batch/v1", "networking.k8s.io/v1", "rbac.authorization.k8s.io/v1"} <= set(kubectl("api-versions").split())
    assert "is running at https://127.0.0.1" in re.sub("\x1b\\[[0-9;]*m", "", kubectl("cluster-info"))
    assert "restartPolicy" in kubectl("explain", "pod.spec")
    assert re.search(r"image\s+<string>", kubectl("explain", "deployment.spec.template.spec.containers", "--recursive"))
    assert "does not exist" in kubectl.fails("explain", "pod.spec.nonsense")
    assert kubectl("get", "--raw", "/readyz") == "ok"


def test_the_life_of_a_deployment(run, space):
    assert run("apply", "-f", "-", stdin=shop) == "deployment.apps/shop created\nservice/shop created"
    assert run("apply", "-f", "-", stdin=shop) == "deployment.apps/shop unchanged\nservice/shop unchanged"
    changed = shop.replace("nginx:1.27", "nginx:1.28")
    assert run("apply", "-f", "-", stdin=changed) == "deployment.apps/shop configured\nservice/shop unchanged"
    assert "nginx:1.27" in run.run("diff", "-f", "-", stdin=shop).stdout
    assert re.search(r"^shop\s+0/2\s+[012]\s+0\s+\d+s$", run("get", "deploy", "--no-headers"), re.M)
    assert "Replicas:               2 desired" in re.sub("Replicas: +", "Replicas:               ", run("describe", "deploy", "shop"))
    run("scale", "deploy", "shop", "--replicas=5")
    run("set", "image", "deploy/shop", "web=nginx:9")
    run("label", "deploy", "shop", "tier=front")
    run("annotate", "deploy", "shop", "note=x")
    run("patch", "deploy", "shop", "--type=json", "-p", '[{"op":"test","path":"/spec/replicas","value":5},{"op":"replace","path":"/spec/replicas","value":7}]')
    run("patch", "deploy", "shop", "-p", '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"busybox"}]}}}}')
    found = json.loads(run("get", "deploy", "-l", "tier=front", "-o", "json"))["items"]
    assert [item["spec"]["replicas"] for item in found] == [7]
    containers = found[0]["spec"]["template"]["spec"]["containers"]
    assert {container["name"]: container["image"] for container in containers} == {"web": "nginx:9", "side": "busybox"}
    assert found[0]["metadata"]["generation"] == 6
    assert found[0]["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": "25%", "maxUnavailable": "25%"}
    assert run("delete", "deploy", "shop") in ('deployment.apps "shop" deleted', f'deployment.apps "shop" deleted from {space} namespace')
    assert "deployments.apps \"shop\" not found" in run.fails("get", "deploy", "shop")


def test_typed_commands(run):
    """From 1.32 on these bodies are protobuf."""
    run("create", "deployment", "none", "--image=nginx", "--replicas=0")
    run("create", "configmap", "settings", "--from-literal=a=1", "--from-literal=b=two")
    run("create", "secret", "generic", "keys", "--from-literal=user=me")
    run("create", "role", "reader", "--verb=get,list", "--resource=pods,deployments.apps")
    run("create", "rolebinding", "readers", "--role=reader", "--user=ann")
    run("create", "serviceaccount", "robot")
    run("create", "quota", "few", "--hard=pods=3,cpu=1")
    run("create", "job", "once", "--image=busybox", "--", "true")
    run("create", "cronjob", "often", "--image=busybox", "--schedule=*/5 * * * *", "--", "date")
    run("create", "ingress", "front", "--rule=example.com/*=shop:80")
    run("create", "poddisruptionbudget", "some", "--selector=app=shop", "--min-available=1")
    run("expose", "deployment", "none", "--port=80")
    assert run("get", "deploy", "none", "-o", "jsonpath={.spec.replicas}") == "0"
    assert run("get", "configmap", "settings", "-o", "jsonpath={.data.b}") == "two"
    assert run("get", "secret", "keys", "-o", "jsonpath={.data.user} {.type}") == "bWU= Opaque"
    assert run("get", "role", "reader", "-o", "jsonpath={.rules[*].resources}") == '["pods"] ["deployments"]'
    assert run("get", "quota", "few", "-o", "jsonpath={.spec.hard}") == '{"cpu":"1","pods":"3"}'
    assert run("get", "job", "once", "-o", "jsonpath={.spec.backoffLimit} {.spec.template.spec.restartPolicy}") == "6 Never"
    assert run("get", "cronjob", "often", "-o", "jsonpath={.spec.concurrencyPolicy}") == "Allow"
    assert run("auth", "can-i", "create", "pods") == "yes"


def test_apply_on_the_server(run):
    one = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shared}\ndata: {a: '1', b: '2'}\n"
    assert "serverside-applied" in run("apply", "--server-side", "-f", "-", stdin=one)
    other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shared}\ndata: {b: '3', c: '4'}\n"
    refused = run.fails("apply", "--server-side", "--field-manager=other", "-f", "-", stdin=other)
    assert 'conflict with "kubectl"' in refused and ".data.b" in refused
    run("apply", "--server-side", "--field-manager=other", "--force-conflicts", "-f", "-", stdin=other)
    assert run("get", "cm", "shared", "-o", "jsonpath={.data}") == '{"a":"1","b":"3","c":"4"}'
    run("apply", "--server-side", "--field-manager=other", "-f", "-", stdin=other.replace(", c: '4'", ""))
    assert run("get", "cm", "shared", "-o", "jsonpath={.data}") == '{"a":"1","b":"3"}'
    fields = json.loads(run("get", "cm", "shared", "-o", "json", "--show-managed-fields"))["metadata"]["managedFields"]
    assert {entry["manager"]: sorted(entry["fieldsV1"]["f:data"]) for entry in fields} == {"kubectl": ["f:a"], "other": ["f:b"]}


def test_what_is_wrong_is_said(run, kubectl):
    def fails(text):
        return run.fails("create", "-f", "-", stdin=text)

    assert 'unknown field "spec.template.spec.containers[0].imge"' in fails(shop.split("---")[0].replace("image:", "imge:"))
    bad = shop.split("---")[0].replace("name: web", "name: Web!")
    assert 'The Deployment "shop" is invalid: spec.template.spec.containers[0].name: Invalid value: "Web!"' in fails(bad)
    assert "spec.selector: Required value" in fails(shop.split("---")[0].replace("selector: {matchLabels: {app: shop}}", ""))
    run("create", "configmap", "there")
    assert 'configmaps "there" already exists' in run.fails("create", "configmap", "there")
    assert 'namespaces "nowhere" not found' in kubectl.fails("-n", "nowhere", "create", "configmap", "x")
    assert "field label not supported" in kubectl.fails("get", "pods", "--field-selector", "spec.what=1")


def test_watching(run):
    watcher = run.start("get", "secrets", "--watch", "--output-watch-events", "--no-headers")
    try:
        run("create", "secret", "generic", "seen", "--from-literal=a=1")
        run("label", "secret", "seen", "new=1")
        run("delete", "secret", "seen")
        lines = [watcher.stdout.readline().split()[:2] for _ in range(3)]
        assert lines == [["ADDED", "seen"], ["MODIFIED", "seen"], ["DELETED", "seen"]]
        waiting = run.start("wait", "--for=delete", "configmap/late", "--timeout=60s")
        run("create", "configmap", "late")
        run("delete", "configmap", "late")
        assert waiting.wait(60) == 0 or "not found" in waiting.stderr.read()
    finally:
        watcher.kill()
        watcher.wait()


def test_pages(plane, admin):
    admin("create", "namespace", "pages")
    connection = plane.connect()
    path = "/api/v1/namespaces/pages/secrets"
    for number in range(25):
        made = plane.request("POST", path, {"metadata": {"name": f"c{number:02}", "labels": {"odd": str(number % 2)}}}, connection=connection)
        assert made.status == 201, made
    names, token, revisions = [], "", set()
    while True:
        answer = plane.request("GET", f"{path}?limit=10&continue={token}", connection=connection)
        assert answer.status == 200, answer
        page = answer.json
        names += [item["metadata"]["name"] for item in page["items"]]
        revisions.add(page["metadata"]["resourceVersion"])
        if not token:  # what happens in between is not seen
            assert page["metadata"]["remainingItemCount"] == 15
            plane.request("DELETE", f"{path}/c15", connection=connection)
            plane.request("POST", path, {"metadata": {"name": "c05b"}}, connection=connection)
        token = page["metadata"].get("continue", "")
        if not token:
            break
    assert names == [f"c{number:02}" for number in range(25)] and len(revisions) == 1
    odd = plane.request("GET", f"{path}?limit=5&labelSelector=odd%3D1", connection=connection).json
    assert [item["metadata"]["name"] for item in odd["items"]] == ["c01", "c03", "c05", "c07", "c09"]
    assert odd["metadata"]["continue"]
    for wrong, status in ((f"{path}?limit=10&continue=nonsense", 400), (f"{path}?limit=x", 400), (f"{path}?resourceVersion=999999999", 504),
                          (f"{path}?resourceVersionMatch=Exact", 422), (f"{path}?labelSelector=a%20b", 400)):
        answer = plane.request("GET", wrong, connection=connection)
        assert answer.status == status and answer.json["kind"] == "Status", answer
    admin("delete", "namespace", "pages")


def test_who_may(plane):
    assert plane.request("GET", "/version", certificate=False).status == 200
    refused = plane.request("GET", "/api/v1/namespaces/default/pods", certificate=False)
    assert refused.status == 403 and 'User "system:anonymous" cannot list resource "pods" in API group "" in the namespace "default"' in refused.json["message"]
    assert plane.request("GET", "/version", headers={"Authorization": "Bearer nonsense"}, certificate=False).status == 401
    stranger = plane.directory / "stranger.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", stranger, "-out", plane.directory / "c.pem",
                    "-subj", "/O=system:masters/CN=me", "-days", "1"], check=True, capture_output=True)
    stranger.write_text(stranger.read_text() + (plane.directory / "c.pem").read_text())
    context = plane.context(certificate=False)
    context.load_cert_chain(stranger)
    connection = plane.connect()
    connection._context = context
    assert plane.request("GET", "/api/v1/pods", connection=connection).status == 401


@pytest.mark.parametrize("body, status, reason", [
    (b"{", 400, "BadRequest"), (b"[]", 400, "BadRequest"), (b'{"a":' * 2000, 400, "BadRequest"), (b'{"metadata":{"name":1e999}}', 400, "BadRequest"),
    (b'{"metadata":{"name":"x\xff"}}', 400, "BadRequest"), (b" " * (4 << 20), 413, "RequestEntityTooLarge"),
    (b'{"metadata":{"name":"../x"}}', 422, "Invalid"), (b'{"metadata":{}}', 422, "Invalid"), (b'{"kind":"Pod","metadata":{"name":"x"}}', 400, "BadRequest"),
    (b'{"metadata":{"name":"x","namespace":"other"}}', 400, "BadRequest"), (b'{"metadata":{"name":"x"},"data":{"a":1}}', 400, "BadRequest"),
])
def test_bad_bodies(plane, body, status, reason):
    answer = plane.request("POST", maps, body)
    assert (answer.status, answer.json["reason"], answer.json["kind"]) == (status, reason, "Status"), answer
    there = plane.request("GET", maps).json["items"]
    assert {item["metadata"]["name"] for item in there} <= {"kube-root-ca.crt"}


def test_odd_paths(plane):
    for path, status in (("/api/v1/nonsense", 404), ("/apis/none/v1/pods", 404), ("/api/v1/namespaces/default/pods/x/nonsense", 404), ("/nonsense", 404),
                         ("/api/v1/pods/x", 404), ("/api/v1/namespaces/default/nodes", 404), ("/api/v1/namespaces/default/bindings", 405)):
        answer = plane.request("GET", path)
        assert answer.status == status and answer.json["kind"] == "Status", (path, answer)


def test_optimistic_concurrency(plane):
    made = plane.request("POST", maps, {"metadata": {"name": "once"}, "data": {"n": "0"}}).json
    first = plane.request("PUT", f"{maps}/once", {**made, "data": {"n": "1"}})
    assert first.status == 200 and first.json["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
    second = plane.request("PUT", f"{maps}/once", {**made, "data": {"n": "2"}})
    assert second.status == 409 and "the object has been modified" in second.json["message"]
    same = plane.request("PUT", f"{maps}/once", first.json)
    assert same.json["metadata"]["resourceVersion"] == first.json["metadata"]["resourceVersion"], "a write without a change is none"
    dry = plane.request("PUT", f"{maps}/once?dryRun=All", {**first.json, "data": {"n": "3"}})
    assert dry.json["data"]["n"] == "3" and plane.request("GET", f"{maps}/once").json["data"]["n"] == "1"
    wrong = plane.request("DELETE", f"{maps}/once", {"preconditions": {"uid": "other"}})
    assert wrong.status == 409
    assert plane.request("DELETE", f"{maps}/once").json["status"] == "Success"


def test_finalizers(plane):
    plane.request("POST", maps, {"metadata": {"name": "held", "finalizers": ["example.com/wait"]}})
    going = plane.request("DELETE", f"{maps}/held").json
    assert going["metadata"]["deletionTimestamp"] and going["kind"] == "ConfigMap"
    assert plane.request("GET", f"{maps}/held").status == 200
    plane.request("PATCH", f"{maps}/held", {"metadata": {"finalizers": None}}, merge_patch)
    assert plane.request("GET", f"{maps}/held").status == 404


def test_a_namespace_takes_everything_with_it(plane, admin):
    admin("create", "namespace", "full")
    found = plane.request("GET", "/api/v1/namespaces/full").json
    assert found["spec"]["finalizers"] == ["kubernetes"] and found["status"]["phase"] == "Active"
    assert found["metadata"]["labels"] == {"kubernetes.io/metadata.name": "full"}
    admin("-n", "full", "create", "configmap", "inside")
    plane.request("POST", "/api/v1/namespaces/full/secrets", {"metadata": {"name": "held", "finalizers": ["example.com/wait"]}})
    assert plane.request("DELETE", "/api/v1/namespaces/full").json["status"]["phase"] == "Terminating"
    refused = admin.fails("-n", "full", "create", "configmap", "late")
    assert "because it is being terminated" in refused
    wait_until(lambda: plane.request("GET", "/api/v1/namespaces/full/configmaps/inside").status == 404, "what is in it goes")
    assert plane.request("GET", "/api/v1/namespaces/full").status == 200, "a finalizer holds it"
    plane.request("PATCH", "/api/v1/namespaces/full/secrets/held", {"metadata": {"finalizers": []}}, merge_patch)
    wait_until(lambda: plane.request("GET", "/api/v1/namespaces/full").status == 404, "then it goes")
    assert "this namespace may not be deleted" in admin.fails("delete", "namespace", "default")


def test_a_name_in_a_namespace_does_not_delete_it(plane, admin):
    """Only metadata.deletionTimestamp says that it goes: not a label of that name, nor one that went and came back."""
    admin("create", "namespace", "lives")
    admin("-n", "lives", "create", "configmap", "inside")
    labels = {"metadata": {"labels": {"deletionTimestamp": "no"}, "annotations": {"deletionTimestamp": "no"}}}
    assert plane.request("PATCH", "/api/v1/namespaces/lives", labels, merge_patch).status == 200
    plane.request("POST", "/api/v1/namespaces/lives/secrets", {"metadata": {"name": "s"}})
    plane.request("DELETE", "/api/v1/namespaces/lives/secrets/s")
    plane.stop()
    plane.start()
    for _ in range(20):
        plane.request("DELETE", "/api/v1/namespaces/again")
        wait_until(lambda: plane.request("GET", "/api/v1/namespaces/again").status == 404, "it goes")
        assert plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": "again"}}).status == 201
        assert plane.request("POST", "/api/v1/namespaces/again/configmaps", {"metadata": {"name": "new"}}).status == 201
    for path in ("lives/configmaps/inside", "again/configmaps/new"):
        assert plane.request("GET", f"/api/v1/namespaces/{path}").status == 200
    for name in ("lives", "again"):
        admin("delete", "namespace", name)


def test_it_is_still_there(plane, admin):
    """After an end and after kill -9: objects, revisions, certificates."""
    admin("create", "configmap", "kept", "--from-literal=a=1")
    before = plane.request("GET", f"{maps}/kept").json
    for end in (plane.stop, plane.kill):
        end()
        plane.start()
        assert plane.request("GET", f"{maps}/kept").json == before
        admin("get", "nodes")
    later = plane.request("POST", maps, {"metadata": {"generateName": "later-"}}).json
    assert int(later["metadata"]["resourceVersion"]) > int(before["metadata"]["resourceVersion"])
    assert re.fullmatch("later-[bcdfghjklmnpqrstvwxz2456789]{5}", later["metadata"]["name"])
    gone = plane.request("GET", "/api/v1/configmaps?watch=true&resourceVersion=1")
    assert gone.status == 410 and gone.json["reason"] == "Expired"
    for name in ("kept", later["metadata"]["name"]):
        admin("delete", "configmap", name)


def test_kubeconfig_verb(plane, tmp_path):
    done = subprocess.run([Pila.program, "kubeconfig", "--data-dir", plane.directory / "data"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == plane.kubeconfig.read_text()
    none = subprocess.run([Pila.program, "kubeconfig", "--data-dir", tmp_path], capture_output=True, text=True)
    assert none.returncode == 1 and "no cluster has run" in none.stderr and "pila daemon" in none.stderr
    assert (plane.directory / "data/cluster").stat().st_mode & 0o777 == 0o700
    assert plane.kubeconfig.stat().st_mode & 0o777 == 0o600
