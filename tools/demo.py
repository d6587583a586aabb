#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The course's chapter on containers, on real input: every command it shows, what it prints, and the time it took.

  demo.py [--against pila|docker] [--keep] [--sandbox]
--keep      leaves daemon, containers and images running, and says how to reach them
--sandbox   in network and other namespaces of its own, with a way out (always with --against docker)
"""
import argparse
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

top = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(top / "tests"))
from lib import debian, engines, foreign, sandbox  # noqa: E402
from lib.registry import Registry, free_port  # noqa: E402
from lib.terminal import Terminal  # noqa: E402

prompt = r"root@([0-9a-f]{12}):([^#\n]*)# "
instance = f"demo{os.getpid()}"  # several demos on one machine must not share a bridge
index_js = """const http = require('http');
http.createServer((request, response) => {
  console.log(request.method, request.url);
  response.end('ciao a tutti\\n');
}).listen(8888, () => console.log('listening on 8888'));
"""


formats = Path("/proc/sys/fs/binfmt_misc")


class Failed(Exception):
    pass


class Demo:
    def __init__(self, options):
        self.options, self.times, self.number = options, [], 0
        self.directory = Path(tempfile.mkdtemp(prefix="pila-demo-", dir="/var/tmp"))
        self.engine, self.registry = None, None
        self.formats_before = set(os.listdir(formats)) if formats.is_dir() else set()
        client = shutil.which("docker")
        self.client = [client] if client else [str(engines.Pila.program)]

    # --- telling ---------------------------------------------------------------------------------------------------
    def say(self, text=""):
        print(text, flush=True)

    def step(self, title, function):
        self.number += 1
        self.say(f"\n== {self.number}. {title}")
        begin = time.monotonic()
        function()
        self.times.append((self.number, title, time.monotonic() - begin))
        self.say(f"-- {self.times[-1][2]:.1f} s")

    def docker(self, line, expect=0, seconds=60, quiet=False):
        """Runs and shows one command; its output. expect: exit code, or None for any."""
        self.say(f"$ docker {line}")
        done = subprocess.run([*self.client, *shlex.split(line)], env=self.environment(), capture_output=True, text=True,
                              timeout=seconds, stdin=subprocess.DEVNULL)
        text = done.stdout + done.stderr
        if text.strip() and not quiet:
            self.say("\n".join("  " + part for part in text.rstrip().splitlines()[-12:]))
        if expect is not None and done.returncode != expect:
            raise Failed(f"docker {line}: exit code {done.returncode}, expected {expect}\n{text}")
        return text

    def environment(self):
        return os.environ | {"DOCKER_HOST": self.engine.host, "PILA_HOST": self.engine.host, "DOCKER_CLI_HINTS": "0",
                             "HOME": str(self.directory), "TERM": "xterm"}

    def terminal(self, line):
        self.say(f"$ docker {line}")

        def echo(piece):
            plain = re.sub(r"\x1b\[\??[0-9;]*[a-zA-Z]", "", piece.replace("\r", ""))
            sys.stdout.write(plain)
            sys.stdout.flush()
        return Terminal([*self.client, *shlex.split(line)], self.environment(), rows=40, columns=300, echo=echo)

    def typed(self, terminal, line, seconds=30):
        """Types a line at the prompt, waits for the next prompt; what came in between."""
        terminal.line(line)
        terminal.expect(re.escape(line), seconds)  # the echo: what was printed before it is not the answer
        return terminal.expect(f"(?s)(.*?){prompt}", seconds)[1]

    def at_prompt(self, terminal):
        """After `start -ai`: the prompt shows by itself or, when it was printed before we were attached, after Enter."""
        try:
            return terminal.expect(prompt, 3)[1]
        except AssertionError:
            terminal.send("\r")
            return terminal.expect(prompt)[1]

    def check(self, condition, text):
        if not condition:
            raise Failed(text)

    # --- the chapter -----------------------------------------------------------------------------------------------
    def build(self):
        subprocess.run([top / "dev", "build"], check=True, stdout=subprocess.DEVNULL)

    def start_registry(self):
        reason = Registry.missing()
        if reason:
            self.say(f"  no registry of our own: {reason}")
            return
        self.registry = Registry(self.directory / "registry").start()
        self.registry.push(engines.build / "test-images/hello.tar", "pila/hello-world:latest")

    def start_daemon(self):
        self.start_registry()
        arguments = ["--registry-mirror", f"http://{self.registry.address}"] if self.registry else []
        if self.options.against == "docker":
            self.engine = engines.Docker(self.directory / "engine", arguments)
        else:
            environment = {"PATH": f"{os.environ['PATH']}:{foreign.emulators()}"}  # those that are installed come first
            self.engine = engines.Pila(self.directory / "engine", arguments, environment, instance=instance)
        self.say("$ " + " ".join(map(str, self.engine.command())))
        begin = time.monotonic()
        self.engine.outlives_us = self.options.keep
        self.engine.start()
        self.say(f"  answers after {(time.monotonic() - begin) * 1000:.0f} ms")
        self.docker("version", quiet=True)

    def base_image(self):
        try:
            tar = debian.make_rootfs(top / ".cache", self.say)
        except debian.Unavailable as problem:
            raise Failed(f"no packages of this distribution can be had: {problem}\n"
                         "The demo needs a package mirror (see /etc/apt/sources.list*).") from None
        self.say("  the course pulls `ubuntu`; this makes the like of it from this machine's own package mirror")
        self.docker(f"import -c 'CMD [\"bash\"]' {tar} debian:local")
        self.docker("images")

    def emulation(self):
        for architecture, problem in foreign.install().items():
            self.say(f"  left out: no programs for {architecture} can be had: {problem}")
        others = foreign.there()
        if not others:
            return
        for archive in (engines.build / "test-images/busybox.tar", *map(foreign.image, others)):
            self.docker(f"load -qi {archive}", quiet=True)
        self.say("  one program, compiled for several processors; what is not for this one is translated while it runs")
        work = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; uname -m"
        own = None
        for image in ("busybox", *(f"{architecture}/busybox" for architecture in others)):
            platform = "" if image == "busybox" else f"--platform linux/{image.split('/')[0]} "
            begin = time.monotonic()
            text = self.docker(f"run --rm {platform}{image} sh -c '{work}'")
            took = time.monotonic() - begin
            own = own or took
            self.check(image == "busybox" or text.split()[-1] in ("aarch64", "riscv64"), f"{image} does not run on another processor")
            self.say(f"  {took:.2f} s" + (f": {took / own:.1f} times as long as natively" if took != own else ", natively"))
        self.docker("rmi busybox:latest busybox:test " + " ".join(f"{architecture}/busybox" for architecture in others), quiet=True)

    def interactive(self):
        with self.terminal("run -it --name myubuntu debian:local") as terminal:
            short = terminal.expect(prompt, 30)[1]
            self.typed(terminal, "echo written in the first > /root/note")
            self.typed(terminal, "ls /root")
            terminal.line("exit")
            self.check(terminal.wait() == 0, "the shell's exit code is not 0")
        identity = self.docker("ps -aq --no-trunc --filter name=myubuntu").strip()
        self.check(identity.startswith(short), f"the prompt says {short}, the id is {identity}")
        with self.terminal("start -ai myubuntu") as terminal:
            self.at_prompt(terminal)
            self.check("written in the first" in self.typed(terminal, "cat /root/note"), "the file is gone after start")
            terminal.line("exit")
            terminal.wait()
        text = self.docker("run --rm debian:local cat /root/note", expect=1)
        self.check("No such file" in text, "the second container sees the first one's file")

    def install(self):
        self.say("  the course installs `vi`, which is no package: vim-tiny is")
        with self.terminal("start -ai myubuntu") as terminal:
            self.at_prompt(terminal)
            update = self.typed(terminal, "apt update -q; echo ended with $?", 180)
            if "ended with 0" not in update or "Failed to fetch" in update:
                raise Failed("apt update failed inside the container: the package mirror cannot be reached from there")
            installed = self.typed(terminal, "apt install -qy --no-install-recommends nodejs wget curl vim-tiny > /tmp/log 2>&1; "
                                             "echo ended with $?; tail -n 2 /tmp/log; rm /tmp/log; node --version", 600)
            self.check("ended with 0" in installed, "apt install failed inside the container")
            terminal.line("cd /root")
            terminal.expect(prompt)
            terminal.line("cat > index.js << 'END'")
            for line in (index_js + "END").splitlines():
                terminal.expect("> ")
                terminal.line(line)
            terminal.expect(prompt)
            self.typed(terminal, "ls -l index.js")
            terminal.line("exit")
            self.check(terminal.wait() == 0, "the shell's exit code is not 0")

    def commit(self):
        self.say("  index.js lies in /root, so the commit needs -c 'WORKDIR /root'; and the course calls the image now\n"
                 "  ubuntuvic, now ubuntu2: here it is vic/ubuntuvic throughout")
        self.docker("commit -m 'added node.js' -a Vic -c 'WORKDIR /root' myubuntu vic/ubuntuvic")
        self.docker("images")

    def publish(self):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", 80))
                self.port = 80
            except OSError:
                self.port = free_port()
                self.say(f"  port 80 of this machine is taken; {self.port} serves instead")
        self.docker(f"run -it -d --rm -p {self.port}:8888 --name myubuntu2 vic/ubuntuvic node index.js")
        engines.wait_until(lambda: "listening" in subprocess.run([*self.client, "logs", "myubuntu2"], env=self.environment(),
                                                                 capture_output=True, text=True).stdout, "node listens")
        self.check(self.curl() == "ciao a tutti\n", "the server in the container does not answer")
        self.docker("ps")
        self.check("GET /" in self.docker("logs myubuntu2"), "the request is not in the logs")

    def curl(self, address="127.0.0.1"):
        self.say(f"$ curl http://{address}:{self.port}/")
        done = subprocess.run(["curl", "-sS", "-m", "10", "--noproxy", "*", f"http://{address}:{self.port}/"], capture_output=True, text=True)
        self.say("  " + (done.stdout or done.stderr).rstrip())
        return done.stdout

    def crash(self):
        if self.options.against == "docker":
            self.say("  left out: dockerd was not started with --live-restore, and its docker-proxy dies with it")
            return
        before = self.docker("ps -q --no-trunc")
        self.say(f"$ kill -9 {self.engine.pid}   # the daemon")
        self.engine.kill()
        self.check(self.curl() == "ciao a tutti\n", "the container does not answer while the daemon is away")
        self.engine.start()
        self.check(self.docker("ps -q --no-trunc") == before, "the new daemon does not know the container")
        self.check(self.curl() == "ciao a tutti\n", "the container does not answer under the new daemon")

    def registries(self):
        for name in ("ubuntu", "hello-world"):
            self.say(f"$ timeout 10 docker pull {name}")
            try:
                done = subprocess.run([*self.client, "pull", name], env=self.environment(), capture_output=True, text=True, timeout=10)
                answer = (done.stdout + done.stderr).strip().splitlines()
                self.say("  " + (answer[-1] if answer else ""))
            except subprocess.TimeoutExpired:
                self.say("  no answer in time")
                continue
            if done.returncode == 0:
                self.docker(f"run --rm {name} {'cat /etc/os-release' if name == 'ubuntu' else ''}")
        if not self.registry:
            return
        self.say(f"  a registry of our own on {self.registry.address}, filled with skopeo, is this daemon's mirror:")
        self.docker("pull pila/hello-world")
        self.check("Hello from pila!" in self.docker("run --rm pila/hello-world"), "the pulled image does not greet")
        self.docker("rmi pila/hello-world")

    def networks(self):
        self.docker("network create course")
        self.docker("run -d --rm --network course --name server vic/ubuntuvic node index.js")
        command = "for i in 1 2 3 4 5 6 7 8 9; do curl -sS http://server:8888/ && exit; sleep 0.3; done; exit 1"
        text = self.docker(f"run --rm --network course vic/ubuntuvic sh -c '{command}'")
        self.check("ciao a tutti" in text, "the name `server` does not lead to the container")
        text = self.docker("run --rm vic/ubuntuvic curl -sS -m 3 http://server:8888/", expect=None)
        self.check("ciao" not in text, "the name is known outside its network")
        self.docker("network inspect course", quiet=True)
        self.docker("rm -f server")
        self.docker("network rm course")

    def tidy(self):
        self.docker("stop -t 2 myubuntu2")
        engines.wait_until(lambda: self.engine.api("GET", "/containers/myubuntu2/json").status == 404, "--rm removes the container")
        self.docker("ps -a")
        self.docker("rm myubuntu")
        self.docker("rmi vic/ubuntuvic", quiet=True)
        self.docker("rmi debian:local", quiet=True)
        self.docker("images")

    # --- the end ---------------------------------------------------------------------------------------------------
    def leave(self):
        """Undoes everything; what could not be undone in order, as text (then it is undone by force)."""
        left, containers = [], []
        if self.engine and self.engine.process and self.engine.process.poll() is None:
            try:
                containers = [container["Id"] for container in self.engine.api("GET", "/containers/json?all=1", timeout=10).json()]
                self.engine.remove_everything()
                self.engine.stop(30)
            except (OSError, AssertionError) as problem:
                left.append(f"the daemon did not end in order: {str(problem).splitlines()[0]}")
                if self.engine.process.poll() is None:
                    self.engine.kill()
        if self.registry:
            self.registry.stop()
        left += self.force(containers)
        shutil.rmtree(self.directory, ignore_errors=True)
        return left + ([f"directory {self.directory}"] if self.directory.exists() else [])

    def force(self, containers):
        """Ends and removes what is ours and still there, and says what it was."""
        left = []
        marks = [str(self.directory).encode(), *(identity.encode() for identity in containers)]
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                line = Path(f"/proc/{pid}/cmdline").read_bytes()
                if int(pid) != os.getpid() and any(mark in line for mark in marks):
                    left.append(f"process {pid} {line.replace(bytes(1), b' ').decode(errors='replace')[:80]}")
                    os.kill(int(pid), signal.SIGKILL)
            except OSError:
                continue
        for line in reversed(open("/proc/mounts").read().splitlines()):
            if str(self.directory) in line.split()[1]:
                left.append(f"mount {line.split()[1]}")
                subprocess.run(["umount", "-l", line.split()[1]], capture_output=True)
        if formats.is_dir():  # emulators stay registered, as a distribution's do; a demo leaves none
            for name in set(os.listdir(formats)) - self.formats_before - {"register", "status"}:
                (formats / name).write_text("-1")
            if not self.formats_before and os.path.ismount(formats):
                subprocess.run(["umount", formats], capture_output=True)
        if self.options.against == "pila":  # an empty bridge and table stay until the next start; a demo leaves none
            for line in subprocess.run(["ip", "-o", "link"], capture_output=True, text=True).stdout.splitlines():
                if instance in line:
                    subprocess.run(["ip", "link", "del", line.split(":")[1].split("@")[0].strip()], capture_output=True)
            for line in subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout.splitlines():
                if instance in line.split():
                    subprocess.run(["nft", "delete", *line.split()], capture_output=True)
            subprocess.run(f"find /sys/fs/cgroup -depth -type d -path '*/{instance}*' -exec rmdir {{}} + 2> /dev/null", shell=True)
        return left

    def run(self):
        steps = [("start the daemon", self.start_daemon), ("an image from this machine's packages", self.base_image),
                 ("interactive containers, and what they keep", self.interactive),
                 ("install software in the container: node.js, wget, curl, vim-tiny", self.install),
                 ("commit it as an image", self.commit), ("run it in the background with a published port", self.publish),
                 ("kill -9 the daemon while it serves", self.crash), ("registries", self.registries),
                 ("networks and names", self.networks)]
        if self.options.against == "pila":
            steps.insert(1, ("one program on three processors", self.emulation))
            steps.insert(0, ("build", self.build))
        if not self.options.keep:
            steps.append(("logs, stop, rm, rmi: nothing stays", self.tidy))
        problem = None
        try:
            for title, function in steps:
                self.step(title, function)
        except (Exception, KeyboardInterrupt, SystemExit) as failure:  # whatever it is: nothing is left behind
            problem = failure
            self.say(f"\nFAILED in step {self.number}: {failure or type(failure).__name__}")
            if self.engine and self.engine.log_path.exists():
                self.say("The daemon's log ends with:\n" + self.engine.log_tail(15))
        if self.options.keep and not problem:
            self.say(f"\nKept: export DOCKER_HOST={self.engine.host}; the daemon is process {self.engine.pid},\n"
                     f"its data below {self.directory}. It goes with: docker rm -f $(docker ps -aq); kill {self.engine.pid}")
            left = []
        else:
            left = self.leave()
            self.say("\nleft behind: " + ("; ".join(left) or "nothing"))
        self.say("\n" + "\n".join(f"{number:3}. {title:70} {seconds:7.1f} s" for number, title, seconds in self.times))
        self.say(f"     {'all of it':70} {sum(seconds for *_, seconds in self.times):7.1f} s")
        self.say("demo failed" if problem or left else "demo passed")
        return 1 if problem or left else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", choices=engines.kinds, default="pila")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--sandbox", action="store_true")
    options = parser.parse_args()
    if (options.sandbox or options.against == "docker") and not sandbox.inside():
        return sandbox.run([sys.executable, *sys.argv], uplink=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    return Demo(options).run()


if __name__ == "__main__":
    sys.exit(main())
