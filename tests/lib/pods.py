# SPDX-License-Identifier: Apache-2.0
"""There is no node: a thread says of pods what a kubelet would."""
import http.client
import itertools
import threading

from lib.cluster import merge_patch


def say(plane, metadata, connection=None, **status):
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status"
    return plane.request("PATCH", path, {"status": status}, merge_patch, connection=connection)


class Pods(threading.Thread):
    """Those that are never restarted have succeeded, the others run and are ready. Those labelled kubelet=none are left alone."""

    def __init__(self, plane):
        super().__init__(daemon=True)
        self.plane, self.ending, self.addresses = plane, threading.Event(), itertools.count(1)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.join(20)

    def run(self):
        connection = self.plane.connect()
        while not self.ending.wait(0.1):
            try:
                pods = self.plane.request("GET", "/api/v1/pods?labelSelector=kubelet!%3Dnone", connection=connection).json
                for pod in pods["items"]:
                    if pod["status"].get("phase", "Pending") == "Pending":
                        self.tell(pod, connection)
            except (OSError, http.client.HTTPException):  # it was killed, and will be there again
                connection = self.plane.connect()

    def tell(self, pod, connection):
        number, at = next(self.addresses), "2026-01-01T00:00:00Z"
        ends = pod["spec"]["restartPolicy"] == "Never"
        state = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": at, "finishedAt": at}} if ends else \
            {"running": {"startedAt": at}}
        say(self.plane, pod["metadata"], connection, phase="Succeeded" if ends else "Running",
            podIP=f"10.200.{number // 250}.{number % 250 + 1}", startTime=at,
            conditions=[{"type": "Ready", "status": "False" if ends else "True", "lastTransitionTime": at}],
            containerStatuses=[{"name": container["name"], "image": container["image"], "imageID": "", "ready": not ends,
                                "restartCount": 0, "state": state} for container in pod["spec"]["containers"]])
