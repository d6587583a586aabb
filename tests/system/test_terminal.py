# SPDX-License-Identifier: Apache-2.0
"""Interactive containers on a real pseudo terminal: what a person at a keyboard sees."""
import re

import pytest
from lib.engines import wait_until

pytestmark = pytest.mark.slice1
prompt = r"/ # "


def shell(docker, *words):
    terminal = docker.terminal("run", "-it", *words, "busybox")
    terminal.expect(prompt)
    return terminal


def test_prompt_shows_and_commands_answer(docker):
    with shell(docker, "--rm") as terminal:
        terminal.line("echo $((6 * 7))")
        terminal.expect("42\r\n/ # ")
        terminal.line("tty; id -un")
        terminal.expect("/dev/pts/0\r\nroot\r\n")
        terminal.line("exit 3")
        assert terminal.wait() == 3


def test_prompt_with_user_and_short_id(docker):
    """As bash on Debian and Ubuntu shows it."""
    with docker.terminal("run", "-it", "--rm", "--name", "named", "-e", r"PS1=\u@\h:\w\$ ", "busybox", "sh") as terminal:
        short = terminal.expect(r"root@([0-9a-f]{12}):/# ")[1]
        assert docker.inspect("named")["Id"].startswith(short)
        terminal.line("cd /tmp")
        terminal.expect(rf"root@{short}:/tmp# ")
        terminal.line("exit")
        assert terminal.wait() == 0


def test_initial_size_reaches_the_container(docker):
    with docker.terminal("run", "-it", "--rm", "busybox", rows=33, columns=101) as terminal:
        terminal.expect(prompt)
        wait_until(lambda: size(terminal) == (33, 101), "the container has the terminal's size")


def test_resize_while_it_runs(docker):
    with docker.terminal("run", "-it", "--rm", "busybox", "sh", "-c", "while :; do stty size; sleep 0.2; done") as terminal:
        for _ in range(3):  # the client listens for changes soon after it has told the first size
            terminal.expect("24 80\r\n")
        for rows, columns in ((50, 132), (10, 40)):
            terminal.resize(rows, columns)
            terminal.expect(f"{rows} {columns}\r\n")


def size(terminal):
    terminal.line("stty size")
    found = terminal.expect(r"stty size\r\n(\d+) (\d+)\r\n")
    terminal.expect(prompt)
    return int(found[1]), int(found[2])


def test_control_c_interrupts_the_foreground_process(docker):
    with shell(docker, "--rm") as terminal:
        terminal.line("sh -c 'echo start''ed; sleep 1000'")
        terminal.expect("started\r\n")
        terminal.send("\x03")
        terminal.expect(prompt)
        terminal.line("echo code $?")
        terminal.expect("code 130")


def test_control_d_ends_the_shell(docker):
    with shell(docker, "--rm") as terminal:
        terminal.send("\x04")
        assert terminal.wait() == 0


def test_detach_keys_leave_it_running(docker):
    with shell(docker, "--name", "left") as terminal:
        terminal.send("\x10\x11")
        assert terminal.wait() == 0
    assert docker.inspect("left")["State"]["Running"]
    with docker.terminal("attach", "left") as terminal:
        terminal.line("echo back again")
        terminal.expect("\r\nback again\r\n")
        terminal.line("exit 5")
        assert terminal.wait() == 5


def test_chosen_detach_keys(docker):
    with docker.terminal("run", "-it", "--name", "keys", "--detach-keys", "ctrl-a,x", "busybox") as terminal:
        terminal.expect(prompt)
        terminal.send("\x01x")
        assert terminal.wait() == 0
    assert docker.inspect("keys")["State"]["Running"]


def test_half_of_the_detach_keys_is_input(docker):
    with shell(docker, "--rm") as terminal:
        terminal.send("\x10echo ok\r")
        terminal.expect("\r\nok\r\n")


def test_start_attached_and_interactive_again(docker):
    with shell(docker, "--name", "again") as terminal:
        terminal.line("echo kept > /root/note; exit 7")
        assert terminal.wait() == 7
    assert docker.inspect("again")["State"]["ExitCode"] == 7
    with docker.terminal("start", "-ai", "again") as terminal:
        terminal.line("cat /root/note; exit 8")
        terminal.expect("\r\nkept\r\n")
        assert terminal.wait() == 8


def test_exec_with_a_terminal(docker):
    docker("run", "-d", "--name", "box", "busybox", "sleep", "1000")
    with docker.terminal("exec", "-it", "box", "sh", rows=21, columns=77) as terminal:
        terminal.expect(prompt)
        wait_until(lambda: size(terminal) == (21, 77), "the exec has the terminal's size")
        terminal.line("ps -o pid,comm | head -2; exit 4")
        terminal.expect("1 sleep")
        assert terminal.wait() == 4
    assert docker.inspect("box")["State"]["Running"]


def test_detach_from_exec(docker):
    docker("run", "-d", "--name", "box", "busybox", "sleep", "1000")
    with docker.terminal("exec", "-it", "box", "sh") as terminal:
        terminal.expect(prompt)
        terminal.send("\x10\x11")
        terminal.wait()
    assert "sh" in docker("exec", "box", "ps", "-o", "comm").split()


def test_terminal_output_has_carriage_returns_and_no_framing(docker):
    docker("run", "-t", "--name", "plain", "busybox", "echo", "one")
    raw = docker.engine.api("GET", "/containers/plain/logs?stdout=1").body
    assert raw == b"one\r\n"


def test_two_terminals_on_one_container(docker):
    with shell(docker, "--name", "shared") as first, docker.terminal("attach", "shared") as second:
        second.send("\r")
        second.expect(prompt)
        first.line("echo seen by both")
        first.expect("\r\nseen by both\r\n")
        second.expect("\r\nseen by both\r\n")
        first.line("exit")
        assert first.wait() == 0
        assert second.wait() == 0


def test_killing_the_container_ends_the_client(docker):
    with shell(docker, "--name", "victim") as terminal:
        docker("kill", "victim")
        assert terminal.wait() == 137


def test_unicode_and_escape_sequences_pass(docker):
    with shell(docker, "--rm") as terminal:
        terminal.line("printf '\\033[1mgr\\303\\274n\\033[0m\\n'")
        terminal.expect(re.escape("\x1b[1mgrün\x1b[0m\r\n"))


def test_a_lot_of_output_arrives_whole(docker):
    with shell(docker, "--rm") as terminal:
        terminal.line("seq 1 50000; echo the-$((1 + 1))-end")
        terminal.expect("50000\r\nthe-2-end", 60)
        assert [int(line) for line in re.findall(r"^(\d+)\r$", terminal.before, re.M)] == list(range(1, 50001))
