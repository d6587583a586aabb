# SPDX-License-Identifier: Apache-2.0
"""`docker -H ssh://HOST` runs `docker system dial-stdio` there: pila's own stands in for it. ssh itself is played by a script."""
import os
import subprocess

import pytest
from conftest import client_of, loaded
from lib import engines

pytestmark = pytest.mark.slice5


@pytest.fixture
def far(fresh, tmp_path):
    """A client whose ssh runs what it is told here, with pila's program in the place of docker."""
    engine = loaded(fresh(), "busybox")
    if not engines.Pila.program.exists():
        pytest.skip("pila is not built")
    ssh = tmp_path / "ssh"
    # ssh [options] -- HOST docker system dial-stdio
    ssh.write_text(f"""#!/bin/sh
while [ "$1" != -- ] && [ $# -gt 0 ]; do shift; done
shift 3
[ "$1 $2" = "system dial-stdio" ] || {{ echo "not dial-stdio: $*" >&2; exit 1; }}
DOCKER_HOST={engine.host} exec {engines.Pila.program} "$@"
""")
    ssh.chmod(0o755)
    client = client_of(engine)
    client.environment = client.environment | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "DOCKER_HOST": "ssh://far.example"}
    return client


def test_verbs_through_ssh(far):
    assert far("run", "--rm", "busybox", "echo", "far") == "far"
    far("run", "-d", "--name", "there", "busybox", "sleep", "10000")
    assert far("ps", "--format", "{{.Names}}") == "there"
    done = subprocess.run([far.program, "exec", "-i", "there", "sh", "-c", "cat; exit 5"], input=b"through", env=far.environment,
                          capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (5, b"through")
    assert far("cp", "there:/etc/hostname", "-").startswith("hostname")


def test_it_ends_with_its_input(far, fresh):
    engine = far.engine
    done = subprocess.run([engines.Pila.program, "system", "dial-stdio"], input=b"GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n",
                          env=os.environ | {"DOCKER_HOST": engine.host}, capture_output=True, timeout=20)
    assert done.returncode == 0 and done.stdout.endswith(b"OK"), done
