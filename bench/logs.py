# SPDX-License-Identifier: Apache-2.0
"""A million lines of log: written by a container, read through the API."""
import socket
import time

from measure import collect, show

lines = 1_000_000


def read_all(engine, path):
    """Bytes of the answer, taken as fast as they come."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(engine.socket))
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode())
        buffer, size = bytearray(1 << 20), 0
        while got := connection.recv_into(buffer):
            size += got
        return size


def bench_logs(options, lab):
    count = lines // 10 if options.quick else lines
    payload = sum(len(str(number)) + 1 for number in range(1, count + 1))
    text = ""
    for driver in ("json-file", "local"):
        for _ in range(1 if options.quick else 3):
            for name, engine in lab.engines.items():
                made = engine.api("POST", "/containers/create", {
                    "Image": "busybox", "Cmd": ["seq", "1", str(count)], "HostConfig": {"LogConfig": {"Type": driver}}}).json()
                path = f"/containers/{made['Id']}"
                begin = time.monotonic()
                engine.api("POST", f"{path}/start")
                engine.api("POST", f"{path}/wait", timeout=300)
                text += f"{name} {driver}, written {(time.monotonic() - begin) * 1e3:.2f}\n"
                for what, query in (("read", ""), ("read with time stamps", "&timestamps=1"), ("last 100 lines", "&tail=100")):
                    begin = time.monotonic()
                    size = read_all(engine, f"{path}/logs?stdout=1&stderr=1{query}")
                    text += f"{name} {driver}, {what} {(time.monotonic() - begin) * 1e3:.2f}\n"
                    if "tail" not in query and size < payload + 8 * count:
                        raise RuntimeError(f"{name}: {size} bytes of a log of at least {payload + 8 * count}")
                engine.api("DELETE", path)
    show(f"{count:,} lines of log", collect(text), lab.names(), "ms")
