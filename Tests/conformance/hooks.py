"""Schemathesis hooks: real values for the path parameters of good requests, a note of every status
an operation was seen to answer, and the one check the document alone cannot carry: every error is
a Problem under its own media type."""

import hashlib
import json
import os

import schemathesis

DIRECTORY = os.environ["CONFORMANCE_DIR"]
ROLE = os.environ["CONFORMANCE_ROLE"]
with open(os.path.join(DIRECTORY, "seed.json")) as file:
    SEED = json.load(file)

PLANS = [key for keys in SEED["plans"].values() for key in keys]
APPROVALS = [one["approval"] for kind in SEED["approvals"].values() for one in kind]
USERS = SEED["users"] + [f"external_id:u-{n}" for n in range(20)]

# By the collection in the path; deletes are left a few of each, so that readers keep the others.
REAL = {
    "tags": [f"vip{n}" for n in range(30)] + ["tier"],
    "segments": [f"{kind}{n}" for n in range(10) for kind in ("adults", "list")],
    "templates": [f"{kind}{n}" for n in range(10) for kind in ("push", "sms")],
    "coupons": [f"minus{n}" for n in range(10)],
    "senders": [f"{channel}{n}" for n in range(4) for channel in ("push", "sms", "email")],
    "receipts": ["push0", "sms0"],
    "plans": PLANS,
    "approvals": APPROVALS,
    "users": USERS,
    "keys": SEED["spare_keys"],
    "redemptions": SEED["redemptions"],
    "jobs": SEED["jobs"],
    "plan-library": ["birthday", "first_order", "win_back"],
    "schemas": ["plan", "condition", "template"],
}
FEW = {"tags": 12, "segments": 8, "templates": 6, "coupons": 4, "senders": 4, "users": 12}


def choose(values, text):
    """One of the values, the same for the same text: a failure can be had again."""
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
    return values[number % len(values)] if values and number % 4 else None


@schemathesis.hook
def before_call(context, case, kwargs):
    # Ids are remembered from answers; the branch one sits on is not to be sawn off.
    if case.operation.label == "DELETE /v1/keys/{id}":
        if (case.path_parameters or {}).get("id") in SEED["needed_keys"]:
            case.path_parameters["id"] = SEED["spare_keys"][0]
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    # An If-Match made up is a 412 whatever the body is.
    if case.headers and "If-Match" in case.headers and case.id[-1] not in "0aA":
        del case.headers["If-Match"]
    # A stream goes on for as long as is asked.
    if case.operation.label == "GET /v1/plans/{key}/live" and case.query is not None:
        case.query["seconds"] = 1
    segments = case.operation.path.strip("/").split("/")
    for place, segment in enumerate(segments):
        name = segment.strip("{}")
        if segment == name or name not in (case.path_parameters or {}) or place == 0:
            continue
        collection = segments[place - 1]
        if name == "version":
            case.path_parameters[name] = 1
            continue
        values = REAL.get(collection, [])
        if case.method.upper() == "DELETE" and len(segments) == place + 1:
            values = values[-FEW.get(collection, len(values)):]
        value = choose(values, f"{ROLE} {name} {case.id}")
        if value is not None:
            case.path_parameters[name] = value


@schemathesis.hook
def after_call(context, case, response):
    if response.request.method.upper() != case.operation.method.upper():
        return
    with open(os.path.join(DIRECTORY, f"seen-{ROLE}.tsv"), "a") as seen:
        seen.write(f"{case.operation.label}\t{response.status_code}\n")


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """False drops it: a boolean sent as text is text; after 60 bad keys a minute more are a 429; an
    address too long for any operation is a 414, which the document says of all in its description."""
    if response.status_code == 414:
        return False
    # The answer to the bad key; `response` may be the one to the good key before.
    if type(failure).__name__ == "IgnoredAuth" and "got `429 " in failure.message:
        return False
    return not (
        type(failure).__name__ == "AcceptedNegativeData"
        and case.operation.label in ("POST /v1/coupons/{key}/codes", "POST /v1/imports")
        and not isinstance(case.body, str))


@schemathesis.check
def problem_everywhere(ctx, response, case):
    if response.status_code < 400 or response.request.method == "HEAD":
        return
    kind = response.headers.get("content-type", [""])[0]
    assert kind == "application/problem+json", f"an error of type {kind!r}"
    problem = json.loads(response.content)
    assert problem["status"] == response.status_code
    assert problem["message"] == problem["detail"] and problem["detail"]
    if "idempotency-replayed" not in response.headers:
        assert problem["request_id"] == response.headers["x-request-id"][0]


@schemathesis.check
def good_data_is_read(ctx, response, case):
    """What the document allows is never malformed, but for a cursor made up."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if response.status_code != 400 or response.request.method.upper() != case.method.upper():
        return
    problem = json.loads(response.content)
    if case.operation.label.endswith("/explain") or problem.get("pointer") in ("triggers", "group"):
        return  # exactly one of two parameters; triggers go with kind=events, group with channel
    if case.media_type not in (None, "application/json") and problem["code"] == "malformed_json":
        return  # the tracking API reads JSON under any Content-Type, and this is YAML or a form
    assert problem.get("pointer") == "after", f"refused as malformed: {problem['detail']}"
