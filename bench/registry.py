# SPDX-License-Identifier: Apache-2.0
"""Push and pull of an image of 300 MB in five compressed layers by skopeo, and the same bytes by a bare client: pila's
registry beside docker-registry, one after the other on one disk. Also the server's processor time and memory."""
import contextlib
import gzip
import hashlib
import http.client
import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

from lib.registry import PilaRegistry, Registry, path_of
from measure import collect, output_of, show

layers, layer_bytes = 5, 60_000_000


def make_image(place):
    """skopeo's dir: form."""
    place.mkdir()

    def put(content, media_type):
        digest = hashlib.sha256(content).hexdigest()
        (place / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    tars = [os.urandom(layer_bytes) for _ in range(layers)]
    config = {"architecture": "amd64", "os": "linux", "config": {},
              "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in tars]}}
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                "config": put(json.dumps(config).encode(), "application/vnd.docker.container.image.v1+json"),
                "layers": [put(gzip.compress(tar, 0), "application/vnd.docker.image.rootfs.diff.tar.gzip") for tar in tars]}
    (place / "manifest.json").write_text(json.dumps(manifest))
    (place / "version").write_text("Directory Transport Version: 1.1\n")
    return [entry["digest"] for entry in manifest["layers"]]


def usage(pid):
    """Seconds of processor time, peak MB."""
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    peak = next(line for line in open(f"/proc/{pid}/status") if line.startswith("VmHWM"))
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), int(peak.split()[1]) / 1024


def download(registry, digest):
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", registry.port)) as connection:
        connection.request("GET", f"/v2/bench/image/blobs/{digest}")
        answer = connection.getresponse()
        buffer = memoryview(bytearray(1 << 20))
        while answer.readinto(buffer):
            pass


def upload(registry, place, digest):
    begun = registry.call("POST", "/v2/bench/raw/blobs/uploads/", b"")
    target = path_of(begun.headers["Location"])
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", registry.port)) as connection, open(place / digest.split(":")[1], "rb") as file:
        connection.request("PUT", f"{target}{'&' if '?' in target else '?'}digest={digest}", file,
                           {"Content-Length": str(os.fstat(file.fileno()).st_size)})
        if connection.getresponse().status != 201:
            raise RuntimeError("an upload is refused")


def bench_registry(options, lab):
    if Registry.missing():
        print(f"left out: {Registry.missing()}")
        return
    measure_registries(options, next(iter(lab.engines.values())).directory.parent)


def measure_registries(options, disk):
    image, out = disk / "registry-image", disk / "registry-out"
    digests = make_image(image)
    policy = disk / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    skopeo = ["skopeo", "--policy", policy, "copy", "-q"]
    lines = []
    kinds = {"pila": PilaRegistry, "docker-registry": Registry}
    for round_number in range(1 if options.quick else 5):
        for name, kind in kinds.items():
            place = disk / f"registry-of-{name}"
            server = kind(place).start()

            def timed(operation, function, *arguments):
                os.sync()
                before, _ = usage(server.process.pid)
                begin = time.monotonic()
                function(*arguments)
                lines.append(f"{name} {operation} {(time.monotonic() - begin) * 1e3:.1f}")
                lines.append(f"{name} {operation}, processor time {(usage(server.process.pid)[0] - before) * 1e3:.1f}")

            target = f"docker://{server.address}/bench/image:{round_number}"
            timed("push by skopeo", output_of, *skopeo, "--dest-tls-verify=false", f"dir:{image}", target)
            timed("pull by skopeo", output_of, *skopeo, "--src-tls-verify=false", target, f"dir:{out}")
            shutil.rmtree(out)
            with ThreadPoolExecutor(2) as pool:
                timed("five layers down, bare", lambda: list(pool.map(lambda digest: download(server, digest), digests)))
            # In another repository and with the blobs gone: nothing is known already.
            server.stop()
            shutil.rmtree(place / "data")
            server = kind(place, server.port).start()
            with ThreadPoolExecutor(2) as pool:
                timed("five layers up, bare", lambda: list(pool.map(lambda digest: upload(server, image, digest), digests)))
            lines.append(f"{name} peak memory (MB) {usage(server.process.pid)[1]:.1f}")
            server.stop()
            shutil.rmtree(place)
    shutil.rmtree(image)
    show(f"registry: an image of {layers * layer_bytes / 1e6:.0f} MB in {layers} layers", collect("\n".join(lines)), list(kinds), "ms")
