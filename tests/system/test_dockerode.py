# SPDX-License-Identifier: Apache-2.0
"""dockerode, the client of JavaScript programs: everything it offers (node/dockerode.js)."""
import pytest
from conftest import against, loaded
from lib import engines
from lib.registry import Registry
from node_support import Outcomes, names, needs_packages

pytestmark = [pytest.mark.slice5, needs_packages]
script = "dockerode.js"


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    registry = None if Registry.missing() else Registry(tmp_path_factory.mktemp("registry")).start()
    engine = loaded(engines.kinds[against]().start())
    made = Outcomes(script, {"DOCKER_HOST": engine.host, "REGISTRY": registry.address if registry else ""},
                    tmp_path_factory.mktemp("dockerode"))
    yield made
    made.stop()
    engine.remove_everything()
    engine.stop()
    if registry:
        registry.stop()


@pytest.mark.parametrize("name", names(script))
def test_dockerode(outcomes, name):
    outcomes.check(name)
