# SPDX-License-Identifier: Apache-2.0
"""What people do with kubectl beyond the everyday, with each version that this machine has."""
import json
import re

import pytest
from lib.cluster import control_plane
from lib.cluster_fixtures import kubectl, run, space  # noqa: F401
from lib.engines import wait_until
from lib.objects import pod
from lib.pods import Pods

pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("dockerd has no such API")]


@pytest.fixture(scope="module")
def plane():
    with control_plane() as made, Pods(made):
        yield made


@pytest.fixture
def web(run):
    run("create", "deployment", "web", "--image=nginx:1", "--replicas=2", "--port=80")
    run("rollout", "status", "deployment/web", "--timeout=60s")
    return "web"


def value(run, what, path):
    return run("get", *what.split(), "-o", f"jsonpath={{{path}}}")


def config_maps(names, label="set=one"):
    key, _, text = label.partition("=")
    return "".join(f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, labels: {{{key}: {text}}}}}\n" for name in names)


def names(run, kind="configmaps"):
    return [name for name in value(run, kind, ".items[*].metadata.name").split() if name != "kube-root-ca.crt"]


# --- objects ----------------------------------------------------------------------------------------------------------

def test_prune_by_label(run):
    run("apply", "-f", "-", "-l", "set=one", stdin=config_maps("ab"))
    said = run("apply", "-f", "-", "-l", "set=one", "--prune", "--prune-allowlist=core/v1/ConfigMap", stdin=config_maps("a"))
    assert "configmap/b pruned" in said and names(run) == ["a"]


def test_prune_by_set(run):
    if run.minor < 27:
        pytest.skip("came with 1.27")
    run.environment |= {"KUBECTL_APPLYSET": "true"}
    run("apply", "-f", "-", "--prune", "--applyset=configmaps/mine", stdin=config_maps("ab"))
    said = run("apply", "-f", "-", "--prune", "--applyset=configmaps/mine", stdin=config_maps("a"))
    assert "configmap/b pruned" in said and names(run) == ["a", "mine"]


def test_edit_and_replace(run, plane):
    editor = plane.directory / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/colour: red/colour: blue/' \"$1\"\n")
    editor.chmod(0o755)
    run.environment |= {"KUBE_EDITOR": str(editor)}
    run("create", "configmap", "paint", "--from-literal=colour=red")
    assert run("edit", "configmap", "paint") == "configmap/paint edited"
    assert value(run, "cm paint", ".data.colour") == "blue"
    assert "Edit cancelled, no changes made" in run.run("edit", "configmap", "paint").stderr + run("edit", "configmap", "paint")
    uid = value(run, "cm paint", ".metadata.uid")
    text = run("get", "cm", "paint", "-o", "yaml").replace("blue", "green")
    assert run("replace", "-f", "-", stdin=text) == "configmap/paint replaced"
    assert value(run, "cm paint", ".metadata.uid") == uid
    assert "configmap/paint replaced" in run("replace", "--force", "-f", "-", stdin=re.sub(r"\n  (resourceVersion|uid).*", "", text))
    assert value(run, "cm paint", ".metadata.uid") != uid and value(run, "cm paint", ".data.colour") == "green"


def test_set(run, web):
    run("set", "env", "deployment/web", "A=1", "B=2")
    assert "A=1" in run("set", "env", "deployment/web", "--list")
    run("set", "env", "deployment/web", "A-")
    assert json.loads(value(run, "deploy web", ".spec.template.spec.containers[0].env")) == [{"name": "B", "value": "2"}]
    run("set", "resources", "deployment/web", "--limits=cpu=200m,memory=512Mi", "--requests=cpu=100m")
    assert json.loads(value(run, "deploy web", ".spec.template.spec.containers[0].resources")) == \
        {"limits": {"cpu": "200m", "memory": "512Mi"}, "requests": {"cpu": "100m"}}
    run("set", "image", "deployment/web", "*=nginx:2")
    run("create", "serviceaccount", "robot")
    run("set", "serviceaccount", "deployment/web", "robot")
    assert value(run, "deploy web", ".spec.template.spec.serviceAccountName") == "robot"
    run("create", "service", "clusterip", "web", "--tcp=80")
    run("set", "selector", "service", "web", "role=front")
    assert value(run, "service web", ".spec.selector") == '{"role":"front"}'
    run("create", "role", "reader", "--verb=get", "--resource=pods")
    run("create", "rolebinding", "readers", "--role=reader", "--user=ann")
    run("set", "subject", "rolebinding", "readers", "--serviceaccount=default:robot", "--group=people")
    assert value(run, "rolebinding readers", ".subjects[*].name") == "ann people robot"


def test_expose_and_scale_itself(run, web):
    run("expose", "deployment", web, "--port=8080", "--target-port=80", "--type=NodePort", "--name=front")
    assert re.search(r"^front\s+NodePort\s+10\.\S+\s+<none>\s+8080:3\d+/TCP", run("get", "service", "front", "--no-headers"))
    wait_until(lambda: len(value(run, "endpointslices", ".items[*].endpoints[*].addresses[0]").split()) == 2, "both pods serve", 20)
    run("autoscale", "deployment", web, "--max=3")
    assert value(run, "hpa web", ".spec.maxReplicas") == "3"
    run("create", "configmap", "plain")
    assert "cannot expose a ConfigMap" in run.fails("expose", "configmap", "plain", "--port=1")


def test_rollouts(run, web):
    run("set", "image", "deployment/web", "nginx=nginx:2")
    run("annotate", "deployment", "web", "kubernetes.io/change-cause=a newer one")
    run("rollout", "status", "deployment/web", "--timeout=60s")
    wait_until(lambda: "a newer one" in run("rollout", "history", "deployment/web"), "the cause is told", 20)
    assert re.search(r"^1\s+<none>\n2\s+a newer one$", run("rollout", "history", "deployment/web"), re.M)
    assert re.search(r"Image:\s+nginx:1", run("rollout", "history", "deployment/web", "--revision=1"))
    assert re.search(r"Image:\s+nginx:2", run("rollout", "history", "deployment/web", "--revision=2"))
    run("rollout", "undo", "deployment/web", "--to-revision=1")
    run("rollout", "restart", "deployment/web")
    run("rollout", "status", "deployment/web", "--timeout=60s")
    assert value(run, "deploy web", ".spec.template.spec.containers[0].image") == "nginx:1"


def test_wait(run, web):
    run("wait", "deployment/web", "--for=condition=Available", "--timeout=60s")
    run("wait", "deployment/web", "--for=jsonpath={.status.readyReplicas}=2", "--timeout=60s")
    run("wait", "pod", "-l", "app=web", "--for=condition=Ready", "--timeout=60s")
    assert "timed out waiting" in run.fails("wait", "deployment/web", "--for=jsonpath={.status.readyReplicas}=9", "--timeout=1s")
    run("create", "job", "once", "--image=busybox", "--", "true")
    run("wait", "job/once", "--for=condition=complete", "--timeout=60s")


def test_every_generator(run, kubectl, plane):
    for line in ("configmap c --from-literal=a=b", "secret generic s --from-literal=a=b", "secret docker-registry d --docker-server=x --docker-username=u --docker-password=p",
                 "deployment dep --image=nginx", "job j --image=busybox", "cronjob cj --image=busybox --schedule=@daily", "ingress i --rule=h/*=s:80 --class=k",
                 "quota q --hard=pods=9", "poddisruptionbudget b --selector=a=b --max-unavailable=1", "role r --verb=get --resource=pods --resource-name=p",
                 "rolebinding rb --role=r --group=g", "serviceaccount sa", "service clusterip sc --tcp=80:8080", "service nodeport sn --tcp=80",
                 "service loadbalancer sl --tcp=80", "service externalname se --external-name=example.com", "job copy --from=cronjob/cj"):
        assert " created" in run("create", *line.split()), line
    ending = run.space
    for line in (f"clusterrole {ending} --verb=get --resource=nodes", f"clusterrolebinding {ending} --clusterrole={ending} --user=ann",
                 f"priorityclass {ending} --value=7 --description=x"):
        kind = line.split()[0]
        assert " created" in run("create", *line.split()), line
        run("delete", kind, ending)
    assert value(run, "ingress i", ".spec.ingressClassName") == "k"
    assert value(run, "secret d", ".type") == "kubernetes.io/dockerconfigjson"
    assert len(run("create", "token", "sa").split(".")) == 3
    assert "a: b" in run("create", "configmap", "dry", "--from-literal=a=b", "--dry-run=client", "-o", "yaml")
    assert "uid" in run("create", "configmap", "dry", "--from-literal=a=b", "--dry-run=server", "-o", "yaml")
    assert "not found" in run.fails("get", "configmap", "dry")


def test_run_and_debug(run, web):
    run("run", "one", "--image=busybox", "--restart=Never", "--labels=a=b", "--env=X=1", "--command", "--", "true")
    run("wait", "pod/one", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
    pod = value(run, "pods -l app=web", ".items[0].metadata.name")
    run("debug", pod, "--image=busybox", "--attach=false", "--container=look", "--profile=general")
    assert value(run, f"pod {pod}", ".spec.ephemeralContainers[*].name") == "look"
    run("debug", pod, "--image=busybox", "--copy-to=copy", "--attach=false", "--container=look", "--profile=general")
    assert value(run, "pod copy", ".spec.containers[*].name").split() == ["nginx", "look"]
    for command in (("logs", pod), ("exec", pod, "--", "true"), ("attach", pod)):
        assert "NotImplemented" in run.fails(*command) or "needs a node" in run.fails(*command)


# --- what there is, shown ---------------------------------------------------------------------------------------------

def test_outputs(run, web):
    assert run("get", "deployment", "web", "-o", "name") == "deployment.apps/web"
    assert run("get", "deployment", "web", "-o", "go-template={{.metadata.name}} {{len .spec.template.spec.containers}}") == "web 1"
    assert run("get", "deploy", "-o", "custom-columns=NAME:.metadata.name,IMAGE:.spec.template.spec.containers[*].image").split() == ["NAME", "IMAGE", "web", "nginx:1"]
    assert run("get", "deploy", "-o", "jsonpath={range .items[*]}{.metadata.name}:{.spec.replicas}{end}") == "web:2"
    assert "NODE" in run("get", "pods", "-o", "wide") and "kind: Deployment" in run("get", "deploy", "web", "-o", "yaml")
    assert re.search(r"^NAME\s+AGE\nweb\s+\d+s$", run("get", "deploy", "--server-print=false"))
    assert re.search(r"^NAME\s+READY.*\s+LABELS$", run("get", "deploy", "--show-labels").splitlines()[0])
    assert run("get", "deploy", "-L", "app", "--no-headers").split()[-1] == "web"
    assert run("get", "deployment/web", "configmap/kube-root-ca.crt", "-o", "name").split() == ["deployment.apps/web", "configmap/kube-root-ca.crt"]
    assert run("get", "deploy,configmap", "-o", "name").split() == ["deployment.apps/web", "configmap/kube-root-ca.crt"]
    assert "pod/web-" in run("get", "all", "-o", "name")
    assert run("get", "pods", "--field-selector=status.phase=Running", "-o", "name").count("pod/web-") == 2


def test_sorting_and_pages(run):
    run("apply", "-f", "-", stdin=config_maps([f"m{number:02}" for number in range(12)]))
    run("label", "configmap", "m05", "set=aaa", "--overwrite")
    assert names(run, "configmaps --sort-by=.metadata.labels.set")[0] == "m05"
    rows = run("get", "configmaps", "--chunk-size=5", "--no-headers").splitlines()
    assert [row.split()[0] for row in rows] == ["kube-root-ca.crt", *[f"m{number:02}" for number in range(12)]]
    assert run("get", "configmaps", "--sort-by=.metadata.name", "--no-headers").splitlines()[-1].startswith("m11")
    watching = run("get", "configmaps", "m01", "--watch", "--request-timeout=1s", "-o", "name")
    assert watching.startswith("configmap/m01")


def test_events_and_top(run, web):
    wait_until(lambda: "ScalingReplicaSet" in run("events", "--for=deployment/web"), "the event is told", 20)
    assert "Normal" in run("events", "--types=Normal") and run("get", "events", "--sort-by=.lastTimestamp", "--no-headers")
    assert "Metrics API not available" in run.fails("top", "pods") and "Metrics API not available" in run.fails("top", "nodes")


def test_kustomize(run, plane):
    directory = plane.directory / f"kustomize-{run.space}"
    directory.mkdir()
    (directory / "web.yaml").write_text("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  selector: {matchLabels: {a: b}}\n"
                                        "  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: nginx}]}}\n")
    (directory / "kustomization.yaml").write_text(
        "resources: [web.yaml]\nnamePrefix: my-\nimages: [{name: nginx, newTag: '9'}]\nreplicas: [{name: web, count: 3}]\n"
        "configMapGenerator: [{name: settings, literals: [a=b]}]\n")
    assert "image: nginx:9" in run("kustomize", str(directory))
    run("apply", "-k", str(directory))
    assert value(run, "deploy my-web", ".spec.replicas") == "3" and names(run)[0].startswith("my-settings-")
    assert run("get", "-k", str(directory), "-o", "name").split()[-1] == "deployment.apps/my-web"
    run("delete", "-k", str(directory))
    assert "not found" in run.fails("get", "deploy", "my-web")


# --- nodes ------------------------------------------------------------------------------------------------------------

@pytest.fixture
def node(plane, run):
    name = f"node-{run.space}"
    assert plane.request("POST", "/api/v1/nodes", {"metadata": {"name": name}}).status == 201
    yield name
    plane.request("DELETE", f"/api/v1/nodes/{name}")


def test_cordon_and_taint(run, node):
    assert run("cordon", node) == f"node/{node} cordoned"
    assert "SchedulingDisabled" in run("get", "node", node, "--no-headers")
    assert value(run, f"node {node}", ".spec.unschedulable") == "true"
    run("uncordon", node)
    run("taint", "node", node, "key=value:NoSchedule")
    taints = json.loads(value(run, f"node {node}", ".spec.taints"))
    assert {"effect": "NoSchedule", "key": "key", "value": "value"} in taints
    run("taint", "node", node, "key:NoSchedule-")
    assert "key=value" not in run("describe", "node", node)
    run("label", "node", node, "disk=fast")
    assert run("get", "nodes", "-l", "disk=fast", "-o", "name") == f"node/{node}"


def test_drain_obeys_budgets(run, node, plane):
    pods = f"/api/v1/namespaces/{run.space}/pods"
    for name in ("one", "two"):  # what a scheduler would have placed
        wish = pod(name, terminationGracePeriodSeconds=0, nodeName=node)
        wish["metadata"]["labels"] = {"app": "kept"}
        made = plane.request("POST", pods, wish)
        assert made.status == 201, made
    run("wait", "pod", "-l", "app=kept", "--for=condition=Ready", "--timeout=60s")
    run("create", "poddisruptionbudget", "kept", "--selector=app=kept", "--min-available=2")
    wait_until(lambda: value(run, "pdb kept", ".status.currentHealthy") == "2", "both pods count", 30)
    refused = run.fails("drain", node, "--force", "--timeout=2s")
    assert "Cannot evict pod as it would violate the pod's disruption budget" in refused
    assert value(run, "pods -l app=kept", ".items[*].metadata.name") == "one two"
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "one"}}
    answer = plane.request("POST", f"{pods}/one/eviction", eviction)
    assert (answer.status, answer.json["reason"]) == (429, "TooManyRequests")
    assert answer.json["details"]["causes"] == [{"reason": "DisruptionBudget", "message": "The disruption budget kept needs 2 healthy pods and has 2 currently"}]
    run("patch", "pdb", "kept", "-p", '{"spec":{"minAvailable":1}}')
    wait_until(lambda: value(run, "pdb kept", ".status.disruptionsAllowed") == "1", "one may go", 30)
    assert "one" in run("delete", "pod", "one", "--dry-run=server", "-o", "name")
    tried = plane.request("POST", f"{pods}/one/eviction?dryRun=All", eviction)
    assert tried.status == 201 and value(run, "pdb kept", ".status.disruptionsAllowed") == "1"
    assert plane.request("POST", f"{pods}/one/eviction", eviction).status == 201
    run("delete", "pdb", "kept")
    assert f"node/{node} drained" in run("drain", node, "--force", "--timeout=60s")
    assert value(run, "pods -l app=kept", ".items[*].metadata.name") == ""
