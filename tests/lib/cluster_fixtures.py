# SPDX-License-Identifier: Apache-2.0
"""What the tests of the cluster's API server share: a control plane for a file, kubectls, a namespace for a test."""
import secrets

import pytest
from lib import cluster
from lib.engines import wait_until

kubectls = cluster.find_kubectls()
versions = list(kubectls) or ["none"]


def kubectl_of(plane, version):
    """`minor`: 33 for 1.33."""
    if not kubectls:
        pytest.skip("no kubectl on this machine")
    made = cluster.Program(plane, kubectls[version])
    made.minor = int(version.partition(".")[2])
    return made


@pytest.fixture(scope="module")
def plane():
    with cluster.control_plane() as made:
        yield made


@pytest.fixture(params=versions)
def kubectl(request, plane):
    """Each that this machine has."""
    return kubectl_of(plane, request.param)


@pytest.fixture
def admin(plane):
    return kubectl_of(plane, versions[-1])


@pytest.fixture
def space(plane):
    """A namespace, which has to go when the test is over."""
    name = f"t-{secrets.token_hex(4)}"
    assert plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}}).status == 201
    yield name
    assert plane.request("DELETE", f"/api/v1/namespaces/{name}").status == 200
    wait_until(lambda: plane.request("GET", f"/api/v1/namespaces/{name}").status == 404, "the namespace goes", 30)


@pytest.fixture
def run(kubectl, space):
    """kubectl in that namespace."""
    return kubectl.within(space)
