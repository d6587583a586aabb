# SPDX-License-Identifier: Apache-2.0
"""HTTP over a unix socket, for tests that speak the Docker API without a client library."""
import http.client
import json
import socket


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=60):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode(errors="replace")

    def __repr__(self):
        return f"{self.status} {self.text[:500]}"


class BrokenAnswer(OSError):
    """The server broke off in the middle, or what it sent is no HTTP."""


def request(path, method, target, body=None, headers=None, timeout=60):
    """body: bytes go as they are, anything else as JSON."""
    headers = dict(headers or {})
    if body is not None and not isinstance(body, (bytes, str)) and not hasattr(body, "read"):
        body = json.dumps(body)
    if body is not None and "Content-Type" not in headers:
        headers["Content-Type"] = "application/json"
    connection = UnixConnection(path, timeout)
    try:
        try:
            connection.request(method, target, body, headers)
        except (BrokenPipeError, ConnectionResetError):  # it answered before it had read everything
            connection._HTTPConnection__state = http.client._CS_REQ_SENT
        return Answer(connection.getresponse())
    except http.client.HTTPException as broken:
        raise BrokenAnswer(f"{method} {target}: {type(broken).__name__}: {broken}") from None
    finally:
        connection.close()
