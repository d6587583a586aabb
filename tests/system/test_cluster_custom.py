# SPDX-License-Identifier: Apache-2.0
"""Custom resources with the real kubectl: definitions, their schemas, versions and subresources, and their end."""
import json
import re
import secrets

import pytest
import yaml
from lib.cluster import apply_patch, control_plane, json_patch, maps, merge_patch
from lib.cluster_fixtures import admin, kubectl, kubectl_of, plane, versions  # noqa: F401
from lib.engines import wait_until
from lib.objects import config_map

pytestmark = [pytest.mark.slice1, pytest.mark.only_pila("dockerd has no such API")]


def version(name, storage=False, **more):
    schema = {"type": "object", "properties": {
        "spec": {"type": "object", "required": ["cron"], "description": "What is wanted", "properties": {
            "cron": {"type": "string", "pattern": r"^\S+( \S+){4}$", "description": "When it runs"},
            "image": {"type": "string"},
            "color": {"type": "string", "enum": ["red", "blue"]},
            "replicas": {"type": "integer", "minimum": 0, "maximum": 10, "default": 1},
            "ports": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                      "items": {"type": "object", "required": ["name"], "properties": {
                          "name": {"type": "string"}, "number": {"type": "integer", "default": 80}}}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}},
        "status": {"type": "object", "properties": {"replicas": {"type": "integer"}, "selector": {"type": "string"}}}}}
    return {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": schema}, **more}


def definition(group, plural="crontabs", kind="CronTab", versions=None, short=("ct",), **more):
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}"},
            "spec": {"group": group, "scope": "Namespaced", "versions": versions or [version("v1", True)],
                     "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "shortNames": list(short)}, **more}}


def crontab(group, name="mine", api="v1", **spec):
    return {"apiVersion": f"{group}/{api}", "kind": "CronTab", "metadata": {"name": name, "namespace": "default"},
            "spec": {"cron": "* * * * */5", **spec}}


def text(*objects):
    return yaml.safe_dump_all(objects)


@pytest.fixture
def group(kubectl):
    """A group of this test's own; its definitions go at the end."""
    name = f"g{secrets.token_hex(4)}.example.com"
    yield name
    found = json.loads(kubectl("get", "crd", "-o", "json"))["items"]
    for one in found:
        if one["spec"]["group"] == name:
            kubectl("delete", "crd", one["metadata"]["name"])


def test_served_at_once(kubectl, group):
    assert f"crontabs.{group} created" in kubectl("create", "-f", "-", stdin=text(definition(group)))
    assert "No resources found" in kubectl.run("get", f"crontabs.{group}").stderr
    assert "condition met" in kubectl("wait", "--for=condition=Established", "crd", f"crontabs.{group}", "--timeout=5s")
    kubectl("create", "-f", "-", stdin=text(crontab(group)))
    shown = kubectl("get", f"ct.v1.{group}").splitlines()
    assert re.fullmatch(r"NAME\s+AGE", shown[0]) and re.fullmatch(r"mine\s+\d+s", shown[1])
    kinds = kubectl("api-resources", "--no-headers", f"--api-group={group}")
    assert re.search(rf"^crontabs\s+ct\s+{group}/v1\s+true\s+CronTab", kinds, re.M)
    status = json.loads(kubectl("get", "crd", f"crontabs.{group}", "-o", "json"))["status"]
    assert {one["type"]: one["status"] for one in status["conditions"]} == {"NamesAccepted": "True", "Established": "True"}
    assert status["storedVersions"] == ["v1"] and status["acceptedNames"]["kind"] == "CronTab"
    explained = kubectl("explain", "crontabs.spec.cron", f"--api-version={group}/v1")
    assert "When it runs" in explained and "string" in explained


def test_pruned_and_completed(kubectl, group):
    kubectl("create", "-f", "-", stdin=text(definition(group)))
    wish = crontab(group, odd=1, ports=[{"name": "web"}], free={"any": {"thing": [1, None]}})
    said = kubectl.fails("create", "-f", "-", stdin=text(wish))
    assert 'strict decoding error: unknown field "spec.odd"' in said
    kubectl("create", "--validate=false", "-f", "-", stdin=text(wish))
    spec = json.loads(kubectl("get", f"crontabs.{group}", "mine", "-o", "json"))["spec"]
    assert spec == {"cron": "* * * * */5", "replicas": 1, "ports": [{"name": "web", "number": 80}],
                    "free": {"any": {"thing": [1, None]}}}


def test_refused_in_kubernetes_words(kubectl, group):
    kubectl("create", "-f", "-", stdin=text(definition(group)))
    said = kubectl.fails("create", "-f", "-", stdin=text(crontab(group, replicas=11, cron="x")))
    assert 'The CronTab "mine" is invalid' in said
    assert r"spec.cron: Invalid value: " in said and r"spec.cron in body should match '^\S+( \S+){4}$'" in said
    assert "spec.replicas: Invalid value: 11: spec.replicas in body should be less than or equal to 10" in said
    said = kubectl.fails("create", "-f", "-", stdin=text(crontab(group, replicas="many")))
    assert 'spec.replicas in body must be of type integer: "string"' in said
    kubectl("create", "-f", "-", stdin=text(crontab(group)))
    said = kubectl.fails("patch", f"crontabs.{group}", "mine", "--type=merge", "-p", '{"spec":{"color":"green"}}')
    assert 'spec.color: Unsupported value: "green": supported values: "blue", "red"' in said
    said = kubectl.fails("patch", f"crontabs.{group}", "mine", "--type=strategic", "-p", '{"spec":{"color":"red"}}')
    assert "415" in said or "UnsupportedMediaType" in said or "strategic-merge-patch+json is not supported" in said


def test_schemas_are_checked(admin, group):
    wish = definition(group)
    wish["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["bad"] = {}
    said = admin.fails("create", "-f", "-", stdin=text(wish))
    assert "spec.versions[0].schema.openAPIV3Schema.properties[spec].properties[bad].type: Required value: must not be " \
           "empty for specified object fields" in said
    wish = definition(group, conversion={"strategy": "Webhook", "webhook": {
        "conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://example.com/convert"}}})
    assert 'spec.conversion.strategy: Unsupported value: "Webhook": supported values: "None"' in \
        admin.fails("create", "-f", "-", stdin=text(wish))
    wish = definition(group)
    wish["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-validations"] = [
        {"rule": "self.replicas > 0"}]
    done = admin.run("create", "-f", "-", stdin=text(wish))
    assert done.returncode == 0, done.stderr
    assert "x-kubernetes-validations: not evaluated yet" in done.stderr


def test_columns(kubectl, group):
    columns = [{"name": "Cron", "type": "string", "jsonPath": ".spec.cron"},
               {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"},
               {"name": "Image", "type": "string", "jsonPath": ".spec.image", "priority": 1},
               {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}]
    kubectl("create", "-f", "-", stdin=text(definition(group, versions=[version("v1", True, additionalPrinterColumns=columns)])))
    kubectl("create", "-f", "-", stdin=text(crontab(group, image="nginx")))
    assert re.match(r"NAME\s+CRON\s+REPLICAS\s+AGE\nmine\s+\* \* \* \* \*/5\s+1\s+\d+s$", kubectl("get", f"crontabs.{group}"))
    assert re.search(r"\s+1\s+nginx\s+\d+s$", kubectl("get", f"crontabs.{group}", "-o", "wide"))


def test_status_and_scale(kubectl, group):
    parts = {"status": {}, "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas",
                                     "labelSelectorPath": ".status.selector"}}
    kubectl("create", "-f", "-", stdin=text(definition(group, versions=[version("v1", True, subresources=parts)])))
    kubectl("create", "-f", "-", stdin=text({**crontab(group), "status": {"replicas": 9}}))
    read = lambda: json.loads(kubectl("get", f"crontabs.{group}", "mine", "-o", "json"))  # noqa: E731
    assert "status" not in read() and read()["metadata"]["generation"] == 1
    kubectl("patch", f"crontabs.{group}", "mine", "--subresource=status", "--type=merge", "-p",
            '{"status":{"replicas":2,"selector":"app=a"},"spec":{"replicas":7}}')
    assert read()["status"] == {"replicas": 2, "selector": "app=a"} and read()["spec"]["replicas"] == 1
    assert read()["metadata"]["generation"] == 1
    assert "scaled" in kubectl("scale", f"crontabs.{group}/mine", "--replicas=5")
    assert read()["spec"]["replicas"] == 5 and read()["metadata"]["generation"] == 2
    scale = json.loads(kubectl("get", "--raw", f"/apis/{group}/v1/namespaces/default/crontabs/mine/scale"))
    assert scale["spec"] == {"replicas": 5} and scale["status"] == {"replicas": 2, "selector": "app=a"}
    kubectl.fails("scale", f"crontabs.{group}/mine", "--replicas=50")


def test_versions(kubectl, group):
    columns = [{"name": "Cron", "type": "string", "jsonPath": ".spec.cron"}]
    versions = [version("v1beta1", deprecated=True, additionalPrinterColumns=columns), version("v1", True)]
    kubectl("create", "-f", "-", stdin=text(definition(group, versions=versions)))
    done = kubectl.run("create", "-f", "-", stdin=text(crontab(group, api="v1beta1")))
    assert done.returncode == 0 and f"Warning: {group}/v1beta1 CronTab is deprecated" in done.stderr
    for api in ("v1", "v1beta1"):
        one = json.loads(kubectl("get", f"crontabs.{api}.{group}", "mine", "-o", "json"))
        assert one["apiVersion"] == f"{group}/{api}"
        items = json.loads(kubectl("get", "--raw", f"/apis/{group}/{api}/crontabs"))
        assert items["apiVersion"] == f"{group}/{api}" and items["kind"] == "CronTabList"
        assert [item["apiVersion"] for item in items["items"]] == [f"{group}/{api}"]
    assert "CRON" in kubectl("get", f"crontabs.v1beta1.{group}") and "CRON" not in kubectl("get", f"crontabs.v1.{group}")
    kubectl("patch", f"crontabs.v1beta1.{group}", "mine", "--type=merge", "-p", '{"spec":{"image":"x"}}')
    assert kubectl("get", f"crontabs.v1.{group}", "mine", "-o", "jsonpath={.spec.image} {.metadata.generation}") == "x 2"


def test_apply_both_ways(kubectl, group):
    kubectl("apply", "-f", "-", stdin=text(definition(group)))
    assert "unchanged" in kubectl("apply", "-f", "-", stdin=text(definition(group)))
    assert "created" in kubectl("apply", "-f", "-", stdin=text(crontab(group, ports=[{"name": "a", "number": 80}])))
    assert "unchanged" in kubectl("apply", "-f", "-", stdin=text(crontab(group, ports=[{"name": "a", "number": 80}])))
    assert "configured" in kubectl("apply", "-f", "-", stdin=text(crontab(group, image="x", ports=[{"name": "a", "number": 80}])))
    served = crontab(group, "theirs", ports=[{"name": "a"}])
    kubectl("apply", "--server-side", "-f", "-", stdin=text(served))
    served["spec"]["ports"] = [{"name": "b", "number": 1}]
    kubectl("apply", "--server-side", "--field-manager=other", "-f", "-", stdin=text(served))
    ports = json.loads(kubectl("get", f"crontabs.{group}", "theirs", "-o", "jsonpath={.spec.ports}"))
    assert {port["name"] for port in ports} == {"a", "b"}
    served["spec"]["cron"] = "1 * * * *"
    assert "conflict" in kubectl.fails("apply", "--server-side", "--field-manager=other", "-f", "-", stdin=text(served))


def test_put_needs_a_version(plane, admin, group):
    admin("create", "-f", "-", stdin=text(definition(group)))
    admin("create", "-f", "-", stdin=text(crontab(group)))
    path = f"/apis/{group}/v1/namespaces/default/crontabs/mine"
    answer = plane.request("PUT", path, crontab(group, image="x"))
    assert answer.status == 422 and "metadata.resourceVersion" in answer.json["message"]
    body = crontab(group, image="x")
    body["metadata"]["resourceVersion"] = plane.request("GET", path).json["metadata"]["resourceVersion"]
    assert plane.request("PUT", path, body).status == 200


def test_selectable_fields(admin, group):
    admin("create", "-f", "-", stdin=text(definition(
        group, versions=[version("v1", True, selectableFields=[{"jsonPath": ".spec.color"}])])))
    admin("create", "-f", "-", stdin=text(crontab(group, "a", color="red"), crontab(group, "b", color="blue")))
    assert admin("get", f"crontabs.{group}", "--field-selector=spec.color=red", "-o", "name") == f"crontab.{group}/a"
    assert "field label not supported: spec.image" in admin.fails("get", f"crontabs.{group}", "--field-selector=spec.image=x")


def test_watch(admin, group):
    admin("create", "-f", "-", stdin=text(definition(group)))
    watch = admin.start("get", f"crontabs.{group}", "-w", "-o", "name")
    try:
        admin("create", "-f", "-", stdin=text(crontab(group)))
        assert watch.stdout.readline().strip() == f"crontab.{group}/mine"
        # The definition goes while it is watched: what was shown stays right.
        admin("delete", "crd", f"crontabs.{group}")
        assert watch.stdout.readline().strip() == f"crontab.{group}/mine"
    finally:
        watch.terminate()
        watch.wait()


def test_names_of_others(admin, group):
    admin("create", "-f", "-", stdin=text(definition(group)))
    admin("create", "-f", "-", stdin=text(definition(group, plural="tables", kind="CronTab", short=("tb",))))
    condition = "jsonpath={.status.conditions[?(@.type=='NamesAccepted')].status}"
    assert admin("get", "crd", f"tables.{group}", "-o", condition) == "False"
    assert "doesn't have a resource type" in admin.fails("get", f"tables.{group}")
    admin("delete", "crd", f"crontabs.{group}")
    wait_until(lambda: admin("get", "crd", f"tables.{group}", "-o", condition) == "True", "the names are free", 10)
    assert admin.run("get", f"tables.{group}").returncode == 0


def test_deleted_with_its_objects(kubectl, group):
    for _ in range(2):  # making it anew works at once
        kubectl("create", "-f", "-", stdin=text(definition(group)))
        kubectl("create", "-f", "-", stdin=text(crontab(group)))
        kubectl("delete", "crd", f"crontabs.{group}")
        assert "could not find the requested resource" in kubectl.fails(
            "get", "--raw", f"/apis/{group}/v1/namespaces/default/crontabs/mine")
    kubectl("create", "-f", "-", stdin=text(definition(group)))
    assert kubectl("get", f"crontabs.{group}", "-o", "name") == ""


def test_objects_with_finalizers_hold_their_definition(plane, admin, group):
    admin("create", "-f", "-", stdin=text(definition(group)))
    held = crontab(group)
    held["metadata"]["finalizers"] = ["example.com/hold"]
    admin("create", "-f", "-", stdin=text(held))
    admin("delete", "crd", f"crontabs.{group}", "--wait=false")
    path = f"/apis/{group}/v1/namespaces/default/crontabs"
    wait_until(lambda: "deletionTimestamp" in plane.request("GET", path + "/mine").json["metadata"], "the object goes", 10)
    assert plane.request("POST", path, crontab(group, "late")).status == 405
    assert plane.request("PATCH", path + "/late?fieldManager=me", crontab(group, "late"), apply_patch).status == 405
    conditions = json.loads(admin("get", "crd", f"crontabs.{group}", "-o", "json"))["status"]["conditions"]
    assert any(one["type"] == "Terminating" and one["status"] == "True" for one in conditions)
    body = json.dumps([{"op": "remove", "path": "/metadata/finalizers"}])
    assert plane.request("PATCH", path + "/mine", body, json_patch).status == 200
    wait_until(lambda: plane.request("GET", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/crontabs.{group}").status
               == 404, "the definition goes", 10)


def test_after_a_restart():
    with control_plane() as plane:
        admin = kubectl_of(plane, versions[-1])
        admin("create", "-f", "-", stdin=text(definition("again.example.com")))
        admin("create", "-f", "-", stdin=text(crontab("again.example.com")))
        plane.kill()
        plane.start()
        assert admin("get", "crontabs.again.example.com", "-o", "name") == "crontab.again.example.com/mine"
        assert admin("get", "crd", "-o", "name") == "customresourcedefinition.apiextensions.k8s.io/crontabs.again.example.com"


def owned(thing, owner, blocks=False):
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
    thing["metadata"]["ownerReferences"] = [reference | ({"blockOwnerDeletion": True} if blocks else {})]
    return thing


def test_custom_objects_own_and_are_owned(plane, admin, group):
    """As operators do it: what a custom object owns goes with it, and it goes with its owner, also after a restart."""
    plane.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition(group))
    path = f"/apis/{group}/v1/namespaces/default/crontabs"

    def goes(what):
        wait_until(lambda: plane.request("GET", what).status == 404, f"{what} goes", 10)

    for round_, restarts in (("one", False), ("two", True)):
        boss = plane.request("POST", path, crontab(group, f"boss-{round_}")).json
        plane.request("POST", maps, owned(config_map(f"below-{round_}"), boss))
        root = plane.request("POST", maps, config_map(f"root-{round_}")).json
        child = plane.request("POST", path, owned(crontab(group, f"child-{round_}"), root)).json
        plane.request("POST", path, owned(crontab(group, f"grandchild-{round_}"), child))
        if restarts:
            plane.stop()
            plane.start()
        assert plane.request("GET", f"{maps}/below-{round_}").status == 200
        plane.request("DELETE", f"{path}/boss-{round_}")
        goes(f"{maps}/below-{round_}")
        plane.request("DELETE", f"{maps}/root-{round_}")
        goes(f"{path}/grandchild-{round_}")
        goes(f"{path}/child-{round_}")
    # In the foreground the owner stays until what holds it up is gone; with orphans it leaves them behind.
    boss = plane.request("POST", path, crontab(group, "boss")).json
    held = owned(config_map("held"), boss, blocks=True)
    held["metadata"]["finalizers"] = ["example.com/hold"]
    plane.request("POST", maps, held)
    plane.request("DELETE", f"{path}/boss", {"propagationPolicy": "Foreground"})
    wait_until(lambda: "deletionTimestamp" in plane.request("GET", f"{maps}/held").json["metadata"], "the map goes", 10)
    assert plane.request("GET", f"{path}/boss").status == 200
    plane.request("PATCH", f"{maps}/held", {"metadata": {"finalizers": None}}, merge_patch)
    goes(f"{path}/boss")
    boss = plane.request("POST", path, crontab(group, "boss")).json
    plane.request("POST", maps, owned(config_map("left"), boss))
    plane.request("DELETE", f"{path}/boss", {"propagationPolicy": "Orphan"})
    goes(f"{path}/boss")
    assert "ownerReferences" not in plane.request("GET", f"{maps}/left").json["metadata"]
    # With the definition go its objects, and with them what they own.
    boss = plane.request("POST", path, crontab(group, "boss")).json
    plane.request("POST", maps, owned(config_map("last"), boss))
    admin("delete", "crd", f"crontabs.{group}")
    goes(f"{maps}/last")
    plane.request("DELETE", f"{maps}/left")


def test_a_namespace_takes_custom_objects_along(plane, admin, group):
    plane.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition(group))
    admin("create", "namespace", "taken")
    path = f"/apis/{group}/v1/namespaces/taken/crontabs"
    for name, finalizers in (("free", []), ("held", ["example.com/hold"])):
        wish = crontab(group, name)
        wish["metadata"] |= {"namespace": "taken", "finalizers": finalizers}
        assert plane.request("POST", path, wish).status == 201
    admin("delete", "namespace", "taken", "--wait=false")
    wait_until(lambda: plane.request("GET", f"{path}/free").status == 404, "what is free goes", 10)
    space = "/api/v1/namespaces/taken"
    wait_until(lambda: f"crontabs.{group} has 1 resource instances" in json.dumps(plane.request("GET", space).json), "it says what is left", 10)
    plane.request("PATCH", f"{path}/held", {"metadata": {"finalizers": None}}, merge_patch)
    wait_until(lambda: plane.request("GET", space).status == 404, "the namespace goes", 10)
