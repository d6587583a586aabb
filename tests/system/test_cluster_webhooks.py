# SPDX-License-Identifier: Apache-2.0
"""Admission webhooks: services of the test's own, over TLS, that complete and refuse what is written."""
import base64
import copy
import http.server
import json
import socket
import ssl
import subprocess
import threading
import time

import pytest
import yaml
from lib.cluster import control_plane, maps, merge_patch
from lib.cluster_fixtures import admin, plane  # noqa: F401
from lib.engines import wait_until
from lib.objects import config_map, pod

pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("dockerd has no such API")]


class Service:
    """Answers reviews by a function of the test (path, request) -> response; keeps what it was asked."""

    def __init__(self, directory, names="IP:127.0.0.1", address="127.0.0.1"):
        self.asked, self.connections, self.answers = [], 0, {}
        run = lambda *words: subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)  # noqa: E731
        ca, key, cert = directory / "hook-ca.crt", directory / "hook.key", directory / "hook.crt"
        run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", directory / "hook-ca.key", "-out", ca,
            "-subj", "/CN=hooks", "-days", "2")
        run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", directory / "hook.csr", "-subj", "/CN=hook")
        (directory / "hook.ext").write_text(f"subjectAltName={names}\n")
        run("x509", "-req", "-in", directory / "hook.csr", "-CA", ca, "-CAkey", directory / "hook-ca.key", "-CAcreateserial", "-out", cert,
            "-days", "2", "-extfile", directory / "hook.ext")
        self.authority = base64.b64encode(ca.read_bytes()).decode()
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 20

            def setup(self):
                service.connections += 1
                super().setup()

            def do_POST(self):
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                service.asked.append((self.path, review))
                answer = service.answers[self.path.partition("?")[0]](review["request"])
                body = answer if isinstance(answer, bytes) else json.dumps(
                    {"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": {"uid": review["request"]["uid"], **answer}}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((address, 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def hook(self, name, path, **more):
        hook = {"name": f"{name}.example.com", "clientConfig": {"url": f"https://127.0.0.1:{self.port}{path}", "caBundle": self.authority},
                "rules": [{"operations": ["CREATE", "UPDATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}],
                "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 5}
        return hook | more


@pytest.fixture
def service(tmp_path, plane):
    service = Service(tmp_path)
    yield service
    for kind in ("mutating", "validating"):
        plane.request("DELETE", f"/apis/admissionregistration.k8s.io/v1/{kind}webhookconfigurations")
    service.stop()


def configure(plane, kind, name, *hooks):
    path = f"/apis/admissionregistration.k8s.io/v1/{kind}webhookconfigurations"
    body = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": f"{kind.title()}WebhookConfiguration", "metadata": {"name": name}, "webhooks": list(hooks)}
    answer = plane.request("POST", path, body)
    assert answer.status == 201, answer
    return answer.json


def patch(*operations):
    return {"allowed": True, "patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(operations).encode()).decode()}


def test_completed_and_judged(plane, service):
    """Mutating ones run in the order of their configurations' names and see each other's changes; validating ones see the result."""
    service.answers = {
        "/first": lambda request: patch({"op": "add", "path": "/metadata/labels", "value": {"by": "first"}}),
        "/second": lambda request: patch({"op": "add", "path": "/data/seen", "value": request["object"]["metadata"]["labels"]["by"]},
                                         {"op": "add", "path": "/nonsense", "value": 1}),
        "/judge": lambda request: {"allowed": "bad" not in request["object"]["data"], "status": {"message": "bad is bad", "code": 403, "reason": "Forbidden"},
                                   "warnings": ["you were seen"]}}
    configure(plane, "mutating", "b-second", service.hook("second", "/second"))
    configure(plane, "mutating", "a-first", service.hook("first", "/first"))
    configure(plane, "validating", "judge", service.hook("judge", "/judge"))
    made = plane.request("POST", maps, config_map("good"))
    assert made.status == 201 and made.json["data"] == {"a": "1", "seen": "first"} and "nonsense" not in made.json
    assert [path for path, _ in service.asked] == ["/first?timeout=5s", "/second?timeout=5s", "/judge?timeout=5s"]
    assert made.headers["Warning"] == '299 - "you were seen"'
    asked = service.asked[-1][1]["request"]
    assert asked["object"]["data"]["seen"] == "first" and asked["oldObject"] is None and asked["dryRun"] is False
    assert asked["kind"] == {"group": "", "version": "v1", "kind": "ConfigMap"} and asked["resource"] == {"group": "", "version": "v1", "resource": "configmaps"}
    assert (asked["name"], asked["namespace"], asked["operation"]) == ("good", "default", "CREATE")
    assert asked["userInfo"]["username"] == "kubernetes-admin" or "system:masters" in asked["userInfo"]["groups"]
    assert asked["options"]["kind"] == "CreateOptions"
    refused = plane.request("PATCH", maps + "/good", {"data": {"bad": "x"}}, merge_patch)
    assert refused.status == 403 and refused.json["reason"] == "Forbidden"
    assert refused.json["message"] == 'admission webhook "judge.example.com" denied the request: bad is bad'
    asked = service.asked[-1][1]["request"]
    assert asked["operation"] == "UPDATE" and "bad" not in asked["oldObject"]["data"] and asked["object"]["data"]["bad"] == "x"
    assert "bad" not in plane.request("GET", maps + "/good").json["data"]
    dry = plane.request("POST", maps + "?dryRun=All", config_map("dry"))
    assert dry.status == 201 and service.asked[-1][1]["request"]["dryRun"] is True
    assert plane.request("DELETE", maps + "/good").status == 200  # nobody asked for deletions
    assert service.asked[-1][1]["request"]["name"] == "dry"


def test_a_change_reaches_no_further_than_its_request(plane, service):
    """What clients cannot change by a request, webhooks cannot either: server's metadata, status, the rest of a pod that is resized."""
    pods = "/api/v1/namespaces/default/pods"
    hook = service.hook("far", "/far", rules=[{"operations": ["CREATE", "UPDATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods", "pods/*"]}])
    service.answers = {"/far": lambda request: patch(
        {"op": "add", "path": "/metadata/deletionTimestamp", "value": "2030-01-01T00:00:00Z"}, {"op": "add", "path": "/metadata/generation", "value": 70},
        {"op": "add", "path": "/metadata/labels", "value": {"by": "hook"}}, {"op": "add", "path": "/status/message", "value": "from a hook"},
        {"op": "add", "path": "/spec/containers/0/image", "value": "hooked"},
        {"op": "add", "path": "/spec/containers/0/resources", "value": {"requests": {"cpu": amount}}})}
    configure(plane, "mutating", "far", hook)
    amount = "100m"
    made = plane.request("POST", pods, pod("reached"))
    assert made.status == 201, made
    made = made.json
    assert "deletionTimestamp" not in made["metadata"] and made["metadata"]["generation"] == 1 and "message" not in made["status"]
    assert made["metadata"]["labels"] == {"by": "hook"} and made["spec"]["containers"][0]["image"] == "hooked"
    service.answers["/far"], as_made = (lambda request: patch(
        {"op": "replace", "path": "/metadata/labels", "value": {"by": "resize"}}, {"op": "replace", "path": "/spec/containers/0/image", "value": "other"},
        {"op": "add", "path": "/spec/containers/0/resources", "value": {"requests": {"cpu": amount}}})), made
    amount = 0.2
    resized = plane.request("PUT", f"{pods}/reached/resize", as_made)
    assert resized.status == 200, resized
    assert resized.json["spec"]["containers"][0] | {"resources": {"requests": {"cpu": "200m"}}} == resized.json["spec"]["containers"][0]
    assert resized.json["spec"]["containers"][0]["image"] == "hooked" and resized.json["metadata"]["labels"] == {"by": "hook"}
    assert resized.json["metadata"]["generation"] == 2
    amount = 0
    refused = plane.request("PUT", f"{pods}/reached/resize", resized.json)
    assert refused.status == 422 and "Pod QOS Class may not change" in refused.json["message"], refused
    plane.request("DELETE", f"{pods}/reached?gracePeriodSeconds=0")


def test_what_is_asked_for(plane, service):
    """Operations, resources and their parts, selectors of objects and of namespaces, scope."""
    service.answers = {"/": lambda request: {"allowed": True}}
    every = [{"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}]
    for name, hook in {
            "deletions": service.hook("deletions", "/", rules=[every[0] | {"operations": ["DELETE"], "resources": ["configmaps"]}]),
            "labelled": service.hook("labelled", "/", rules=every, objectSelector={"matchLabels": {"watched": "yes"}}),
            "in-spaces": service.hook("spaces", "/", rules=[every[0] | {"resources": ["configmaps", "namespaces"]}],
                                      namespaceSelector={"matchExpressions": [{"key": "seen", "operator": "Exists"}]}),
            "parts": service.hook("parts", "/", rules=[every[0] | {"resources": ["pods/status", "deployments/*"]}]),
            "cluster": service.hook("cluster", "/", rules=[every[0] | {"operations": ["CREATE"], "scope": "Cluster"}])}.items():
        configure(plane, "validating", name, hook)

    def asked_by(*request):
        """For this client: controllers furnish a new namespace meanwhile."""
        service.asked.clear()
        answer = plane.request(*request)
        assert answer.status in (200, 201), answer
        reviews = [review["request"] for _, review in service.asked if "system:serviceaccounts" not in review["request"]["userInfo"]["groups"]]
        return sorted((review["operation"], review["resource"]["resource"], review.get("subResource", "")) for review in reviews)

    assert asked_by("POST", maps, config_map("plain")) == []
    assert asked_by("DELETE", maps + "/plain") == [("DELETE", "configmaps", "")]
    watched = config_map("watched")
    watched["metadata"]["labels"] = {"watched": "yes"}
    assert asked_by("POST", maps, watched) == [("CREATE", "configmaps", "")]
    assert asked_by("PATCH", maps + "/watched", {"metadata": {"labels": None}}, merge_patch) == [("UPDATE", "configmaps", "")]  # the old one had it
    assert asked_by("PATCH", maps + "/watched", {"data": {"b": "2"}}, merge_patch) == []
    plane.request("DELETE", maps + "/watched")
    space = {"metadata": {"name": "seen", "labels": {"seen": ""}}}
    assert asked_by("POST", "/api/v1/namespaces", space) == [("CREATE", "namespaces", "")] * 2  # by its labels, and by its scope
    inside = asked_by("POST", "/api/v1/namespaces/seen/configmaps", config_map("inside", "seen"))
    assert inside == [("CREATE", "configmaps", "")]
    assert asked_by("POST", "/api/v1/namespaces/default/pods", pod("p")) == []
    assert asked_by("PATCH", "/api/v1/namespaces/default/pods/p/status", {"status": {"phase": "Running"}}, merge_patch) == [("UPDATE", "pods", "status")]
    plane.request("DELETE", "/api/v1/namespaces/default/pods/p?gracePeriodSeconds=0")
    # Deletions of a whole collection are asked about one by one; a namespace's end, too.
    plane.request("POST", maps, config_map("one"))
    plane.request("POST", maps, config_map("two"))
    service.asked.clear()
    plane.request("DELETE", maps + "?labelSelector=!none&fieldSelector=metadata.name!=kube-root-ca.crt")
    assert [review["request"]["name"] for _, review in service.asked] == ["one", "two"]
    service.asked.clear()
    plane.request("DELETE", "/api/v1/namespaces/seen")
    wait_until(lambda: plane.request("GET", "/api/v1/namespaces/seen").status == 404, "the namespace goes")
    assert ("DELETE", "inside") in [(review["request"]["operation"], review["request"].get("name")) for _, review in service.asked]


def test_again_if_needed(plane, service):
    def add(path, value):
        return lambda request: patch({"op": "add", "path": f"/data/{path}", "value": value(request)})

    service.answers = {"/count": add("count", lambda request: str(len(request["object"]["data"]))), "/more": add("more", lambda request: "x")}
    configure(plane, "mutating", "a", service.hook("count", "/count", reinvocationPolicy="IfNeeded"))
    configure(plane, "mutating", "b", service.hook("more", "/more"))
    assert plane.request("POST", maps, config_map("counted")).json["data"] == {"a": "1", "count": "3", "more": "x"}
    assert [path.partition("?")[0] for path, _ in service.asked] == ["/count", "/more", "/count"]
    plane.request("DELETE", maps + "/counted")


def test_when_it_cannot_be_asked(plane, service, tmp_path):
    """Fail refuses and says what was tried, Ignore goes on; nothing is stored that was to be refused."""
    def tried(name, hook, expected):
        configure(plane, "validating", name, hook)
        started = time.monotonic()
        answer = plane.request("POST", maps, config_map("tried"))
        assert answer.status == 500 and answer.json["reason"] == "InternalError", answer
        start = f'Internal error occurred: failed calling webhook "{hook["name"]}": failed to call webhook: '
        assert answer.json["message"].startswith(start) and expected in answer.json["message"], answer.json["message"]
        assert plane.request("GET", maps + "/tried").status == 404
        plane.request("DELETE", f"/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/{name}")
        return time.monotonic() - started

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = {"url": f"https://127.0.0.1:{closed.getsockname()[1]}/x", "caBundle": service.authority}
        tried("nobody", service.hook("nobody", "/", clientConfig=nobody), "refused")
        configure(plane, "validating", "open", service.hook("open", "/", clientConfig=nobody, failurePolicy="Ignore"))
        assert plane.request("POST", maps, config_map("open")).status == 201
        plane.request("DELETE", maps + "/open")
    service.answers = {
        "/slow": lambda request: time.sleep(3) or {"allowed": True}, "/nonsense": lambda request: b"<html>", "/empty": lambda request: b"{}",
        "/other": lambda request: {"uid": "other", "allowed": True}, "/huge": lambda request: b" " * (8 << 20)}
    assert tried("slow", service.hook("slow", "/slow", timeoutSeconds=1), "deadline exceeded") < 2.9
    tried("nonsense", service.hook("nonsense", "/nonsense"), "")
    tried("empty", service.hook("empty", "/empty"), "webhook response is missing")
    tried("other", service.hook("other", "/other"), "expected response.uid=")
    tried("huge", service.hook("huge", "/huge"), "")
    stranger = copy.deepcopy(service.hook("stranger", "/empty"))
    stranger["clientConfig"]["caBundle"] = base64.b64encode((plane.directory / "data/cluster/pki/ca.crt").read_bytes()).decode()
    tried("stranger", stranger, "certificate")
    # A patch that does not apply, or that wants another object.
    service.answers = {"/broken": lambda request: patch({"op": "remove", "path": "/data/none"}), "/rename": lambda request: patch({"op": "replace", "path": "/metadata/name", "value": "x"})}
    for name in ("broken", "rename"):
        configure(plane, "mutating", name, service.hook(name, f"/{name}"))
        answer = plane.request("POST", maps, config_map("tried"))
        assert answer.status == 500 and plane.request("GET", maps + "/tried").status == 404 and plane.request("GET", maps + "/x").status == 404, answer
        # Whoever made it can mend it: configurations are not asked about.
        assert plane.request("DELETE", f"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{name}").status == 200


def test_by_service(plane, tmp_path):
    """A service is asked at an address of its endpoints, and has to prove its name."""
    address = "10.77.0.1"  # loopback addresses are no endpoints
    subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
    service = Service(tmp_path, "DNS:hooks.default.svc", address)
    try:
        service.answers = {"/check": lambda request: {"allowed": False}}
        plane.request("POST", "/api/v1/namespaces/default/services", {"metadata": {"name": "hooks"}, "spec": {"ports": [{"name": "web", "port": 8443, "targetPort": service.port}]}})
        hook = service.hook("by-service", "/", clientConfig={"service": {"name": "hooks", "namespace": "default", "path": "/check", "port": 8443}, "caBundle": service.authority})
        configure(plane, "validating", "by-service", hook)
        plane.request("POST", "/api/v1/namespaces/default/endpoints", {"metadata": {"name": "hooks"}, "subsets": [
            {"addresses": [{"ip": address}], "ports": [{"name": "web", "port": service.port}]}]})
        for _ in range(3):
            answer = plane.request("POST", maps, config_map("refused"))
            assert answer.status == 400 and answer.json["message"] == 'admission webhook "by-service.example.com" denied the request without explanation', answer
        assert service.connections == 1  # kept
    finally:
        plane.request("DELETE", "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations")
        plane.request("DELETE", "/api/v1/namespaces/default/services/hooks")
        subprocess.run(["ip", "address", "delete", f"{address}/32", "dev", "lo"], check=True)
        service.stop()


def test_with_kubectl(admin, service):
    service.answers = {"/team": lambda request: {"allowed": "team" in request["object"]["metadata"].get("labels", {}), "status": {"message": "every deployment has a team"}}}
    rules = [{"operations": ["CREATE", "UPDATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}]
    configuration = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "team"},
                     "webhooks": [service.hook("team", "/team", rules=rules)]}
    conditions = copy.deepcopy(configuration)
    conditions["webhooks"][0]["matchConditions"] = [{"name": "some", "expression": "true"}]
    warned = admin.run("create", "-f", "-", "--dry-run=server", stdin=yaml.safe_dump(conditions)).stderr
    assert "Warning: webhooks[0].matchConditions: CEL expressions are not evaluated" in warned
    admin("apply", "-f", "-", stdin=yaml.safe_dump(configuration))
    said = admin.fails("create", "deployment", "web", "--image=nginx")
    assert 'admission webhook "team.example.com" denied the request: every deployment has a team' in said
    deployment = yaml.safe_load(admin("create", "deployment", "web", "--image=nginx", "--dry-run=client", "-o", "yaml"))
    deployment["metadata"]["labels"]["team"] = "shop"
    assert admin("apply", "-f", "-", stdin=yaml.safe_dump(deployment)) == "deployment.apps/web created"
    # The controller's own updates are asked about, too: it goes on.
    wait_until(lambda: json.loads(admin("get", "deploy", "web", "-o", "json"))["status"].get("replicas") == 1, "its pods are made")
    admin("delete", "deployment", "web")


def test_plug_ins_look_again(plane, service):
    """What a webhook puts into a pod is held to the same rules as what people write."""
    secret = {"name": "s", "secret": {"secretName": "s"}}
    service.answers = {
        "/class": lambda request: patch({"op": "add", "path": "/spec/priorityClassName", "value": request["object"]["metadata"]["name"]},
                                        {"op": "remove", "path": "/spec/priority"}),
        "/volume": lambda request: patch({"op": "add", "path": "/spec/volumes/-", "value": secret})}
    rules = [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}]
    wait_until(lambda: plane.request("GET", "/api/v1/namespaces/default/serviceaccounts/default").status == 200, "the account is there")
    configure(plane, "mutating", "class", service.hook("class", "/class", rules=rules))
    configure(plane, "mutating", "volume", service.hook("volume", "/volume", rules=rules))
    pods = "/api/v1/namespaces/default/pods"
    made = plane.request("POST", pods, pod("system-node-critical"))
    assert made.status == 201 and made.json["spec"]["priority"] == 2000001000, made
    assert [volume["name"] for volume in made.json["spec"]["volumes"]][1:] == ["s"]
    refused = plane.request("POST", pods, pod("none"))
    assert refused.status == 403 and "no PriorityClass with name none was found" in refused.json["message"], refused
    plane.request("DELETE", f"{pods}/system-node-critical")


def test_a_webhook_of_everything_does_not_keep_the_server_down():
    """Its service is gone, and all writes want it: the server starts, and its configuration can be taken away."""
    with control_plane() as plane:
        everything = [{"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}]
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            configure(plane, "validating", "all", {
                "name": "all.example.com", "clientConfig": {"url": f"https://127.0.0.1:{closed.getsockname()[1]}/"}, "rules": everything, "sideEffects": "None",
                "admissionReviewVersions": ["v1"]})
            plane.request("DELETE", "/apis/rbac.authorization.k8s.io/v1/clusterroles/view")  # refused, too
            plane.stop()
            plane.start()
            assert plane.request("POST", maps, config_map("late")).status == 500
            assert plane.request("DELETE", "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/all").status == 200
            assert plane.request("POST", maps, config_map("late")).status == 201
