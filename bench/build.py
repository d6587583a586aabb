# SPDX-License-Identifier: Apache-2.0
"""A build of ten steps (three RUN, two COPY of 200 files) as the classic endpoint takes it: nothing from the cache, everything
from it, one file changed; by the API, by docker's own client, and by each one's own verb (`pila build`, `docker build`). docker's
classic builder beside pila, in turns."""
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

from measure import collect, show

dockerfile = """FROM busybox
ENV APP=/app MODE=production
WORKDIR /app
COPY package.json .
RUN cp package.json installed.json && mkdir modules && for i in 1 2 3 4 5 6 7 8 9; do cp /bin/busybox modules/$i; done
COPY . .
RUN find . -type f | sort > list && cat src/* > bundle
RUN test -s bundle && rm -r modules/9
LABEL built=by-bench
CMD ["cat", "bundle"]
"""


def make_context(directory):
    (directory / "src").mkdir(parents=True)
    (directory / "Dockerfile").write_text(dockerfile)
    (directory / "package.json").write_text("{}\n")
    for number in range(200):
        (directory / f"src/file{number}").write_bytes(f"line of file {number}\n".encode() * 500)


def archive_of(directory):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(directory.iterdir()):
            archive.add(path, path.name)
    return buffer.getvalue()


def build_by_api(engine, archive, query=""):
    answer = engine.api("POST", f"/build?t=bench-build{query}", archive, headers={"Content-Type": "application/x-tar"}, timeout=300)
    if answer.status != 200 or b"Successfully built" not in answer.body:
        raise RuntimeError(f"build: {answer.status} {answer.body[-500:]}")


def build_by_client(client, engine, directory, *flags):
    environment = os.environ | {"DOCKER_HOST": engine.host, "DOCKER_BUILDKIT": "0", "HOME": str(directory.parent)}
    subprocess.run([client, "build", "-q", "-t", "bench-build", *flags, directory], check=True, env=environment,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def bench_build(options, lab):
    with tempfile.TemporaryDirectory(dir="/run") as scratch:
        directory = Path(scratch) / "context"
        make_context(directory)
        archive = archive_of(directory)
        lines = []

        def timed(name, operation, function, *arguments):
            os.sync()  # what came before is not this one's to wait for
            begin = time.monotonic()
            function(*arguments)
            lines.append(f"{name} {operation} {(time.monotonic() - begin) * 1e3:.2f}")

        for engine in lab.engines.values():
            build_by_api(engine, archive)
        for number in range(2 if options.quick else 8):
            (directory / "src/file0").write_text(f"changed {number}\n")
            changed = archive_of(directory)
            for name, engine in lab.engines.items():
                timed(name, "uncached", build_by_api, engine, archive, "&nocache=1")
                timed(name, "cached", build_by_api, engine, archive)
                timed(name, "one file changed", build_by_api, engine, changed)
                if shutil.which("docker"):
                    timed(name, "docker build, uncached", build_by_client, "docker", engine, directory, "--no-cache")
                    timed(name, "docker build, cached", build_by_client, "docker", engine, directory)
                    own = engine.program if name == "pila" else "docker"  # what a person types with either
                    timed(name, "each one's own verb, uncached", build_by_client, own, engine, directory, "--no-cache")
                    timed(name, "each one's own verb, cached", build_by_client, own, engine, directory)
        show("Builds of ten steps", collect("\n".join(lines)), lab.names(), "ms")
        for engine in lab.engines.values():
            engine.api("DELETE", "/images/bench-build?force=1")
