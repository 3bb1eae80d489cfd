#!/usr/bin/env python3
"""Requests a second and CPU per request of Herald's HTTP server, against nginx `return 200`.

`GET /healthz` is routing and answering. The POST is /v1/events with one event that lacks its name:
the key is checked (from memory), the body scanned and validated, the rejection answered as JSON; it
does not reach the database. nginx reads neither key nor body. The rounds take turns."""

import argparse
import re
import subprocess
import tempfile
from pathlib import Path

from bench import usage
from bench.cluster import Cluster
from bench.server import ADMIN, Herald
from bench.standin import Nginx

SCRIPT = """
wrk.method = "POST"
wrk.headers["Authorization"] = "Bearer {key}"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{{"events":[{{"message_id":"m-1","user":{{"external_id":"u-77"}},' ..
  '"timestamp":"2026-11-20T10:00:00+08:00","properties":{{"order_id":"o-9","amount":128.5,' ..
  '"currency":"CNY","channel":"app","city":"Hangzhou","items":[{{"sku":"s-1","quantity":2}},' ..
  '{{"sku":"s-2","quantity":1}}]}}}}]}}'
"""


def wrk(url, seconds, connections, pid, script=None):
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--latency"]
    if script:
        command += ["-s", script]
    with usage.Span(server=pid) as span:
        text = subprocess.run(command + [url], check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in text:
        raise RuntimeError(text)
    requests = int(re.search(r"(\d+) requests in", text)[1])
    return {
        "rate": float(re.search(r"Requests/sec:\s+([0-9.]+)", text)[1]),
        "cpu": 1e6 * span.cpu["server"] / requests,
        "p99": re.search(r"^\s+99%\s+(\S+)", text, re.M)[1],
    }


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=int, default=5)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--connections", type=int, default=64)
    options = options.parse_args()
    print(f"http: {usage.conditions()}; wrk with one thread and {options.connections} keep-alive "
          f"connections on the same machine, {options.rounds} rounds of {options.seconds} s")
    with tempfile.TemporaryDirectory() as directory, Cluster() as cluster, \
            Nginx('{"accepted":0,"duplicates":0,"rejected":[]}', workers=2) as nginx, \
            Herald(cluster.create("herald")) as herald:
        script = str(Path(directory, "post.lua"))
        Path(script).write_text(SCRIPT.format(key=ADMIN))
        base = f"http://127.0.0.1:{herald.port}"
        cases = {
            "GET": [(nginx.url, nginx.pid, None), (f"{base}/healthz", herald.pid, None)],
            "POST": [(nginx.url, nginx.pid, script), (f"{base}/v1/events", herald.pid, script)],
        }
        for name, (ceiling, subject) in cases.items():
            rounds = []
            for _ in range(options.rounds):
                rounds.append([
                    wrk(url, options.seconds, options.connections, pid, lua)
                    for url, pid, lua in (ceiling, subject)])
            best = sorted(rounds, key=lambda r: r[1]["rate"] / r[0]["rate"])[len(rounds) // 2]
            (c, s) = best
            print(f"  {name:4s}: {s['rate']:,.0f}/s = {s['rate'] / c['rate']:.2f} x nginx "
                  f"({c['rate']:,.0f}/s); CPU per request {s['cpu']:.0f} us = "
                  f"{s['cpu'] / c['cpu']:.1f} x nginx ({c['cpu']:.0f} us); p99 {s['p99']} "
                  f"(nginx {c['p99']}); the median round by ratio")


if __name__ == "__main__":
    main()
