"""What must hold with the real clients; run by run.sh."""

import base64
import os
import sys
import unittest
import uuid

import requests
import rudderstack.analytics.client as rudder
import segment.analytics.client as segment

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from relay import Relay  # noqa: E402

HERALD = os.environ["HERALD_URL"]
ADMIN = {"Authorization": "Bearer " + os.environ["HERALD_ADMIN_KEY"]}
CLIENTS = {"segment": segment.Client, "rudder": rudder.Client}


def api(method, path, **kwargs):
    answer = requests.request(method, HERALD + path, headers=ADMIN, timeout=30, **kwargs)
    answer.raise_for_status()
    return answer.json()


def events(user):
    entries = api("GET", f"/v1/users/{user}/timeline?limit=200")["data"]
    return [entry["data"] for entry in entries if entry["type"] == "event"]


def six_calls(client, user):
    """The message ids of one call of each kind."""
    ids = {}

    def call(kind, *args, **kwargs):
        ids[kind] = str(uuid.uuid4())
        getattr(client, kind)(*args, message_id=ids[kind], **kwargs)

    call("identify", user, {"plan": "pro", "email": f"{user}@example.com", "age": 41})
    call("track", user, "Order Paid", {"amount": 12.5, "items": [1, "two", None], "name": "杭州"})
    call("page", user, "Shop", "Docs", {"url": "/docs"})
    call("screen", user, "App", "Home", {"width": 400})
    call("group", user, "g-1", {"name": "Initech"})
    call("alias", f"anon-{user}", user)
    return ids


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        made = api("POST", "/v1/keys", json={
            "name": "clients", "role": "ingest", "principal": "shop"})
        cls.key = made["key"]

    def run_client(self, name, relay, work, key=None, **options):
        errors = []
        client = CLIENTS[name](
            key or self.key, host=relay.url, on_error=lambda error, _: errors.append(error),
            upload_interval=0.05, **options)
        result = work(client)
        client.flush()
        getattr(client, "shutdown", client.join)()
        return result, errors

    def each(self, **relaying):
        """Every client with gzip and without, each with a relay and a user of its own."""
        for name in CLIENTS:
            for gzip in (False, True):
                with Relay(HERALD, **relaying) as relay:
                    yield name, gzip, f"u-{uuid.uuid4()}", relay

    def check_stored(self, user, ids):
        ref = f"external_id:{user}"
        found = events(ref)
        names = {
            "identify": "$identify", "track": "Order Paid", "page": "page", "screen": "screen",
            "group": "$group", "alias": "$alias"}
        # One row a message, no more and no fewer.
        self.assertEqual(
            sorted((event["message_id"], event["name"]) for event in found),
            sorted((ids[kind], name) for kind, name in names.items()))
        track = next(event for event in found if event["name"] == "Order Paid")
        self.assertEqual(
            track["properties"], {"amount": 12.5, "items": [1, "two", None], "name": "杭州"})
        person = api("GET", f"/v1/users/{ref}")
        self.assertEqual(person["attributes"], {"plan": "pro", "age": 41, "group_id": "g-1"})
        self.assertEqual(person["identities"]["email"], f"{user}@example.com")
        self.assertEqual(person["identities"]["anonymous_id"], f"anon-{user}")

    def test_all_six_calls_are_stored(self):
        for name, gzip, user, relay in self.each():
            with self.subTest(client=name, gzip=gzip):
                ids, errors = self.run_client(
                    name, relay, lambda client: six_calls(client, user), gzip=gzip)
                self.assertEqual(errors, [])
                self.assertEqual(set(relay.statuses), {200})
                self.assertEqual(
                    {headers.get("Content-Encoding") for _, headers, _ in relay.seen},
                    {"gzip" if gzip else None})
                self.check_stored(user, ids)

    def test_a_batch_refused_twice_is_stored_once(self):
        for name, gzip, user, relay in self.each(refuse=2):
            with self.subTest(client=name, gzip=gzip):
                ids, errors = self.run_client(
                    name, relay, lambda client: six_calls(client, user), gzip=gzip)
                self.assertEqual(errors, [])
                self.assertEqual(relay.statuses[:2], [503, 503])
                self.check_stored(user, ids)

    def test_a_batch_whose_answer_is_lost_twice_is_stored_once(self):
        for name, gzip, user, relay in self.each(lose=2):
            with self.subTest(client=name, gzip=gzip):
                ids, errors = self.run_client(
                    name, relay, lambda client: six_calls(client, user), gzip=gzip)
                self.assertEqual(errors, [])
                self.assertEqual(relay.statuses[:2], [503, 503])
                self.assertIn(200, relay.statuses)
                self.check_stored(user, ids)

    def test_an_increment_is_done_once_whatever_is_lost(self):
        for name, gzip, user, relay in self.each(lose=2):
            with self.subTest(client=name, gzip=gzip):
                _, errors = self.run_client(
                    name, relay,
                    lambda client: client.identify(user, {"points": {"$increment": 5}}), gzip=gzip)
                self.assertEqual(errors, [])
                person = api("GET", f"/v1/users/external_id:{user}")
                self.assertEqual(person["attributes"], {"points": 5})

    def test_a_400_is_not_sent_again(self):
        # Segment's client makes no batch that large; RudderStack's takes it for a network fault
        # when the answer has no `code` and `message`.
        with Relay(HERALD) as relay:
            _, errors = self.run_client(
                "rudder", relay,
                lambda client: client.track("u-large", "e", {"pad": "x" * 700_000}),
                gzip=False, max_retries=3)
            self.assertEqual(relay.statuses, [400])
            self.assertEqual(len(errors), 1)
            self.assertEqual((errors[0].status, errors[0].code), (400, "batch_too_large"))

    def test_a_bad_key_is_a_401_that_is_not_sent_again(self):
        for name in CLIENTS:
            with self.subTest(client=name), Relay(HERALD) as relay:
                _, errors = self.run_client(
                    name, relay, lambda client: client.track("u-401", "e"), key="wk_nobody",
                    max_retries=3)
                self.assertEqual(relay.statuses, [401])
                self.assertEqual([(e.status, e.code) for e in errors], [(401, "unauthorized")])

    def test_a_bad_message_is_noted_and_spoils_no_other(self):
        user = f"u-{uuid.uuid4()}"
        with Relay(HERALD) as relay:
            def work(client):
                client.track(user, "x" * 200)
                client.track(user, "good")
            _, errors = self.run_client("segment", relay, work)
            self.assertEqual(errors, [])
        self.assertEqual([e["name"] for e in events(f"external_id:{user}")], ["good"])
        noted = api("GET", "/v1/violations?principal=shop&limit=200")["data"]
        self.assertTrue(any(user in v["payload"] and v["pointer"] == "/event" for v in noted))

    def test_many_messages_arrive_one_by_one_in_their_batches(self):
        for name in CLIENTS:
            user = f"u-{uuid.uuid4()}"
            with self.subTest(client=name), Relay(HERALD, lose=1) as relay:
                def work(client):
                    for number in range(150):
                        client.track(user, "step", {"n": number})
                _, errors = self.run_client(name, relay, work)
                self.assertEqual(errors, [])
                found = events(f"external_id:{user}")
                self.assertEqual(
                    sorted(event["properties"]["n"] for event in found), list(range(150)))


class Browsers(unittest.TestCase):
    """What analytics.js does, by hand."""

    def setUp(self):
        self.key = api("POST", "/v1/keys", json={
            "name": "browser", "role": "ingest", "principal": "web"})["key"]
        self.basic = "Basic " + base64.b64encode(f"{self.key}:".encode()).decode()

    def test_preflights_are_answered(self):
        for path in ("/v1/t", "/v1/batch", "/v1/b/", "/v1/import"):
            answer = requests.options(HERALD + path, timeout=30, headers={
                "Origin": "https://shop.example", "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,content-type,x-retry-count"})
            self.assertEqual(answer.status_code, 204)
            self.assertEqual(answer.headers["Access-Control-Allow-Origin"], "*")
            self.assertIn("POST", answer.headers["Access-Control-Allow-Methods"])
            for name in ("authorization", "content-type", "x-retry-count"):
                self.assertIn(name, answer.headers["Access-Control-Allow-Headers"])

    def test_text_plain_from_another_origin_is_taken(self):
        user = f"u-{uuid.uuid4()}"
        body = (
            '{"userId":"%s","event":"clicked","messageId":"m-%s","timestamp":"2026-11-01T10:00:00.000Z"'
            ',"sentAt":"2026-11-01T10:00:01.000Z"}' % (user, user))
        for path in ("/v1/t", "/v1/t/"):
            answer = requests.post(HERALD + path, data=body.encode(), timeout=30, headers={
                "Content-Type": "text/plain", "Authorization": self.basic,
                "Origin": "https://shop.example"})
            self.assertEqual((answer.status_code, answer.json()), (200, {"success": True}))
            self.assertEqual(answer.headers["Access-Control-Allow-Origin"], "*")
        found = events(f"external_id:{user}")
        self.assertEqual([event["name"] for event in found], ["clicked"])

    def test_refusals_can_be_read_by_the_page(self):
        answer = requests.post(HERALD + "/v1/t", data=b"{}", timeout=30, headers={
            "Origin": "https://shop.example"})
        self.assertEqual(answer.status_code, 401)
        self.assertEqual(answer.headers["Access-Control-Allow-Origin"], "*")
        self.assertEqual(answer.json()["message"], answer.json()["detail"])

    def test_gzip_that_is_none_is_a_400_with_code_and_message(self):
        answer = requests.post(HERALD + "/v1/batch", data=b"no gzip", timeout=30, headers={
            "Authorization": self.basic, "Content-Encoding": "gzip"})
        self.assertEqual(answer.status_code, 400)
        self.assertIsInstance(answer.json()["code"], str)
        self.assertIsInstance(answer.json()["message"], str)


if __name__ == "__main__":
    unittest.main()
