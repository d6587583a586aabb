# SPDX-License-Identifier: Apache-2.0
"""The audit log of the Kubernetes API: which requests are told of, and how much."""
import json
import subprocess
import tempfile
from pathlib import Path

import pytest
from lib.cluster import ControlPlane, free_port, maps, merge_patch
from lib.cluster_fixtures import kubectl  # noqa: F401
from lib.engines import Pila, wait_until

pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("dockerd has no such API")]
policy = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, userGroups: ["system:serviceaccounts"]}
- {level: Metadata, resources: [{resources: [secrets]}]}
- {level: RequestResponse, resources: [{resources: [configmaps]}], verbs: [create, delete, list]}
- {level: Request, omitManagedFields: true, resources: [{resources: [configmaps]}]}
- {level: Metadata, nonResourceURLs: ["/version"]}
"""


@pytest.fixture(scope="module")
def plane():
    with tempfile.TemporaryDirectory(prefix="pila-cluster-") as name:
        directory = Path(name)
        (directory / "policy").write_text(policy)
        with ControlPlane(directory, "--audit-policy-file", directory / "policy", "--audit-log-path", directory / "audit") as made:
            yield made


def events(plane, **wanted):
    """Those whose members are as wanted; resource, name: of objectRef."""
    found = []
    for line in (plane.directory / "audit").read_text().splitlines():
        event = json.loads(line)
        flat = event | event.get("objectRef", {})
        if all(flat.get(key) == value for key, value in wanted.items()):
            found.append(event)
    return found


def one(plane, **wanted):
    wait_until(lambda: events(plane, **wanted), "the log tells of it", 10)
    found = events(plane, **wanted)
    assert len(found) == 1, found
    return found[0]


def test_what_is_told_of_a_write(plane):
    settings = {"metadata": {"name": "settings"}, "data": {"a": "1"}}
    answer = plane.request("POST", maps, settings, {"User-Agent": "tester/1"})
    told = one(plane, resource="configmaps", verb="create", userAgent="tester/1")
    assert (told["kind"], told["apiVersion"], told["level"], told["stage"]) == ("Event", "audit.k8s.io/v1", "RequestResponse", "ResponseComplete")
    assert told["auditID"] == answer.headers["Audit-Id"]
    assert told["requestURI"] == maps and told["sourceIPs"] == ["127.0.0.1"]
    assert told["objectRef"]["namespace"] == "default" and told["objectRef"]["apiVersion"] == "v1"
    assert told["user"]["username"] and "system:masters" in told["user"]["groups"]
    assert told["requestObject"] == settings and told["responseObject"] == answer.json and told["responseStatus"]["code"] == 201
    assert told["requestReceivedTimestamp"] <= told["stageTimestamp"]
    assert told["annotations"] == {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": ""}
    plane.request("PUT", f"{maps}/settings", answer.json | {"data": {"a": "3"}})
    assert answer.json["metadata"]["managedFields"] and "managedFields" not in one(plane, verb="update", name="settings")["requestObject"]["metadata"]
    plane.request("PATCH", f"{maps}/settings", {"data": {"a": "2"}}, merge_patch)
    told = one(plane, verb="patch", name="settings")
    assert told["requestObject"] == {"data": {"a": "2"}} and "responseObject" not in told
    plane.request("GET", maps + "?limit=500")
    assert "settings" in json.dumps(one(plane, verb="list", resource="configmaps", namespace="default")["responseObject"])


def test_what_is_not_told(plane):
    secret = {"metadata": {"name": "key"}, "stringData": {"a": "hush-hush"}}
    plane.request("POST", "/api/v1/namespaces/default/secrets", secret)
    told = one(plane, resource="secrets", verb="create")
    assert told["level"] == "Metadata" and "requestObject" not in told
    plane.request("GET", "/api/v1/namespaces/default/pods")
    plane.request("GET", "/version")
    assert one(plane, requestURI="/version")["verb"] == "get"
    assert not events(plane, resource="pods") and "hush-hush" not in (plane.directory / "audit").read_text()
    assert (plane.directory / "audit").stat().st_mode & 0o777 == 0o600


def test_refusals_and_borrowed_names(plane):
    plane.request("DELETE", f"{maps}/nothing", headers={"Impersonate-User": "ann"})
    told = one(plane, verb="delete", name="nothing")
    assert told["impersonatedUser"]["username"] == "ann" and told["user"]["username"] != "ann"
    assert told["responseStatus"]["code"] == 403 and told["responseStatus"]["reason"] == "Forbidden"
    assert told["annotations"]["authorization.k8s.io/decision"] == "forbid"
    assert plane.request("GET", f"{maps}/unknown-asks", headers={"Authorization": "Bearer nobodys"}, certificate=False).status == 401
    told = one(plane, name="unknown-asks")
    assert told["user"] == {} and told["responseStatus"]["code"] == 401 and "annotations" not in told


def test_a_full_log_is_put_aside(tmp_path):
    (tmp_path / "policy").write_text(policy)
    logs = tmp_path / "logs"
    logs.mkdir()
    options = ["--audit-policy-file", tmp_path / "policy", "--audit-log-path", logs / "audit.log", "--audit-log-maxsize=1", "--audit-log-maxbackup=2"]
    with ControlPlane(tmp_path, *options) as made:
        large = {"metadata": {"name": "large"}, "data": {"a": "x" * 300_000}}
        assert made.request("POST", maps, large).status == 201
        for _ in range(12):
            assert made.request("PUT", f"{maps}/large", large).status == 200
    files = sorted(logs.iterdir())
    assert len(files) == 3 and files[-1].name == "audit.log"
    for file in files:
        assert file.stat().st_size <= 1 << 20 and file.stat().st_mode & 0o777 == 0o600
        for line in file.read_text().splitlines():
            assert json.loads(line)["kind"] == "Event"


def test_a_watch_has_a_beginning_and_an_end(plane):
    path = maps + "?watch=1&timeoutSeconds=1"
    plane.request("GET", path)
    wait_until(lambda: len(events(plane, requestURI=path)) == 2, "the watch has ended", 10)
    assert [event["stage"] for event in events(plane, requestURI=path)] == ["ResponseStarted", "ResponseComplete"]


def test_what_kubectl_creates(plane, kubectl):
    """From 1.32 on its bodies are protobuf."""
    name = f"by-{kubectl.minor}"
    kubectl("create", "configmap", name, "--from-literal=b=two")
    wait_until(lambda: any(event["requestObject"]["metadata"]["name"] == name for event in events(plane, verb="create", resource="configmaps")),
               "the log tells of it", 10)


def test_a_policy_that_cannot_be_read(tmp_path):
    (tmp_path / "policy").write_text("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Loud}]\n")
    daemon = [Pila.program, "daemon", "--role", "control-plane", "--data-dir", tmp_path / "data", "--kube-listen",
              f"127.0.0.1:{free_port()}"]
    failed = subprocess.run([*daemon, "--audit-policy-file", tmp_path / "policy", "--audit-log-path", tmp_path / "log"],
                            capture_output=True, text=True, timeout=30)
    assert failed.returncode != 0 and "--audit-policy-file: rules[0].level: there is no level Loud" in failed.stderr
    failed = subprocess.run([*daemon, "--audit-log-path", tmp_path / "log"], capture_output=True, text=True, timeout=30)
    assert failed.returncode != 0 and "--audit-policy-file and --audit-log-path go together" in failed.stderr
    failed = subprocess.run([*daemon, "--audit-log-maxsize", "0"], capture_output=True, text=True, timeout=30)
    assert failed.returncode != 0 and "--audit-log-maxsize 0: must be 1 or more" in failed.stderr
