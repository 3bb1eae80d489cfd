"""For each operation a request that must be answered with 2xx, in an order in which that works, and
for some the requests that bring its own 409 or 422. `{…}` in values is filled by `probe.py` with
something fresh of that kind."""

import datetime

CONDITION = {"attribute": "age", "gte": 18}
TAG = {"name": "VIP", "category": "order"}
SEGMENT = {"name": "Adults", "condition": CONDITION, "refresh": "live"}
TEMPLATE = {"channel": "push", "content": {"title": "Hi", "body": "Hello"}}
SENDER = {"channel": "push", "adapter": "file", "config": {}}
COUPON = {
    "name": "满100减10", "valid": {"days_after_issue": 7}, "per_user": 3,
    "discount": {"type": "amount_off", "value": {"amount": "10", "currency": "CNY"}},
    "codes": {"generate": {"count": 20, "pattern": "PRB-########"}},
}
PLAN = {
    "name": "Recall", "trigger": {"segment": "adults0", "at": "now"},
    "steps": [{"id": "hello", "send": {"chain": [{"channel": "push", "template": "push0"}]}}],
}
LATER = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=30)).isoformat()

# operation: (path parameters, query, body), with what makes the path's things first in MAKE.
GOOD = {
    "health": {}, "readiness": {}, "openapi": {}, "metrics": {},
    "getSchema": {"path": {"name": "plan"}},
    "putUser": {"body": {"identities": {"external_id": "{new}"}, "attributes": {"age": 30}}},
    "listUsers": {"query": {"limit": 2, "tag": "vip0"}},
    "putUsers": {"body": {"users": [{"identities": {"external_id": "{new}"}}, 7]}},
    "patchUser": {"path": {"u": "{user}"}, "body": {"attributes": {"age": None}}},
    "eraseUser": {"path": {"u": "{user}"}},
    "getUser": {"path": {"u": "{user}"}},
    "getUserTimeline": {"path": {"u": "external_id:u-0"}},
    "exportUser": {"path": {"u": "external_id:u-0"}},
    "explainUser": {"path": {"u": "{user}"}, "query": {"segment": "adults0"}},
    "putTag": {"path": {"key": "{new}"}, "body": TAG},
    "getTag": {"path": {"key": "{tag}"}}, "deleteTag": {"path": {"key": "{tag}"}},
    "listTags": {"query": {"limit": 1}},
    "putUserTag": {"path": {"u": "{user}", "key": "{tag}"}, "body": {"value": True}},
    "deleteUserTag": {"path": {"u": "{tagged}", "key": "vip1"}},
    "tagUsers": {"path": {"key": "{tag}"}, "body": {"add": ["external_id:u-0", "nobody"]}},
    "postEvents": {"body": {"events": [{"user": "external_id:u-0", "name": "seen"}, 7]}},
    "track": {"body": {"userId": "u-0", "event": "seen", "properties": {"n": 1}}},
    "identify": {"body": {"userId": "u-0", "traits": {"plan": "pro"}}},
    "alias": {"body": {"userId": "{new}", "previousId": "{new}"}},
    "group": {"body": {"userId": "u-0", "groupId": "g-0"}},
    "page": {"body": {"anonymousId": "{new}", "name": "Home"}},
    "screen": {"body": {"anonymousId": "{new}", "name": "Home"}},
    "batch": {"body": {"batch": [{"type": "track", "userId": "u-0", "event": "seen"}, 7]}},
    "listViolations": {"query": {"code": "required", "limit": 2}},
    "postScene": {"body": {"name": "storm"}},
    "createImport": {"query": {"kind": "users"}, "text": ("text/csv", "external_id\n{new}\n")},
    "listJobs": {}, "getJob": {"path": {"id": "{job}"}},
    "getJobErrors": {"path": {"id": "{job}"}}, "cancelJob": {"path": {"id": "{long_job}"}},
    "putSegment": {"path": {"key": "{new}"}, "body": SEGMENT},
    "getSegment": {"path": {"key": "{segment}"}}, "deleteSegment": {"path": {"key": "{segment}"}},
    "listSegments": {"query": {"kind": "rule"}},
    "changeSegmentUsers": {"path": {"key": "list0"}, "body": {"add": ["external_id:u-1"]}},
    "listSegmentUsers": {"path": {"key": "adults0"}, "query": {"limit": 1}},
    "previewSegment": {"body": {"condition": CONDITION}},
    "refreshSegment": {"path": {"key": "adults0"}},
    "segmentInsight": {"path": {"key": "adults0"}, "query": {"by": "attribute:city"}},
    "putTemplate": {"path": {"key": "{new}"}, "body": TEMPLATE},
    "getTemplate": {"path": {"key": "{template}"}},
    "deleteTemplate": {"path": {"key": "{template}"}}, "listTemplates": {},
    "renderTemplate": {"path": {"key": "sms0"}, "body": {"user": "external_id:u-0"}},
    "putCoupon": {"path": {"key": "{new}"}, "body": COUPON},
    "getCoupon": {"path": {"key": "{coupon}"}}, "deleteCoupon": {"path": {"key": "{coupon}"}},
    "listCoupons": {}, "listCouponCodes": {"path": {"key": "minus0"}},
    "addCouponCodes": {"path": {"key": "minus0"}, "text": ("text/csv", "{new}\n,,\n")},
    "redeemCoupon": {"body": {"code": "{code}", "user": "{code_user}", "order_id": "{new}"}},
    "rollBackRedemption": {"path": {"id": "{redemption}"}},
    "putSender": {"path": {"key": "{new}"}, "body": SENDER},
    "getSender": {"path": {"key": "{sender}"}}, "deleteSender": {"path": {"key": "{sender}"}},
    "listSenders": {}, "pauseSender": {"path": {"key": "{sender}"}},
    "resumeSender": {"path": {"key": "{sender}"}},
    "testSender": {"path": {"key": "push0"},
                   "body": {"to": {"token": "t"}, "content": {"title": "Hi", "body": "Hello"}}},
    "takeReceipts": {"path": {"sender": "{http_sender}"}, "signed": {"receipts": [7]}},
    "putPlan": {"path": {"key": "{new}"}, "body": PLAN},
    "getPlan": {"path": {"key": "live0"}}, "listPlans": {"query": {"state": "draft"}},
    "getPlanVersion": {"path": {"key": "live0", "version": "1"}},
    "dryRunPlan": {"path": {"key": "{plan}"}}, "submitPlan": {"path": {"key": "{plan}"}, "body": {}},
    "pausePlan": {"path": {"key": "{live_plan}"}}, "resumePlan": {"path": {"key": "{paused_plan}"}},
    "cancelPlan": {"path": {"key": "{live_plan}"}}, "archivePlan": {"path": {"key": "{plan}"}},
    "getPlanAccounting": {"path": {"key": "live0"}}, "getPlanReport": {"path": {"key": "live0"}},
    "listPlanDeliveries": {"path": {"key": "live0"}, "query": {"limit": 1}},
    "retryPlan": {"path": {"key": "live0"}, "body": {"status": "failed"}},
    "listApprovals": {"query": {"limit": 1, "state": "pending"}},
    "getApproval": {"path": {"id": "{approval}"}},
    "approveApproval": {"path": {"id": "{approval}"}, "body": {"hash": "{hash}"}},
    "rejectApproval": {"path": {"id": "{approval}"}, "body": {"hash": "{hash}"}},
    "stopDispatch": {"body": {"channel": "webhook", "reason": "a try"}},
    "startDispatch": {"body": {"channel": "webhook"}}, "listStops": {},
    "getSettings": {}, "putSettings": {"body": {"time_zone": "Asia/Shanghai"}},
    "listSettingsProposals": {}, "confirmSettingsProposal": {"path": {"id": "{proposal}"}},
    "createKey": {"body": {"name": "n", "role": "analyst", "principal": "p", "expires_at": LATER}},
    "listKeys": {}, "revokeKey": {"path": {"id": "{key}"}},
    "listAudit": {}, "verifyAudit": {},
}

# Requests that bring a status only this operation can have: (operation, status, parts).
OWN = [
    ("getPlanReport", 200, {"path": {"key": "live0"}, "query": {"format": "csv"}}),
    ("putUser", 200, {"body": {"identities": {"external_id": "u-0"}}}),
    ("patchUser", 409, {"path": {"u": "external_id:u-0"},
                        "body": {"identities": {"external_id": "u-1"}}}),
    ("putTag", 200, {"path": {"key": "vip0"}, "body": TAG}),
    ("putUserTag", 200, {"path": {"u": "{tagged}", "key": "vip1"}, "body": {}}),
    ("putSegment", 200, {"path": {"key": "adults0"}, "body": SEGMENT}),
    ("putSegment", 409, {"path": {"key": "list0"}, "body": SEGMENT}),
    ("putTemplate", 200, {"path": {"key": "push0"}, "body": TEMPLATE}),
    ("putCoupon", 200, {"path": {"key": "{coupon}"}, "body": COUPON}),
    ("putSender", 200, {"path": {"key": "push0"}, "body": SENDER}),
    ("putPlan", 200, {"path": {"key": "draft0"}, "body": PLAN}),
    ("putSettings", 202, {"body": {"time_zone": "Asia/Tokyo"}}),
    ("redeemCoupon", 200, {"again": True}),
    ("redeemCoupon", 404, {"body": {"code": "NONE", "user": "external_id:u-0", "order_id": "o"}}),
    ("listUsers", 404, {"query": {"segment": "no-such-one"}}),
    ("createImport", 404, {"query": {"kind": "segment:no-such-one"}, "text": ("text/csv", "a\n")}),
    ("createImport", 409, {"query": {"kind": "segment:adults0"}, "text": ("text/csv", "a\n")}),
    ("takeReceipts", 422, {"path": {"sender": "{http_sender}"}, "signed": {"no_such_field": 1}}),
    ("cancelJob", 409, {"path": {"id": "{job}"}}),
]
