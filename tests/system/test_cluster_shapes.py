# SPDX-License-Identifier: Apache-2.0
"""One object in several shapes (events, autoscalers), and one answer in several forms (JSON, YAML, protobuf, gzip)."""
import gzip
import json
import re
import struct

import pytest
import yaml
from lib.cluster import apply_patch, merge_patch
from lib.cluster_fixtures import kubectl, plane, run, space  # noqa: F401
from lib.engines import wait_until

pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("dockerd has no such API")]
protobuf = "application/vnd.kubernetes.protobuf"


def scalers(version, space, name=""):
    return f"/apis/autoscaling/{version}/namespaces/{space}/horizontalpodautoscalers" + (f"/{name}" if name else "")


def scaler(version, **spec):
    return {"apiVersion": f"autoscaling/{version}", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"},
            "spec": {"maxReplicas": 5, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}} | spec}


def apply(plane, path, body, manager="me", force=False):
    return plane.request("PATCH", f"{path}?fieldManager={manager}&force={str(force).lower()}", body, apply_patch)


# --- shapes -----------------------------------------------------------------------------------------------------------

def test_kubectl_scales_and_shows(run):
    run("create", "deployment", "web", "--image=nginx")
    run("autoscale", "deployment", "web", "--min=2", "--max=7", "--cpu-percent=60")
    assert re.search(r"cpu: <unknown>/60%\s+2\s+7\s", run("get", "hpa", "--no-headers"))
    for version, wish in (("v1", ".spec.targetCPUUtilizationPercentage"), ("v2", ".spec.metrics[0].resource.target.averageUtilization")):
        kind = f"horizontalpodautoscalers.{version}.autoscaling"
        assert run("get", kind, "web", "-o", f"jsonpath={{.apiVersion}} {{{wish}}}") == f"autoscaling/{version} 60"
        assert "cpu: <unknown>/60%" in run("get", kind)
    assert "60%" in run("describe", "hpa", "web")
    assert "targetCPUUtilizationPercentage" in run("explain", "hpa.spec", "--api-version=autoscaling/v1")


def test_kubectl_shows_events(run):
    run("create", "deployment", "web", "--image=nginx")
    wait_until(lambda: "ScalingReplicaSet" in run("get", "events"), "the event is there", 20)
    assert "Scaled up replica set" in run("get", "events.v1.events.k8s.io", "--field-selector", "regarding.kind=Deployment", "--no-headers")
    assert "Deployment/web" in run("events", "--for", "deployment/web")
    assert run("get", "events.v1.events.k8s.io", "-o", "jsonpath={.items[*].note}") != ""
    assert "Scaled up replica set" in run("describe", "deployment", "web")


def test_events_in_both_groups(plane, space):
    one, two = f"/api/v1/namespaces/{space}/events", f"/apis/events.k8s.io/v1/namespaces/{space}/events"
    made = plane.request("POST", two, {
        "metadata": {"name": "e"}, "note": "it fell", "reason": "Gravity", "action": "Fall", "type": "Warning",
        "eventTime": "2026-01-01T00:00:00.5Z", "reportingController": "example.com/c", "reportingInstance": "c-1",
        "regarding": {"kind": "Pod", "name": "p", "namespace": space}})
    assert made.status == 201 and made.json["apiVersion"] == "events.k8s.io/v1", made
    core = plane.request("GET", f"{one}/e").json
    assert (core["apiVersion"], core["message"], core["involvedObject"]["name"], core["reportingComponent"]) == \
        ("v1", "it fell", "p", "example.com/c")
    assert core["metadata"]["uid"] == made.json["metadata"]["uid"]
    assert plane.request("POST", one, core | {"metadata": {"name": "e"}}).status == 409, "there is one of that name"
    for path, label in ((one, "involvedObject.name"), (two, "regarding.name")):
        assert len(plane.request("GET", f"{path}?fieldSelector={label}%3Dp").json["items"]) == 1
        assert plane.request("GET", f"{path}?fieldSelector={label}%3Dq").json["items"] == []
    assert "field label not supported" in plane.request("GET", f"{two}?fieldSelector=involvedObject.name%3Dp").json["message"]
    begin = core["metadata"]["resourceVersion"]
    patched = plane.request("PATCH", f"{two}/e", {"note": "it fell twice"}, merge_patch)
    assert patched.json["note"] == "it fell twice" and plane.request("GET", f"{one}/e").json["message"] == "it fell twice"
    assert plane.request("DELETE", f"{one}/e").status == 200
    lines = plane.request("GET", f"{two}?watch=1&resourceVersion={begin}&timeoutSeconds=1").body.splitlines()
    assert [(event["type"], event["object"]["apiVersion"], event["object"].get("note")) for event in map(json.loads, lines)] == \
        [("MODIFIED", "events.k8s.io/v1", "it fell twice"), ("DELETED", "events.k8s.io/v1", "it fell twice")]


def test_autoscalers_in_both_versions(plane, space):
    made = plane.request("POST", scalers("v1", space), scaler("v1", targetCPUUtilizationPercentage=70))
    assert made.status == 201 and made.json["spec"]["minReplicas"] == 1, made
    newer = plane.request("GET", scalers("v2", space, "h")).json
    assert newer["spec"]["metrics"] == [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}]
    newer["spec"]["metrics"].append({"type": "Pods", "pods": {"metric": {"name": "hits"}, "target": {"type": "AverageValue", "averageValue": "10"}}})
    assert plane.request("PUT", scalers("v2", space, "h"), newer).status == 200
    older = plane.request("GET", scalers("v1", space, "h")).json
    assert older["spec"]["targetCPUUtilizationPercentage"] == 70 and older["metadata"]["generation"] == 2
    note = json.loads(older["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/metrics"])
    assert note == [{"type": "Pods", "pods": {"metricName": "hits", "targetAverageValue": "10"}}]
    older["spec"]["maxReplicas"] = 9
    assert plane.request("PUT", scalers("v1", space, "h"), older).status == 200
    newest = plane.request("GET", scalers("v2", space, "h")).json
    assert newest["spec"]["maxReplicas"] == 9 and len(newest["spec"]["metrics"]) == 2, "an old client loses nothing"
    assert "annotations" not in newest["metadata"]
    assert plane.request("PUT", scalers("v1", space, "h"), older).status == 409
    lists = {version: plane.request("GET", scalers(version, space)).json for version in ("v1", "v2")}
    assert {version: (found["apiVersion"], [item["apiVersion"] for item in found["items"]]) for version, found in lists.items()} == \
        {version: (f"autoscaling/{version}", [f"autoscaling/{version}"]) for version in ("v1", "v2")}
    refused = plane.request("POST", scalers("v1", space), scaler("v1", targetCPUUtilizationPercentage=0)).json
    assert "spec.targetCPUUtilizationPercentage: Invalid value: 0: must be greater than 0" in refused["message"]


def test_annotations_are_judged_as_what_they_become(plane, space):
    for note, code in (('[{"type":5,"resource":7}]', 400), ('[{"type":"Pods"}]', 422), ("no json", 201)):
        body = scaler("v1", targetCPUUtilizationPercentage=70)
        body["metadata"] |= {"annotations": {"autoscaling.alpha.kubernetes.io/metrics": note}}
        answer = plane.request("POST", scalers("v1", space), body)
        assert answer.status == code, (note, answer)
    assert len(plane.request("GET", scalers("v2", space, "h")).json["spec"]["metrics"]) == 1


def test_apply_in_both_versions(plane, space):
    assert apply(plane, scalers("v1", space, "h"), scaler("v1", targetCPUUtilizationPercentage=50)).status == 201
    again = apply(plane, scalers("v1", space, "h"), scaler("v1", targetCPUUtilizationPercentage=50))
    assert again.status == 200 and again.json["metadata"]["generation"] == 1
    metrics = [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 90}}}]
    other = apply(plane, scalers("v2", space, "h"), scaler("v2", maxReplicas=6, metrics=metrics), "other")
    assert other.status == 409 and "spec.maxReplicas" in other.json["message"]
    assert apply(plane, scalers("v2", space, "h"), scaler("v2", maxReplicas=6, metrics=metrics), "other", True).status == 200
    seen = plane.request("GET", scalers("v1", space, "h")).json
    assert (seen["spec"]["maxReplicas"], seen["spec"]["targetCPUUtilizationPercentage"]) == (6, 90)


def test_discovery_and_schemas_have_both(plane):
    groups = {group["name"]: [one["version"] for one in group["versions"]] for group in plane.request("GET", "/apis").json["groups"]}
    assert groups["autoscaling"] == ["v2", "v1"] and groups["events.k8s.io"] == ["v1"]
    schemas = plane.request("GET", "/openapi/v3/apis/events.k8s.io/v1").json["components"]["schemas"]
    assert "regarding" in schemas["io.k8s.api.events.v1.Event"]["properties"]


# --- forms ------------------------------------------------------------------------------------------------------------

def get(plane, path, accept, **headers):
    return plane.request("GET", path, None, {"Accept": accept} | headers)


def message(bytes_):
    """The fields of a protobuf message that have a length, by number."""
    fields, at = {}, 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = bytes_[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < len(bytes_):
        tag = varint()
        if tag & 7 == 2:
            size = varint()
            fields.setdefault(tag >> 3, []).append(bytes_[at:at + size])
            at += size
        else:
            fields.setdefault(tag >> 3, []).append(varint())
    return fields


def opened(bytes_):
    """What the envelope says of an object, and its message."""
    assert bytes_[:4] == b"k8s\0"
    envelope = message(bytes_[4:])
    about = message(envelope[1][0])
    return about[1][0].decode(), about[2][0].decode(), message(envelope[2][0])


def test_yaml(plane, space):
    answer = get(plane, f"/api/v1/namespaces/{space}", "application/yaml")
    assert answer.headers["Content-Type"] == "application/yaml" and b"\nkind: Namespace\n" in answer.body
    assert yaml.safe_load(answer.body) == plane.request("GET", f"/api/v1/namespaces/{space}").json
    for path in ("/api/v1/namespaces", "/api/v1/services", f"/api/v1/namespaces/{space}/pods", "/apis/rbac.authorization.k8s.io/v1/clusterroles"):
        listed = get(plane, path, "application/yaml")
        assert yaml.safe_load(listed.body) == plane.request("GET", path).json
    assert yaml.safe_load(get(plane, "/api/v1/namespaces/none", "application/yaml").body)["reason"] == "NotFound"
    sent = plane.request("POST", f"/api/v1/namespaces/{space}/configmaps", "metadata: {name: yes-it-is}\ndata: {a: 'yes'}\n",
                         {"Content-Type": "application/yaml", "Accept": "application/yaml"})
    assert sent.status == 201 and yaml.safe_load(sent.body)["data"] == {"a": "yes"}
    assert get(plane, "/api/v1/namespaces?watch=1", "application/yaml").status == 406
    assert get(plane, "/api/v1/namespaces", "text/html").status == 406


def test_protobuf_objects_come_back_unchanged(plane, space):
    """Every object of a busy cluster: what is got as protobuf and put back as such changes nothing."""
    deployment = {"metadata": {"name": "web"}, "spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [
            {"name": "c", "image": "nginx", "resources": {"limits": {"cpu": "1500m", "memory": "1Gi"}},
             "livenessProbe": {"httpGet": {"port": "http", "path": "/"}}, "ports": [{"name": "http", "containerPort": 80}],
             "env": [{"name": "E", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}],
            "volumes": [{"name": "v", "emptyDir": {}}]}}}}
    assert plane.request("POST", f"/apis/apps/v1/namespaces/{space}/deployments", deployment).status == 201
    assert plane.request("POST", scalers("v2", space), scaler("v2")).status == 201
    service = {"metadata": {"name": "s"}, "spec": {"selector": {"a": "b"}, "ports": [{"port": 80, "targetPort": "http"}]}}
    assert plane.request("POST", f"/api/v1/namespaces/{space}/services", service).status == 201
    wait_until(lambda: plane.request("GET", f"/api/v1/namespaces/{space}/pods").json["items"], "a pod is there", 20)
    seen = 0
    for path in (f"/apis/apps/v1/namespaces/{space}/deployments/web", scalers("v2", space, "h"), scalers("v1", space, "h"),
                 f"/api/v1/namespaces/{space}/services/s", f"/api/v1/namespaces/{space}/configmaps/kube-root-ca.crt",
                 f"/api/v1/namespaces/{space}/serviceaccounts/default", "/apis/rbac.authorization.k8s.io/v1/clusterroles/edit"):
        for _ in range(3):  # controllers write, too
            answer = get(plane, path, protobuf)
            assert answer.status == 200 and answer.headers["Content-Type"] == protobuf, (path, answer)
            before = plane.request("GET", path).json
            assert opened(answer.body)[:2] == (before["apiVersion"], before["kind"])
            put = plane.request("PUT", path, answer.body, {"Content-Type": protobuf})
            if put.status != 409:
                break
        assert put.status == 200, (path, put)
        assert put.json["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"], (path, before, put)
        seen += 1
    assert seen == 7


def test_protobuf_lists_watches_and_errors(plane, space):
    path = f"/api/v1/namespaces/{space}/secrets"
    begin = plane.request("GET", path).json["metadata"]["resourceVersion"]
    for name in ("a", "b"):
        assert plane.request("POST", path, {"metadata": {"name": name}, "stringData": {"k": name}}).status == 201
    listed = get(plane, path, f"{protobuf},application/json")
    api_version, kind, body = opened(listed.body)
    assert (api_version, kind) == ("v1", "SecretList")
    assert [message(message(item)[1][0])[1] for item in body[2]] == [[b"a"], [b"b"]]
    assert opened(get(plane, f"{path}/none", protobuf).body)[:2] == ("v1", "Status")
    page = opened(get(plane, f"{path}?limit=1", protobuf).body)[2]
    assert len(page[2]) == 1 and message(page[1][0])[3][0], "the token to go on"

    answer = get(plane, f"{path}?watch=1&resourceVersion={begin}&timeoutSeconds=1", f"{protobuf};stream=watch")
    assert answer.headers["Content-Type"] == f"{protobuf};stream=watch"
    left, events = answer.body, []
    while left:
        size, = struct.unpack(">I", left[:4])
        frame = message(left[4:4 + size])
        events.append((frame[1][0], opened(message(frame[2][0])[1][0])[1]))
        left = left[4 + size:]
    assert events == [(b"ADDED", "Secret"), (b"ADDED", "Secret")]


def test_metadata_alone_as_protobuf(plane, space):
    accept = f"{protobuf};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
    api_version, kind, body = opened(get(plane, "/api/v1/namespaces", accept).body)
    assert (api_version, kind) == ("meta.k8s.io/v1", "PartialObjectMetadataList")
    names = [message(message(item)[1][0])[1][0].decode() for item in body[2]]
    assert {"default", space} <= set(names)
    one = get(plane, f"/api/v1/namespaces/{space}", f"{protobuf};as=PartialObjectMetadata;g=meta.k8s.io;v=v1")
    assert opened(one.body)[1] == "PartialObjectMetadata"
    table = get(plane, "/api/v1/namespaces", f"{protobuf};as=Table;g=meta.k8s.io;v=v1,application/json;as=Table;g=meta.k8s.io;v=v1")
    assert table.json["kind"] == "Table"


def test_custom_resources_have_no_protobuf(plane):
    definition = {"metadata": {"name": "ships.example.org"}, "spec": {
        "group": "example.org", "scope": "Cluster", "names": {"plural": "ships", "kind": "Ship"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}]}}
    assert plane.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition).status == 201
    path = "/apis/example.org/v1/ships"
    assert plane.request("POST", path, {"apiVersion": "example.org/v1", "kind": "Ship", "metadata": {"name": "s"}}).status == 201
    assert get(plane, f"{path}/s", f"{protobuf},application/json").json["kind"] == "Ship"
    assert get(plane, path, f"{protobuf},application/json").json["kind"] == "ShipList"
    assert get(plane, path, protobuf).status == 406
    assert opened(get(plane, path, f"{protobuf};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1").body)[1] == "PartialObjectMetadataList"


def test_large_answers_are_compressed(plane, space):
    path = f"/api/v1/namespaces/{space}/configmaps"
    for number in range(4):
        assert plane.request("POST", path, {"metadata": {"name": f"m{number}"}, "data": {"x": "0123456789" * 6000}}).status == 201
    plain = plane.request("GET", path)
    for accept in ("application/json", "application/yaml", protobuf, "application/json;as=Table;g=meta.k8s.io;v=v1"):
        answer = get(plane, path, accept, **{"Accept-Encoding": "gzip"})
        assert answer.headers["Content-Encoding"] == "gzip" and answer.headers["Vary"] == "Accept-Encoding"
        unpacked = gzip.decompress(answer.body)
        assert len(answer.body) < len(unpacked)
        if accept == "application/json":
            assert unpacked == plain.body and len(answer.body) * 20 < len(unpacked)
    one = plane.request("POST", path, {"metadata": {"name": "one"}, "data": {"x": "abcdefghij" * 20000}}, {"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in one.headers, "only what is read"
    assert gzip.decompress(get(plane, f"{path}/one", "*/*", **{"Accept-Encoding": "deflate, gzip;q=0.5"}).body)
    for header in ({}, {"Accept-Encoding": "gzip;q=0"}, {"Accept-Encoding": "br"}):
        assert "Content-Encoding" not in get(plane, path, "*/*", **header).headers
    assert "Content-Encoding" not in get(plane, f"{path}/kube-root-ca.crt", "*/*", **{"Accept-Encoding": "gzip"}).headers, "too small"
