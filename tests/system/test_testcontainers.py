# SPDX-License-Identifier: Apache-2.0
"""testcontainers, what people's own tests start their databases with (node/testcontainers.js)."""
import shutil

import pytest
from conftest import against, loaded
from lib import engines
from node_support import Outcomes, names, needs_packages

pytestmark = [pytest.mark.slice5, needs_packages]
script = "testcontainers.js"


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    engine = loaded(engines.kinds[against]().start(), "busybox")
    directory = tmp_path_factory.mktemp("testcontainers")
    made = Outcomes(script, {"DOCKER_HOST": engine.host, "COMPOSE": shutil.which("docker-compose") or "", "HOME": str(directory),
                             "TMPDIR": str(directory)}, directory)
    yield made
    made.stop()
    engine.remove_everything()
    engine.stop()


@pytest.mark.parametrize("name", names(script))
def test_testcontainers(outcomes, name):
    outcomes.check(name)
