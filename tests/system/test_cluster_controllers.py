# SPDX-License-Identifier: Apache-2.0
"""Controllers of the cluster with the real kubectl."""
import json
import re
import time

import pytest
from lib.cluster import control_plane
from lib.cluster_fixtures import admin, space  # noqa: F401
from lib.engines import wait_until
from lib.pods import Pods

pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("dockerd has no such API")]


@pytest.fixture(scope="module")
def plane():
    with control_plane() as made, Pods(made):
        yield made


@pytest.fixture
def run(admin, space):
    return admin.within(space)


def names(run, kind):
    return run("get", kind, "-o", "name").split()


def test_rollouts(run):
    run("create", "deployment", "web", "--image=nginx:1", "--replicas=4")
    assert "successfully rolled out" in run("rollout", "status", "deployment/web", "--timeout=30s")
    assert re.search(r"^web\s+4/4\s+4\s+4\s", run("get", "deployment", "web", "--no-headers"), re.M)
    run("wait", "deployment/web", "--for=condition=Available", "--timeout=30s")
    run("set", "image", "deployment/web", "nginx=nginx:2")
    assert "successfully rolled out" in run("rollout", "status", "deployment/web", "--timeout=30s")
    assert re.findall(r"^(\d+)\s", run("rollout", "history", "deployment/web"), re.M) == ["1", "2"]
    assert "nginx:1" in run("rollout", "history", "deployment/web", "--revision=1")
    run("rollout", "undo", "deployment/web")
    run("rollout", "status", "deployment/web", "--timeout=30s")
    assert re.findall(r"^(\d+)\s", run("rollout", "history", "deployment/web"), re.M) == ["2", "3"]
    assert run("get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image}") == "nginx:1"
    before = names(run, "pods")
    run("rollout", "restart", "deployment/web")
    run("rollout", "status", "deployment/web", "--timeout=30s")
    assert not set(before) & set(names(run, "pods"))
    described = run("describe", "deployment", "web")
    assert "ScalingReplicaSet" in described and "NewReplicaSetAvailable" in described


def test_pause_and_scale(run):
    run("create", "deployment", "web", "--image=nginx:1", "--replicas=2")
    run("rollout", "status", "deployment/web", "--timeout=30s")
    run("rollout", "pause", "deployment/web")
    run("set", "image", "deployment/web", "nginx=nginx:2")
    run("scale", "deployment/web", "--replicas=5")
    run("wait", "deployment/web", "--for=jsonpath={.status.readyReplicas}=5", "--timeout=30s")
    assert len(names(run, "replicasets")) == 1
    run("rollout", "resume", "deployment/web")
    run("rollout", "status", "deployment/web", "--timeout=30s")
    assert len(names(run, "replicasets")) == 2
    run("scale", "deployment/web", "--current-replicas=5", "--replicas=1")
    run("wait", "deployment/web", "--for=jsonpath={.status.replicas}=1", "--timeout=30s")
    run("autoscale", "deployment/web", "--min=1", "--max=3", "--cpu-percent=50")
    assert names(run, "hpa") == ["horizontalpodautoscaler.autoscaling/web"]


@pytest.mark.parametrize("cascade", ["foreground", "background", "orphan"])
def test_cascades(run, cascade):
    run("create", "deployment", "web", "--image=nginx:1", "--replicas=2")
    run("rollout", "status", "deployment/web", "--timeout=30s")
    run("delete", "deployment", "web", f"--cascade={cascade}", "--timeout=30s")
    if cascade == "foreground":
        assert names(run, "pods,replicasets") == []
    elif cascade == "background":
        wait_until(lambda: names(run, "pods,replicasets") == [], "dependents go", 20)
    else:
        (left,) = json.loads(run("get", "replicasets", "-o", "json"))["items"]
        assert "ownerReferences" not in left["metadata"] and len(names(run, "pods")) == 2


def test_services_and_their_endpoints(run):
    run("create", "deployment", "web", "--image=nginx:1", "--replicas=3")
    run("expose", "deployment", "web", "--port=80", "--target-port=8080", "--type=NodePort")
    service = json.loads(run("get", "service", "web", "-o", "json"))["spec"]
    assert re.match(r"10\.(9[6-9]|10\d|11[01])\.", service["clusterIP"]) and 30000 <= service["ports"][0]["nodePort"] <= 32767
    run("rollout", "status", "deployment/web", "--timeout=30s")

    def addresses():
        found = json.loads(run("get", "endpoints", "web", "-o", "json")).get("subsets", [])
        return [address["ip"] for subset in found for address in subset.get("addresses", [])]

    wait_until(lambda: len(addresses()) == 3, "three addresses", 20)
    (slice_,) = json.loads(run("get", "endpointslices", "-l", "kubernetes.io/service-name=web", "-o", "json"))["items"]
    assert sorted(one["addresses"][0] for one in slice_["endpoints"]) == sorted(addresses())
    assert slice_["ports"][0]["port"] == 8080
    run("scale", "deployment/web", "--replicas=1")
    wait_until(lambda: len(addresses()) == 1, "one address", 20)
    assert "Endpoints:" in run("describe", "service", "web")


def test_the_first_objects(run):
    assert run("get", "service", "kubernetes", "-n", "default", "-o", "jsonpath={.spec.clusterIP}") == "10.96.0.1"
    wait_until(lambda: names(run, "serviceaccounts") == ["serviceaccount/default"], "a service account", 20)
    wait_until(lambda: "BEGIN CERTIFICATE" in run("get", "configmap", "kube-root-ca.crt", "-o", "jsonpath={.data}"),
               "a certificate", 20)


def test_replication_controllers_and_events(run):
    text = """
apiVersion: v1
kind: ReplicationController
metadata: {name: old}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: old}}
    spec: {containers: [{name: c, image: nginx}]}
"""
    run("create", "-f", "-", stdin=text)
    run("wait", "rc/old", "--for=jsonpath={.status.readyReplicas}=2", "--timeout=30s")
    events = run("get", "events", "--field-selector", "reason=SuccessfulCreate", "--no-headers")
    assert events.count("replicationcontroller/old") == 2


def test_controllers_go_on_after_a_kill(plane, run):
    run("create", "deployment", "web", "--image=nginx:1", "--replicas=2")
    plane.kill()
    plane.start()
    run("rollout", "status", "deployment/web", "--timeout=30s")
    assert len(names(run, "pods")) == 2


# --- who runs them ----------------------------------------------------------------------------------------------------

lease = "lease kube-controller-manager -n kube-system".split()


def lease_of(admin):
    return json.loads(admin("get", *lease, "-o", "json"))["spec"]


def test_the_lease(admin):
    ours = lease_of(admin)
    assert ours["holderIdentity"].startswith("pila_") and ours["leaseTransitions"] == 0 and ours["leaseDurationSeconds"] == 60
    assert re.search(r"became leader", admin("get", "events", "-n", "kube-system", "--field-selector=reason=LeaderElection"))


def test_another_that_takes_the_lease_runs_the_controllers(run, admin):
    before = lease_of(admin)["leaseTransitions"]
    admin("patch", *lease, "--type=merge", "-p", json.dumps({"spec": {"holderIdentity": "other", "leaseDurationSeconds": 8}}))
    run("create", "deployment", "web", "--image=nginx:1")
    for renewal in range(3):
        time.sleep(1)
        admin("patch", *lease, "--type=merge", "-p", json.dumps({"spec": {"renewTime": f"2026-01-01T00:00:0{renewal}.000000Z"}}))
        assert lease_of(admin)["holderIdentity"] == "other" and names(run, "replicasets") == []
    wait_until(lambda: names(run, "replicasets") != [], "the lease is over, we go on", 30)
    now = lease_of(admin)
    assert now["holderIdentity"].startswith("pila_") and now["leaseTransitions"] == before + 1
    admin("patch", *lease, "--type=merge", "-p", json.dumps({"spec": {"holderIdentity": "other"}}))
    admin("patch", *lease, "--type=merge", "-p", json.dumps({"spec": {"holderIdentity": ""}}))
    wait_until(lambda: lease_of(admin)["holderIdentity"].startswith("pila_"), "what is free is taken", 10)


def test_a_restart_goes_on_at_once(plane, run, admin):
    before = lease_of(admin)
    plane.kill()
    plane.start()
    run("create", "deployment", "web", "--image=nginx:1")
    wait_until(lambda: names(run, "replicasets") != [], "no term is waited for", 20)
    now = lease_of(admin)
    assert (now["holderIdentity"], now["acquireTime"], now["leaseTransitions"]) == (before["holderIdentity"], before["acquireTime"], before["leaseTransitions"])
