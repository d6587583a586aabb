# SPDX-License-Identifier: Apache-2.0
"""Programs that use other clients of the Kubernetes API than kubectl's: Python's (Debian) and JavaScript's (node/kubernetes.js)."""
import datetime
import json
import secrets
import threading

import pytest
from lib.cluster_fixtures import plane  # noqa: F401
from lib.objects import pod
from node_support import Outcomes, names, needs_packages

kubernetes = pytest.importorskip("kubernetes")
from kubernetes import client, config, dynamic, leaderelection, utils, watch  # noqa: E402, F401
from kubernetes.client import ApiException  # noqa: E402
from kubernetes.leaderelection import electionconfig  # noqa: E402
from kubernetes.leaderelection.leaderelection import LeaderElection  # noqa: E402
from kubernetes.leaderelection.resourcelock.configmaplock import ConfigMapLock  # noqa: E402
from kubernetes.stream import stream  # noqa: E402

pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("dockerd has no such API")]
script = "kubernetes.js"


@pytest.fixture(scope="module")
def outcomes(plane, tmp_path_factory):
    made = Outcomes(script, {"KUBECONFIG": str(plane.kubeconfig)}, tmp_path_factory.mktemp("kubernetes"))
    yield made
    made.stop()


@needs_packages
@pytest.mark.parametrize("name", names(script))
def test_client_node(outcomes, name):
    outcomes.check(name)


@pytest.fixture(scope="module")
def api(plane):
    return config.new_client_from_config(str(plane.kubeconfig))


@pytest.fixture
def core(api):
    return client.CoreV1Api(api)


@pytest.fixture
def space(core):
    name = f"py-{secrets.token_hex(4)}"
    core.create_namespace({"metadata": {"name": name}})
    yield name
    core.delete_namespace(name)


def deployment(name, image="nginx"):
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}},
                     "template": {"metadata": {"labels": {"app": name}},
                                  "spec": {"containers": [{"name": "web", "image": image}]}}}}


def refused(code, reason, call, *arguments, **more):
    with pytest.raises(ApiException) as caught:
        call(*arguments, **more)
    said = json.loads(caught.value.body)
    assert (caught.value.status, said["kind"], said["reason"]) == (code, "Status", reason)
    return said


def test_python_objects(api, core, space):
    for number in range(5):
        core.create_namespaced_config_map(space, client.V1ConfigMap(
            metadata=client.V1ObjectMeta(name=f"m{number}", labels={"odd": str(number % 2)}), data={"n": str(number)}))
    listed = core.list_namespaced_config_map(space, label_selector="odd=1")
    assert [item.metadata.name for item in listed.items] == ["m1", "m3"]
    assert isinstance(listed.items[0].metadata.creation_timestamp, datetime.datetime)
    seen, token = [], None
    while True:
        page = core.list_namespaced_config_map(space, limit=2, _continue=token)
        seen += [item.metadata.name for item in page.items if item.metadata.name.startswith("m")]
        token = page.metadata._continue
        if not token:
            break
    assert seen == ["m0", "m1", "m2", "m3", "m4"]
    assert core.delete_namespaced_config_map("m0", space, body=client.V1DeleteOptions(propagation_policy="Background")).status == "Success"
    core.delete_collection_namespaced_config_map(space, label_selector="odd=1")
    assert refused(404, "NotFound", core.read_namespaced_config_map, "m1", space)["details"]["name"] == "m1"
    refused(409, "AlreadyExists", core.create_namespaced_config_map, space, {"metadata": {"name": "m2"}})
    assert client.VersionApi(api).get_code().minor == "33"


def test_python_patches(api, space):
    apps = client.AppsV1Api(api)
    apps.create_namespaced_deployment(space, deployment("web"))
    side = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "busybox"}]}}}}
    made = apps.patch_namespaced_deployment("web", space, side)
    assert {one.name for one in made.spec.template.spec.containers} == {"web", "side"}, "a strategic merge"
    made = apps.patch_namespaced_deployment("web", space, [{"op": "replace", "path": "/spec/replicas", "value": 3}])
    assert made.spec.replicas == 3
    made = apps.patch_namespaced_deployment_scale("web", space, {"spec": {"replicas": 2}})
    assert made.spec.replicas == 2
    apps.patch_namespaced_deployment_status("web", space, {"status": {"replicas": 7}})
    made.metadata.resource_version = "1"
    refused(409, "Conflict", apps.replace_namespaced_deployment_scale, "web", space, made)
    invalid = deployment("odd")
    invalid["spec"]["replicas"] = -1
    assert "must be greater than or equal to 0" in refused(422, "Invalid", apps.create_namespaced_deployment, space, invalid)["message"]


def test_python_watch_resumes(core, space):
    revision = core.list_namespaced_secret(space).metadata.resource_version
    core.create_namespaced_secret(space, {"metadata": {"name": "a"}})
    watcher = watch.Watch()
    seen = []
    for event in watcher.stream(core.list_namespaced_secret, space, resource_version=revision, timeout_seconds=20):
        seen.append((event["type"], event["object"].metadata.name))
        if len(seen) == 1:
            core.patch_namespaced_secret("a", space, {"metadata": {"labels": {"new": "1"}}})
        if len(seen) == 2:
            watcher.stop()
    core.delete_namespaced_secret("a", space)
    watcher = watch.Watch()
    for event in watcher.stream(core.list_namespaced_secret, space, resource_version=event["object"].metadata.resource_version,
                                timeout_seconds=20):
        seen.append((event["type"], event["object"].metadata.name))
        watcher.stop()
    assert seen == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


def test_python_watch_ends_in_time(core, space):
    assert list(watch.Watch().stream(core.list_namespaced_secret, space, timeout_seconds=1)) == []


def test_python_dynamic(api, space):
    found = dynamic.DynamicClient(api)
    deployments = found.resources.get(api_version="apps/v1", kind="Deployment")
    made = deployments.create(body=deployment("web"), namespace=space)
    assert made.spec.replicas == 1 and made.metadata.generation == 1
    wish = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 2}}
    # As text: this version of the client cannot make a body of that type itself.
    applied = deployments.server_side_apply(name="web", namespace=space, field_manager="me", force_conflicts=True, body=json.dumps(wish))
    assert applied.spec.replicas == 2
    merged = deployments.patch(name="web", namespace=space, content_type="application/merge-patch+json",
                               body={"metadata": {"labels": {"a": "b"}}})
    assert merged.metadata.labels.a == "b"
    assert [item.metadata.name for item in deployments.get(namespace=space, label_selector="a=b").items] == ["web"]
    deployments.delete(name="web", namespace=space)
    with pytest.raises(dynamic.exceptions.NotFoundError):
        deployments.get(name="web", namespace=space)


def test_python_custom_objects(api, space):
    extensions, custom = client.ApiextensionsV1Api(api), client.CustomObjectsApi(api)
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}}
    extensions.create_custom_resource_definition({
        "metadata": {"name": "cars.example.org"},
        "spec": {"group": "example.org", "scope": "Namespaced", "names": {"plural": "cars", "singular": "car", "kind": "Car"},
                 "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}]}})
    place = ("example.org", "v1", space, "cars")
    custom.create_namespaced_custom_object(*place, {"apiVersion": "example.org/v1", "kind": "Car", "metadata": {"name": "one"}, "spec": {"size": 1}})
    assert custom.patch_namespaced_custom_object(*place, "one", {"spec": {"size": 2}})["spec"] == {"size": 2}
    assert [item["metadata"]["name"] for item in custom.list_namespaced_custom_object(*place)["items"]] == ["one"]
    custom.delete_namespaced_custom_object(*place, "one")
    extensions.delete_custom_resource_definition("cars.example.org")


def test_python_files(api, core, space):
    made = utils.create_from_dict(api, {"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}, deployment("web")]}, namespace=space)
    assert len(made) in (1, 2)
    assert core.read_namespaced_config_map("a", space).metadata.name == "a"


def test_python_leases(api, space):
    """One lease, many who want it: of writers with the same revision one wins."""
    leases = client.CoordinationV1Api(api)
    now = datetime.datetime.now(datetime.timezone.utc)
    leases.create_namespaced_lease(space, client.V1Lease(
        metadata=client.V1ObjectMeta(name="leader"),
        spec=client.V1LeaseSpec(holder_identity="nobody", lease_duration_seconds=1, acquire_time=now, renew_time=now)))
    read = leases.read_namespaced_lease("leader", space)
    assert abs(read.spec.renew_time - now) < datetime.timedelta(milliseconds=1)
    won, begin = [], threading.Barrier(5)

    def try_it(name):
        mine = leases.read_namespaced_lease("leader", space)
        mine.spec.holder_identity = name
        begin.wait(20)
        try:
            leases.replace_namespaced_lease("leader", space, mine)
            won.append(name)
        except ApiException as error:
            assert error.status == 409

    threads = [threading.Thread(target=try_it, args=(f"p{number}",)) for number in range(5)]
    [thread.start() for thread in threads]
    [thread.join(20) for thread in threads]
    assert won == [leases.read_namespaced_lease("leader", space).spec.holder_identity]


def test_python_leader_election(plane, api, space, monkeypatch):
    """The client's own loop, over a config map."""
    monkeypatch.setattr(client.configuration.Configuration, "_default", api.configuration, raising=False)
    led = threading.Event()
    election = LeaderElection(electionconfig.Config(
        ConfigMapLock("leader", space, "first"), lease_duration=3, renew_deadline=2, retry_period=1,
        onstarted_leading=led.set, onstopped_leading=lambda: None))
    threading.Thread(target=election.run, daemon=True).start()
    assert led.wait(20)
    record = client.CoreV1Api(api).read_namespaced_config_map("leader", space).metadata.annotations
    assert "first" in record["control-plane.alpha.kubernetes.io/leader"]
    client.CoreV1Api(api).delete_namespaced_config_map("leader", space)


def test_python_exec_is_not_there_yet(core, space):
    core.create_namespaced_pod(space, pod("p"))
    with pytest.raises(ApiException) as caught:
        stream(core.connect_get_namespaced_pod_exec, "p", space, command=["true"], stdout=True, stderr=True)
    assert "501" in str(caught.value)
    refused(501, "NotImplemented", core.read_namespaced_pod_log, "p", space)
    refused(501, "NotImplemented", core.connect_get_namespaced_pod_exec, "p", space, command="true")
