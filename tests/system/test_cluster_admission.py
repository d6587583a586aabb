# SPDX-License-Identifier: Apache-2.0
"""Admission of the Kubernetes API: what objects get and what they are refused for because of other objects."""
import json
import re
import threading

import pytest
from lib.cluster import merge_patch
from lib.cluster_fixtures import admin, kubectl, plane, run, space  # noqa: F401
from lib.engines import wait_until
from lib.objects import pod

pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("dockerd has no such API")]


def post(plane, space, resource, body, prefix="/api/v1"):
    return plane.request("POST", f"{prefix}/namespaces/{space}/{resource}", body)


def hard(plane, space, name, **amounts):
    """A quota that is enforced: the controller has seen it."""
    amounts = {key.replace("_", "."): value for key, value in amounts.items()}
    assert post(plane, space, "resourcequotas", {"metadata": {"name": name}, "spec": {"hard": amounts}}).status == 201
    wait_until(lambda: set(used(plane, space, name)) == set(amounts), "the quota is counted", 10)


def used(plane, space, name):
    return plane.request("GET", f"/api/v1/namespaces/{space}/resourcequotas/{name}").json.get("status", {}).get("used", {})


def test_a_pod_at_once_in_a_new_namespace(space, run):
    """Its account is a controller's to make: admission waits for it."""
    run("run", "web", "--image=busybox")
    made = json.loads(run("get", "pod", "web", "-o", "json"))["spec"]
    assert (made["serviceAccountName"], made["priority"], made["preemptionPolicy"]) == ("default", 0, "PreemptLowerPriority")
    volume = made["volumes"][0]
    assert re.fullmatch("kube-api-access-[a-z0-9]{5}", volume["name"]) and volume["projected"]["defaultMode"] == 420
    assert made["containers"][0]["volumeMounts"] == [
        {"name": volume["name"], "readOnly": True, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]
    assert [one["key"] for one in made["tolerations"]] == ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]
    assert "kube-api-access" in run("describe", "pod", "web")
    refused = run.fails("run", "two", "--image=busybox", "--overrides", '{"spec":{"serviceAccountName":"nobody"}}')
    assert f'pods "two" is forbidden: error looking up service account {space}/nobody: serviceaccount "nobody" not found' in refused


def test_classes_of_the_system(admin):
    there = admin("get", "priorityclasses", "--no-headers")
    assert re.search(r"^system-cluster-critical\s+2000000000\s+false", there, re.M)
    assert re.search(r"^system-node-critical\s+2000001000\s+false", there, re.M)


def test_priority_classes(plane, kubectl, space):
    name = space + "-high"
    kubectl("create", "priorityclass", name, "--value=1000", "--preemption-policy=Never")
    assert post(plane, space, "pods", pod("high", priorityClassName=name)).status == 201
    assert kubectl("-n", space, "get", "pod", "high", "-o", "jsonpath={.spec.priority} {.spec.preemptionPolicy}") == "1000 Never"
    refused = post(plane, space, "pods", pod("none", priorityClassName="none")).json
    assert refused["message"] == 'pods "none" is forbidden: no PriorityClass with name none was found'
    kubectl("delete", "priorityclass", name)


def test_ranges_by_kubectl(plane, space, run):
    run("apply", "-f", "-", stdin="""
apiVersion: v1
kind: LimitRange
metadata: {name: range}
spec:
  limits:
  - {type: Container, default: {cpu: 500m}, defaultRequest: {cpu: 100m}, max: {cpu: "1"}, min: {cpu: 50m}}
""")
    run("run", "web", "--image=busybox")
    assert run("get", "pod", "web", "-o", "jsonpath={.spec.containers[0].resources}") == '{"limits":{"cpu":"500m"},"requests":{"cpu":"100m"}}'
    assert "LimitRanger plugin set: cpu request for container web; cpu limit for container web" in run("get", "pod", "web", "-o", "jsonpath={.metadata.annotations}")
    big = {"limits": {"cpu": "2"}}
    refused = post(plane, space, "pods", pod("big", containers=[{"name": "c", "image": "i", "resources": big}])).json
    assert refused["message"] == 'pods "big" is forbidden: maximum cpu usage per Container is 1, but limit is 2'


def test_a_quota_by_kubectl(plane, space, run):
    run("create", "quota", "few", "--hard=pods=2,configmaps=3")
    wait_until(lambda: used(plane, space, "few").get("configmaps") == "1", "kube-root-ca.crt is counted", 10)
    run("run", "a", "--image=busybox")
    run("run", "b", "--image=busybox")
    refused = run.fails("run", "c", "--image=busybox")
    assert 'pods "c" is forbidden: exceeded quota: few, requested: pods=1, used: pods=2, limited: pods=2' in refused
    assert re.search(r"pods\s+2\s+2", run("describe", "quota", "few"))
    assert "pods: 2/2" in run("get", "quota", "few")
    run("delete", "pod", "a")
    wait_until(lambda: used(plane, space, "few")["pods"] == "1", "the quota hears of the deletion", 10)
    run("run", "c", "--image=busybox")
    run("delete", "quota", "few")
    run("run", "d", "--image=busybox")


def test_a_replica_set_keeps_to_its_quota(plane, admin, space):
    hard(plane, space, "few", pods="3")
    admin("-n", space, "create", "deployment", "web", "--image=nginx", "--replicas=10")
    wait_until(lambda: used(plane, space, "few") == {"pods": "3"}, "three pods are there", 20)
    wait_until(lambda: "exceeded quota: few, requested: pods=1, used: pods=3, limited: pods=3"
               in admin("-n", space, "get", "events", "-o", "jsonpath={.items[*].message}"), "an event says why", 20)
    assert len(admin("-n", space, "get", "pods", "-o", "name").split()) == 3
    admin("-n", space, "patch", "quota", "few", "-p", '{"spec":{"hard":{"pods":"4"}}}')
    wait_until(lambda: len(admin("-n", space, "get", "pods", "-o", "name").split()) == 4, "a fourth may come", 60)


def test_a_quota_holds_against_many_clients(plane, space):
    hard(plane, space, "few", pods="20")
    answers, lock = [], threading.Lock()

    def client(number):
        connection = plane.connect()
        for index in range(15):
            path = f"/api/v1/namespaces/{space}/pods"
            answer = plane.request("POST", path, pod(f"p{number}-{index}"), connection=connection)
            with lock:
                answers.append(answer.status)

    clients = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    assert sorted(set(answers)) == [201, 403] and answers.count(201) == 20, answers
    assert used(plane, space, "few") == {"pods": "20"}


def test_levels_of_security(plane, kubectl, space, run):
    def label(level, value):
        return kubectl.run("label", "--overwrite", "namespace", space, f"pod-security.kubernetes.io/{level}={value}").stderr

    assert post(plane, space, "pods", pod("old", hostPID=True)).status == 201
    told = label("enforce", "baseline")
    assert f'Warning: existing pods in namespace "{space}" violate the new PodSecurity enforce level "baseline:latest"' in told
    assert "Warning: old: host namespaces" in told
    assert "must be one of privileged, baseline, restricted" in label("enforce", "strict")
    run("run", "plain", "--image=busybox")
    assert 'pods "root" is forbidden: violates PodSecurity "baseline:latest": privileged (container "root" must not set ' \
        "securityContext.privileged=true)" in run.fails("run", "root", "--image=busybox", "--privileged")
    label("warn", "restricted")
    warned = run.run("create", "deployment", "web", "--image=nginx")
    assert warned.returncode == 0
    assert 'Warning: would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "nginx" must set ' \
        'securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "nginx" must set ' \
        'securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true' in warned.stderr


def test_the_usual_storage_class(plane, kubectl, space):
    name = space + "-fast"
    kubectl("apply", "-f", "-", stdin=f"""
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {{name: {name}, annotations: {{storageclass.kubernetes.io/is-default-class: "true"}}}}
provisioner: example.com/none
""")
    claim = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
    made = post(plane, space, "persistentvolumeclaims", claim).json
    assert made["spec"]["storageClassName"] == name
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    path = f"/api/v1/namespaces/{space}/persistentvolumeclaims/data"
    volume = {"metadata": {"name": name}, "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": name,
                                                   "hostPath": {"path": "/data"}}}
    assert plane.request("POST", "/api/v1/persistentvolumes", volume).status == 201
    wait_until(lambda: plane.request("GET", path).json["status"]["phase"] == "Bound", "the claim is bound", 10)
    bigger = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    refused = plane.request("PATCH", path, bigger, merge_patch).json
    assert refused["message"] == ('persistentvolumeclaims "data" is forbidden: only dynamically provisioned pvc can be resized and the '
                                  "storageclass that provisions the pvc must support resize")
    plane.request("PATCH", f"/apis/storage.k8s.io/v1/storageclasses/{name}", {"allowVolumeExpansion": True}, merge_patch)
    assert plane.request("PATCH", path, bigger, merge_patch).status == 200
    kubectl("delete", "storageclass", name)
    plane.request("DELETE", path)
    wait_until(lambda: plane.request("GET", path).status == 404, "nobody uses the claim: it goes", 10)
    kubectl("delete", "pv", name)


def test_nothing_comes_into_a_namespace_that_goes(plane):
    space = "going"
    assert plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": space}}).status == 201
    held = {"metadata": {"name": "held", "finalizers": ["example.com/held"]}}
    assert post(plane, space, "configmaps", held).status == 201
    assert plane.request("DELETE", f"/api/v1/namespaces/{space}").status == 200
    refused = post(plane, space, "pods", {"metadata": {"generateName": "web-"}, "spec": pod("x")["spec"]}).json
    assert refused["message"] == f'pods "web-" is forbidden: unable to create new content in namespace {space} because it is being terminated'
    assert refused["details"]["causes"] == [{"reason": "NamespaceTerminating", "message": f"namespace {space} is being terminated",
                                             "field": "metadata.namespace"}]
    missing = post(plane, "nowhere", "pods", pod("web"))
    assert missing.status == 404 and missing.json["message"] == 'namespaces "nowhere" not found'
    plane.request("PATCH", f"/api/v1/namespaces/{space}/configmaps/held", {"metadata": {"finalizers": None}}, merge_patch)
    wait_until(lambda: plane.request("GET", f"/api/v1/namespaces/{space}").status == 404, "the namespace goes", 20)
