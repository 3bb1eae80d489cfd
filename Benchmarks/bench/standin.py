"""nginx as the fastest thing that could answer: a ceiling, and a provider to send to."""

import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from .server import free_port

CONFIGURATION = """
daemon off; worker_processes {workers}; pid {directory}/pid; error_log {directory}/error.log crit;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
  access_log off; default_type application/json;
  keepalive_requests 1000000000; keepalive_timeout 600;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 '{answer}'; }} }}
}}
"""


class Nginx:
    def __init__(self, answer, workers):
        self.port = free_port()
        self.directory = tempfile.mkdtemp(prefix="herald-nginx.")
        configuration = Path(self.directory, "nginx.conf")
        configuration.write_text(CONFIGURATION.format(
            workers=workers, directory=self.directory, port=self.port, answer=answer))
        self._process = subprocess.Popen(
            ["nginx", "-c", str(configuration), "-p", self.directory],
            stderr=subprocess.DEVNULL)
        self.pid = self._process.pid
        self.url = f"http://127.0.0.1:{self.port}/"
        for _ in range(100):
            try:
                urllib.request.urlopen(self.url, timeout=1).read()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("nginx did not start")

    def stop(self):
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(10)
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
