import Foundation
import JSON

/// The plans of a simulated month: every shape in turn, with figures from the seed.
struct MonthPlans {
  let form: MonthForm

  struct Named: Sendable {
    let key: String
    let document: JSONValue
  }

  static let shapes = makers.count

  var all: [Named] {
    (0..<form.plans).map { number in
      var figures = MonthFigures(form: form, number: number)
      let (name, make) = Self.makers[number % Self.makers.count]
      var document = make(&figures)
      document["name"] = .string(name)
      if document["class"] == nil, figures.pick(true, false) {
        let wait = JSONValue.string(figures.pick("drop", "defer"))
        document["pressure"] = [
          "on_capped": wait, "on_gap": .string(figures.pick("drop", "defer")),
        ]
      }
      return Named(key: "\(name)-\(number)", document: .object(document))
    }
  }

  /// The crowds that plans name, by key.
  static let segments: [String: JSONValue] = [
    "first-tenth": ["attribute": "batch", "lt": 10],
    "few": ["attribute": "batch", "between": [20, 22]],
    "buyers": [
      "all": [["attribute": "batch", "gte": 70], ["event": "order_paid", "within": "7d"]]
    ],
    "sleepers": [
      "all": [
        ["attribute": "batch", "between": [30, 36]],
        ["not": ["event": "app_opened", "within": ["last": ["days": 3, "zone": "user"]]]],
      ]
    ],
  ]

  /// Of all plans together, by key, in the long form. Tight, so that much is held back.
  static let caps: [String: JSONValue] = [
    "four-in-three-days": ["scope": "all", "limit": 4, "per": "3d"],
    "one-text-a-day": [
      "scope": ["channel": "sms"], "limit": 1, "per": ["calendar": "day", "zone": "user"],
    ],
    "news-of-the-week": [
      "scope": ["category": "news"], "limit": 1, "per": ["calendar": "week", "zone": "user"],
    ],
    "breath": ["scope": "all", "gap": "2h"],
  ]

  private static let makers: [(String, @Sendable (inout MonthFigures) -> JSONObject)] =
    MonthShapes.streams + MonthShapes.journeys + MonthShapes.crowds
}

/// What tells plans of one shape apart.
struct MonthFigures {
  let form: MonthForm
  private var random: TortureRandom

  init(form: MonthForm, number: Int) {
    self.form = form
    random = TortureRandom(seed: form.seed ^ (UInt64(number + 1) &* 0x5851_f42d_4c95_7f2d))
  }

  mutating func pick<T>(_ values: T...) -> T {
    values[Int.random(in: 0..<values.count, using: &random)]
  }

  /// An instant of the month, at a share of it.
  func at(_ share: Double) -> JSONValue {
    .string(form.start.addingTimeInterval((form.days * share * 24).rounded() * 3600).rfc3339)
  }

  /// Hours of the day that hold the night back.
  mutating func quiet(_ hit: JSONValue) -> JSONValue {
    [
      "from": pick("21:00", "22:30", "00:00"), "until": pick("07:30", "08:00", "09:15"),
      "zone": pick("user", "user", "Europe/Berlin"), "on_hit": hit,
    ]
  }
}
