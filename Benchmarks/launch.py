#!/usr/bin/env python3
"""A crowd through entry into deliveries and queue, against hand-written SQL.

Herald freezes the audience, decides on everybody lane by lane and writes enrolments, deliveries and
queue rows, each lane a transaction. The SQL writes the same rows with the same checks (condition,
erasure, holdout bucket, uniqueness) in one transaction of two statements, with fresh statistics of
what the first wrote. The clock runs from the approval; what submitting took before it (the count of
whom the plan would reach, by channel, which the SQL does not do) is said apart. Everything is stopped
meanwhile, so that nothing is dispatched. The rounds take turns; rows go away in between."""

import argparse
import time

from bench import campaign, usage
from bench.cluster import Cluster, Psql
from bench.server import Herald

HAND_WRITTEN = """
BEGIN;
INSERT INTO run_targets (run_id, lane, user_id)
  SELECT '{run}', herald_lane(u.id), u.id FROM users u
  WHERE u.erased_at IS NULL AND (u.attributes->>'age')::numeric >= 18;
ANALYZE run_targets;
WITH decided AS (
  SELECT t.lane, t.user_id, gen_random_uuid() AS delivery_id,
    herald_bucket('holdout:{plan}', t.user_id::text) AS bucket,
    CASE WHEN u.id IS NULL OR u.erased_at IS NOT NULL THEN 'erased' END AS refusal
  FROM run_targets t LEFT JOIN users u ON u.id = t.user_id WHERE t.run_id = '{run}'
), entered AS (
  INSERT INTO enrolments (user_id, run_id, entered_at, plan, plan_version, state, reason,
    holdout_bucket, finished_at)
  SELECT user_id, '{run}', now(), '{plan}', 1,
    CASE WHEN refusal IS NOT NULL THEN 'skipped' WHEN bucket < 500 THEN 'held_out'
      ELSE 'active' END, refusal, bucket,
    CASE WHEN refusal IS NOT NULL OR bucket < 500 THEN now() END
  FROM decided ON CONFLICT (user_id, run_id, entry_key) DO NOTHING RETURNING user_id, state
), kept AS (
  INSERT INTO arms (user_id, scope, arm, bucket, assigned_at)
  SELECT user_id, 'holdout:{plan}', CASE WHEN bucket < 500 THEN 'held_out' ELSE 'in' END, bucket,
    now()
  FROM decided WHERE refusal IS NULL ON CONFLICT (user_id, scope) DO NOTHING
), opened AS (
  INSERT INTO deliveries (user_id, run_id, step_id, entered_at, id, plan, plan_version, created_at)
  SELECT d.user_id, '{run}', 'hello', now(), d.delivery_id, '{plan}', 1, now()
  FROM entered e JOIN decided d USING (user_id) WHERE e.state = 'active' RETURNING user_id, id
)
INSERT INTO queue (lane, delivery_id, due_at, priority, user_id, run_id, step_id, entered_at, plan,
  plan_version, step_entered_at)
SELECT herald_lane(user_id), id, now(), 50, user_id, '{run}', 'hello', now(), '{plan}', 1, now()
FROM opened;
COMMIT
"""


def clear(sql):
    sql.run("TRUNCATE run_targets, arms, enrolments, deliveries, queue")
    sql.run("CHECKPOINT")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--people", type=int, default=200_000)
    options.add_argument("--rounds", type=int, default=3)
    options = options.parse_args()
    print(f"launch: {usage.conditions()}; PostgreSQL with default durability, "
          f"{options.people:,} people, 5 % held out")
    with Cluster() as cluster:
        url = cluster.create("herald")
        with Herald(url) as herald, Psql(url) as sql:
            campaign.seed(sql, options.people)
            people = campaign.prepare(herald, "http://127.0.0.1:9/")
            herald.call("POST", "/v1/stop", {"reason": "benchmark"})
            for number in range(options.rounds):
                measure(options, number, cluster, herald, sql, people)


def measure(options, number, cluster, herald, sql, people):
    key = f"plan-{number}"
    with usage.Span(postgres=cluster.postmaster) as raw:
        sql.run(HAND_WRITTEN.format(run="00000000-0000-7000-8000-000000000001", plan=key))
    written = counts(sql)
    clear(sql)
    operator, approver = people
    began = time.monotonic()
    submitted = campaign.submit(herald, operator, key, holdout=0.05)
    counted = time.monotonic() - began
    idle = usage.rss(herald.pid)
    with usage.Span(
            watch=herald.pid, herald=herald.pid, postgres=cluster.postmaster) as span:
        campaign.approve(herald, approver, submitted)
        campaign.wait_for_run(sql, key, {"running"})
    assert counts(sql) == written, (counts(sql), written)
    herald.call("POST", f"/v1/plans/{key}/cancel", key=operator)
    clear(sql)
    rate, ceiling = options.people / span.seconds, options.people / raw.seconds
    print(f"  round {number + 1}: {rate:,.0f} users/s = {rate / ceiling:.2f} x hand-written SQL "
          f"({ceiling:,.0f}/s); CPU per user: herald {1e6 * span.cpu['herald'] / options.people:.1f}"
          f" us, PostgreSQL {1e6 * span.cpu['postgres'] / options.people:.1f} us "
          f"(by hand {1e6 * raw.cpu['postgres'] / options.people:.1f} us); herald's memory "
          f"{idle:.0f} MB before, {span.peak_rss:.0f} MB at most; submitting took {counted:.1f} s")


def counts(sql):
    return sql.run("""
      SELECT (SELECT count(*) FROM run_targets), (SELECT count(*) FROM enrolments),
        (SELECT count(*) FROM enrolments WHERE state = 'active') =
          (SELECT count(*) FROM deliveries),
        (SELECT count(*) FROM deliveries) = (SELECT count(*) FROM queue)""")


if __name__ == "__main__":
    main()
