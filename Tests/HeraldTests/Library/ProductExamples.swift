/// The examples of the product's description, as they stand there.
enum ProductExamples {
  static let condition = #"""
    {"all": [
      {"attribute": "age", "between": [40, 60]},
      {"tag": "lifecycle", "in": ["growth", "mature"]},
      {"event": "order_paid", "count": {"gte": 2}, "within": "30d", "where": [{"property": "amount", "gte": 100}]},
      {"event": "order_paid", "sum": "amount", "gte": 500, "within": "90d"},
      {"not": {"event": "refund", "within": "7d"}},
      {"sequence": [{"event": "cart_added"}, {"event": "order_paid", "within": "2h", "same": "cart_id"}], "absent": "last"},
      {"any": [{"consent": "sms"}, {"reachable": "push"}]},
      {"segment": "vip"}, {"received": "plan_key", "within": "14d"}, {"bucket": [0, 999]}
    ]}
    """#

  static let plan = #"""
    {
      "name": "Paid reminder",
      "goals": [{"stage": "convert", "event": "order_paid", "within": "3d", "primary": true, "target_rate": 0.12}],
      "class": "marketing", "category": "checkout", "priority": 70,
      "trigger": {"event": "order_submitted", "where": [{"property": "amount", "gte": 50}], "occurrence": "any",
                  "unless": {"event": "order_paid", "within": "10m", "same": "order_id"}},
      "audience": {"not": {"tag": "tester"}},
      "reentry": {"limit": 1, "per": "1d", "key": "order_id"},
      "window": {"from": "2026-12-01T00:00:00+08:00", "until": "2026-12-31T00:00:00+08:00"},
      "steps": [
        {"id": "nudge", "not_after": "30m", "send": {"chain": [
            {"channel": "push", "template": "pay_push"},
            {"channel": "sms", "template": "pay_sms", "after": "10m", "unless": "delivered"}]}},
        {"id": "later", "wait_until": {"event": "order_paid", "timeout": "24h"}, "then": "thanks", "else": "sweeten"},
        {"id": "sweeten", "send": {"chain": [{"channel": "coupon", "coupon": "winter_10_off"}]}, "next": "tell"},
        {"id": "tell", "send": {"chain": [{"channel": "push", "template": "coupon_push"}]}, "next": "end"},
        {"id": "thanks", "tag": {"add": "paid_after_nudge"}, "next": "end"}],
      "experiment": {"step": "nudge", "variants": [
            {"key": "plain", "templates": {"pay_push": "pay_push"}}, {"key": "warm", "templates": {"pay_push": "pay_push_warm"}}],
         "mode": "race", "share": 0.10, "observe": "1h", "metric": "click_rate", "rule": "highest", "if_insufficient": {"extend_until": "6h", "then": "leader"}},
      "holdout": 0.05,
      "exit": {"on_goal": true, "on_leaving_audience": false},
      "limits": {"audience": 200000, "per_minute": 6000, "coupons": {"winter_10_off": 50000}, "allow_partial_stock": false},
      "quiet_hours": {"from": "22:00", "until": "08:00", "zone": "user", "on_hit": "drop"}
    }
    """#

  /// Every kind of trigger that it names, with its alternatives written out.
  static let triggers = [
    #"{"segment": "vip", "at": "now"}"#,
    #"{"segment": "vip", "at": "2026-12-01T10:00:00+08:00"}"#,
    #"{"segment": "vip", "cron": "0 10 * * *", "zone": "user"}"#,
    #"{"segment": "vip", "cron": "0 10 * * mon-fri", "zone": "Asia/Shanghai"}"#,
    #"""
    {"event": "order_submitted", "where": [{"property": "amount", "gte": 50}],
     "occurrence": "first", "unless": {"event": "order_paid", "within": "10m"}, "delay": "5m"}
    """#,
    #"{"event": "order_submitted", "occurrence": "any"}"#,
    #"{"date": "birthday", "offset": "365d", "at": "10:00"}"#,
    #"{"date": {"event": "order_paid", "pick": "last"}, "offset": "365d", "at": "10:00"}"#,
    #"{"date": {"event": "order_paid", "pick": "each"}, "offset": "365d", "at": "10:00"}"#,
    #"{"api": true}"#,
    #"{"scene": "weather_changed", "match": [{"property": "city", "attribute": "city"}]}"#,
  ]
}
