#!/usr/bin/env python3
"""Events into the database, durable when answered: Herald against libpq by hand and FastAPI services.

Every event has a message_id of its own and belongs to one of 10,000 known users, named by
external_id. All write the same rows to the same tables of one PostgreSQL and take turns:

  libpq      bench/unnest_ceiling.c: `unnest ... ON CONFLICT`, values made beforehand; no HTTP, no JSON
             to check, nobody to look up, no last_seen. 1000 rows a transaction on two connections, as
             Herald groups them
  herald     POST /v1/events
  fastapi    peers/fastapi_events.py with unnest, and with executemany; two workers

  --import N   also `herald import events` of N events from NDJSON (1,000,000)
  --segment    also the same events as Segment's clients send them, POST /v1/batch
  --half       also the latency of single events at half of the rate found
  --beside N   instead: the latency of single events at a steady rate, alone and beside an import of N
               lines (200,000), in turns
  --growth N   instead: Herald's and libpq's rate at 1 M events and on the way to N million"""

import argparse
import json
import os
import random
import re
import subprocess
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from statistics import median

from bench import campaign, usage
from bench.cluster import Cluster, Psql
from bench.peers import FastAPI
from bench.server import ADMIN, BINARY, Herald

PEOPLE = 10_000

SCRIPT = """
wrk.method = "POST"
wrk.headers["Authorization"] = "Bearer {key}"
wrk.headers["Content-Type"] = "application/json"
math.randomseed({seed})
local run, n = tostring({seed}), 0
local properties = '"properties":{{"order_id":"o-%d","amount":128.5,"currency":"CNY"}}}}'
local event = '{{"message_id":"%s-%d","user":{{"external_id":"u-%d"}},"name":"order_paid",' ..
  '"timestamp":"{now}",' .. properties
local open, close = '{{"events":[', ']}}'
if "{path}" == "/v1/batch" then
  event = '{{"type":"track","messageId":"%s-%d","userId":"u-%d","event":"order_paid",' ..
    '"timestamp":"{now}",' .. properties
  open, close = '{{"batch":[', '],"sentAt":"{now}"}}'
end
function request()
  local parts = {{}}
  for i = 1, {size} do
    n = n + 1
    parts[i] = event:format(run, n, math.random(1, {people}), n)
  end
  return wrk.format(nil, nil, nil, open .. table.concat(parts, ",") .. close)
end
local pause = {pause}
if pause > 0 then
  -- Spread evenly around it, so that connections do not march in step.
  function delay() return math.random(0, 2 * pause) end
end
"""


class Bench:
    def __init__(self, options, directory, cluster, url, sql):
        self.options = options
        self.directory = Path(directory)
        self.cluster = cluster
        self.url = url
        self.sql = sql
        self.run = 0
        self.program = str(self.directory / "unnest_ceiling")
        include = subprocess.run(
            ["pg_config", "--includedir"], check=True, capture_output=True, text=True).stdout.strip()
        subprocess.run(
            ["gcc", "-O2", f"-I{include}", "-o", self.program,
             Path(__file__).parent / "bench" / "unnest_ceiling.c", "-lpq", "-lpthread"], check=True)

    def libpq(self, connections=2, rows=1000, seconds=None, total=0):
        self.sql.run("CHECKPOINT")
        with usage.Span(postgres=self.cluster.postmaster) as span:
            text = subprocess.run(
                [self.program, self.url, str(connections), str(rows),
                 str(seconds or self.options.seconds), str(total)],
                check=True, capture_output=True, text=True).stdout.split()
        count, took, p50, p99, cpu = int(text[0]), *map(float, text[1:])
        return dict(rate=count / took, p50=p50, p99=p99, own=1e6 * cpu / count,
                    postgres=1e6 * span.cpu["postgres"] / count, rss=0)

    def http(self, server, connections, size, pause=0, path="/v1/events", alone=True):
        self.run += 1
        script = self.directory / "events.lua"
        script.write_text(SCRIPT.format(
            key=ADMIN, seed=int(time.time() * 1000) + self.run, people=PEOPLE, size=size,
            pause=pause, path=path, now=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S+00:00")))
        self.sql.run("CHECKPOINT")
        before = self.events()
        with usage.Span(
                watch=server.pid, own=server.pid, postgres=self.cluster.postmaster) as span:
            text = subprocess.run(
                ["wrk", "-t", "1", "-c", str(connections), "-d", f"{self.options.seconds}s",
                 "--latency", "--timeout", "30s", "-s", script,
                 f"http://127.0.0.1:{server.port}{path}"],
                check=True, capture_output=True, text=True).stdout
        if "Non-2xx" in text:
            raise RuntimeError(text)
        answered = size * int(re.search(r"(\d+) requests in", text)[1])
        stored = self.events() - before
        if alone:
            self.check(answered, stored, size * connections)
        p50, p99 = (milliseconds(re.search(rf"^\s+{share}%\s+(\S+)", text, re.M)[1])
                    for share in (50, 99))
        rate = size * float(re.search(r"Requests/sec:\s+([0-9.]+)", text)[1])
        return dict(rate=rate, p50=p50, p99=p99, own=1e6 * span.cpu["own"] / stored,
                    postgres=1e6 * span.cpu["postgres"] / stored, rss=span.peak_rss)

    def check(self, answered, stored, cut_off):
        """Requests cut off at the end are stored without having been counted."""
        assert answered <= stored <= answered + cut_off, (answered, stored)

    def events(self):
        return int(self.sql.value("SELECT count(*) FROM event_keys"))

    def show(self, what, rounds):
        best = {key: median(round[key] for round in rounds) for key in rounds[0]}
        rates = ", ".join(f"{round['rate']:,.0f}" for round in rounds)
        memory = f", {best['rss']:.0f} MB" if best["rss"] else ""
        print(f"  {what:36s} {best['rate']:9,.0f} events/s ({rates}); p50 {best['p50']:.1f} ms, "
              f"p99 {best['p99']:.1f} ms; CPU us per event: own {best['own']:.1f}, PostgreSQL "
              f"{best['postgres']:.1f}{memory}", flush=True)
        return best["rate"]


def milliseconds(text):
    number, unit = re.match(r"([0-9.]+)(us|ms|s|m)$", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000}[unit]


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--seconds", type=int, default=6)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--import", type=int, default=0, dest="imported")
    options.add_argument("--half", action="store_true")
    options.add_argument("--segment", action="store_true")
    options.add_argument("--beside", type=int, default=0)
    options.add_argument("--growth", type=int, default=0)
    options = options.parse_args()
    print(f"ingestion: {usage.conditions()}; PostgreSQL with default durability, wrk with one "
          f"thread, median of {options.rounds} rounds of {options.seconds} s", flush=True)
    with tempfile.TemporaryDirectory() as directory, Cluster() as cluster:
        url = cluster.create("herald")
        with Herald(url) as herald, Psql(url) as sql:
            campaign.seed(sql, PEOPLE)
            bench = Bench(options, directory, cluster, url, sql)
            if options.growth:
                growth(bench, herald)
            elif options.beside:
                beside(bench, herald)
            else:
                compare(bench, herald)
                if options.imported:
                    imported(bench, herald)


def compare(bench, herald):
    options = bench.options
    with FastAPI(bench.url, "unnest") as unnest, FastAPI(bench.url, "executemany") as many:
        for server in (herald, unnest, many):
            bench.http(server, 8, 100)
        # Turns, so that what else the machine does falls on all alike.
        batch = {"libpq": [], "herald": [], "segment": [], "unnest": [], "many": []}
        single = {"herald": [], "unnest": []}
        for _ in range(options.rounds):
            batch["libpq"].append(bench.libpq())
            batch["herald"].append(bench.http(herald, 16, 100))
            if options.segment:
                batch["segment"].append(bench.http(herald, 16, 100, path="/v1/batch"))
            batch["unnest"].append(bench.http(unnest, 16, 100))
            batch["many"].append(bench.http(many, 16, 100))
            single["herald"].append(bench.http(herald, 64, 1))
            single["unnest"].append(bench.http(unnest, 64, 1))
        raw = bench.show("libpq, 1000 rows x 2 connections", batch["libpq"])
        ours = bench.show("herald, 100 events x 16 connections", batch["herald"])
        if options.segment:
            segment = bench.show("herald /v1/batch, the same", batch["segment"])
            print(f"    = {segment / raw:.2f} x libpq (target 0.5)")
        fair = bench.show("fastapi unnest, the same", batch["unnest"])
        slow = bench.show("fastapi executemany, the same", batch["many"])
        print(f"    = {ours / raw:.2f} x libpq (target 0.5), {ours / fair:.1f} x fastapi unnest (2), "
              f"{ours / slow:.1f} x executemany (5)")
        one = bench.show("herald, 1 event x 64 connections", single["herald"])
        other = bench.show("fastapi unnest, the same", single["unnest"])
        print(f"    = {one / other:.1f} x fastapi unnest (target 4)")
    if options.half:
        # 64 connections that wait as long as makes half of the rate.
        latency = median(round["p50"] for round in single["herald"])
        pause = max(1, round(64_000 / (one / 2) - latency / 3))
        half = [bench.http(herald, 64, 1, pause) for _ in range(options.rounds)]
        rate = bench.show("herald, 1 event x 64, about half load", half)
        print(f"    = {rate / one:.2f} of the rate; p99 / p50 = "
              f"{median(r['p99'] / r['p50'] for r in half):.1f} (target 4)")
    bench.batch_rate = ours


def imported(bench, herald):
    path = bench.directory / "events.ndjson"
    write(path, bench.options.imported)
    bench.sql.run("CHECKPOINT")
    with usage.Span(
            watch=herald.pid, own=herald.pid, postgres=bench.cluster.postmaster) as span:
        subprocess.run(
            [BINARY, "import", "events", path, "--url", f"http://127.0.0.1:{herald.port}",
             "--key", ADMIN], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    count = bench.options.imported
    rate = count / span.seconds
    print(f"  herald import events, {count:,} lines: {span.seconds:.1f} s with the upload, "
          f"{rate:,.0f} events/s = {rate / bench.batch_rate:.2f} x the batch row (target 0.7); CPU "
          f"us per event: herald {1e6 * span.cpu['own'] / count:.1f}, PostgreSQL "
          f"{1e6 * span.cpu['postgres'] / count:.1f}, {span.peak_rss:.0f} MB")


def beside(bench, herald, pause=64):
    """64 connections, each an event every `pause` ms or so."""
    count, path = bench.options.beside, bench.directory / "events.ndjson"
    alone, loaded, rates = [], [], []
    bench.http(herald, 64, 1, pause)
    for round in range(bench.options.rounds):
        alone.append(bench.http(herald, 64, 1, pause))
        write(path, count, f"beside-{round}")
        with subprocess.Popen(
                [BINARY, "import", "events", path, "--url", f"http://127.0.0.1:{herald.port}",
                 "--key", ADMIN], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as importing:
            while not done(bench):
                time.sleep(0.05)
            before, began = done(bench), time.monotonic()
            loaded.append(bench.http(herald, 64, 1, pause, alone=False))
            taken, seconds = done(bench) - before, time.monotonic() - began
            assert importing.poll() is None, "the import was over too early; give it more lines"
            rates.append(taken / seconds)
            assert importing.wait() == 0
        bench.sql.run("DELETE FROM jobs")
    bench.show("single events, alone", alone)
    bench.show("single events, beside an import", loaded)
    print(f"    = p99 {median(b['p99'] / a['p99'] for a, b in zip(alone, loaded)):.1f} x as long; "
          f"the import went on at {median(rates):,.0f} lines/s")


def done(bench):
    return int(bench.sql.value("SELECT coalesce(sum(done), 0)::bigint FROM jobs"))


def write(path, count, name="import"):
    """The last four weeks' events, in the order of time."""
    rng = random.Random(1)
    start = datetime.now(timezone.utc) - timedelta(days=28)
    step = timedelta(days=28) / count
    with open(path, "w") as file:
        for n in range(count):
            at = (start + n * step).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            file.write(
                f'{{"message_id":"{name}-{n}","user":{{"external_id":"u-{rng.randint(1, PEOPLE)}"}},'
                f'"name":"order_paid","timestamp":"{at}","properties":{{"order_id":"o-{n}",'
                f'"amount":128.5,"currency":"CNY"}}}}\n')


def growth(bench, herald):
    first = None
    for million in sorted({1, 5, 10, 15, 20, bench.options.growth}):
        if million > bench.options.growth:
            break
        missing = million * 1_000_000 - bench.events()
        if missing > 0:
            bench.libpq(seconds=3600, total=missing)
        bench.sql.run("VACUUM (ANALYZE, INDEX_CLEANUP OFF) events, event_keys, users")
        raw, ours = [], []
        for _ in range(bench.options.rounds):
            raw.append(bench.libpq())
            ours.append(bench.http(herald, 16, 100))
        print(f"  at {bench.events() / 1e6:.1f} M events")
        bench.show("libpq", raw)
        rate = bench.show("herald", ours)
        first = first or rate
        print(f"    = {rate / first:.2f} x the rate at 1 M (target 0.65)")


if __name__ == "__main__":
    main()
