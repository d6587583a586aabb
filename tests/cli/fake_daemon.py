# SPDX-License-Identifier: Apache-2.0
"""A daemon that accepts every container and remembers what it was asked, to compare two command lines byte by byte."""
import json
import os
import socketserver
import threading
from http.server import BaseHTTPRequestHandler


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
        if path == "/containers/create":
            return self.answer(201, {"Id": "0123456789abcdef" * 4, "Warnings": []})
        if path == "/info":
            return self.answer(200, {"OSType": "linux", "IndexServerAddress": "https://index.docker.io/v1/",
                                     "SecurityOptions": ["name=seccomp,profile=default"]})
        if path == "/networks/create":
            return self.answer(201, {"Id": "f" * 64, "Warning": ""})
        if path == "/volumes/create":
            return self.answer(201, {"Name": "vol", "Driver": "local", "Mountpoint": "/m", "Scope": "local"})
        if path.endswith("/exec"):
            return self.answer(201, {"Id": "e" * 64})
        if path.endswith("/update"):
            return self.answer(200, {"Warnings": []})
        if path.endswith("/json"):
            return self.answer(200, {"Id": "0123456789abcdef" * 4, "Name": "/c", "Config": {"Tty": False},
                                     "State": {"Running": True, "Status": "running"}})
        return self.answer(204, None)

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

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
        os.unlink(self.server_address)
