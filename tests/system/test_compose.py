# SPDX-License-Identifier: Apache-2.0
"""A project of three services with docker-compose, as people keep them: up, changed, scaled, down."""
import json
import os
import shutil
import subprocess
import urllib.request

import pytest
from conftest import client_of, loaded
from lib.engines import wait_until

pytestmark = [pytest.mark.slice5, pytest.mark.skipif(not shutil.which("docker-compose"), reason="docker-compose is not installed")]
project = """
version: "2.4"
services:
  db:
    image: busybox
    command: sh -c "sleep 1; echo stored > /data/value; touch /ready; exec sleep 10000"
    volumes: ["data:/data"]
    stop_grace_period: 0s
    healthcheck: {test: ["CMD", "test", "-f", "/ready"], interval: 1s, timeout: 5s, retries: 30}
  app:
    image: busybox
    command: sh -c "mkdir /www; echo app $$GREETING > /www/index.html; exec httpd -f -h /www"
    depends_on: {db: {condition: service_healthy}}
    environment: {GREETING: hello}
    volumes: ["data:/data:ro"]
    stop_grace_period: 0s
  web:
    image: busybox
    command: sh -c "mkdir /www; wget -qO /www/index.html http://app/; exec httpd -f -h /www"
    depends_on: [app]
    ports: ["8070:80"]
    restart: always
    stop_grace_period: 0s
volumes: {data: {}}
"""


@pytest.fixture
def compose(fresh, tmp_path):
    engine = loaded(fresh(), "busybox")
    (tmp_path / "docker-compose.yml").write_text(project)

    def run(*words):
        done = subprocess.run(["docker-compose", "--project-name", "town", *words], cwd=tmp_path, text=True, capture_output=True,
                              timeout=120, env=os.environ | {"DOCKER_HOST": engine.host})
        assert done.returncode == 0, f"docker-compose {' '.join(words)}\n{done.stdout}{done.stderr}{engine.log_tail()}"
        return done.stdout

    run.engine, run.file = engine, tmp_path / "docker-compose.yml"
    return run


def containers(compose):
    return {item["Names"][0][1:]: item["Id"] for item in compose.engine.api("GET", "/containers/json").json()}


def page():
    try:
        return urllib.request.urlopen("http://127.0.0.1:8070/", timeout=5).read().decode().strip()
    except OSError:
        return None


def test_a_project_of_three_services(compose):
    compose("up", "-d")
    first = containers(compose)
    assert set(first) == {"town_db_1", "town_app_1", "town_web_1"}
    wait_until(lambda: page() == "app hello", "the page comes through both services")
    assert json.loads(client_of(compose.engine)("inspect", "-f", "{{json .State.Health.Status}}", "town_db_1")) == "healthy"
    assert compose("exec", "-T", "app", "cat", "/data/value").strip() == "stored"

    compose("up", "-d")  # nothing changed: nothing happens
    assert containers(compose) == first

    compose.file.write_text(project.replace("GREETING: hello", "GREETING: ciao"))
    compose("up", "-d")
    second = containers(compose)
    assert second["town_db_1"] == first["town_db_1"] and second["town_app_1"] != first["town_app_1"]
    compose("restart", "web")  # which asked app at its start
    wait_until(lambda: page() == "app ciao", "the change is seen")
    assert compose("exec", "-T", "app", "cat", "/data/value").strip() == "stored"

    compose("up", "-d", "--scale", "app=3")
    assert {name for name in containers(compose) if "_app_" in name} == {"town_app_1", "town_app_2", "town_app_3"}
    addresses = compose("exec", "-T", "web", "nslookup", "-type=a", "app").count("Address")
    assert addresses >= 3
    assert "town_web_1" in compose("ps") and "httpd" in compose("top", "web")
    compose("stop", "web")
    assert page() is None
    compose("start", "web")
    wait_until(lambda: page() == "app ciao", "it is back")

    compose("down", "-v")
    assert compose.engine.api("GET", "/containers/json?all=1").json() == []
    assert not compose.engine.api("GET", "/volumes").json()["Volumes"]
    assert {network["Name"] for network in compose.engine.api("GET", "/networks").json()} == {"bridge", "host", "none"}
