"""A crowd in the database and a plan that sends each of them one push message."""

import time

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def seed(sql, people):
    """Users with two identities, three attributes, a granted consent and a device each, written
    straight into the tables: how they got there is not what is measured."""
    sql.run(f"""
      CREATE TEMP TABLE crowd AS SELECT n, gen_random_uuid() AS id
        FROM generate_series(1, {people}) AS n;
      INSERT INTO users (id, attributes, created_at, updated_at)
        SELECT id, jsonb_build_object('name', 'User ' || n, 'age', 20 + n % 50, 'city', 'Hangzhou'),
          now(), now() FROM crowd;
      INSERT INTO identities (kind, value, user_id, created_at)
        SELECT 'external_id', 'u-' || n, id, now() FROM crowd
        UNION ALL SELECT 'phone', '+86' || 13000000000 + n, id, now() FROM crowd;
      INSERT INTO consents (user_id, channel, state, source, at)
        SELECT id, 'push', 'granted', 'api', now() FROM crowd;
      INSERT INTO devices (user_id, provider, token, platform, created_at, updated_at)
        SELECT id, 'http', 'token-' || n, 'ios', now(), now() FROM crowd;
      DROP TABLE crowd""")
    sql.run("VACUUM ANALYZE users, identities, consents, devices")


def prepare(herald, url, concurrency=64, idempotent=True):
    """Template, segment, sender and the two people a plan needs."""
    operator, approver = herald.key("operator", "li"), herald.key("approver", "wang")
    herald.call("PUT", "/v1/segments/everybody", {
        "name": "Everybody over 18", "condition": {"attribute": "age", "gte": 18},
        "refresh": "live"}, operator)
    herald.call("PUT", "/v1/templates/hello", {"channel": "push", "content": {
        "title": "Hello", "body": "Hello {{ user.name | default: 'there' }}, from {{ user.city }}"}},
        operator)
    herald.call("PUT", "/v1/senders/gateway", {
        "channel": "push", "adapter": "http", "concurrency": concurrency,
        "config": {"url": url, "secret": SECRET, "idempotent": idempotent}})
    return operator, approver


def launch(herald, operator, approver, key, holdout=0.0):
    """Writes, submits and approves a plan that is due at once."""
    approve(herald, approver, submit(herald, operator, key, holdout))


def submit(herald, operator, key, holdout=0.0):
    """A plan that is due at once, with the count of whom it would reach. Returns what there is to
    approve."""
    herald.call("PUT", f"/v1/plans/{key}", {
        "name": key, "goals": [
            {"stage": "recall", "event": "order_paid", "within": "3d", "primary": True}],
        "trigger": {"segment": "everybody", "at": "now"}, "holdout": holdout,
        "steps": [{"id": "hello", "send": {"chain": [
            {"channel": "push", "template": "hello"}]}}]}, operator)
    return herald.call("POST", f"/v1/plans/{key}/submit", {"comment": "benchmark"}, operator)


def approve(herald, approver, submitted):
    herald.call(
        "POST", f"/v1/approvals/{submitted['approval']}/approve", {"hash": submitted["hash"]},
        approver)


def wait_for_run(sql, key, states, every=0.05):
    """Until the plan's run is in one of the states; how long that took on this clock."""
    while True:
        state = sql.value(f"SELECT state FROM runs WHERE plan = '{key}'")
        if state in states:
            return
        time.sleep(every)
