"""Fills a fresh Herald with one of everything and writes what there is to seed.json, for the hooks
and the probes: keys of each role, and by path parameter the values that name something real."""

import json
import os
import sys
import time

import requests

BASE = os.environ["HERALD_URL"]
ADMIN = os.environ["HERALD_ADMIN_KEY"]
ROLES = ["admin", "operator", "approver", "ingest", "analyst"]


def call(method, path, body=None, key=ADMIN, ok=(200, 201, 202, 204), **kwargs):
    if body is not None:
        kwargs["json"] = body
    headers = {"Authorization": "Bearer " + key, **kwargs.pop("headers", {})}
    answer = requests.request(method, BASE + path, headers=headers, timeout=30, **kwargs)
    if answer.status_code not in ok:
        sys.exit(f"{method} {path} answered {answer.status_code}: {answer.text[:500]}")
    return answer.json() if answer.text else None


def keys():
    """A key of each role, of a principal of its own."""
    made = {}
    for role in ROLES:
        body = {"name": role, "role": role, "principal": "principal-" + role}
        made[role] = call("POST", "/v1/keys", body)["key"]
    return made


def users(count):
    wanted = []
    for n in range(count):
        wanted.append({
            "identities": {"external_id": f"u-{n}", "phone": "+8613%09d" % n,
                           "email": f"u{n}@example.com"},
            "attributes": {"name": f"用户{n}", "age": 20 + n % 50, "city": "杭州"},
            "consents": {"sms": "granted", "push": "granted", "email": "denied"},
            "time_zone": "Asia/Shanghai", "locale": "zh-CN",
            "devices": [{"platform": "ios", "provider": "file", "token": f"token-{n}"}],
        })
    results = call("POST", "/v1/users/batch", {"users": wanted})["results"]
    return [item["id"] for item in results]


def catalogue(operator):
    for n in range(30):
        call("PUT", f"/v1/tags/vip{n}", {"name": "VIP", "category": "order"}, operator)
    call("PUT", "/v1/tags/tier", {"name": "Tier", "category": "order", "type": "choice",
                                  "choices": ["gold", "silver"]}, operator)
    for n in range(10):
        call("PUT", f"/v1/segments/adults{n}",
             {"name": "Adults", "condition": {"attribute": "age", "gte": 18}, "refresh": "live"},
             operator)
        call("PUT", f"/v1/segments/list{n}", {"name": "List", "refresh": "static"}, operator)
        call("POST", f"/v1/segments/list{n}/users", {"add": ["external_id:u-0"]}, operator)
        call("PUT", f"/v1/templates/push{n}",
             {"channel": "push", "content": {
                 "title": "Hi", "body": "Hi {{ user.name | default: 'there' }}"}}, operator)
        call("PUT", f"/v1/templates/sms{n}",
             {"channel": "sms", "content": {"text": "Hi", "signature": "Herald"}}, operator)
        call("PUT", f"/v1/coupons/minus{n}", coupon(50), operator)
        call("POST", f"/v1/coupons/minus{n}/codes", None, operator,
             data="\n".join(f"OWN-{n}-{m}" for m in range(20)),
             headers={"Content-Type": "text/csv"})
    for channel in ("push", "sms", "email", "coupon"):
        for n in range(4):
            call("PUT", f"/v1/senders/{channel}{n}",
                 {"channel": channel, "adapter": "file", "config": {}}, ADMIN)


def coupon(count):
    return {"name": "满100减10", "valid": {"days_after_issue": 7}, "per_user": 3,
            "discount": {"type": "amount_off", "value": {"amount": "10", "currency": "CNY"}},
            "codes": {"generate": {"count": count, "pattern": "W26-########"}}}


def plan(segment="adults0", gift=False):
    chain = [{"channel": "push", "template": "push0"}, {"channel": "sms", "template": "sms0"}]
    steps = [{"id": "hello", "send": {"chain": chain}}]
    if gift:
        steps.append({"id": "gift", "send": {"chain": [{"channel": "coupon", "coupon": "minus0"}]}})
    return {"name": "Recall", "trigger": {"segment": segment, "at": "now"}, "steps": steps,
            "goals": [{"stage": "recall", "event": "order_paid", "within": "3d", "primary": True}],
            "holdout": 0.05}


def plans(made):
    """Plans in every state that is easily had; answers the keys by state."""
    operator, approver = made["operator"], made["approver"]
    found = {"draft": [], "pending": [], "rejected": [], "live": []}
    approvals = {"pending": [], "decided": []}
    for n in range(8):
        for state in found:
            key = f"{state}{n}"
            call("PUT", f"/v1/plans/{key}", plan(gift=state == "live" and n == 0), operator)
            found[state].append(key)
            if state == "draft":
                continue
            asked = call("POST", f"/v1/plans/{key}/submit", {"comment": "please"}, operator)
            if state == "pending":
                approvals["pending"].append(asked)
                continue
            verb = "approve" if state == "live" else "reject"
            call("POST", f"/v1/approvals/{asked['approval']}/{verb}", {"hash": asked["hash"]},
                 approver)
            approvals["decided"].append(asked)
    return found, approvals


def unsubscribable(made):
    """A message with a link out of it."""
    operator = made["operator"]
    call("PUT", "/v1/templates/leave", {"channel": "sms", "content": {
        "text": "Hi, no more: {{ unsubscribe_url }}", "signature": "Herald"}}, operator)
    call("PUT", "/v1/plans/leave", {
        "name": "Leave", "trigger": {"segment": "list0", "at": "now"}, "category": "news",
        "steps": [{"id": "hello", "send": {"chain": [{"channel": "sms", "template": "leave"}]}}]},
         operator)
    asked = call("POST", "/v1/plans/leave/submit", {}, operator)
    call("POST", f"/v1/approvals/{asked['approval']}/approve", {"hash": asked["hash"]},
         made["approver"])


def main():
    made = keys()
    ids = users(60)
    catalogue(made["operator"])
    found, approvals = plans(made)
    unsubscribable(made)
    call("POST", "/v1/events", {"events": [
        {"message_id": f"m-{n}", "user": f"external_id:u-{n}", "name": "order_paid",
         "properties": {"amount": 12.5, "order_id": f"o-{n}"}} for n in range(20)]})
    needed = [key["id"] for key in call("GET", "/v1/keys?limit=200")["data"]]
    spare = [call("POST", "/v1/keys", {"name": "spare", "role": "analyst", "principal": "spare"})
             for _ in range(10)]
    redeemed = redemptions(made["operator"])
    jobs = imports(made["operator"])
    seed = {
        "base": BASE, "admin": ADMIN, "keys": made, "users": ids, "plans": found,
        "approvals": approvals, "spare_keys": [key["id"] for key in spare], "needed_keys": needed,
        "redemptions": redeemed, "jobs": jobs,
    }
    with open(os.path.join(os.environ["CONFORMANCE_DIR"], "seed.json"), "w") as file:
        json.dump(seed, file, indent=1)


def redemptions(operator):
    """Waits for the plan that gives coupons and redeems the first codes it has issued."""
    codes = []
    for _ in range(100):
        codes = call("GET", "/v1/coupons/minus0/codes?state=issued", key=operator)["data"]
        if len(codes) >= 10:
            break
        time.sleep(0.2)
    made = []
    for n, code in enumerate(codes[:10]):
        made.append(call("POST", "/v1/coupons/redemptions",
                         {"code": code["code"], "user": code["user"], "order_id": f"o-{n}",
                          "order_value": {"amount": "120.00", "currency": "CNY"}}, operator)["id"])
    return made


def imports(operator):
    """A job, once imports are served."""
    answer = requests.post(
        BASE + "/v1/imports?kind=users", data="external_id,name\nu-1,Li\n\"broken", timeout=30,
        headers={"Authorization": "Bearer " + operator, "Content-Type": "text/csv"})
    return [answer.json()["job"]] if answer.status_code == 202 else []


if __name__ == "__main__":
    main()
