#!/usr/bin/env python3
"""How long accounting and report of a run with a million deliveries take to answer.

The run is a real one of one person; the rest of its rows is written beside them as dispatch would
have left them, a few in every state, then vacuumed and analysed."""

import argparse
import statistics
import time

from bench import campaign, usage
from bench.cluster import Cluster, Psql
from bench.server import Herald
from bench.standin import Nginx

FILL = """
CREATE TEMP TABLE crowd AS SELECT n, gen_random_uuid() AS user_id, gen_random_uuid() AS id
  FROM generate_series(1, {count}) AS n;
INSERT INTO run_targets SELECT '{run}', herald_lane(user_id), user_id FROM crowd;
INSERT INTO enrolments (user_id, run_id, entered_at, plan, plan_version, state, finished_at)
  SELECT user_id, '{run}', now(), 'plan', 1, 'finished', now() FROM crowd;
INSERT INTO deliveries (user_id, run_id, step_id, entered_at, id, plan, plan_version, status,
  reason, channel, sender, provider_id, attempts, created_at, settled_at)
  SELECT user_id, '{run}', 'hello', now(), id, 'plan', 1,
    CASE n % 20 WHEN 0 THEN 'failed' WHEN 1 THEN 'skipped' ELSE 'sent' END,
    CASE n % 20 WHEN 0 THEN 'HTTP 400' WHEN 1 THEN 'no_address' END, 'push', 'gateway', 'x',
    1, now(), now() FROM crowd;
INSERT INTO attempts (user_id, delivery_id, link, try, entered_at, run_id, channel, sender, status,
  reason, provider_id, started_at, finished_at)
  SELECT user_id, id, 0, 1, now(), '{run}', 'push', 'gateway',
    CASE n % 20 WHEN 0 THEN 'failed' WHEN 1 THEN 'skipped' ELSE 'sent' END, NULL, 'x', now(), now()
  FROM crowd;
UPDATE runs SET targeted = targeted + {count} WHERE id = '{run}';
DROP TABLE crowd
"""


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--deliveries", type=int, default=1_000_000)
    options.add_argument("--calls", type=int, default=7)
    options = options.parse_args()
    print(f"accounting: {usage.conditions()}; one run of {options.deliveries:,} deliveries")
    with Cluster() as cluster, Nginx('{"id":"x"}', workers=1) as nginx:
        url = cluster.create("herald")
        with Herald(url) as herald, Psql(url) as sql:
            campaign.seed(sql, 1)
            campaign.launch(herald, *campaign.prepare(herald, nginx.url), "plan")
            campaign.wait_for_run(sql, "plan", {"completed"})
            run = sql.value("SELECT id FROM runs")
            sql.run(FILL.format(run=run, count=options.deliveries - 1))
            sql.run("VACUUM ANALYZE run_targets, enrolments, deliveries, attempts")
            for name, path in (("accounting", "accounting"), ("report", "report?by=step")):
                times = []
                for _ in range(options.calls):
                    start = time.perf_counter()
                    answer = herald.call("GET", f"/v1/plans/plan/{path}")
                    times.append(1000 * (time.perf_counter() - start))
                if name == "accounting":
                    assert answer["balanced"], answer
                    assert answer["people"]["targeted"] == options.deliveries
                print(f"  {name}: median {statistics.median(times):.0f} ms, "
                      f"{min(times):.0f} to {max(times):.0f} ms over {options.calls} calls")


if __name__ == "__main__":
    main()
