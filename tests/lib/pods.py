# SPDX-License-Identifier: Apache-2.0
"""Says of pods what a node would: those that restart run and are ready, the others have succeeded. Nothing ends by itself."""
import http.client
import itertools
import threading


class Pods(threading.Thread):
    def __init__(self, plane):
        super().__init__(daemon=True)
        self.plane, self.ending, self.addresses = plane, threading.Event(), itertools.count(1)

    def run(self):
        connection = self.plane.connect()
        while not self.ending.wait(0.1):
            try:
                for pod in self.plane.request("GET", "/api/v1/pods", connection=connection).json["items"]:
                    if pod["status"].get("phase", "Pending") == "Pending":
                        self.tell(pod, connection)
            except (OSError, http.client.HTTPException):
                connection = self.plane.connect()

    def tell(self, pod, connection):
        number, at = next(self.addresses), "2026-01-01T00:00:00Z"
        ends = pod["spec"]["restartPolicy"] == "Never"
        condition = {"type": "Ready", "status": "False" if ends else "True", "lastTransitionTime": at}
        state = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": at, "finishedAt": at}} if ends else \
            {"running": {"startedAt": at}}
        status = {"phase": "Succeeded" if ends else "Running", "podIP": f"10.200.{number // 250}.{number % 250 + 1}",
                  "startTime": at, "conditions": [condition],
                  "containerStatuses": [{"name": container["name"], "image": container["image"], "imageID": "", "ready": not ends,
                                         "restartCount": 0, "state": state} for container in pod["spec"]["containers"]]}
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}/status"
        self.plane.request("PATCH", path, {"status": status}, {"Content-Type": "application/merge-patch+json"},
                           connection=connection)

    def stop(self):
        self.ending.set()
        self.join(20)
