import JSON

/// What the demonstration's operators define, as the documents they send.
enum DemoCampaign {
  static let zone = "Asia/Shanghai"
  static let segment = "lapsed_repeaters"
  static let plan = "win_back"
  static let coupon = "welcome_back"
  static let helloStep = "hello"
  static let giftStep = "gift"
  static let tellStep = "tell"

  /// Two purchase rows or more, none in the last 90 days.
  static let condition: JSONValue = [
    "all": [
      ["event": "order_paid", "count": ["gte": 2]],
      ["not": ["event": "order_paid", "within": "90d"]],
    ]
  ]

  static let tags: [(key: String, document: JSONValue)] = [
    (
      "spend_tier",
      [
        "name": "消费层级", "category": "rfm", "type": "choice",
        "choices": .array(Purchases.Tier.allCases.map { .string($0.rawValue) }),
      ]
    ),
    (
      "repeat_buyer",
      [
        "name": "复购用户", "category": "behaviour", "type": "flag",
        "rule": ["event": "order_paid", "count": ["gte": 2]],
      ]
    ),
  ]

  static let templates: [(key: String, document: JSONValue)] = [
    (
      "miss_you_push",
      [
        "channel": "push",
        "content": [
          "title": "好久不见",
          "body": "{{ user.name | default: '朋友' }}，新碟上架了，来听听看？",
        ],
      ]
    ),
    (
      "miss_you_sms",
      [
        "channel": "sms",
        "content": [
          "text": "{{ user.name | default: '朋友' }}，好久不见，新碟上架了。退订回T", "signature": "唱片店",
        ],
      ]
    ),
    (
      "code_push",
      [
        "channel": "push",
        "content": [
          "title": "送您一张优惠券",
          "body":
            "{{ user.name | default: '朋友' }}，满100减10，券码 {{ steps.gift.coupon.code }}",
        ],
        "on_missing": "skip",
      ]
    ),
  ]

  static func coupon(codes: Int) -> JSONValue {
    [
      "name": "满100减10",
      "discount": [
        "type": "amount_off", "value": ["amount": "10", "currency": "CNY"],
        "minimum": ["amount": "100", "currency": "CNY"],
      ],
      "valid": ["days_after_issue": 7],
      "codes": ["generate": ["count": .int(codes), "pattern": "W26-########"]],
    ]
  }

  static func sender(_ channel: String, gateway: String, secret: String) -> JSONValue {
    [
      "channel": .string(channel), "adapter": "http",
      "config": [
        "url": .string("\(gateway)/\(channel)"), "secret": .string(secret), "idempotent": true,
      ], "concurrency": 32,
    ]
  }

  /// `priority` is what the admin changes.
  static func plan(priority: Int) -> JSONValue {
    [
      "name": "Win back", "category": "recall", "priority": .int(priority),
      "goals": [
        [
          "stage": "recall", "event": "order_paid", "within": "14d", "primary": true,
          "target_rate": .double(0.05),
        ]
      ],
      "trigger": ["segment": .string(segment), "at": "now"],
      "steps": [
        step(
          helloStep,
          [
            ["channel": "push", "template": "miss_you_push"],
            ["channel": "sms", "template": "miss_you_sms"],
          ]),
        step(giftStep, [["channel": "coupon", "coupon": .string(coupon)]]),
        step(tellStep, [["channel": "push", "template": "code_push"]]),
      ],
      "holdout": .double(0.05),
    ]
  }

  private static func step(_ id: String, _ chain: [JSONValue]) -> JSONValue {
    ["id": .string(id), "send": ["chain": .array(chain)]]
  }
}
