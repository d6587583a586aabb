# SPDX-License-Identifier: Apache-2.0
"""A daemon that accepts every container and remembers what it was asked, to compare two command lines byte by byte."""
import json
import os
import socketserver
import threading
from http.server import BaseHTTPRequestHandler


CONTAINER = {"Id": "0123456789abcdef" * 4, "Name": "/c", "Config": {"Tty": False, "OpenStdin": True},
             "HostConfig": {"AutoRemove": False}, "State": {"Running": True, "Status": "running"},
             "NetworkSettings": {"Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}}}
REPLIES = {  # by method and end of the path; the first that fits
    ("POST", "/containers/create"): (201, {"Id": "0123456789abcdef" * 4, "Warnings": ["a warning"]}),
    ("GET", "/info"): (200, {"OSType": "linux", "IndexServerAddress": "https://index.docker.io/v1/",
                             "SecurityOptions": ["name=seccomp,profile=default"]}),
    ("POST", "/networks/create"): (201, {"Id": "f" * 64, "Warning": ""}),
    ("POST", "/volumes/create"): (201, {"Name": "vol", "Driver": "local", "Mountpoint": "/m", "Scope": "local"}),
    ("POST", "/exec"): (201, {"Id": "e" * 64}),
    ("POST", "/update"): (200, {"Warnings": []}),
    ("POST", "/wait"): (200, {"StatusCode": 3}),
    ("POST", "/prune"): (200, {"SpaceReclaimed": 1234567}),
    ("POST", "/commit"): (201, {"Id": "sha256:" + "c" * 64}),
    ("DELETE", "/images/a"): (200, [{"Untagged": "a:latest"}, {"Deleted": "sha256:" + "c" * 64}]),
    ("GET", "/containers/json"): (200, []),
    ("GET", "/images/json"): (200, []),
    ("GET", "/images/search"): (200, []),
    ("GET", "/networks"): (200, []),
    ("GET", "/volumes"): (200, {"Volumes": []}),
    ("GET", "/system/df"): (200, {}),
    ("GET", "/top"): (200, {"Titles": ["PID", "COMMAND"], "Processes": [["1", "sh"]]}),
    ("GET", "/changes"): (200, [{"Kind": 0, "Path": "/etc"}, {"Kind": 1, "Path": "/etc/new"}, {"Kind": 2, "Path": "/old"}]),
    ("GET", "/history"): (200, [{"Id": "<missing>", "Created": 0, "CreatedBy": "x", "Size": 5, "Comment": "y"}]),
    ("GET", "/json"): (200, CONTAINER),
    ("GET", "/volumes/v"): (200, {"Name": "v", "Driver": "local", "Labels": None}),
}


def reply(method, path):
    for (verb, ending), answer in REPLIES.items():
        if method == verb and path.endswith(ending):
            return answer
    return 204, None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "unix"

    def log_message(self, *_):
        pass

    def answer(self, status, value):
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Api-Version", self.server.api_version)
        self.send_header("Docker-Experimental", "false")
        self.send_header("Ostype", "linux")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def handle_any(self):
        data = self.body()
        path, _, query = self.path.partition("?")
        if path.startswith("/v1."):
            path = "/" + path.split("/", 2)[2]
        if path == "/_ping":
            return self.answer(200, None)
        try:
            value = json.loads(data) if data else None
        except ValueError:
            value = data.decode(errors="replace")
        self.server.requests.append({"method": self.command, "path": path, "query": query, "body": value})
        self.answer(*reply(self.command, path))

    do_GET = do_POST = do_DELETE = do_HEAD = do_PUT = handle_any


class FakeDaemon(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path, api_version):
        if os.path.exists(path):
            os.unlink(path)
        self.api_version = api_version
        self.requests = []
        super().__init__(path, Handler)

    def handle_error(self, request, client_address):
        pass  # clients may leave early

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
        os.unlink(self.server_address)
