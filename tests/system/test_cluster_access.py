# SPDX-License-Identifier: Apache-2.0
"""Who may do what in a cluster: roles, tokens, impersonation, certificates, with the real kubectl."""
import base64
import json
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from lib.cluster import ControlPlane, apply_patch, json_patch, merge_patch
from lib.cluster_fixtures import kubectl, space  # noqa: F401
from lib.engines import wait_until
from lib.objects import pod, signing_request

pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("dockerd has no such API")]
issuer = "https://kubernetes.default.svc.cluster.local"


@pytest.fixture(scope="module")
def plane():
    with tempfile.TemporaryDirectory(prefix="pila-cluster-") as directory:
        tokens = Path(directory, "tokens")
        tokens.write_text('sesame,ada,42,"staff,dev"\n')
        with ControlPlane(directory, "--token-auth-file", tokens) as made:
            yield made


def can(kubectl, *question):
    done = kubectl.run("auth", "can-i", *question)
    assert done.stdout.strip().split()[:1] in (["yes"], ["no"]), done.stderr + done.stdout
    return done.stdout.startswith("yes")


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def claims_of(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_roles_and_bindings(kubectl, space):
    as_ada = ("--as", "ada", "-n", space)
    assert not can(kubectl, "get", "pods", *as_ada)
    kubectl("-n", space, "create", "role", "reader", "--verb=get,list", "--resource=pods,pods/log")
    kubectl("-n", space, "create", "rolebinding", "readers", "--role=reader", "--user=ada", f"--serviceaccount={space}:robot")
    assert can(kubectl, "get", "pods", *as_ada) and can(kubectl, "get", "pods", "--subresource=log", *as_ada)
    assert not can(kubectl, "delete", "pods", *as_ada) and not can(kubectl, "get", "pods", "--subresource=exec", *as_ada)
    assert not can(kubectl, "get", "pods", "--as", "ada", "-n", "default") and not can(kubectl, "get", "pods", "--as", "ada", "-A")
    assert can(kubectl, "get", "pods", "--as", f"system:serviceaccount:{space}:robot", "-n", space)
    assert "No resources found" in kubectl.run("get", "pods", *as_ada).stderr
    refused = kubectl.fails("get", "secrets", *as_ada)
    assert f'Error from server (Forbidden): secrets is forbidden: User "ada" cannot list resource "secrets" in API group "" in the namespace "{space}"' in refused
    kubectl("-n", space, "delete", "rolebinding", "readers")
    assert not can(kubectl, "get", "pods", *as_ada)


def test_single_names_and_new_objects(plane, kubectl, space):
    """Rules for one name cover lists of that name; apply needs create for what is not there yet."""
    kubectl("-n", space, "create", "role", "own", "--verb=get,list,watch,patch,update", "--resource=configmaps", "--resource-name=own")
    kubectl("-n", space, "create", "rolebinding", "own", "--role=own", "--user=ada")
    kubectl("-n", space, "create", "configmap", "own")
    path, ada = f"/api/v1/namespaces/{space}/configmaps", bearer("sesame")

    def status(method, path, body=None, **headers):
        return plane.request(method, path, body, {**ada, **headers}, certificate=False).status

    assert status("GET", f"{path}/own") == 200 and status("GET", f"{path}/other") == 403
    assert status("GET", path) == 403 and status("GET", f"{path}?fieldSelector=metadata.name%3Down") == 200
    assert status("GET", f"{path}?fieldSelector=metadata.name%3Dother") == 403
    kubectl("-n", space, "delete", "configmap", "own")
    wanted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own"}}
    assert status("PATCH", f"{path}/own?fieldManager=me", wanted, **apply_patch) == 403
    kubectl("-n", space, "create", "role", "maker", "--verb=create", "--resource=configmaps")
    kubectl("-n", space, "create", "rolebinding", "maker", "--role=maker", "--user=ada")
    assert status("PATCH", f"{path}/own?fieldManager=me", wanted, **apply_patch) == 201


def test_the_people_of_a_namespace(kubectl, space):
    """view, edit and admin, which are sums of other roles, and grow with them."""
    for role in ("view", "edit", "admin"):
        kubectl("-n", space, "create", "rolebinding", role, f"--clusterrole={role}", f"--user={role}er")

    def may(role, *question):
        return can(kubectl, *question, "--as", f"{role}er", "-n", space)

    assert [may(role, "list", "deployments.apps") for role in ("view", "edit", "admin")] == [True, True, True]
    assert [may(role, "list", "secrets") for role in ("view", "edit", "admin")] == [False, True, True]
    assert [may(role, "update", "deployments.apps", "--subresource=scale") for role in ("view", "edit", "admin")] == [False, True, True]
    assert [may(role, "create", "rolebindings.rbac.authorization.k8s.io") for role in ("view", "edit", "admin")] == [False, False, True]
    part = f"more-{space}"
    try:
        kubectl("create", "-f", "-", stdin=f"""
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: {part}, labels: {{rbac.authorization.k8s.io/aggregate-to-view: "true"}}}}
rules: [{{apiGroups: [example.com], resources: [things], verbs: [get]}}]
""")
        for role in ("view", "edit", "admin"):
            question = {"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
                        "spec": {"user": f"{role}er", "resourceAttributes": {"namespace": space, "verb": "get", "group": "example.com", "resource": "things"}}}
            wait_until(lambda: "true" in kubectl("create", "-f", "-", "-o", "jsonpath={.status.allowed}", stdin=json.dumps(question)), f"{role} has the part", 10)
    finally:
        kubectl("delete", "clusterrole", part)
    wait_until(lambda: "example.com" not in kubectl("get", "clusterrole", "admin", "-o", "json"), "the sum loses the part", 10)


def test_nobody_grants_what_they_have_not(plane, kubectl, space):
    kubectl("-n", space, "create", "rolebinding", "admin", "--clusterrole=admin", "--user=ann")
    run = ("-n", space, "--as", "ann")
    kubectl(*run, "create", "role", "reader", "--verb=get", "--resource=pods")
    refused = kubectl.fails(*run, "create", "role", "noder", "--verb=get,list", "--resource=nodes")
    assert f'roles.rbac.authorization.k8s.io "noder" is forbidden: user "ann" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n' in refused
    assert '{APIGroups:[""], Resources:["nodes"], Verbs:["get" "list"]}' in refused
    refused = kubectl.fails(*run, "create", "rolebinding", "all", "--clusterrole=cluster-admin", "--user=ann")
    assert '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}' in refused and '{NonResourceURLs:["*"], Verbs:["*"]}' in refused
    kubectl(*run, "create", "rolebinding", "viewers", "--clusterrole=view", "--user=eve")
    assert can(kubectl, "get", "pods", "--as", "eve", "-n", space)
    patched = kubectl.fails(*run, "patch", "role", "reader", "--type=json", "-p", '[{"op":"add","path":"/rules/0/resources/-","value":"nodes"}]')
    assert "not currently held" in patched
    kubectl(*run, "label", "role", "reader", "a=b")
    # With the verbs for it, it goes.
    kubectl("-n", space, "create", "role", "escalator", "--verb=escalate,bind", "--resource=roles.rbac.authorization.k8s.io")
    kubectl("-n", space, "create", "rolebinding", "escalator", "--role=escalator", "--user=ann")
    kubectl(*run, "create", "role", "noder", "--verb=get,list", "--resource=nodes")
    assert 'clusterroles.rbac.authorization.k8s.io "nothing" not found' in kubectl.fails(*run, "create", "rolebinding", "none", "--clusterrole=nothing", "--user=ann")
    aggregate = '{"kind":"ClusterRole","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":"sum"},"aggregationRule":{"clusterRoleSelectors":[{"matchLabels":{"a":"b"}}]},"rules":[]}'
    kubectl("create", "clusterrole", f"roler-{space}", "--verb=create", "--resource=clusterroles.rbac.authorization.k8s.io")
    kubectl("create", "clusterrolebinding", f"roler-{space}", f"--clusterrole=roler-{space}", "--user=ann")
    assert "must have cluster-admin privileges to use the aggregationRule" in kubectl.fails("--as", "ann", "create", "-f", "-", stdin=aggregate)
    kubectl("delete", "clusterrole,clusterrolebinding", f"roler-{space}")


def test_reconcile_and_lists(kubectl, space):
    wanted = f"""
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: r, namespace: {space}}}
rules: [{{apiGroups: [""], resources: [pods], verbs: [get, list]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: r, namespace: {space}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}}
subjects: [{{kind: User, name: ada, apiGroup: rbac.authorization.k8s.io}}]
"""
    kubectl("auth", "reconcile", "-f", "-", stdin=wanted)
    kubectl("auth", "reconcile", "-f", "-", stdin=wanted.replace("[get, list]", "[watch]").replace("name: ada", "name: bob"))
    rules = json.loads(kubectl("-n", space, "get", "role", "r", "-o", "json"))["rules"]
    assert sorted(verb for rule in rules for verb in rule["verbs"]) == ["get", "list", "watch"]
    assert can(kubectl, "watch", "pods", "-n", space, "--as", "ada") and can(kubectl, "get", "pods", "-n", space, "--as", "bob")
    listed = kubectl("-n", space, "auth", "can-i", "--list", "--as", "ada", "--as-group", "system:authenticated")
    assert any(line.split()[:1] == ["pods"] and "[get list watch]" in line for line in listed.splitlines()), listed
    assert "selfsubjectaccessreviews.authorization.k8s.io" in listed and "[/version]" in listed
    assert "*.*" in kubectl("auth", "can-i", "--list")


def test_who_am_i(plane, kubectl):
    if kubectl.minor >= 28:
        said = json.loads(kubectl("auth", "whoami", "-o", "json"))["status"]["userInfo"]
        assert said == {"username": "pila-admin", "groups": ["system:masters", "system:authenticated"]}
        said = json.loads(kubectl("auth", "whoami", "-o", "json", "--as", "eve", "--as-group", "g", "--as-uid", "7"))["status"]["userInfo"]
        assert said == {"username": "eve", "uid": "7", "groups": ["g", "system:authenticated"]}
    ada = plane.kubeconfig_with("ada", {"token": "sesame"})
    assert can(kubectl, "create", "selfsubjectaccessreviews.authorization.k8s.io", "--kubeconfig", ada)
    refused = kubectl.fails("--kubeconfig", ada, "get", "pods", "--as", "eve")
    assert 'users "eve" is forbidden: User "ada" cannot impersonate resource "users" in API group "" at the cluster scope' in refused


def test_impersonation(plane, kubectl, space):
    run = ("--kubeconfig", plane.kubeconfig_with("ada", {"token": "sesame"}), "-n", space)
    kubectl("create", "clusterrole", f"as-{space}", "--verb=impersonate", "--resource=users,groups", "--resource-name=eve", "--resource-name=friends")
    kubectl("create", "clusterrolebinding", f"as-{space}", f"--clusterrole=as-{space}", "--group=staff")
    try:
        assert can(kubectl, *run, "get", "pods", "--as", "eve") is False
        assert can(kubectl, *run, "get", "pods", "--as", "eve", "--as-group", "friends") is False
        assert 'groups "system:masters" is forbidden: User "ada" cannot impersonate resource "groups"' in kubectl.fails(*run, "get", "pods", "--as", "eve", "--as-group", "system:masters")
        assert 'serviceaccounts "robot" is forbidden' in kubectl.fails(*run, "get", "pods", "--as", f"system:serviceaccount:{space}:robot")
        assert 'userextras/scopes' in plane.request("GET", "/version", headers={**bearer("sesame"), "Impersonate-User": "eve", "Impersonate-Extra-Scopes": "x"}, certificate=False).json["message"]
        assert plane.request("GET", "/version", headers={"Impersonate-Group": "g"}).status == 500
    finally:
        kubectl("delete", "clusterrole,clusterrolebinding", f"as-{space}")


def test_tokens_of_service_accounts(plane, kubectl, space):
    kubectl("-n", space, "create", "serviceaccount", "robot")
    kubectl("-n", space, "create", "rolebinding", "robot", "--clusterrole=view", f"--serviceaccount={space}:robot")
    token = kubectl("-n", space, "create", "token", "robot")
    config = plane.kubeconfig_with("robot", {"token": token})
    assert "robot" in kubectl("--kubeconfig", config, "-n", space, "get", "serviceaccounts", "-o", "name")
    assert "is forbidden" in kubectl.fails("--kubeconfig", config, "-n", space, "get", "secrets")
    claims = claims_of(token)
    assert claims["exp"] - claims["iat"] == 3600 and claims["aud"] == [issuer] and claims["sub"] == f"system:serviceaccount:{space}:robot"
    assert plane.request("GET", "/api", headers=bearer(token[:-8] + "AAAAAAAA"), certificate=False).status == 401
    assert "may not specify a duration less than 10 minutes" in kubectl.fails("-n", space, "create", "token", "robot", "--duration=1m")
    assert 'serviceaccounts "nobody" not found' in kubectl.fails("-n", space, "create", "token", "nobody")

    def review(token, audiences=()):
        body = {"spec": {"token": token, "audiences": list(audiences)}}
        return plane.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body).json["status"]

    said = review(token)
    assert said["authenticated"] and said["user"]["username"] == f"system:serviceaccount:{space}:robot" and said["audiences"] == [issuer]
    for_vault = kubectl("-n", space, "create", "token", "robot", "--audience=vault", "--duration=1h")
    assert review(for_vault, ["vault", "other"])["audiences"] == ["vault"]
    assert not review(for_vault).get("authenticated") and "audience" in review(for_vault)["error"]
    assert plane.request("GET", "/api", headers=bearer(for_vault), certificate=False).status == 401

    kubectl("-n", space, "create", "secret", "generic", "held")
    bound = kubectl("-n", space, "create", "token", "robot", "--bound-object-kind=Secret", "--bound-object-name=held")
    assert plane.request("GET", "/api", headers=bearer(bound), certificate=False).status == 200
    kubectl("-n", space, "delete", "secret", "held")
    assert plane.request("GET", "/api", headers=bearer(bound), certificate=False).status == 401
    assert plane.request("GET", "/api", headers=bearer(token), certificate=False).status == 200
    kubectl("-n", space, "delete", "serviceaccount", "robot")
    assert plane.request("GET", "/api", headers=bearer(token), certificate=False).status == 401
    kubectl("-n", space, "create", "serviceaccount", "robot")
    assert plane.request("GET", "/api", headers=bearer(token), certificate=False).status == 401


def test_tokens_of_pods(plane, kubectl, space):
    kubectl("-n", space, "create", "serviceaccount", "robot")
    kubectl("-n", space, "create", "serviceaccount", "other")
    made = plane.request("POST", f"/api/v1/namespaces/{space}/pods", pod("web", serviceAccountName="robot")).json
    path = f"/api/v1/namespaces/{space}/serviceaccounts"
    wanted = {"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": made["metadata"]["uid"]}}}
    token = plane.request("POST", f"{path}/robot/token", wanted).json["status"]["token"]
    assert claims_of(token)["kubernetes.io"]["pod"] == {"name": "web", "uid": made["metadata"]["uid"]}
    me = plane.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, bearer(token), certificate=False).json["status"]["userInfo"]
    assert me["extra"]["authentication.kubernetes.io/pod-name"] == ["web"]
    other = plane.request("POST", f"{path}/other/token", wanted)
    assert other.status == 400 and "different serviceaccount name" in other.json["message"]
    wanted["spec"]["boundObjectRef"]["uid"] = "stale"
    assert plane.request("POST", f"{path}/robot/token", wanted).status == 409
    plane.request("DELETE", f"/api/v1/namespaces/{space}/pods/web")
    assert plane.request("GET", "/api", headers=bearer(token), certificate=False).status == 401


def test_tokens_in_secrets(plane, kubectl, space):
    """The way of before 1.24, which tools still take: a secret that names an account gets its token; one that names nobody goes."""
    def secret(name, account):
        return {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
                "metadata": {"name": name, "namespace": space, "annotations": {"kubernetes.io/service-account.name": account}}}

    path = f"/api/v1/namespaces/{space}/secrets"
    assert plane.request("POST", path, secret("nobodys", "robot")).status == 201
    wait_until(lambda: plane.request("GET", f"{path}/nobodys").status == 404, "there is no such account", 10)
    kubectl("-n", space, "create", "serviceaccount", "robot")
    assert plane.request("POST", path, secret("early", "robot")).status == 201
    kubectl("apply", "-f", "-", stdin=json.dumps(secret("late", "robot")))
    tokens = {}
    for name in ("early", "late"):
        found = wait_until(lambda: plane.request("GET", f"{path}/{name}").json if "token" in plane.request("GET", f"{path}/{name}").json.get("data", {}) else None,
                           f"{name} is filled", 10)
        data = {key: base64.b64decode(value).decode() for key, value in found["data"].items()}
        assert data["namespace"] == space and data["ca.crt"].startswith("-----BEGIN CERTIFICATE-----")
        assert found["metadata"]["annotations"]["kubernetes.io/service-account.uid"]
        me = plane.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, bearer(data["token"]), certificate=False).json["status"]["userInfo"]
        assert me["username"] == f"system:serviceaccount:{space}:robot"
        tokens[name] = data["token"]
    plane.request("DELETE", f"{path}/early")
    assert plane.request("GET", "/api", headers=bearer(tokens["early"]), certificate=False).status == 401
    assert plane.request("GET", "/api", headers=bearer(tokens["late"]), certificate=False).status == 200
    kubectl("-n", space, "delete", "serviceaccount", "robot")
    assert plane.request("GET", "/api", headers=bearer(tokens["late"]), certificate=False).status == 401
    wait_until(lambda: plane.request("GET", f"{path}/late").status == 404, "the secret goes with its account", 10)


def test_others_can_check_tokens(plane, tmp_path):
    space = "/api/v1/namespaces/default/serviceaccounts"
    plane.request("POST", space, {"metadata": {"name": "checked"}})
    token = plane.request("POST", f"{space}/checked/token", {"spec": {"audiences": ["api"]}}).json["status"]["token"]
    about = plane.request("GET", "/.well-known/openid-configuration").json
    assert about["issuer"] == issuer == claims_of(token)["iss"] and about["jwks_uri"].endswith("/openid/v1/jwks")
    key = plane.request("GET", "/openid/v1/jwks").json["keys"][0]
    head = token.split(".")[0]
    assert json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))) == {"alg": "RS256", "kid": key["kid"]}
    text, _, signature = token.rpartition(".")
    (tmp_path / "signature").write_bytes(base64.urlsafe_b64decode(signature + "=="))
    public = plane.directory / "data/cluster/pki/sa.pub"
    said = subprocess.run(["openssl", "dgst", "-sha256", "-verify", public, "-signature", tmp_path / "signature"], input=text.encode(), capture_output=True)
    assert said.stdout == b"Verified OK\n"
    assert (plane.directory / "data/cluster/pki/sa.key").stat().st_mode & 0o777 == 0o600
    # Anybody of the cluster may ask for these; nobody else.
    assert plane.request("GET", "/openid/v1/jwks", certificate=False).status == 403
    plane.request("DELETE", f"{space}/checked")


def test_tokens_of_a_file_and_for_joining(plane):
    me = plane.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, bearer("sesame"), certificate=False).json["status"]["userInfo"]
    assert me == {"username": "ada", "uid": "42", "groups": ["staff", "dev", "system:authenticated"]}
    assert plane.request("GET", "/api", headers=bearer("sesamE"), certificate=False).status == 401
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    secret = {"metadata": {"name": "bootstrap-token-abcdef"}, "type": "bootstrap.kubernetes.io/token",
              "stringData": {"token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true", "expiration": later}}
    secret["data"] = {name: base64.b64encode(value.encode()).decode() for name, value in secret.pop("stringData").items()}
    path = "/api/v1/namespaces/kube-system/secrets"
    assert plane.request("POST", path, secret).status == 201
    joining = bearer("abcdef.0123456789abcdef")
    me = plane.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, joining, certificate=False).json["status"]["userInfo"]
    assert me == {"username": "system:bootstrap:abcdef", "groups": ["system:bootstrappers", "system:authenticated"]}
    plane.request("DELETE", f"{path}/bootstrap-token-abcdef")
    assert plane.request("GET", "/api", headers=joining, certificate=False).status == 401


def test_what_anybody_may(plane):
    for path, status in (("/version", 200), ("/healthz", 200), ("/api", 403), ("/", 403), ("/openapi/v2", 403), ("/metrics", 403), ("/api/v1/namespaces", 403)):
        assert plane.request("GET", path, certificate=False).status == status, path
    for path, status in (("/api", 200), ("/apis/apps/v1", 200), ("/openapi/v3", 200), ("/metrics", 403), ("/api/v1/namespaces", 403)):
        assert plane.request("GET", path, headers=bearer("sesame"), certificate=False).status == status, path


def test_certificates(plane, kubectl, tmp_path):
    wish = signing_request("cleo", tmp_path, "/O=staff/CN=cleo", "kube-apiserver-client", ["client auth"], expirationSeconds=3600, username="forged")
    kubectl("create", "-f", "-", stdin=json.dumps(wish))
    assert kubectl("get", "csr", "cleo", "-o", "jsonpath={.spec.username} {.spec.groups}") == 'pila-admin ["system:masters","system:authenticated"]'
    assert "Pending" in kubectl("get", "csr", "cleo")
    # Not by whoever may write requests alone.
    kubectl("create", "clusterrole", "approver", "--verb=get,update", "--resource=certificatesigningrequests,certificatesigningrequests/approval")
    kubectl("create", "clusterrolebinding", "approver", "--clusterrole=approver", "--user=max")
    refused = kubectl.fails("certificate", "approve", "cleo", "--as", "max")
    assert 'user not permitted to approve requests with signerName "kubernetes.io/kube-apiserver-client"' in refused
    kubectl("create", "clusterrolebinding", "signers", "--clusterrole=system:certificates.k8s.io:kube-apiserver-client-approver", "--user=max")
    kubectl("certificate", "approve", "cleo", "--as", "max")
    wait_until(lambda: kubectl("get", "csr", "cleo", "-o", "jsonpath={.status.certificate}"), "the certificate is signed", 10)
    assert "Approved,Issued" in kubectl("get", "csr", "cleo")
    certificate = kubectl("get", "csr", "cleo", "-o", "jsonpath={.status.certificate}")
    key = base64.b64encode((tmp_path / "key").read_bytes()).decode()
    config = plane.kubeconfig_with("cleo", {"client-certificate-data": certificate, "client-key-data": key})
    assert 'User "cleo" cannot list resource "pods"' in kubectl.fails("--kubeconfig", config, "get", "pods")
    (tmp_path / "crt").write_bytes(base64.b64decode(certificate))
    shown = subprocess.run(["openssl", "x509", "-in", tmp_path / "crt", "-noout", "-text", "-checkend", "3700"], capture_output=True, text=True).stdout
    assert "TLS Web Client Authentication" in shown and "CA:FALSE" in shown and "will expire" in shown
    denied = plane.request("PATCH", "/apis/certificates.k8s.io/v1/certificatesigningrequests/cleo/approval", [{"op": "add", "path": "/status/conditions/-", "value": {"type": "Denied", "status": "True"}}],
                           json_patch)
    assert denied.status == 422 and "mutually exclusive" in denied.json["message"]
    kubectl("delete", "clusterrole/approver", "clusterrolebinding/approver", "clusterrolebinding/signers")
    kubectl("delete", "csr", "cleo")


@pytest.mark.parametrize("signer, subject, names, usages, why", [
    ("kube-apiserver-client", "/CN=a", None, ["server auth"], "usages"),
    ("kube-apiserver-client-kubelet", "/O=system:nodes/CN=n1", None, ["client auth", "digital signature"], "common name"),
    ("kube-apiserver-client-kubelet", "/O=system:nodes/CN=system:node:n1", "DNS:n1", ["client auth", "digital signature"], "not allowed"),
    ("kubelet-serving", "/O=system:nodes/CN=system:node:n1", None, ["server auth", "digital signature"], "at least one"),
    ("kubelet-serving", "/O=staff/CN=system:node:n1", "DNS:n1", ["server auth", "digital signature"], "organization"),
    ("kubelet-serving", "/O=system:nodes/CN=system:node:n1", "DNS:n1,IP:10.0.0.1", ["server auth", "digital signature"], None),
    ("kube-apiserver-client-kubelet", "/O=system:nodes/CN=system:node:n1", None, ["client auth", "digital signature"], None),
])
def test_what_signers_sign(plane, tmp_path, signer, subject, names, usages, why):
    path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    body = signing_request("one", tmp_path, subject, signer, usages, names)
    made = plane.request("POST", path, body)
    assert made.status == 201, made
    if why or signer != "kube-apiserver-client-kubelet":  # whose requests are approved without us if they are right
        object = made.json
        object["status"] = {"conditions": [{"type": "Approved", "status": "True"}], "certificate": "Zm9yZ2Vk"}
        decided = plane.request("PUT", f"{path}/one/approval", object)
        assert decided.status == 200 and "certificate" not in decided.json["status"], decided

    def status():
        return plane.request("GET", f"{path}/one").json["status"]

    try:
        wait_until(lambda: "certificate" in status() or len(status().get("conditions", [])) > 1, "the signer decides", 10)
        if why:
            failed = status()["conditions"][1]
            assert failed["type"] == "Failed" and why in failed["message"] and "certificate" not in status()
        else:
            assert b"BEGIN CERTIFICATE" in base64.b64decode(status()["certificate"])
    finally:
        plane.request("DELETE", f"{path}/one")


def test_masters_are_not_made_by_requests(plane, tmp_path):
    body = signing_request("king", tmp_path, "/O=system:masters/CN=king", "kube-apiserver-client", ["client auth"])
    refused = plane.request("POST", "/apis/certificates.k8s.io/v1/certificatesigningrequests", body)
    assert refused.status == 403 and "system:masters" in refused.json["message"]


def test_standing_roles_come_back(plane):
    roles, bindings = ("/apis/rbac.authorization.k8s.io/v1/" + kind for kind in ("clusterroles", "clusterrolebindings"))
    keys = plane.request("GET", "/openid/v1/jwks").json
    assert plane.request("PATCH", f"{roles}/system:basic-user", {"rules": []}, merge_patch).status == 200
    assert plane.request("PATCH", f"{roles}/system:discovery", {"rules": [], "metadata": {"annotations": {"rbac.authorization.kubernetes.io/autoupdate": "false"}}}, merge_patch).status == 200
    assert plane.request("DELETE", f"{roles}/system:auth-delegator").status == 200
    assert plane.request("PATCH", f"{bindings}/cluster-admin", {"subjects": []}, merge_patch).status == 200
    sum_before = plane.request("GET", f"{roles}/edit").json
    plane.stop()
    plane.start()
    assert plane.request("GET", f"{roles}/system:basic-user").json["rules"] != []
    assert plane.request("GET", f"{roles}/system:discovery").json.get("rules") in (None, [])
    assert plane.request("GET", f"{roles}/system:auth-delegator").status == 200
    assert plane.request("GET", f"{bindings}/cluster-admin").json["subjects"] == [{"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "system:masters"}]
    assert plane.request("GET", f"{roles}/edit").json == sum_before, "what lacks nothing is not written"
    assert plane.request("GET", "/openid/v1/jwks").json == keys
    plane.request("DELETE", f"{roles}/system:discovery")
    plane.stop()
    plane.start()
    assert plane.request("GET", "/api", headers=bearer("sesame"), certificate=False).status == 200
