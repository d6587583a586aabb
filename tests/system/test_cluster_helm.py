# SPDX-License-Identifier: Apache-2.0
"""helm 3 and helm 4 as they are published, with a chart of what charts usually have: hooks, a definition, tests, waiting."""
import json
import re
from pathlib import Path

import pytest
from lib import npm
from lib.cluster import Program, apply_patch, control_plane
from lib.helm import find_helms, unpack
from lib.pods import Pods

helms, (_, reason_without) = find_helms(), npm.modules()
pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("dockerd has no such API"),
              pytest.mark.skipif(not helms, reason=str(reason_without))]
chart = Path(__file__).resolve().parent / "helm/shop"


@pytest.fixture(scope="module", params=helms or ["none"])
def major(request):
    return request.param


@pytest.fixture(scope="module")
def plane(major):
    """For each helm one of its own: what a chart defines for the whole cluster is there only once."""
    with control_plane() as made, Pods(made):
        yield made


@pytest.fixture(scope="module")
def helm(major, plane):
    return Program(plane, unpack(helms[major], plane.directory), HELM_NAMESPACE="shops")


def get(plane, path):
    return plane.request("GET", path)


def settings(plane, release="one"):
    return get(plane, f"/api/v1/namespaces/shops/configmaps/{release}-settings").json["data"]["greeting"]


def deployment(plane, release="one"):
    return get(plane, f"/apis/apps/v1/namespaces/shops/deployments/{release}").json


def revisions(helm, release="one"):
    return {entry["revision"]: entry["status"] for entry in json.loads(helm("history", release, "-o", "json"))}


@pytest.fixture(scope="module")
def installed(helm, plane):
    assert "1 chart(s) linted, 0 chart(s) failed" in helm("lint", chart)
    said = helm("install", "one", chart, "--create-namespace", "--wait", "--wait-for-jobs", "--timeout", "60s")
    assert "STATUS: deployed" in said and "one greets with hello on Kubernetes 33." in said
    return "one"


def test_install_waits_for_pods_and_hooks(helm, plane, installed):
    assert deployment(plane)["status"]["readyReplicas"] == 1
    assert get(plane, "/apis/example.com/v1/namespaces/shops/offers/one").json["spec"] == {"text": "hello"}
    assert get(plane, "/apis/batch/v1/namespaces/shops/jobs").json["items"] == [], "hooks that succeeded are deleted"
    events = get(plane, "/api/v1/namespaces/shops/events").json["items"]
    done = {event["involvedObject"]["name"] for event in events if event["reason"] == "Completed"}
    assert done == {"one-before", "one-after"}


def test_what_is_told_of_a_release(helm, installed):
    listed = json.loads(helm("list", "-o", "json"))
    assert [(entry["name"], entry["status"], entry["chart"]) for entry in listed] == [("one", "deployed", "shop-0.1.0")]
    assert "kind: HorizontalPodAutoscaler" in helm("get", "manifest", "one")
    assert "name: one-before" in helm("get", "hooks", "one")
    assert "greets with hello" in helm("get", "notes", "one")
    assert "CHART: shop" in helm("get", "metadata", "one")
    told = helm("status", "one", *(["--show-resources"] if helm("version", "--short").startswith("v3") else []))
    assert re.search(r"^one\s+1/1\s+1\s+1\s+\d+s$", told, re.M) and re.search(r"^==> v2/HorizontalPodAutoscaler$", told, re.M)


def test_upgrade_rollback_history(helm, plane, installed):
    before = deployment(plane)["metadata"]["generation"]
    shown = helm("upgrade", "one", chart, "--set", "greeting=bye", "--dry-run=server")
    assert "greeting: \"bye\"" in shown and settings(plane) == "hello"
    helm("upgrade", "one", chart, "--set", "greeting=bye,replicas=2", "--wait", "--timeout", "60s")
    assert settings(plane) == "bye" and deployment(plane)["status"]["readyReplicas"] == 2
    assert json.loads(helm("get", "values", "one", "-o", "json")) == {"greeting": "bye", "replicas": 2}
    assert deployment(plane)["metadata"]["generation"] == before + 1
    helm("rollback", "one", "1", "--wait", "--timeout", "60s")
    assert settings(plane) == "hello" and deployment(plane)["spec"]["replicas"] == 1
    assert list(revisions(helm).values()) == ["superseded", "superseded", "deployed"]


def test_a_chart_is_tested(helm, plane, installed):
    assert re.search(r"Phase:\s+Succeeded", helm("test", "one"))


def test_what_the_server_refuses_is_taken_back(helm, plane, installed):
    flag = "--atomic" if helm("version", "--short").startswith("v3") else "--rollback-on-failure"
    refused = helm.fails("upgrade", "one", chart, "--set", "greeting=oops,image=", flag, "--timeout", "60s")
    assert "spec.template.spec.containers[0].image: Required value" in refused
    assert settings(plane) == "hello"
    newest = revisions(helm)
    assert newest[max(newest)] == "deployed" and "failed" in newest.values()
    assert "greeting" in helm.fails("upgrade", "one", chart, "--set", "greeting=5"), "the chart's own schema"


def test_fields_that_others_took_over(helm, plane, major, installed):
    """helm 4 applies on the server: a conflict is an error until it is forced."""
    if major == "3":
        pytest.skip("helm 3 merges by itself")
    path = "/api/v1/namespaces/shops/configmaps/one-settings"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one-settings"}, "data": {"greeting": "mine"}}
    taken = plane.request("PATCH", path + "?fieldManager=me&force=true", body, apply_patch)
    assert taken.status == 200, taken
    assert 'conflict with "me"' in helm.fails("upgrade", "one", chart, "--set", "greeting=yours")
    assert settings(plane) == "mine"
    helm("upgrade", "one", chart, "--set", "greeting=yours", "--force-conflicts")
    assert settings(plane) == "yours"


def test_install_as_upgrade_and_uninstall(helm, plane, installed):
    helm("upgrade", "--install", "two", chart, "--set", "greeting=two", "--wait", "--timeout", "60s")
    assert settings(plane, "two") == "two"
    helm("uninstall", "two", "--wait", "--keep-history", "--timeout", "60s")
    assert revisions(helm, "two") == {1: "uninstalled"}
    for path in ("/apis/apps/v1/namespaces/shops/deployments/two", "/api/v1/namespaces/shops/services/two",
                 "/apis/example.com/v1/namespaces/shops/offers/two"):
        assert get(plane, path).status == 404
    assert get(plane, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/offers.example.com").status == 200
    helm("uninstall", "two")
    assert "not found" in helm.fails("status", "two")
