# SPDX-License-Identifier: Apache-2.0
"""Stateful sets, daemon sets, policies of jobs and volumes with the real kubectl."""
import json
import re

import pytest
from lib.cluster import control_plane
from lib.cluster_fixtures import kubectl, run, space  # noqa: F401
from lib.engines import wait_until
from lib.objects import pod, signing_request
from lib.pods import Pods, say

pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("dockerd has no such API")]


@pytest.fixture(scope="module")
def plane():
    with control_plane() as made, Pods(made):
        yield made


@pytest.fixture
def nodes(run):
    names = ["node-1", "node-2", "node-3"]
    for name in names:
        run("create", "-f", "-", stdin=f"apiVersion: v1\nkind: Node\nmetadata: {{name: {name}, labels: {{disk: ssd}}}}\n")
    yield names
    run("delete", "node", "--all", "--timeout=30s")


def items(run, kind, *arguments):
    return json.loads(run("get", kind, "-o", "json", *arguments))["items"]


def names(run, kind):
    return [one["metadata"]["name"] for one in items(run, kind)]


def images(run):
    return {pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"] for pod in items(run, "pods")}


stateful = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 3
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: c, image: "db:1", volumeMounts: [{name: data, mountPath: /data}]}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""


def test_stateful_sets_roll_out_and_back(run):
    run("create", "-f", "-", stdin=stateful)
    said = run("rollout", "status", "statefulset/db", "--timeout=60s")
    assert "partitioned roll out complete: 3 new pods have been updated" in said
    assert names(run, "pods") == ["db-0", "db-1", "db-2"]
    assert names(run, "pvc") == ["data-db-0", "data-db-1", "data-db-2"]
    assert re.search(r"^db\s+3/3\s", run("get", "statefulset", "db", "--no-headers"), re.M)
    run("set", "image", "statefulset/db", "c=db:2")
    run("rollout", "status", "statefulset/db", "--timeout=60s")
    assert set(images(run).values()) == {"db:2"}
    assert re.findall(r"^(\d+)\s", run("rollout", "history", "statefulset/db"), re.M) == ["1", "2"]
    assert "db:1" in run("rollout", "history", "statefulset/db", "--revision=1")
    assert "rolled back" in run("rollout", "undo", "statefulset/db")
    run("rollout", "status", "statefulset/db", "--timeout=60s")
    assert set(images(run).values()) == {"db:1"}
    assert re.findall(r"^(\d+)\s", run("rollout", "history", "statefulset/db"), re.M) == ["2", "3"]
    before = {pod["metadata"]["uid"] for pod in items(run, "pods")}
    run("rollout", "restart", "statefulset/db")
    run("rollout", "status", "statefulset/db", "--timeout=60s")
    assert not before & {pod["metadata"]["uid"] for pod in items(run, "pods")}
    run("scale", "statefulset/db", "--replicas=1")
    wait_until(lambda: names(run, "pods") == ["db-0"], "one pod", 30)
    assert len(names(run, "pvc")) == 3
    described = run("describe", "statefulset", "db")
    assert "create Pod db-0 in StatefulSet db successful" in described
    assert "create Claim data-db-0 Pod db-0 in StatefulSet db success" in described


def test_an_update_stops_at_the_partition(run):
    run("create", "-f", "-", stdin=stateful)
    run("rollout", "status", "statefulset/db", "--timeout=60s")
    run("patch", "statefulset", "db", "--type=merge", "-p",
        '{"spec":{"updateStrategy":{"rollingUpdate":{"partition":2}},"persistentVolumeClaimRetentionPolicy":{"whenDeleted":"Delete"}}}')
    run("set", "image", "statefulset/db", "c=db:2")
    assert "partitioned roll out complete: 1 new pods" in run("rollout", "status", "statefulset/db", "--timeout=60s")
    assert images(run) == {"db-0": "db:1", "db-1": "db:1", "db-2": "db:2"}
    run("delete", "statefulset", "db", "--timeout=30s")
    wait_until(lambda: names(run, "pvc") == [] and names(run, "pods") == [], "the claims go with the set", 30)


daemon = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: c, image: "agent:1"}]}
"""


def node_of(pod):
    required = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    return required["nodeSelectorTerms"][0]["matchFields"][0]["values"][0]


def test_daemon_sets_have_a_pod_for_each_node(run, nodes):
    run("create", "-f", "-", stdin=daemon)
    assert "successfully rolled out" in run("rollout", "status", "daemonset/agent", "--timeout=60s")
    assert sorted(node_of(pod) for pod in items(run, "pods")) == nodes
    assert re.search(r"^agent\s+3\s+3\s+3\s+3\s+3\s", run("get", "daemonset", "agent", "--no-headers"), re.M)
    run("set", "image", "daemonset/agent", "c=agent:2")
    run("rollout", "status", "daemonset/agent", "--timeout=60s")
    assert set(images(run).values()) == {"agent:2"}
    assert re.findall(r"^(\d+)\s", run("rollout", "history", "daemonset/agent"), re.M) == ["1", "2"]
    run("rollout", "undo", "daemonset/agent")
    run("rollout", "status", "daemonset/agent", "--timeout=60s")
    assert set(images(run).values()) == {"agent:1"}
    before = {pod["metadata"]["uid"] for pod in items(run, "pods")}
    run("rollout", "restart", "daemonset/agent")
    run("rollout", "status", "daemonset/agent", "--timeout=60s")
    assert not before & {pod["metadata"]["uid"] for pod in items(run, "pods")}
    run("taint", "node", "node-2", "own=x:NoExecute")
    wait_until(lambda: sorted(node_of(pod) for pod in items(run, "pods")) == ["node-1", "node-3"], "a pod is driven off", 30)
    run("label", "node", "node-1", "disk-")
    run("patch", "daemonset", "agent", "-p", '{"spec":{"template":{"spec":{"nodeSelector":{"disk":"ssd"}}}}}')
    wait_until(lambda: [node_of(pod) for pod in items(run, "pods")] == ["node-3"], "only the labelled node", 30)


volume = """
apiVersion: v1
kind: PersistentVolume
metadata: {name: %s, labels: {of: workloads}}
spec: {capacity: {storage: %s}, accessModes: [ReadWriteOnce], storageClassName: by-hand, hostPath: {path: /tmp/none}}
"""
claim = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], storageClassName: by-hand, resources: {requests: {storage: 2Gi}}}
"""


def test_claims_are_bound(run):
    try:
        run("create", "-f", "-", stdin=claim)
        assert run("get", "pvc", "data", "-o", "jsonpath={.status.phase}") == "Pending"
        for name, size in (("disk-1", "1Gi"), ("disk-9", "9Gi"), ("disk-3", "3Gi")):
            run("create", "-f", "-", stdin=volume % (name, size))
        run("wait", "pvc/data", "--for=jsonpath={.status.phase}=Bound", "--timeout=30s")
        bound = run("get", "pvc", "data", "-o", "jsonpath={.spec.volumeName}")
        assert bound in ("disk-9", "disk-3")  # disk-9 was there alone for a moment
        assert re.search(rf"^{bound}\s+\S+\s+RWO\s+Retain\s+Bound\s+\S+/data\s", run("get", "pv", "--no-headers"), re.M)
        assert "Bound" in run("describe", "pvc", "data")
        run("delete", "pvc", "data", "--timeout=30s")
        run("wait", f"pv/{bound}", "--for=jsonpath={.status.phase}=Released", "--timeout=30s")
    finally:
        run("delete", "pv", "-l", "of=workloads", "--timeout=30s")


job = """
apiVersion: batch/v1
kind: Job
metadata: {name: work}
spec:
  completions: 3
  parallelism: 3
  completionMode: Indexed
  %s
  template:
    metadata: {labels: {kubelet: none}}
    spec: {restartPolicy: Never, containers: [{name: c, image: work}]}
"""


def pods_by_index(run):
    wait_until(lambda: len(names(run, "pods")) == 3, "three pods", 30)
    return {pod["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"]: pod["metadata"]
            for pod in items(run, "pods")}


def failed_with(code):
    ended = {"exitCode": code, "finishedAt": "2026-01-01T00:00:00Z"}
    return [{"name": "c", "image": "work", "imageID": "", "ready": False, "restartCount": 0, "state": {"terminated": ended}}]


def test_failed_indexes_leave_the_others_alone(plane, run):
    run("create", "-f", "-", stdin=job % "backoffLimitPerIndex: 0")
    pods = pods_by_index(run)
    say(plane, pods["1"], phase="Failed", containerStatuses=failed_with(1))
    run("wait", "job/work", "--for=jsonpath={.status.failedIndexes}=1", "--timeout=30s")
    say(plane, pods["0"], phase="Succeeded")
    say(plane, pods["2"], phase="Succeeded")
    run("wait", "job/work", "--for=condition=Failed", "--timeout=30s")
    (job_,) = items(run, "jobs")
    assert job_["status"]["completedIndexes"] == "0,2"
    assert {"FailedIndexes"} == {one["reason"] for one in job_["status"]["conditions"]}


def test_a_job_fails_by_exit_code(plane, run):
    run("create", "-f", "-", stdin=job % "podFailurePolicy: {rules: [{action: FailJob, onExitCodes: {operator: In, values: [42]}}]}")
    pods = pods_by_index(run)
    say(plane, pods["1"], phase="Failed", containerStatuses=failed_with(42))
    run("wait", "job/work", "--for=condition=Failed", "--timeout=30s")
    assert "failed with exit code 42 matching FailJob rule at index 0" in run("describe", "job", "work")


def test_a_job_succeeds_by_what_matters(plane, run):
    run("create", "-f", "-", stdin=job % "ttlSecondsAfterFinished: 1\n  successPolicy: {rules: [{succeededIndexes: '1'}]}")
    say(plane, pods_by_index(run)["1"], phase="Succeeded")
    wait_until(lambda: names(run, "jobs") == [], "it is done, and its time to live is over", 30)


def test_a_thousand_pods(run):
    run("create", "deployment", "many", "--image=many", "--replicas=0")
    run("patch", "deployment", "many", "-p", '{"spec":{"template":{"metadata":{"labels":{"kubelet":"none"}}}}}')
    run("scale", "deployment", "many", "--replicas=1000")
    run("wait", "deployment/many", "--for=jsonpath={.status.replicas}=1000", "--timeout=60s")
    events = items(run, "events", "--field-selector", "reason=SuccessfulCreate")
    assert sum(event["count"] for event in events) == 1000 and len(events) <= 11


def test_certificates_of_nodes_are_approved(run, tmp_path):
    request = signing_request("n1", tmp_path, "/O=system:nodes/CN=system:node:n1", "kube-apiserver-client-kubelet", ["digital signature", "client auth"])
    roles = {"joining": "system:node-bootstrapper", "approved": "system:certificates.k8s.io:certificatesigningrequests:nodeclient"}
    bootstrapper = ("--as=system:bootstrap:abcdef", "--as-group=system:bootstrappers", "--as-group=system:authenticated")
    try:
        run("create", "clusterrolebinding", "joining", f"--clusterrole={roles['joining']}", "--group=system:bootstrappers")
        run("create", "-f", "-", *bootstrapper, stdin=json.dumps(request))
        assert "Pending" in run("get", "csr", "n1")  # it may ask, no more
        run("delete", "csr", "n1")
        run("create", "clusterrolebinding", "approved", f"--clusterrole={roles['approved']}", "--group=system:bootstrappers")
        run("create", "-f", "-", *bootstrapper, stdin=json.dumps(request))
        run("wait", "csr/n1", "--for=condition=Approved", "--timeout=30s")
        wait_until(lambda: "Approved,Issued" in run("get", "csr", "n1"), "it is signed", 20)
    finally:
        run("delete", "csr/n1", "clusterrolebinding/joining", "clusterrolebinding/approved", "--ignore-not-found")


def test_binding(plane):
    """A scheduler's part: a pod is given to a node once, with what it knows of it, and says so."""
    pods = "/api/v1/namespaces/default/pods"
    wait_until(lambda: plane.request("GET", "/api/v1/namespaces/default/serviceaccounts/default").status == 200, "the account is there")

    def create(name, **spec):
        return plane.request("POST", pods, pod(name, **spec)).json

    def bind(name, node="n1", path=None, **more):
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name} | more.pop("metadata", {}), "target": {"kind": "Node", "name": node} | more}
        return plane.request("POST", path or f"{pods}/{name}/binding", body)

    made = create("to-bind")
    assert bind("to-bind", metadata={"uid": "other"}).status == 409
    assert bind("to-bind", "").status == 422 and bind("to-bind", kind="Pod").status == 422
    assert bind("other", path=f"{pods}/to-bind/binding").status == 400
    assert bind("none").status == 404
    done = bind("to-bind", metadata={"uid": made["metadata"]["uid"], "annotations": {"a": "b"}})
    assert done.status == 201 and done.json["status"] == "Success", done
    now = plane.request("GET", f"{pods}/to-bind").json
    assert now["spec"]["nodeName"] == "n1" and now["metadata"]["annotations"]["a"] == "b"
    scheduled = [one for one in now["status"]["conditions"] if one["type"] == "PodScheduled"]
    assert [one["status"] for one in scheduled] == ["True"]
    again = bind("to-bind", "n2")
    assert again.status == 409 and again.json["message"] == 'Operation cannot be fulfilled on pods/binding "to-bind": pod to-bind is already assigned to node "n1"'
    create("old-way")
    assert bind("old-way", path="/api/v1/namespaces/default/bindings").status == 201
    assert plane.request("GET", f"{pods}/old-way").json["spec"]["nodeName"] == "n1"
    create("gated", schedulingGates=[{"name": "example.com/wait"}])
    assert "schedulingGates" in bind("gated").json["message"]
    for name in ("to-bind", "old-way", "gated"):
        plane.request("DELETE", f"{pods}/{name}?gracePeriodSeconds=0")


def test_a_pod_is_resized(run):
    amounts = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}
    run("create", "-f", "-", stdin=json.dumps(pod("p", containers=[{"name": "c", "image": "i", "resources": amounts}])))
    run("create", "quota", "q", "--hard=requests.cpu=1")
    run("wait", "quota/q", "--for=jsonpath={.status.used.requests\\.cpu}=100m", "--timeout=20s")
    before = json.loads(run("get", "pod", "p", "-o", "json"))
    assert before["status"]["qosClass"] == "Burstable"
    path = f"/api/v1/namespaces/{before['metadata']['namespace']}/pods/p/resize"
    assert json.loads(run("get", "--raw", path))["metadata"]["uid"] == before["metadata"]["uid"]

    def resize(**change):
        body = json.loads(run("get", "--raw", path))
        container = body["spec"]["containers"][0]
        container["image"] = "other"  # of no concern here
        for name, amount in change.items():
            container["resources"][name] = {**container["resources"][name], **amount}
        return ("replace", "--raw", path, "-f", "-"), json.dumps(body)

    arguments, body = resize(requests={"cpu": "200m"}, limits={"memory": "256Mi"})
    run(*arguments, stdin=body)
    now = json.loads(run("get", "pod", "p", "-o", "json"))
    assert now["spec"]["containers"][0]["resources"] == {"requests": {"cpu": "200m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}
    assert now["spec"]["containers"][0]["image"] == "i" and now["status"]["qosClass"] == "Burstable"
    assert now["metadata"].get("generation") == before["metadata"].get("generation", 0) + 1
    run("wait", "quota/q", "--for=jsonpath={.status.used.requests\\.cpu}=200m", "--timeout=20s")
    arguments, body = resize(limits={"memory": "128Mi"})
    assert "memory limits cannot be decreased unless resizePolicy is RestartContainer" in run.fails(*arguments, stdin=body)
    arguments, body = resize(requests={"cpu": "2"})
    assert "exceeded quota: q, requested: requests.cpu=1800m, used: requests.cpu=200m" in run.fails(*arguments, stdin=body)
    arguments, body = resize(requests={"cpu": 0.05})
    run(*arguments, stdin=body)
    run("wait", "quota/q", "--for=jsonpath={.status.used.requests\\.cpu}=50m", "--timeout=20s")
    arguments, body = resize()
    more = json.loads(body)
    more["spec"]["containers"].append({"name": "d", "image": "i"})
    assert "containers may not be added or removed on resize" in run.fails(*arguments, stdin=json.dumps(more))
    more["spec"]["containers"] = [{"name": "d", "image": "i"}]
    assert "containers may not be renamed or reordered on resize" in run.fails(*arguments, stdin=json.dumps(more))
    assert "pod updates may not change fields" in run.fails("patch", "pod", "p", "-p", '{"spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":"60m"}}}]}}')
    if run.minor >= 32:
        run("patch", "pod", "p", "--subresource=resize", "-p", '{"spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":"70m"}}}]}}')
        assert run("get", "pod", "p", "-o", "jsonpath={.spec.containers[0].resources.requests.cpu}") == "70m"
