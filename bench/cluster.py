# SPDX-License-Identifier: Apache-2.0
"""The Kubernetes API on loopback, TLS and the clients included, on one loop-mounted ext4: start, memory, creates beside Debian's
etcd, gets, lists, watches; processor time of the server per request."""
import base64
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import yaml
from lib import cluster
from measure import collect, median, output_of, programs, rollup, show


def processor_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Load:
    def __init__(self, plane):
        self.plane = plane
        user = yaml.safe_load(plane.kubeconfig.read_text())["users"][0]["user"]
        self.files = []
        for name in ("client-certificate-data", "client-key-data"):
            path = plane.directory / name
            path.write_bytes(base64.b64decode(user[name]))
            self.files.append(path)

    def __call__(self, mode, connections, argument):
        before = processor_seconds(self.plane.process.pid)
        said = output_of(programs / "kube_load", self.plane.port, *self.files, mode, connections, argument)
        found = {}
        for line in said.splitlines():
            name, number = line.split()
            found.setdefault(name, []).append(float(number))
        result = {name: median(numbers) for name, numbers in found.items()}
        if "requests" in result:
            result["us_per_request"] = (processor_seconds(self.plane.process.pid) - before) / result["requests"] * 1e6
        return result


def etcd_puts(directory):
    """Writes per second that `etcdctl check perf` reaches: 1,000 clients, values of 1 KB, each put synced."""
    if not shutil.which("etcd") or not shutil.which("etcdctl"):
        return None
    client, peer = cluster.free_port(), cluster.free_port()
    log = open(directory / "log", "w")
    server = subprocess.Popen(["etcd", "--data-dir", directory / "data", "--listen-client-urls", f"http://127.0.0.1:{client}",
                               "--advertise-client-urls", f"http://127.0.0.1:{client}", "--listen-peer-urls", f"http://127.0.0.1:{peer}",
                               "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}", "--initial-cluster", f"default=http://127.0.0.1:{peer}"],
                              stdout=log, stderr=log)
    try:
        time.sleep(3)
        done = subprocess.run(["etcdctl", "--endpoints", f"127.0.0.1:{client}", "check", "perf", "--load=xl"], capture_output=True, text=True,
                              env=os.environ | {"ETCDCTL_API": "3"}, timeout=180)
        found = re.search(r"Throughput (?:too low|is):? *(\d+) writes/s", done.stdout)
        return float(found[1]) if found else None
    finally:
        server.terminate()
        server.wait()
        log.close()


def bench_cluster(options, lab=None):
    directory = Path(tempfile.mkdtemp(dir="/run/bench" if os.path.ismount("/run/bench") else None, prefix="cluster-"))
    starts = []
    for number in range(3 if options.quick else 7):
        plane = cluster.ControlPlane(directory / "first")
        begin = time.monotonic()
        plane.start(interval=0.002)
        starts.append((time.monotonic() - begin) * 1000)
        plane.stop()
        if number == 0:
            shutil.rmtree(directory / "first")  # once with making keys, once more below without
            plane = None
    print(f"\nKubernetes API: start to an answer of /readyz: first {starts[0]:.0f} ms (makes its keys), later median {median(starts[1:]):.0f} ms "
          "(python's request included)")
    plane = cluster.ControlPlane(directory / "plane").start()
    try:
        load = Load(plane)
        pid = plane.process.pid
        idle = rollup(pid)
        print(f"idle memory: Rss {idle['Rss'] / 1024:.1f} MB, Pss {idle['Pss'] / 1024:.1f} MB")
        plane.request("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "seen"}, "data": {"value": "x" * 900}})
        seconds, rounds = (2, 1) if options.quick else (5, 3)
        text, more = "", ""
        for number in range(rounds):
            result = load("create", 100, seconds)
            text += f"pila creates {result['per_second']}\n"
            more += "".join(f"pila create_{name} {result[name]}\n" for name in ("p50_ms", "p99_ms", "us_per_request"))
            puts = etcd_puts_in(directory / f"etcd{number}")
            if puts:
                text += f"etcd creates {puts}\n"
        show("durable creates of 1 KB from 100 connections, and etcd's raw puts (etcdctl check perf)", collect(text), ["etcd", "pila"], "per second")
        text = ""
        for _ in range(rounds):
            result = load("get", 32, seconds)
            text += f"pila gets {result['per_second']}\n"
            more += "".join(f"pila get_{name} {result[name]}\n" for name in ("p50_ms", "p99_ms", "us_per_request"))
        show("gets of one object over 32 kept connections", collect(text), ["pila"], "per second")
        show("times of these", collect(more), ["pila"], "ms; us of the server's processor time")
        before = rollup(pid)["Rss"]
        pods = 2000 if options.quick else 10000
        filled = load("fill", 32, pods)
        after = rollup(pid)["Rss"]
        stored = plane.request("GET", "/api/v1/namespaces/default/pods/p1").body
        print(f"{pods} pods of {len(stored)} bytes: {(after - before) * 1024 / pods:.0f} bytes each, history included; created at {filled['per_second']:.0f}/s")
        listed = load("list", 1, 3 if options.quick else 7)
        print(f"list of {pods} pods: {listed['megabytes']:.1f} MB at {listed['megabytes_per_second']:.0f} MB/s")
        watchers, changes = (100, 200) if options.quick else (1000, 300)
        watched = load("watch", watchers, changes)
        print(f"{watchers} watchers of one resource, {changes} changes: {watched['events_per_second']:.0f} events/s")
    finally:
        plane.stop()
        shutil.rmtree(directory, ignore_errors=True)


def etcd_puts_in(directory):
    directory.mkdir()
    puts = etcd_puts(directory)
    shutil.rmtree(directory)
    return puts
