# SPDX-License-Identifier: Apache-2.0
"""A program on a real pseudo terminal: what a person types and sees."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time


class Terminal:
    def __init__(self, command, environment=None, rows=24, columns=80, echo=None):
        """echo: called with every piece of output as it comes."""
        self.seen, self.before, self.echo, self.status = "", "", echo, None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                self.set_size(rows, columns, 0)
                os.execvpe(command[0], [str(word) for word in command], environment or os.environ)
            finally:
                os._exit(127)

    @staticmethod
    def set_size(rows, columns, fd):
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, rows, columns):
        self.set_size(rows, columns, self.fd)  # the kernel sends SIGWINCH to the foreground group

    def read(self, seconds):
        """One piece of output, "" at the end of it; None when nothing came."""
        if not select.select([self.fd], [], [], max(0, seconds))[0]:
            return None
        try:
            piece = os.read(self.fd, 65536).decode(errors="replace")
        except OSError:  # EIO: the last process closed the other side
            return ""
        self.seen += piece
        if piece and self.echo:
            self.echo(piece)
        return piece

    def expect(self, pattern, seconds=20):
        """Waits until the regular expression is in what came since the last expect(); takes that away; the match."""
        deadline = time.monotonic() + seconds
        while True:
            found = re.search(pattern, self.seen)
            if found:
                self.before, self.seen = self.seen[:found.end()], self.seen[found.end():]
                return found
            if self.read(deadline - time.monotonic()) == "":
                raise AssertionError(f"ended before {pattern!r}; seen last: {self.seen[-500:]!r}")
            if time.monotonic() > deadline:
                raise AssertionError(f"no {pattern!r} within {seconds} s; seen last: {self.seen[-500:]!r}")

    def send(self, text):
        os.write(self.fd, text.encode())

    def line(self, text):
        self.send(text + "\r")

    def wait(self, seconds=20):
        """Reads to the end; the exit code."""
        deadline = time.monotonic() + seconds
        while self.status is None:
            piece = self.read(min(0.05, deadline - time.monotonic()))
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > deadline:
                raise AssertionError(f"still running after {seconds} s; seen last: {self.seen[-500:]!r}")
            elif piece == "":
                time.sleep(0.01)
        while self.read(0):
            pass
        return self.status

    def close(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.status = -signal.SIGKILL
        os.close(self.fd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
