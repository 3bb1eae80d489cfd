"""A release Herald on a database of its own, and its API."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from .cluster import ROOT

BINARY = os.environ.get("HERALD_BINARY", str(ROOT / ".build" / "release" / "herald"))
ADMIN = "hk_admin_for_benchmarks_only"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Herald:
    def __init__(self, url, **settings):
        self.port = free_port()
        self.directory = tempfile.mkdtemp(prefix="herald-bench.")
        self._log = open(f"{self.directory}/log", "w")
        environment = dict(
            os.environ, HERALD_DATABASE_URL=url, HERALD_DATA_DIR=self.directory,
            HERALD_ADMIN_KEY=ADMIN, HERALD_LISTEN=f"127.0.0.1:{self.port}",
            HERALD_ALLOW_PRIVATE_ENDPOINTS="1", HERALD_LOG_LEVEL="warning", **settings)
        subprocess.run([BINARY, "migrate"], env=environment, check=True, stderr=self._log)
        self._process = subprocess.Popen(
            [BINARY, "serve"], env=environment, stdout=self._log, stderr=self._log)
        self.pid = self._process.pid
        self._wait()

    def _wait(self):
        deadline = time.time() + 30
        while time.time() < deadline:
            try:
                self.call("GET", "/readyz")
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"herald did not start; see {self.directory}/log")

    def call(self, method, path, body=None, key=ADMIN):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        try:
            connection.request(
                method, path, json.dumps(body) if body is not None else None,
                {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:1000]}")
        try:
            return json.loads(text)
        except ValueError:
            return text

    def key(self, role, principal):
        return self.call(
            "POST", "/v1/keys", {"name": role, "role": role, "principal": principal})["key"]

    def stop(self):
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(40)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._log.close()
        with open(f"{self.directory}/log") as log:
            complaints = log.read()
        if complaints.strip():
            print("herald logged:", complaints[:2000])
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
