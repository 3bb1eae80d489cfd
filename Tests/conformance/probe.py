"""Sends each operation a good request and, for every error it documents, the request that must bring
it; checks every answer against the document. Writes what was seen to seen-probe.tsv."""

import base64
import concurrent.futures
import glob
import hashlib
import hmac
import json
import os
import re
import socket
import sys
import time
import urllib.parse
import uuid

import jsonschema_rs
import requests

import good
import seed as seeding

DIRECTORY = os.environ["CONFORMANCE_DIR"]
BASE = os.environ["HERALD_URL"]
HOST = urllib.parse.urlsplit(BASE)
with open(os.path.join(DIRECTORY, "seed.json")) as file:
    SEED = json.load(file)
KEYS = SEED["keys"]
DOCUMENT = requests.get(BASE + "/openapi.json", timeout=30).json()
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OPERATIONS = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, item in DOCUMENT["paths"].items() for method, operation in item.items()
}
seen, faults, number = set(), [], 0


def fresh():
    global number
    number += 1
    return f"probe-{os.getpid()}-{number}"


def call(method, path, body=None, key=KEYS["operator"], **kwargs):
    return seeding.call(method, path, body, key, **kwargs)


def made(collection, body, key=KEYS["operator"]):
    name = fresh()
    call("PUT", f"/v1/{collection}/{name}", body, key)
    return name


def submitted():
    plan = made("plans", good.PLAN)
    asked = call("POST", f"/v1/plans/{plan}/submit", {})
    return plan, asked


def later_plan():
    """One that stays live: it launches next month."""
    return approved(fresh(), {**good.PLAN, "trigger": {"segment": "adults0", "at": good.LATER}})


def paused():
    plan = later_plan()
    call("POST", f"/v1/plans/{plan}/pause")
    return plan


def job(lines=1):
    text = "external_id\n" + "".join(f"j-{fresh()}\n" for _ in range(lines))
    answer = requests.post(
        BASE + "/v1/imports?kind=users", data=text, timeout=60,
        headers={"Authorization": "Bearer " + KEYS["operator"], "Content-Type": "text/csv"})
    return answer.json()["job"]


def finished_job():
    id = job()
    for _ in range(200):
        if call("GET", f"/v1/jobs/{id}")["state"] not in ("queued", "running", "receiving"):
            break
        time.sleep(0.05)
    return id


def issued():
    codes = call("GET", "/v1/coupons/minus0/codes?state=issued&limit=200")["data"]
    return codes[number % len(codes)]


def http_sender():
    name = fresh()
    call("PUT", f"/v1/senders/{name}",
         {"channel": "push", "adapter": "http",
          "config": {"url": "http://127.0.0.1:9/push", "secret": SECRET}})
    return name


def proposal():
    fresh()
    hours = {"from": f"{number // 60 % 24:02}:{number % 60:02}", "until": "08:00"}
    answer = call("PUT", "/v1/settings", {"quiet_hours": hours}, KEYS["admin"])
    return answer["proposal"]


def pair(first, second, make):
    """What makes two names at once: asked for in either order, both are of the same making."""
    def one(context, wanted):
        context[first], context[second] = make()
        return context[wanted]
    return {first: lambda context: one(context, first), second: lambda context: one(context, second)}


def device():
    name, token = user(), fresh()
    call("PUT", f"/v1/users/{name}/devices/file/{token}", {"platform": "ios"})
    return name, token


def erasure():
    call("DELETE", f"/v1/users/{user()}", key=KEYS["admin"])
    return call("GET", "/v1/erasures?limit=1")["data"][0]["id"]


def suppressed():
    address = f"email:{fresh()}@example.com"
    call("POST", "/v1/suppressions", {"addresses": [address]})
    return address


def merge():
    return call("POST", f"/v1/users/{user()}/merge", {"from": user()})["id"]


def kind_name():
    return fresh().replace("-", "_")


def made_kind():
    name = kind_name()
    call("PUT", f"/v1/identity-kinds/{name}", good.KIND, KEYS["admin"])
    return name


def conflict():
    """Two people claim one card."""
    kind, card, names = made_kind(), fresh(), [fresh(), fresh()]
    call("POST", "/v1/users", {"identities": {"external_id": names[0], kind: card}})
    call("POST", "/v1/users", {"identities": {"external_id": names[1]}})
    # A kind is known to every process after two seconds at most.
    for _ in range(30):
        call("POST", "/v1/users", {"identities": {"external_id": names[1], kind: card}}, ok=(200, 409))
        found = call("GET", "/v1/identity-conflicts?state=open&limit=1")["data"]
        if found:
            return found[0]["id"]
        time.sleep(0.2)


def pull_source():
    return made("sources", {"mapping": good.MAPPING, "pull": {
        "url": "http://127.0.0.1:9/orders", "every": "1h", "items": "/orders"}})


def dead_letter():
    source = made("sources", good.SOURCE)
    requests.post(BASE + "/v1/hooks/" + source, json={"no": 1}, headers=good.HOOK, timeout=30)
    return source, call("GET", f"/v1/sources/{source}/dead-letters")["data"][0]["id"]


def approved(plan, document):
    call("PUT", f"/v1/plans/{plan}", document)
    asked = call("POST", f"/v1/plans/{plan}/submit", {})
    call("POST", f"/v1/approvals/{asked['approval']}/approve", {"hash": asked["hash"]},
         KEYS["approver"])
    return plan


def dangling():
    """A draft whose template is gone."""
    template, plan = made("templates", good.TEMPLATE), fresh()
    steps = [{"id": "hello", "send": {"chain": [{"channel": "push", "template": template}]}}]
    call("PUT", f"/v1/plans/{plan}", {**good.PLAN, "steps": steps})
    call("DELETE", f"/v1/templates/{template}")
    return plan


def bent():
    """A ready plan whose tag is another thing here."""
    call("PUT", "/v1/tags/won_back", {"name": "Won", "category": "custom", "type": "choice", "choices": ["a"]})
    return "win_back"


def plan_twice():
    """Two versions that have run."""
    plan = approved(fresh(), {**good.PLAN, "trigger": {"api": True}})
    return approved(plan, {**good.PLAN, "name": "Again", "trigger": {"api": True}})


def link():
    """The token of an unsubscribe link, out of a message that was sent."""
    for _ in range(100):
        for path in glob.glob(os.path.join(os.environ["HERALD_DATA_DIR"], "**", "*.ndjson"), recursive=True):
            with open(path) as messages:
                found = re.search(r"/u/([\w.~-]+)", messages.read())
            if found:
                return found[1]
        time.sleep(0.1)
    sys.exit("no message with an unsubscribe link was sent")


def user():
    return call("POST", "/v1/users", {"identities": {"external_id": fresh()}})["id"]


MAKE = {
    "new": fresh, "user": user, "tag": lambda: made("tags", good.TAG),
    "segment": lambda: made("segments", good.SEGMENT),
    "template": lambda: made("templates", good.TEMPLATE),
    "coupon": lambda: made("coupons", good.COUPON), "sender": lambda: made("senders", good.SENDER),
    "plan": lambda: made("plans", good.PLAN), "live_plan": later_plan, "paused_plan": paused,
    "job": finished_job, "long_job": lambda: job(20_000), "http_sender": http_sender,
    "tagged": lambda: tagged(), "redemption": lambda: redeemed()["id"], "proposal": proposal,
    "other_user": user, "suppressed": suppressed, "merge": merge, "conflict": conflict, "link": link,
    "erasure": erasure,
    "dangling_plan": dangling, "bent_plan": bent,
    "cap": lambda: made("caps", good.CAP), "kind": made_kind, "kind_name": kind_name,
    "attribute": lambda: made("attributes", {"type": "string"}),
    "declared": lambda: made("catalogue/events", good.DECLARED),
    "source": lambda: made("sources", good.SOURCE), "pull_source": pull_source,
    "plan_twice": plan_twice,
    "event_plan": lambda: made("plans", {**good.PLAN, "trigger": {"event": "order_paid"}}),
    "api_plan": lambda: approved(fresh(), {**good.PLAN, "trigger": {"api": True}}),
    "key": lambda: call("POST", "/v1/keys", {"name": "n", "role": "analyst", "principal": "p"},
                        KEYS["admin"])["id"],
}
PAIRS = {**pair("device_user", "device", device), **pair("dead_source", "dead_letter", dead_letter)}


def tagged():
    name = user()
    call("PUT", f"/v1/users/{name}/tags/vip1", {})
    return name


def redeemed():
    code = issued()
    return call("POST", "/v1/coupons/redemptions",
                {"code": code["code"], "user": code["user"], "order_id": fresh()})


def filled(value, context):
    """`value` with what stands in braces made or found."""
    if isinstance(value, dict):
        return {name: filled(inner, context) for name, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, context) for inner in value]
    if not isinstance(value, str):
        return value

    def one(match):
        name = match[1]
        if name in ("approval", "hash") and "approval" not in context:
            _, asked = submitted()
            context.update(asked)
        if name in ("code", "code_user") and "code" not in context:
            code = issued()
            context.update(code=code["code"], code_user=code["user"])
        if name in PAIRS and name not in context:
            return PAIRS[name](context)
        if name == "new" or name not in context:
            context[name] = MAKE[name]()
        return context[name]

    return re.sub(r"\{([a-z_]+)\}", one, value)


def roles(operation):
    return operation.get("x-roles", [])


def best_key(operation):
    allowed = roles(operation)
    if not allowed:
        return None
    # Not the operator who submits: nobody approves what they touched.
    order = ["approver", "operator", "admin", "analyst", "ingest"]
    return KEYS[next(role for role in order if role in allowed)]


def send(id, parts=None, key="best", headers=None, raw=None, sign=False, timeout=60):
    """Sends an operation's request and checks the answer; answers the response."""
    method, pattern, operation = OPERATIONS[id]
    parts = filled(parts if parts is not None else good.GOOD.get(id, {}), {})
    path = re.sub(
        r"\{(\w+)\}",
        lambda match: urllib.parse.quote(str(parts.get("path", {}).get(match[1], "x")), safe=""),
        pattern)
    headers = {**parts.get("headers", {}), **(headers or {})}
    body = None
    if "package" in parts:
        package = call("GET", f"/v1/plans/{parts['package']}/export")
        parts = {**parts, "body": package}
    if "body" in parts:
        body = json.dumps(parts["body"]).encode()
        headers.setdefault("Content-Type", "application/json")
    elif "text" in parts:
        headers.setdefault("Content-Type", parts["text"][0])
        body = parts["text"][1].encode()
    elif "signed" in parts:
        body = json.dumps(parts["signed"]).encode()
        headers.update(signature(body))
        headers.setdefault("Content-Type", "application/json")
    if raw is not None:
        body = raw
        headers.update(signature(raw) if sign else {})
    if key == "best":
        key = best_key(operation)
    if key:
        headers["Authorization"] = "Bearer " + key
    answer = requests.request(
        method, BASE + path, params=parts.get("query"), data=body, headers=headers,
        timeout=timeout)
    note(id, answer.status_code, answer.headers.get("content-type"), answer.content)
    return answer


def signature(body):
    id, at = "msg_" + fresh(), str(int(time.time()))
    secret = base64.b64decode(SECRET.removeprefix("whsec_"))
    mac = hmac.new(secret, f"{id}.{at}.".encode() + body, hashlib.sha256).digest()
    return {"webhook-id": id, "webhook-timestamp": at,
            "webhook-signature": "v1," + base64.b64encode(mac).decode()}


def note(id, status, kind, content):
    method, pattern, operation = OPERATIONS[id]
    seen.add((f"{method} {pattern}", status))
    documented = operation["responses"].get(str(status))
    if documented is None:
        faults.append(f"{id}: {status} is not documented: {content[:200]!r}")
        return
    content_types = documented.get("content", {})
    if not content_types:
        if content:
            faults.append(f"{id}: {status} has a body, none is documented")
        return
    kind = (kind or "").split(";")[0]
    if kind not in content_types:
        faults.append(f"{id}: {status} has type {kind!r}")
    elif kind.endswith("json"):
        schema = {**content_types[kind]["schema"], "components": DOCUMENT["components"]}
        try:
            jsonschema_rs.validator_for(schema, validate_formats=True).validate(json.loads(content))
        except (jsonschema_rs.ValidationError, ValueError) as error:
            faults.append(f"{id}: {status} does not fit its schema: {str(error)[:400]}")


def expect(id, status, answer):
    if answer.status_code != status:
        faults.append(
            f"{id}: {status} was to come, {answer.status_code} came: {answer.text[:300]}")


def nowhere(id):
    """A path that names nothing."""
    schemas = {parameter["name"]: parameter["schema"]
               for parameter in OPERATIONS[id][2]["parameters"] if parameter["in"] == "path"}
    names = {"u": "external_id:nobody", "version": "999999", "name": "nothing"}
    return {
        name: str(uuid.uuid4()) if schema.get("format") == "uuid" else names.get(name, "no-such-one")
        for name, schema in schemas.items()
    }


def too_large(id):
    """Says that a body larger than any limit will come; the answer comes before it."""
    method, pattern, operation = OPERATIONS[id]
    path = re.sub(r"\{\w+\}", "x", pattern)
    kind = next(iter(operation["requestBody"]["content"]))
    with socket.create_connection((HOST.hostname, HOST.port), timeout=10) as connection:
        connection.sendall(
            f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {1 << 40}\r\n\r\n".encode())
        answer = b""
        while b"\r\n\r\n" not in answer or not answer.endswith(b"}"):
            piece = connection.recv(65536)
            if not piece:
                break
            answer += piece
    head, _, content = answer.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    kind = re.search(rb"(?i)content-type: ([^\r]+)", head)[1].decode()
    note(id, status, kind, content)
    if status != 413:
        faults.append(f"{id}: 413 was to come, {status} came")


def used_key():
    """An Idempotency-Key used for another request, by every role that has any POST."""
    name = fresh()
    for role, path, body in [("admin", "/v1/stop", {"channel": "webhook"}),
                             ("operator", "/v1/stop", {"channel": "webhook"}),
                             ("approver", "/v1/stop", {"channel": "webhook"}),
                             ("analyst", "/v1/segments/preview", {"condition": good.CONDITION}),
                             ("ingest", "/v1/events", {"events": []})]:
        call("POST", path, body, KEYS[role], headers={"Idempotency-Key": name})
    call("POST", "/v1/start", {"channel": "webhook"})
    return name


def racing(id):
    """The same Idempotency-Key many times at once: one runs, others hear 409."""
    parts = filled(good.GOOD.get(id, {}), {})
    for _ in range(10):
        headers = {"Idempotency-Key": fresh()}
        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: send(id, parts, headers=headers), range(8)))
        if any(answer.status_code == 409 for answer in answers):
            return
    faults.append(f"{id}: 409 never came of 80 concurrent requests")


def errors(id, idempotency_key):
    method, pattern, operation = OPERATIONS[id]
    documented = {int(status) for status in operation["responses"]}
    has_body = "requestBody" in operation
    parts = good.GOOD.get(id, {})
    # The tracking API reads any body as JSON and refuses messages by themselves.
    tracks = has_body and roles(operation) and "*/*" in operation["requestBody"]["content"]
    query = {parameter["name"]: parameter for parameter in operation["parameters"]
             if parameter["in"] == "query"}
    if 401 in documented and roles(operation):
        expect(id, 401, send(id, key=None))
    if 401 in documented and not roles(operation):
        if id == "metrics":
            expect(id, 401, send(id, key="hk_bad"))
        else:
            bare = {name: parts[name] for name in parts if name == "path"}
            expect(id, 401, send(id, bare, raw=b'{"receipts":[]}'))
    if 403 in documented:
        other = next(role for role in seeding.ROLES if role not in roles(operation))
        expect(id, 403, send(id, {}, key=KEYS[other]))
    if 404 in documented and "{" in pattern:
        expect(id, 404, send(id, {**good.GOOD.get(id, {}), "path": nowhere(id)}))
    if 412 in documented:
        expect(id, 412, send(id, headers={"If-Match": '"v999999"'}))
    if 415 in documented:
        expect(id, 415, send(id, headers={"Content-Encoding": "br"}))
        if roles(operation) and not tracks:
            expect(id, 415, send(id, raw=b"x", headers={"Content-Type": "image/png"}))
    if 413 in documented:
        too_large(id)
    if 400 in documented:
        if "limit" in query:
            expect(id, 400, send(id, {**good.GOOD.get(id, {}), "query": {"limit": 0}}))
            expect(id, 400, send(id, {**good.GOOD.get(id, {}), "query": {"after": "x"}}))
        elif query:
            bad = {name: "\0" for name in query}
            expect(id, 400, send(id, {**good.GOOD.get(id, {}), "query": bad}))
        elif has_body:
            headers = gzip_not(operation)
            if "signed" in parts:
                expect(id, 400, send(id, raw=b"[", sign=True))
            elif roles(operation):
                expect(id, 400, send(id, raw=b'{"no_such_field', headers=headers))
                raw = b'{"events": [{"name": "\\u0000"}]}'
                # Which item it is, these say by its place.
                takes = tracks and id != "batch" or id == "postEvents"
                expect(id, 200 if takes else 400, send(id, raw=raw, headers=headers))
        if method == "POST":
            expect(id, 400, send(id, headers={"Idempotency-Key": "k" * 300}))
    if 422 in documented and method == "POST" and roles(operation):
        expect(id, 422, send(id, headers={"Idempotency-Key": idempotency_key}))
    if 422 in documented and has_body and "application/json" in operation["requestBody"]["content"]:
        if roles(operation) and not tracks:
            bare = {name: parts[name] for name in parts if name != "package"}
            answer = send(id, {**bare, "body": {"no_such_field": 1}})
            expect(id, 422, answer)
    if 409 in documented and method == "POST":
        racing(id)


def gzip_not(operation):
    """A body that is no gzip where any text would do."""
    if "application/json" in operation["requestBody"]["content"]:
        return {}
    return {"Content-Encoding": "gzip"}


def own_statuses():
    for id, status, parts in good.OWN:
        if id not in OPERATIONS:
            continue
        if id == "takeHook":
            headers, path = {"Idempotency-Key": fresh()}, filled(good.GOOD[id]["path"], {})
            for number in (1, 2):
                body = {"path": path, "headers": good.HOOK, "body": {"id": 7, "no": number}}
                answer = send(id, body, headers=headers)
            expect(id, status, answer)
        elif parts.get("again"):
            context = {}
            body = filled(good.GOOD[id]["body"], context)
            send(id, {"body": body})
            expect(id, status, send(id, {"body": body}))
        else:
            # A 202 of putSettings: a second admin is there, so that it is a proposal.
            expect(id, status, send(id, parts))


def cursors():
    """Cursors that are well-formed but of no page: never a 5xx."""
    values = ["", "x", "\0", "9" * 40, "-1", "2026-11-22T00:00:00Z", "infinity", "1e400",
              str(uuid.uuid4()), "294276-12-31T00:00:00Z", "9223372036854775807"]
    for id, (_, _, operation) in OPERATIONS.items():
        if not any(one["name"] == "after" for one in operation["parameters"]):
            continue
        parts = filled(good.GOOD.get(id, {}), {})
        for cursor in [[a] for a in values] + [[a, b] for a in values for b in values]:
            text = base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode().rstrip("=")
            answer = send(id, {**parts, "query": {"after": text}})
            if answer.status_code not in (200, 400):
                faults.append(f"{id}: cursor {cursor}: {answer.status_code}")


def throttled():
    """60 bad keys of one address in a minute; a key that was good before still is."""
    for role in seeding.ROLES:
        requests.get(BASE + "/v1/tags", headers={"Authorization": "Bearer " + KEYS[role]}, timeout=9)
    for n in range(70):
        requests.get(BASE + "/v1/tags", headers={"Authorization": f"Bearer hk_bad{n}"}, timeout=9)
    for id, (_, _, operation) in OPERATIONS.items():
        if id == "takeHook":
            bare = {"path": {"source": made("sources", good.SOURCE)}}
            statuses = [send(id, bare, raw=b"{}").status_code for _ in range(70)]
            if statuses[0] != 401 or statuses[-1] != 429:
                faults.append(f"{id}: 70 bad signatures were answered {statuses}")
        elif "429" in operation["responses"]:
            expect(id, 429, send(id, {}, key="hk_bad"))
            if roles(operation):
                expect(id, 401, send(id, {}, key=None))
    for role in seeding.ROLES:
        answer = requests.get(
            BASE + "/v1/tags", headers={"Authorization": "Bearer " + KEYS[role]}, timeout=9)
        if answer.status_code not in (200, 403):
            faults.append(f"a good key of role {role} was answered {answer.status_code}")


def main():
    for id in OPERATIONS:
        if id not in good.GOOD:
            faults.append(f"{id}: good.py has no request for it")
            continue
        try:
            answer = send(id)
            if not answer.ok:
                faults.append(f"{id}: 2xx was to come, {answer.status_code}: {answer.text[:300]}")
        except SystemExit as error:
            faults.append(f"{id}: could not be prepared: {error}")
    for part in (own_statuses, cursors):
        try:
            part()
        except SystemExit as error:
            faults.append(f"{part.__name__}: could not be prepared: {error}")
    used = used_key()
    for id in OPERATIONS:
        try:
            errors(id, used)
        except SystemExit as error:
            faults.append(f"{id}: could not be prepared: {error}")
    if "--no-throttle" not in sys.argv:
        throttled()
    with open(os.path.join(DIRECTORY, "seen-probe.tsv"), "w") as file:
        for label, status in sorted(seen):
            file.write(f"{label}\t{status}\n")
    for fault in faults:
        print(fault)
    print(f"{len(OPERATIONS)} operations probed, {len(faults)} faults")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
