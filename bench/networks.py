# SPDX-License-Identifier: Apache-2.0
"""What networks cost when containers go, and when there are many published ports."""
import os
import re
import shutil
import subprocess
import time

from lib import engines
from measure import build, collect, output_of, programs, show


def links(engine):
    return len(output_of(*engine.network, "ip", "-o", "link").splitlines())


def bench_teardown(options, lab):
    """Running containers on the default bridge, removed by 4 clients; then until the last link is gone."""
    text = ""
    counts = {"pila": 20 if options.quick else 100, "docker": 5 if options.quick else 25}
    for _ in range(1 if options.quick else 3):
        for name, engine in lab.engines.items():
            count = counts[name]
            time.sleep(0.5)
            before = links(engine)
            output_of(programs / "api_cycle", "idle", count, "default", f"{name}={engine.socket}")
            begin = time.monotonic()
            text += output_of(programs / "api_cycle", "clear", 4, 0, "-", f"{name}={engine.socket}").replace("clear", "removed by 4 clients, each")
            engines.wait_until(lambda engine=engine, before=before: links(engine) <= before, "the links are gone", 60, 0.005)
            text += f"{name} all links gone, for each {(time.monotonic() - begin) * 1e3 / count:.3f}\n"
    show(f"{counts['pila']} running containers with a network (docker: {counts['docker']})", collect(text), lab.names(), "ms")


def bench_rules(options, lab):
    """One more published port where 10,000 are: pila's map element beside what Docker does, one iptables call."""
    tested = subprocess.run([build / "test/network-test", "--test-case=latencies"], capture_output=True, text=True,
                            env={**os.environ, "PILA_BENCH": "1"}).stdout
    found = re.search(r"one more published port beside 10,000\D*([\d.]+)", tested)
    if not found:
        raise RuntimeError(f"network-test: {tested[-300:]}")
    text = f"pila add {float(found[1]) / 1000:.4f}\n"
    if shutil.which("iptables-restore"):
        rules = "".join(f"-A PREROUTING -p tcp --dport {port} -j DNAT --to-destination 172.17.0.2:80\n" for port in range(10000, 20000))
        inside = ["unshare", "--net", "sh", "-c", "iptables-restore; for port in $(seq 20001 20020); do date +%s%N; "
                  "iptables -t nat -A PREROUTING -p tcp --dport $port -j DNAT --to-destination 172.17.0.2:80; done; date +%s%N"]
        stamps = [int(stamp) for stamp in output_of(*inside, input=f"*nat\n{rules}COMMIT\n").split()]
        text += "".join(f"iptables add {(after - before) / 1e6:.3f}\n" for before, after in zip(stamps, stamps[1:]))
    else:
        print("left out: iptables is not installed")
    show("one more published port beside 10,000", collect(text), ["pila", "iptables"], "ms")
