"""The services Herald is compared with, in an environment of their own made from PyPI once."""

import os
import shutil
import signal
import subprocess
import time
import urllib.request

from .cluster import ROOT
from .server import free_port

FOLDER = ROOT / "Benchmarks" / "peers"


def environment():
    """The interpreter with the peers' packages; PEERS_VENV names one that exists."""
    home = os.environ.get("PEERS_VENV", str(ROOT / ".build" / "peers"))
    python = f"{home}/bin/python"
    if not os.path.exists(python):
        subprocess.run(["python3", "-m", "venv", home], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", FOLDER / "requirements.txt"],
                       check=True)
    return python


class FastAPI:
    """Two uvicorn workers with uvloop and httptools, as many connections as Herald has."""

    def __init__(self, url, mode, workers=2):
        self.port = free_port()
        self._process = subprocess.Popen(
            [environment(), "-m", "uvicorn", "fastapi_events:app", "--workers", str(workers),
             "--port", str(self.port), "--log-level", "error", "--no-access-log", "--loop", "uvloop",
             "--http", "httptools"], cwd=FOLDER,
            env=dict(os.environ, PEER_MODE=mode, PEER_DATABASE=url, PEER_POOL="8",
                     PYTHONDONTWRITEBYTECODE="1"))
        self.pid = self._process.pid
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=1).read()
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("the FastAPI service did not start")

    def stop(self):
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)
        shutil.rmtree(FOLDER / "__pycache__", ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
