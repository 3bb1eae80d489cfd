import Foundation
import JSON

extension MonthShapes {
  /// Plans that go by a schedule, a date or what happens to the world.
  static let crowds: [Maker] = [
    (
      "weekday",
      { f in
        [
          "trigger": [
            "segment": "few",
            "cron": .string(f.pick("0 10 * * mon-fri", "*/90 8-20 * * sat,sun,mon")),
            "zone": .string(f.pick("America/New_York", "Europe/Berlin")),
          ],
          "quiet_hours": f.quiet("drop"), "steps": [send("news", ["push", "email"])],
        ]
      }
    ),
    (
      "night",
      { f in
        [
          "trigger": [
            "segment": "few", "cron": .string(f.pick("30 2 * * *", "15 0 */2 * *", "30 1,2 * * *")),
            "zone": "user",
          ],
          "steps": [send("owl", ["push"])],
        ]
      }
    ),
    (
      "until",
      { f in
        [
          "trigger": [
            "segment": "buyers", "cron": "0 */6 * * *", "zone": "UTC", "until": f.at(0.5),
          ],
          "holdout": .double(0.15), "quiet_hours": f.quiet("defer"),
          "steps": [send("deal", ["sms", "push"])],
        ]
      }
    ),
    (
      "asleep",
      { f in
        [
          "trigger": ["segment": "sleepers", "cron": "45 11 * * *", "zone": "user"],
          "exit": ["on_leaving_audience": true],
          "steps": [
            send("come", ["push"]), ["id": "pause", "wait": "5h"], send("back", ["email"]),
          ],
        ]
      }
    ),
    (
      "birthday",
      { f in
        [
          "trigger": [
            "date": "birthday", "at": .string(f.pick("09:00", "02:15")),
            "offset": .string(f.pick("0d", "-1d", "2d")),
          ],
          "audience": ["attribute": "age", "gte": 18], "steps": [send("cake", ["push", "sms"])],
        ]
      }
    ),
    (
      "trial",
      { f in
        [
          "trigger": [
            "date": "trial_ends", "repeat": "once", "at": "12:00",
            "offset": .string(f.pick("-1d", "1d")),
            "zone": .string(f.pick("user", "Asia/Shanghai")),
          ],
          "steps": [send("ends", ["email", "push"])],
        ]
      }
    ),
    (
      "rebuy",
      { f in
        [
          "trigger": [
            "date": ["event": "order_paid", "pick": .string(f.pick("last", "each"))],
            "offset": .string(f.pick("1d", "3d")), "at": .string(f.pick("11:00", "18:30")),
            "zone": .string(f.pick("user", "Asia/Kolkata")),
          ],
          "steps": [send("more", ["push"])],
        ]
      }
    ),
    (
      "series",
      { f in
        [
          "trigger": ["segment": "first-tenth", "at": f.at(f.pick(0.1, 0.3))],
          "goals": [["stage": "recall", "event": "order_paid", "within": "7d"]],
          "exit": ["on_goal": true],
          "steps": [
            send("day0", ["push"]), ["id": "w1", "wait": "1d"], send("day1", ["email", "push"]),
            ["id": "w3", "wait": "2d"], send("day3", ["sms"]), ["id": "w7", "wait": "4d"],
            ["id": "drop", "exit": ["reason": "stubborn"]],
          ],
        ]
      }
    ),
    (
      "rain",
      { f in
        [
          "trigger": [
            "scene": "weather_changed", "where": [property("rain", "eq", true)],
            "match": [["property": "city", "attribute": "city"]],
          ],
          "audience": ["attribute": "batch", "lt": 40], "quiet_hours": f.quiet("drop"),
          "steps": [send("umbrella", ["push_city"])],
        ]
      }
    ),
  ]
}
