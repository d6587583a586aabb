#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""pila's figures beside its peers', measured in one sitting, taking turns.

  run.py [--quick] [SECTION...]     runtime api rate memory verbs ports teardown rules logs images registry build cluster
Everything runs in a sandbox; each engine has a network namespace of its own and its data on one loop-mounted ext4.
What is not installed is left out, with a word.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import measure  # noqa: E402
from build import bench_build  # noqa: E402
from cluster import bench_cluster  # noqa: E402
from images import bench_images  # noqa: E402
from registry import bench_registry  # noqa: E402
from logs import bench_logs  # noqa: E402
from networks import bench_rules, bench_teardown  # noqa: E402
from lib import engines, leaks as state, sandbox  # noqa: E402
from measure import collect, output_of, programs, show  # noqa: E402

disk = Path("/run/bench")
test_images = measure.build / "test-images"


def mount_disk():
    """A fresh ext4 with a journal: the machine's own may have none, where figures drift from run to run."""
    disk.mkdir()
    image = measure.build / "bench/disk.img"
    image.unlink(missing_ok=True)
    try:
        with open(image, "wb") as file:
            file.truncate(6 << 30)
        output_of("mkfs.ext4", "-q", "-F", image)
        output_of("mount", "-o", "loop", image, disk)
        image.unlink()  # lives as long as it is mounted
    except (RuntimeError, OSError) as problem:
        print(f"no loop-mounted disk ({problem}): data lies in memory")


class Lab:
    """The engines that are there, running side by side."""

    def __init__(self):
        self.engines, self.holders = {}, []

    def start(self):
        for name in ("pila", "docker"):
            kind = engines.kinds[name]
            if kind.missing():
                print(f"left out: {kind.missing()}")
                continue
            holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "ip link set lo up; echo; exec sleep infinity"],
                                      stdout=subprocess.PIPE, preexec_fn=sandbox.die_with_parent)
            holder.stdout.readline()
            self.holders.append(holder)
            engine = kind(disk / name)
            command = engine.command()
            engine.command = lambda inside=self.inside(holder), command=command: [*inside, *command]
            engine.network = self.inside(holder)
            engine.holder = holder.pid
            engine.start()
            for archive in ("busybox", "hello"):
                engine.load(test_images / f"{archive}.tar")
            self.engines[name] = engine
        return self

    @staticmethod
    def inside(holder):
        return ["nsenter", f"--net=/proc/{holder.pid}/ns/net"]

    def sockets(self, *names):
        return [f"{name}={engine.socket}" for name, engine in self.engines.items() if not names or name in names]

    def names(self):
        return list(self.engines)

    def stop(self):
        for engine in self.engines.values():
            engine.remove_everything()
            engine.stop()
        for holder in self.holders:
            holder.kill()


# --- runtime: run /bin/true -------------------------------------------------------------------------------------------
def runtimes():
    found = {}
    if (engines.build / "bin/pila-runtime").exists():
        found["pila"] = [engines.build / "bin/pila-runtime", "--root", "/run/runtime-pila"]
    for name in ("crun", "runc"):
        if shutil.which(name):
            found[name] = [shutil.which(name), "--root", f"/run/runtime-{name}"]
        else:
            print(f"left out: {name} is not installed")
    return found


def bench_runtime(options):
    """The default bundle of `runc spec`, as each runtime is given it by hand."""
    if not shutil.which("runc"):
        print("left out: runc is not installed (its `spec` makes the bundle)")
        return
    bundle = Path("/run/bundle")
    (bundle / "rootfs").mkdir(parents=True, exist_ok=True)
    output_of("tar", "-C", bundle / "rootfs", "-xf", test_images / "rootfs.tar")
    output_of("runc", "spec", cwd=bundle)
    config = json.loads((bundle / "config.json").read_text())
    config["process"].update(terminal=False, args=["/bin/true"])
    (bundle / "config.json").write_text(json.dumps(config))
    contenders = runtimes()
    arguments = []
    for name, command in contenders.items():
        arguments += ["--", name, *command, "run", "--bundle", bundle, "{}"]
    # crun refuses a v2 tree that has controllers beside v1; without the tree all three take the same path.
    prefix = ["unshare", "--mount", "sh", "-c", "umount /sys/fs/cgroup/unified 2> /dev/null; exec \"$@\"", "sh"]
    rounds = 20 if options.quick else 60
    for title, gap, count in (("back to back", 0, rounds), ("150 ms between starts", 150, rounds // 2)):
        text = output_of(*prefix, programs / "timer", count, gap, *arguments[1:])
        show(f"runtime: run /bin/true, {title}", collect(text), list(contenders), "ms")
    text = ""
    for _ in range(2 if options.quick else 5):
        for name, command in contenders.items():
            one = [*prefix, programs / "timer", rounds, 0, name, *command, "run", "--bundle", bundle, "{}"]
            begin = time.monotonic()
            clients = [subprocess.Popen([str(word) for word in one], stdout=subprocess.PIPE) for _ in range(2)]
            done = sum(len(client.communicate()[0].splitlines()) + 2 for client in clients)  # 2 to warm up
            text += f"{name} rate {done / (time.monotonic() - begin):.2f}\n"
    show("runtime: run /bin/true, 2 at a time", collect(text), list(contenders), "per second")
    bench_life(bundle, config, contenders, prefix, rounds // 2)


def bench_life(bundle, config, contenders, prefix, rounds):
    """What an engine asks of a runtime: three calls a container, one a further program."""
    config["process"]["args"] = ["/bin/sleep", "1000"]
    (bundle / "config.json").write_text(json.dumps(config))
    script = ('id=$1; shift; "$@" create --bundle /run/bundle "$id" < /dev/null > /dev/null 2>&1 && "$@" start "$id" && '
              '"$@" delete --force "$id"')
    arguments, executions = [], []
    for name, command in contenders.items():
        arguments += ["--", name, "sh", "-c", script, "sh", "{}", *command]
        executions += ["--", name, *command, "exec", "stay", "/bin/true"]
    show("runtime: create, start and delete --force", collect(output_of(*prefix, programs / "timer", rounds, 0, *arguments[1:])), list(contenders), "ms")
    # One namespace for all of it: crun would not find its groups again.
    begin = "; ".join(f"{' '.join(map(str, command))} run --detach --bundle /run/bundle stay < /dev/null > /dev/null 2>&1" for command in contenders.values())
    end = "; ".join(f"{' '.join(map(str, command))} delete --force stay" for command in contenders.values())
    whole = ["unshare", "--mount", "sh", "-c", f'umount /sys/fs/cgroup/unified 2> /dev/null; {begin}; "$@"; {end}', "sh"]
    show("runtime: exec /bin/true", collect(output_of(*whole, programs / "timer", rounds, 0, *executions[1:])), list(contenders), "ms")


# --- engine -----------------------------------------------------------------------------------------------------------
def bench_api(options, lab):
    rounds = 3 if options.quick else 8
    for network in ("none", "default"):
        text = output_of(programs / "api_cycle", "cycle", rounds, 5, network, *lab.sockets())
        show(f"API over one keep-alive connection, network {network}", collect(text), lab.names(), "ms")
    rounds = 5 if options.quick else 12
    for network in ("none", "bridge"):
        arguments = []
        for name, engine in lab.engines.items():
            for client in ([shutil.which("docker")] if shutil.which("docker") else []) + ([engines.Pila.program] if name == "pila" else []):
                label = f"{name}-by-{Path(client).name}"
                arguments += ["--", label, "env", f"DOCKER_HOST={engine.host}", f"PILA_HOST={engine.host}", client, "run", "--rm",
                              "--network", network, "busybox", "true"]
        text = output_of(programs / "timer", rounds, 0, *arguments[1:])
        labels = [arguments[at + 1] for at, word in enumerate(arguments) if word == "--"]
        show(f"run --rm busybox true, the whole command, network {network}", collect(text), labels, "ms")


def bench_rate(options, lab):
    counts = {"pila": 60 if options.quick else 500, "docker": 20 if options.quick else 60}
    for network in ("none", "default"):
        text = ""
        for name in lab.names():
            output_of(programs / "api_cycle", "rate", 4, 8, network, *lab.sockets(name))  # what is made for the first and kept
            before = leaks(lab, name)
            text += output_of(programs / "api_cycle", "rate", 4, counts[name], network, *lab.sockets(name))
            left = engines_settle(lambda name=name, before=before: leaks(lab, name) - before)
            print(f"{name}, network {network}: {counts[name]} starts by 4 clients; left behind: {', '.join(sorted(left)) or 'nothing'}")
        show(f"create, start, wait, remove by 4 clients, network {network}", collect(text), lab.names(), "per second")


def engines_settle(left, seconds=10):
    """What is left once things have had time to go away."""
    deadline = time.monotonic() + seconds
    while left() and time.monotonic() < deadline:
        time.sleep(0.2)
    return left()


def leaks(lab, name):
    """Everything that an engine could leave: containers, processes, mounts, links, cgroups, rules."""
    engine = lab.engines[name]
    found = {f"container {container['Id'][:12]}" for container in engine.api("GET", "/containers/json?all=1").json()}
    own = os.readlink("/proc/self/ns/pid")
    # Numbered, since prepared ones are replaced by others of the same kind.
    processes = sorted(comm for comm, line, space in measure.processes().values()
                       if space != own or "shim" in line and (name == "docker") == ("containerd-shim" in line))
    found |= {f"process {comm} #{processes[:at].count(comm)}" for at, comm in enumerate(processes)}
    found |= {"mount " + line.split()[4] for line in open(f"/proc/{engine.pid}/mountinfo") if str(engine.directory) in line}
    links = sorted(re.sub(r"(?<=v)[0-9a-f]{7,}|@if\d+", "", line.split(":")[1].strip())
                   for line in output_of(*engine.network, "ip", "-o", "link").splitlines())
    found |= {f"link {link} #{links[:at].count(link)}" for at, link in enumerate(links)}
    found |= set(state.control_groups(engine))
    found |= {"rule " + line.strip() for line in output_of(*engine.network, "nft", "-n", "list", "ruleset").splitlines()
              if "counter" not in line}
    return found


# --- memory -----------------------------------------------------------------------------------------------------------
def daemon_pids(engine):
    """The daemon and what serves it (dockerd's containerd); no shims."""
    children = Path(f"/proc/{engine.pid}/task/{engine.pid}/children").read_text().split()
    names = {pid: line for pid, (_, line, _) in measure.processes().items()}
    return [engine.pid, *(int(pid) for pid in children if "shim" not in names.get(int(pid), "") and "proxy" not in names.get(int(pid), ""))]


def bench_memory(options, lab):
    count = 20 if options.quick else 100
    print(f"\nmemory (MiB), before and after {count} idle containers; per container in KiB")
    for name, engine in lab.engines.items():
        own = os.readlink("/proc/self/ns/pid")
        before_all = set(measure.processes())
        daemon = daemon_pids(engine)
        before = {field: measure.total(daemon, field) for field in ("Rss", "Pss", "Private_Dirty")}
        output_of(programs / "api_cycle", "idle", count, "none", *lab.sockets(name))
        time.sleep(2)
        daemon = [pid for pid in daemon_pids(engine)]
        after = {field: measure.total(daemon, field) for field in ("Rss", "Pss", "Private_Dirty")}
        shims = [pid for pid, (_, line, space) in measure.processes().items()
                 if pid not in before_all and pid not in daemon and space == own and "timer" not in line]
        per = {field: measure.total(shims, field) * 1024 / count for field in ("Rss", "Pss", "Private_Dirty")}
        print(f"  {name:7} daemon RSS {before['Rss']:6.1f} -> {after['Rss']:6.1f}, PSS {before['Pss']:6.1f} -> {after['Pss']:6.1f}; "
              f"per container: daemon PSS +{(after['Pss'] - before['Pss']) * 1024 / count:6.1f}, {len(shims) / count:.2f} shims with "
              f"private dirty {per['Private_Dirty']:7.1f}, PSS {per['Pss']:7.1f}, RSS {per['Rss']:8.1f}", flush=True)
        engine.remove_everything(("busybox:latest", "busybox:test", "pila/hello-world:latest"))


# --- command line -----------------------------------------------------------------------------------------------------
def bench_verbs(options, lab):
    rounds = 20 if options.quick else 60
    clients = {}
    if engines.Pila.program.exists():
        clients["pila"] = engines.Pila.program
    if shutil.which("docker"):
        clients["docker"] = shutil.which("docker")
    text, socket = "", next(iter(lab.engines.values()))
    for verb in ("--version", "version", "ps"):
        arguments = []
        for name, program in clients.items():
            arguments += ["--", name, "env", f"DOCKER_HOST={socket.host}", f"PILA_HOST={socket.host}", program, verb]
        done = output_of(programs / "timer", rounds, 0, *arguments[1:])
        text += "".join(f"{line.split()[0]} {verb} {line.split()[1]}\n" for line in done.splitlines())
    show(f"the command line alone, against {socket.name}'s daemon", collect(text), list(clients), "ms")


# --- published ports --------------------------------------------------------------------------------------------------
def bench_ports(options, lab):
    contenders, remote = [], []
    for number, (name, engine) in enumerate(lab.engines.items()):
        container = engine.api("POST", "/containers/create", {
            "Image": "busybox", "Cmd": ["/bench/round_trips", "server", "7000"], "ExposedPorts": {"7000/tcp": {}},
            "HostConfig": {"CpusetCpus": "0", "Binds": [f"{programs}:/bench:ro"], "PortBindings": {"7000/tcp": [{"HostPort": "7700"}]}}}).json()["Id"]
        engine.api("POST", f"/containers/{container}/start")
        engines.wait_until(lambda engine=engine: b"serving" in engine.api("GET", f"/containers/{container}/logs?stdout=1").body,
                           "the server in the container listens")
        contenders.append((name, engine, container))
        holder = str(engine.holder)
        output_of("ip", "link", "add", f"lan{number}", "type", "veth", "peer", "name", "lan0", "netns", holder)
        output_of("ip", "addr", "add", f"198.51.100.{number * 4 + 1}/30", "dev", f"lan{number}")
        output_of("ip", "link", "set", f"lan{number}", "up")
        output_of(*engine.network, "ip", "addr", "add", f"198.51.100.{number * 4 + 2}/30", "dev", "lan0")
        output_of(*engine.network, "ip", "link", "set", "lan0", "up")
        remote.append(f"{name}=198.51.100.{number * 4 + 2}:7700")
    # One processor for both ends: wherever the scheduler puts them otherwise decides more than the path between them.
    pinned = ["taskset", "-c", "0", programs / "round_trips", "client"]
    count, rounds = (500, 3) if options.quick else (2000, 5)
    text = ""
    for _ in range(rounds):
        for name, engine, container in contenders:
            address = engine.api("GET", f"/containers/{container}/json").json()["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
            for path, target in (("127.0.0.1", "127.0.0.1:7700"), ("container's address", f"{address}:7000")):
                done = output_of(*engine.network, *pinned, count, 1, f"{name}={target}")
                text += "".join(f"{name} {path} {line.split()[1]}\n" for line in done.splitlines())
        done = output_of(*pinned, count, 1, *remote)
        text += "".join("{} from another host {}\n".format(*line.split()) for line in done.splitlines())
    show("published port, round trip on one connection", collect(text), lab.names(), "microseconds")
    if shutil.which("wrk"):
        text = ""
        for _ in range(2 if options.quick else 7):
            for name, engine, _ in contenders:
                for path, prefix, host in (("127.0.0.1", engine.network, "127.0.0.1"), ("from another host", [], None)):
                    target = host or next(entry.split("=")[1].split(":")[0] for entry in remote if entry.startswith(name))
                    done = output_of(*prefix, "wrk", "-t1", "-c32", "-d2s", f"http://{target}:7700/")
                    rate = next(line.split()[1] for line in done.splitlines() if line.startswith("Requests/sec"))
                    text += f"{name} {path} {rate}\n"
        show("published port, 32 connections", collect(text), lab.names(), "requests per second")
    else:
        print("left out: wrk is not installed")
    for name, engine, container in contenders:
        engine.api("DELETE", f"/containers/{container}?force=1")


sections = {"runtime": bench_runtime, "api": bench_api, "rate": bench_rate, "memory": bench_memory, "verbs": bench_verbs,
            "ports": bench_ports, "teardown": bench_teardown, "rules": bench_rules, "logs": bench_logs, "images": bench_images,
            "registry": bench_registry, "build": bench_build, "cluster": bench_cluster}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: to see that it works")
    parser.add_argument("sections", nargs="*")
    options = parser.parse_args()
    chosen = [name for name in sections if not options.sections or any(part in name for part in options.sections)]
    if os.geteuid() != 0:
        sys.exit("bench: needs root")
    if not sandbox.inside():
        measure.compile_programs()
    sandbox.enter(sys.argv)
    measure.print_machine()
    mount_disk()
    failed = False
    lab = Lab()
    try:
        if set(chosen) - {"runtime", "cluster"}:
            lab.start()
        for name in chosen:
            try:
                sections[name](options) if name in ("runtime", "cluster") else lab.engines and sections[name](options, lab)
            except (RuntimeError, AssertionError, OSError, KeyError) as problem:
                failed = True
                print(f"\n{name}: FAILED: {type(problem).__name__} {problem}", flush=True)
    finally:
        lab.stop()
    print(f"\nload average at the end: {' '.join(measure.load_average())}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
