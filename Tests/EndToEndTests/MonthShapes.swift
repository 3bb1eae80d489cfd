import Foundation
import JSON

/// Forms of plans. Tags that they set are asked for by nobody else: the order of what is of one
/// instant decides nothing.
enum MonthShapes {
  typealias Maker = (String, @Sendable (inout MonthFigures) -> JSONObject)

  static func send(_ id: String, _ chain: [String], _ more: JSONObject = [:]) -> JSONValue {
    let links = chain.map { name -> JSONValue in
      ["channel": .string(String(name.prefix { $0 != "_" })), "template": .string(name)]
    }
    var step: JSONObject = ["id": .string(id), "send": ["chain": .array(links)]]
    for (key, value) in more.members { step[key] = value }
    return .object(step)
  }

  static func property(_ name: String, _ op: String, _ value: JSONValue) -> JSONValue {
    ["property": .string(name), op: value]
  }

  /// Plans that people enter by what they do, with one or two sends.
  static let streams: [Maker] = [
    (
      "unpaid",
      { f in
        [
          "trigger": [
            "event": "order_submitted", "where": [property("amount", "gte", f.pick(20, 80))],
            "unless": [
              "event": "order_paid", "within": .string(f.pick("10m", "45m", "2h")),
              "same": "order_id",
            ],
          ],
          "reentry": ["limit": 1, "per": .string(f.pick("1d", "36h")), "key": "category"],
          "holdout": .double(0.1), "quiet_hours": f.quiet("drop"),
          "steps": [send("nudge", ["push", "sms"], ["not_after": "30m"])],
        ]
      }
    ),
    (
      "cart",
      { f in
        [
          "trigger": [
            "event": "cart_added", "delay": .string(f.pick("30m", "1h", "90m")),
            "unless": ["event": "order_paid", "within": .string(f.pick("20m", "3h"))],
          ],
          "goals": [["stage": "convert", "event": "order_paid", "within": "3d"]],
          "exit": ["on_goal": true], "quiet_hours": f.quiet("defer"),
          "steps": [
            send("remind", ["push"]), ["id": "pause", "wait": .string(f.pick("20h", "1d"))],
            send("again", ["sms", "email"]),
          ],
        ]
      }
    ),
    (
      "browse",
      { f in
        [
          "trigger": [
            "event": "product_viewed",
            "where": [
              property("category", "in", [.string(f.pick("shoes", "tea")), "toys"]),
              property("price", "gte", 100),
            ],
          ],
          "audience": [
            "all": [
              ["attribute": "age", "between": [20, 60]],
              ["not": ["event": "order_paid", "within": .string(f.pick("2d", "7d"))]],
            ]
          ],
          "reentry": ["limit": .int(f.pick(1, 2)), "per": ["calendar": "day", "zone": "user"]],
          "steps": [send("tip", ["push"])],
        ]
      }
    ),
    (
      "receipt",
      { f in
        [
          "trigger": ["event": "order_paid"], "class": "transactional",
          "steps": [send("thanks", ["sms", "email"])],
        ]
      }
    ),
    (
      "review",
      { f in
        [
          "trigger": ["event": "review_posted", "where": [property("stars", "lte", 4)]],
          "quiet_hours": ["from": "18:00", "until": "10:00", "on_hit": "defer"],
          "steps": [send("sorry", ["email_city"], ["not_after": .string(f.pick("2h", "9h"))])],
        ]
      }
    ),
    (
      "cancelled",
      { f in
        [
          "trigger": [
            "event": "order_cancelled", "delay": "10m",
            "unless": ["event": "order_submitted", "within": "4h"],
          ],
          "reentry": ["limit": 1, "per": ["calendar": .string(f.pick("week", "month"))]],
          "category": "news", "steps": [send("why", ["email", "push"])],
        ]
      }
    ),
    (
      "windowed",
      { f in
        [
          "trigger": ["event": "app_opened", "where": [property("platform", "eq", "ios")]],
          "reentry": ["limit": 1, "per": "2d"],
          "window": ["from": f.at(0.2), "until": f.at(0.7)], "quiet_hours": f.quiet("defer"),
          "steps": [send("hello", ["push_city", "sms"])],
        ]
      }
    ),
    (
      "called",
      { f in
        [
          "trigger": ["api": true], "reentry": ["limit": 1, "per": "1d", "key": "ref"],
          "holdout": .double(0.2), "quiet_hours": f.quiet(f.pick("drop", "defer")),
          "steps": [send("answer", ["sms", "push"])],
        ]
      }
    ),
  ]

  /// Plans with a way through them.
  static let journeys: [Maker] = [
    (
      "welcome",
      { f in
        [
          "trigger": ["event": "order_paid", "occurrence": "first"],
          "steps": [
            ["id": "mark", "tag": ["add": "month_welcomed"]], send("hi", ["email", "push"]),
            [
              "id": "look",
              "wait_until": ["event": "review_posted", "timeout": .string(f.pick("12h", "30h"))],
              "then": "thank", "else": "ask",
            ],
            send("thank", ["push"], ["next": "end"]), send("ask", ["email"]),
          ],
        ]
      }
    ),
    (
      "split",
      { f in
        [
          "trigger": ["event": "app_opened", "where": [property("platform", "eq", "web")]],
          "reentry": ["limit": 1, "per": .string(f.pick("1d", "7d"))],
          "steps": [
            [
              "id": "draw",
              "split": [
                ["share": .double(0.3), "then": "a"], ["share": .double(0.45), "then": "b"],
              ], "else": "c",
            ],
            send("a", ["push"], ["next": "end"]), send("b", ["sms"], ["next": "end"]),
            ["id": "c", "wait": "90m"], send("d", ["email"]),
          ],
        ]
      }
    ),
    (
      "loyal",
      { f in
        [
          "trigger": ["event": "order_paid"], "holdout": .double(0.1),
          "steps": [
            [
              "id": "which",
              "branch": [
                ["if": ["where": [property("amount", "gt", f.pick(150, 250))]], "then": "big"],
                [
                  "if": [
                    "condition": [
                      "event": "order_paid", "count": ["gte": 2],
                      "within": .string(f.pick("3d", "20d")),
                    ]
                  ], "then": "often",
                ],
              ], "else": "small",
            ],
            send("big", ["sms", "push"], ["next": "end"]), send("often", ["push"], ["next": "end"]),
            ["id": "small", "exit": ["reason": "too_small"]],
          ],
        ]
      }
    ),
    (
      "result",
      { f in
        [
          "trigger": ["event": "cart_added", "where": [property("price", "gte", 50)]],
          "reentry": ["limit": 1, "per": "3d"], "quiet_hours": f.quiet("drop"),
          "steps": [
            send("first", ["push"]),
            [
              "id": "came",
              "branch": [
                ["if": ["step": "first", "is": "sent"], "then": "end"],
                ["if": ["step": "first", "is": "failed"], "then": "by_mail"],
              ], "else": "by_text",
            ],
            send("by_mail", ["email"], ["next": "end"]), send("by_text", ["sms"]),
          ],
        ]
      }
    ),
    (
      "morning",
      { f in
        [
          "trigger": ["event": "product_viewed", "where": [property("price", "lt", 120)]],
          "reentry": ["limit": 1, "per": "2d"],
          "steps": [
            ["id": "until", "wait_until": ["at": .string(f.pick("09:30", "02:30", "00:20"))]],
            send("good", ["push", "email"]),
          ],
        ]
      }
    ),
    (
      "leaving",
      { f in
        [
          "trigger": ["event": "app_opened", "where": [property("platform", "eq", "android")]],
          "reentry": ["limit": 1],
          "audience": ["not": ["event": "order_paid", "within": .string(f.pick("1d", "5d"))]],
          "exit": ["on_leaving_audience": true],
          "steps": [
            ["id": "rest", "wait": .string(f.pick("3h", "8h"))], send("one", ["push"]),
            ["id": "day", "wait": "1d"], send("two", ["sms", "push"]),
          ],
        ]
      }
    ),
    (
      "checkout",
      { f in
        [
          "trigger": [
            "event": "order_submitted",
            "unless": ["event": "order_paid", "within": "15m", "same": "order_id"],
          ],
          "goals": [["stage": "convert", "event": "order_paid", "within": "3d", "primary": true]],
          "exit": ["on_goal": true], "holdout": .double(0.05),
          "steps": [
            send("nudge", ["push", "sms"]),
            [
              "id": "later",
              "wait_until": [
                "event": "order_paid", "same": "order_id", "timeout": .string(f.pick("6h", "24h")),
              ],
              "then": "thanks", "else": "sweeten",
            ],
            send("sweeten", ["push"], ["next": "end"]),
            ["id": "thanks", "tag": ["add": "month_paid"], "next": "end"],
          ],
        ]
      }
    ),
  ]
}
