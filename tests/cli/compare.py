#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the same command lines with docker and with pila against one daemon and compares what they print and return.

  compare.py path/to/pila [PATTERN]      needs docker, DOCKER_HOST and an image busybox:latest; exit 77 without them

{} in a case is a name that differs between the two, of the same length. Cases run in order.
"""
import os
import re
import shlex
import subprocess
import sys
import tempfile

CASES = r"""
run --rm busybox echo hello
run --rm busybox sh -c 'echo out; echo err >&2; exit 7'
run --rm -i busybox cat < some input
run --rm busybox /nope
run --rm busybox /etc
run --rm --pull never no-such-image:tag
run --rm -e A=1 -e B -w /tmp --hostname box -u 65534:65534 busybox sh -c 'pwd; hostname; id -u; env | sort | grep -v HOSTNAME'
run -d --name {}1 -l one=1 -l two=2 -p 127.0.0.1:18{n}0:80 -p 127.0.0.1:18{n}1:81/udp -v {}v:/data busybox sh -c 'echo line1; echo line2 >&2; trap "exit 5" TERM; while :; do sleep 1; done'
run --name {}1 busybox true
run -d --name {}2 -t busybox sh
create --name {}3 busybox echo from create
ps -a --filter name={} --format '{{.Names}} {{.Image}} {{.Command}} {{.State}} {{.Ports}} {{.Labels}} {{.Mounts}} {{.LocalVolumes}} {{.Networks}} {{.Label "one"}}'
ps -a --filter name={}
ps -a -q --filter name={}
ps -a --no-trunc --filter name={}
ps -as --filter name={}
ps --filter name={} --format json
ps --filter name={} --format 'table {{.ID}}\t{{.Names}}\t{{upper .Image}}'
ps --filter name=nothing-has-this-name
ps --format '{{.Nope}}'
ps --format '{{.ID'
ps --filter bad=x
logs {}1
logs --tail 2 {}1
logs -t --tail 0 {}1
exec {}1 echo hi
exec -i {}1 cat < text through exec
exec {}1 sh -c 'exit 9'
exec {}1 /nope
exec -u 65534 -w /tmp -e X=y {}1 sh -c 'id -u; pwd; echo $X'
exec -d {}1 sleep 100
exec nope true
top {}1 -o pid,args
port {}1
port {}1 80
port {}1 81/udp
port {}1 99
diff {}3
start {}3
start -a {}3
wait {}3
inspect {}1 --format '{{.State.Running}} {{.Config.Image}} {{index .Config.Labels "one"}} {{len .Mounts}} {{range .Mounts}}{{.Destination}}{{end}} {{json .Config.Cmd}} {{.HostConfig.NetworkMode}}'
inspect -f '{{range $k, $v := .NetworkSettings.Ports}}{{$k}}={{(index $v 0).HostPort}};{{end}}' {}1
inspect -f '{{if eq .State.Status "running"}}yes{{else}}no{{end}} {{printf "%-5s|%5d|%q" "ab" 42 "q"}} {{.HostConfig.Memory}} {{.HostConfig.Dns}}' {}1
inspect -f '{{.Nope}}' {}1
inspect -f '{{.Name' {}1
inspect no-such-thing
inspect {}1 no-such-thing --format '{{.Name}}'
inspect --type image {}1
container inspect no-such-thing
image inspect busybox --format '{{.Os}} {{.Architecture}} {{.RepoTags}} {{.Config.Cmd}}'
image inspect no-such-thing
pause {}1
ps --filter name={}1 --format '{{.State}}'
unpause {}1
update --cpu-shares 512 {}1
rename {}1 {}4
rename {}4 {}1
rename {}1 {}2
commit -m message {}1 {}image:tag
images {}image
images --format '{{.Repository}}:{{.Tag}} {{.Size}}' {}image
images -q --no-trunc busybox
images --digests busybox
images --filter dangling=true
images --format json busybox
tag busybox {}image:other
history --format '{{.CreatedBy}}|{{.Size}}|{{.Comment}}' {}image:tag
history -q busybox
save -o {dir}/image.tar {}image:other
rmi {}image:other
load -i {dir}/image.tar
load < /dev/null
rmi {}image:other no-such-image
rmi {}image:tag
export -o {dir}/root.tar {}3
import -m imported -c 'CMD ["sh"]' {dir}/root.tar {}image:import
rmi -f {}image:import
network create --label a=b --subnet 10.{n}7.0.0/24 {}net
network create {}net
network ls --filter name={} --format '{{.Name}} {{.Driver}} {{.Scope}} {{.Labels}}'
network ls --filter name={}
network ls -q --filter name={}
network connect --alias x {}net {}2
network inspect {}net --format '{{.Name}} {{(index .IPAM.Config 0).Subnet}} {{len .Containers}}'
network disconnect {}net {}2
network rm {}net
network rm {}net
volume create --label a=b {}vol
volume ls --filter name={}vol
volume ls -q --filter name={}vol
volume inspect {}vol --format '{{.Name}} {{.Driver}} {{.Labels}}'
volume rm {}vol
volume rm {}vol
cp {}1:/etc/hostname {dir}/out
cp no-such:/x {dir}/y
kill -s NOSIG {}1
kill {}2
stop -t 5 {}1
wait {}1
ps -a --filter name={}1 --format '{{.Status}}'
restart -t 0 {}1
start nope
stop nope other
rm {}1
rm -f {}1 {}2 {}3
rm {}1
rm -f {}1
volume rm {}v
pull
attach nope
logs nope
stats --no-stream nope
version --format '{{.Server.Version}} {{.Client.APIVersion}}'
info --format '{{.OSType}} {{.NCPU}} {{.Swarm.LocalNodeState}}'
system df --format '{{.Type}} {{.TotalCount}}'
events --since 1s --until 0s --filter type=plugin
search
login -u x
nonsense
ps --nonsense
run
run --memory 5 busybox true
run --cap-add NONSENSE busybox true
create --name {}/bad busybox
"""


def run(program, case, name, number, directory):
    case, _, given = case.partition(" < ")
    given = b"" if given == "/dev/null" else given.encode()
    for hole, value in (("{}", name), ("{n}", str(number)), ("{dir}", os.path.join(directory, name))):
        case = case.replace(hole, value)
    done = subprocess.run([program] + shlex.split(case), input=given, capture_output=True, timeout=60)

    def clean(data):
        text = data.decode(errors="replace").replace(name, "NAME").replace(directory, "DIR")
        text = re.sub(r"\b(docker|pila)\b", "CLI", text)
        text = re.sub(r"\b[0-9a-f]{64}\b", "ID64", text)
        text = re.sub(r"import-\d+", "import-N", text)
        text = re.sub(r"\b[0-9a-f]{12}\b", "ID12", text)
        text = re.sub(r"(About an? (minute|hour)|Less than a second|\d+ (second|minute|hour|day|week|month)s?)", "AGE", text)
        text = re.sub(r" {2,}", "  ", text) if "AGE" in text else text
        text = re.sub(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?( \+0000 UTC|Z)?", "TIME", text)
        text = re.sub(r"\b(18|10\.)\d(?=[017])", r"\1N", text)
        text = re.sub(r"(?m)^\s*\d+(?=\s+(sh|sleep) )", "PID", text)
        lines = [line for line in text.splitlines() if not line.startswith(("Run 'CLI", "See 'CLI"))]
        return "\n".join(sorted(lines) if case.startswith("top ") else lines)  # processes come in any order

    return {"exit": done.returncode, "stdout": clean(done.stdout), "stderr": clean(done.stderr)}


def main():
    program, pattern = os.path.abspath(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""
    host = os.environ.get("DOCKER_HOST", "")
    os.environ["PILA_HOST"] = host
    try:
        found = subprocess.run(["docker", "image", "inspect", "busybox:latest"], capture_output=True).returncode
    except FileNotFoundError:
        found = 1
    if not host or found != 0:
        print("skipped: needs docker, DOCKER_HOST and busybox:latest")
        return 77
    bad = total = 0
    with tempfile.TemporaryDirectory(prefix="pila-cli-", dir="/tmp") as directory:
        os.environ["DOCKER_CONFIG"] = directory
        for case in CASES.strip().splitlines():
            if pattern not in case:
                continue
            total += 1
            want = run("docker", case, "cmpdocker", 1, directory)
            got = run(program, case, "cmpxpilax", 2, directory)
            if want == got:
                continue
            bad += 1
            print(f"--- {case}")
            for key in want:
                if want[key] != got[key]:
                    print(f"  {key}: docker {want[key]!r}\n  {' ' * len(key)}  pila   {got[key]!r}")
    print(f"{total - bad} of {total} alike")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
