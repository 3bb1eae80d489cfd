#!/usr/bin/env python3
"""Events a second through POST /v1/events, 100 a request, durable when answered, against SQL.

Every event has a message_id of its own and belongs to one of 10,000 known users, named by
external_id. The ceiling writes the same rows (de-duplication keys with ON CONFLICT, then events) to
the same tables and indexes with pgbench, the values made by the server: no HTTP, no JSON to check,
no identities to resolve, no users' last_seen. It writes 100 rows a transaction on one connection,
and 1000 on two for 64 connections, as Herald groups them. The rounds take turns."""

import argparse
import re
import subprocess
import tempfile
from pathlib import Path

from bench import campaign, usage
from bench.cluster import Cluster, Psql
from bench.server import ADMIN, Herald

PEOPLE = 10_000

SCRIPT = """
wrk.method = "POST"
wrk.headers["Authorization"] = "Bearer {key}"
wrk.headers["Content-Type"] = "application/json"
math.randomseed({seed})
local run, n = tostring({seed}), 0
function request()
  local parts = {{}}
  for i = 1, 100 do
    n = n + 1
    parts[i] = '{{"message_id":"' .. run .. '-' .. n .. '","user":{{"external_id":"u-' ..
      math.random(1, {people}) .. '"}},"name":"order_paid","timestamp":"{now}",' ..
      '"properties":{{"order_id":"o-' .. n .. '","amount":128.5,"currency":"CNY"}}}}'
  end
  return wrk.format(nil, nil, nil, '{{"events":[' .. table.concat(parts, ",") .. ']}}')
end
"""

CEILING = r"""
\set base random(1, {last})
WITH n AS (
  SELECT n, 'm-' || gen_random_uuid() AS message_id, c.id AS user_id
  FROM bench_crowd c WHERE c.n BETWEEN :base AND :base + {rows} - 1
), keys AS (
  INSERT INTO event_keys (key, seen_on)
  SELECT substr(encode(sha256(convert_to('api' || message_id, 'UTF8')), 'hex'), 1, 32)::uuid,
    current_date FROM n ORDER BY 1
  ON CONFLICT (key) DO NOTHING RETURNING key
)
INSERT INTO events (user_id, name, ts, id, properties, source, message_id, received_at)
SELECT user_id, 'order_paid', now(), gen_random_uuid(),
  '{{"order_id":"o-1","amount":128.5,"currency":"CNY"}}', 'api', message_id, now()
FROM n ORDER BY user_id;
"""


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=int, default=6)
    options.add_argument("--rounds", type=int, default=2)
    options = options.parse_args()
    print(f"ingestion: {usage.conditions()}; PostgreSQL with default durability, wrk with one "
          f"thread, {options.rounds} rounds of {options.seconds} s")
    with tempfile.TemporaryDirectory() as directory, Cluster() as cluster:
        url = cluster.create("herald")
        with Herald(url) as herald, Psql(url) as sql:
            campaign.seed(sql, PEOPLE)
            sql.run("""
              CREATE TABLE bench_crowd AS SELECT row_number() OVER ()::integer AS n, id FROM users;
              ALTER TABLE bench_crowd ADD PRIMARY KEY (n); ANALYZE bench_crowd""")
            for connections, clients, rows in ((1, 1, 100), (64, 2, 1000)):
                for number in range(options.rounds):
                    raw = pgbench(directory, url, options.seconds, clients, rows)
                    measure(options, directory, cluster, herald, sql, connections, number, raw)


def pgbench(directory, url, seconds, clients, rows):
    script = Path(directory, "ceiling.sql")
    script.write_text(CEILING.format(rows=rows, last=PEOPLE - rows))
    text = subprocess.run(
        ["pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-T", str(seconds),
         "-f", script, url], check=True, capture_output=True, text=True).stdout
    return rows * float(re.search(r"tps = ([0-9.]+)", text)[1])


def measure(options, directory, cluster, herald, sql, connections, number, raw):
    seed = 1000 * connections + number
    script = Path(directory, "events.lua")
    script.write_text(SCRIPT.format(
        key=ADMIN, seed=seed, people=PEOPLE, now=sql.value("SELECT to_char(now() AT TIME ZONE "
        "'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")))
    before = int(sql.value("SELECT count(*) FROM events"))
    with usage.Span(watch=herald.pid, herald=herald.pid, postgres=cluster.postmaster) as span:
        text = subprocess.run(
            ["wrk", "-t", "1", "-c", str(connections), "-d", f"{options.seconds}s", "--latency",
             "--timeout", "30s", "-s", script, f"http://127.0.0.1:{herald.port}/v1/events"],
            check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in text:
        raise RuntimeError(text)
    events = 100 * int(re.search(r"(\d+) requests in", text)[1])
    stored = int(sql.value("SELECT count(*) FROM events")) - before
    # Requests cut off at the end are stored without having been counted.
    assert events <= stored <= events + 100 * connections, (events, stored)
    rate = 100 * float(re.search(r"Requests/sec:\s+([0-9.]+)", text)[1])
    p50, p99 = (re.search(rf"^\s+{share}%\s+(\S+)", text, re.M)[1] for share in (50, 99))
    print(f"  {connections} connections, round {number + 1}: {rate:,.0f} events/s = "
          f"{rate / raw:.2f} x SQL ({raw:,.0f}/s); p50 {p50}, p99 {p99}; CPU per event: herald "
          f"{1e6 * span.cpu['herald'] / stored:.1f} us, PostgreSQL "
          f"{1e6 * span.cpu['postgres'] / stored:.1f} us; herald's memory {span.peak_rss:.0f} MB")


if __name__ == "__main__":
    main()
