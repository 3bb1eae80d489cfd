#!/usr/bin/env python3
"""Deliveries a second from an entered run to a settled ledger, against raw libcurl.

The crowd is entered while everything is stopped; the clock runs from `POST /v1/start` until the run
is completed: every queue row claimed, gated, rendered, signed, handed over by HTTP, its attempt
written, its delivery and enrolment settled, under default durability."""

import argparse
import signal
import subprocess
import tempfile
from pathlib import Path

from bench import campaign, usage
from bench.cluster import Cluster, Psql
from bench.server import Herald
from bench.standin import Nginx


def compile_ceiling(directory):
    source = Path(__file__).parent / "bench" / "curl_ceiling.c"
    program = f"{directory}/curl_ceiling"
    subprocess.run(["gcc", "-O2", "-o", program, source, "-lcurl"], check=True)
    return program


def ceiling(program, nginx, requests, flight):
    with usage.Span(nginx=nginx.pid) as span:
        answer = subprocess.run(
            [program, nginx.url, str(requests), str(flight)], check=True, capture_output=True,
            text=True).stdout
    return float(answer.split()[0]), span


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--deliveries", type=int, default=100_000)
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--in-flight", type=int, default=64)
    options.add_argument("--careful", action="store_true",
                         help="an adapter that may not resend: hand-overs begin in micro-batches")
    options.add_argument("--profile", metavar="FILE", help="perf record of herald, each round")
    options.add_argument("--explain", metavar="MS", type=int,
                         help="print the plans of statements that took longer")
    options.add_argument("--statements", action="store_true",
                         help="print where PostgreSQL's time went; slows the run down")
    options = options.parse_args()
    print(f"dispatch: {usage.conditions()}; PostgreSQL with default durability, nginx with one "
          f"worker as the provider, {options.in_flight} in flight")
    with tempfile.TemporaryDirectory() as directory, Cluster() as cluster, \
            Nginx('{"id":"x"}', workers=1) as nginx:
        program = compile_ceiling(directory)
        url = cluster.create("herald", explain=options.explain, durations=options.statements)
        with Herald(url) as herald, Psql(url) as sql:
            campaign.seed(sql, options.deliveries)
            people = campaign.prepare(
                herald, nginx.url, options.in_flight, idempotent=not options.careful)
            for number in range(options.rounds):
                measure(options, number, program, cluster, nginx, herald, sql, people)
        if options.explain is not None:
            print(Path(cluster.directory, "server.log").read_text()[-1_000_000:])


def measure(options, number, program, cluster, nginx, herald, sql, people):
    key = f"plan-{number}"
    raw, _ = ceiling(program, nginx, options.deliveries, options.in_flight)
    herald.call("POST", "/v1/stop", {"reason": "benchmark"})
    campaign.launch(herald, *people, key)
    campaign.wait_for_run(sql, key, {"running"})
    profiler = options.profile and subprocess.Popen(
        ["perf", "record", "-q", "--call-graph", "fp", "-F", "499", "-o",
         f"{options.profile}.{number + 1}", "-p", str(herald.pid)])
    log = cluster.mark_log()
    with usage.Span(
            watch=herald.pid, herald=herald.pid, postgres=cluster.postmaster,
            nginx=nginx.pid) as span:
        herald.call("POST", "/v1/start")
        campaign.wait_for_run(sql, key, {"completed"})
    if profiler:
        profiler.send_signal(signal.SIGINT)
        profiler.wait()
    if options.statements:
        print(cluster.time_by_statement(log))
        for row in sql.run("""
            SELECT relname, n_tup_ins, n_tup_upd, n_tup_hot_upd, n_tup_del,
              pg_size_pretty(pg_relation_size(relid)), pg_size_pretty(pg_indexes_size(relid))
            FROM pg_stat_user_tables WHERE n_tup_ins + n_tup_upd > 1000
            ORDER BY n_tup_upd DESC, n_tup_ins DESC LIMIT 8"""):
            print("    {:22s} ins {:>7s} upd {:>7s} hot {:>7s} del {:>7s} heap {} indexes {}".format(
                *row))
    after, _ = ceiling(program, nginx, options.deliveries, options.in_flight)
    raw = (raw + after) / 2
    account = herald.call("GET", f"/v1/plans/{key}/accounting")
    step = account["steps"]["hello"]
    assert account["balanced"] and step["sent"] == options.deliveries, account
    rate = options.deliveries / span.seconds
    each = {name: 1e6 * seconds / options.deliveries for name, seconds in span.cpu.items()}
    print(f"  round {number + 1}: {rate:,.0f} deliveries/s = {rate / raw:.2f} x raw libcurl "
          f"({raw:,.0f}/s); CPU per delivery: herald {each['herald']:.0f} us, "
          f"PostgreSQL {each['postgres']:.0f} us, nginx {each['nginx']:.0f} us; "
          f"herald's memory {span.peak_rss:.0f} MB")


if __name__ == "__main__":
    main()
