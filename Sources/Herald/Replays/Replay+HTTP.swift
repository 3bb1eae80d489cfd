import Foundation
import HTTP
import JSON

extension Replay.Period {
  /// Longer ones say less: people are seen as they are now.
  private static let longest = 366.0 * 86_400

  init?(_ reader: ObjectReader, now: Date) {
    let from = reader.instant("from", required: true)
    let until = reader.instant("until", required: true)
    guard let from, let until else { return nil }
    if until > now {
      reader.add(.outOfRange, "until", "Only what is past can be replayed.")
    }
    if from >= until {
      reader.add(.outOfRange, "until", "The period must end after it begins.")
    } else if until.timeIntervalSince(from) > Self.longest {
      reader.add(.outOfRange, "from", "A period has 366 days at most.")
    }
    self.from = from
    self.until = until
  }
}

extension Replay {
  func response(_ format: Report.Format, _ page: PageRequest) -> Response {
    switch format {
    case .json: .json(200, json(page))
    case .csv:
      Response(
        status: 200, headers: ["Content-Type": "text/csv; charset=utf-8; header=present"],
        body: .bytes(sheet.flatMap(CSVText.line)))
    case .table: .text(200, TextTable.write(sheet))
    }
  }

  /// A page begins after the line whose number is the cursor.
  private func json(_ page: PageRequest) -> JSONValue {
    let start = page.after?.values.first.flatMap { Int($0) }.map { max(0, $0) } ?? 0
    let shown = lines.dropFirst(start).prefix(page.limit)
    let end = min(start, lines.count) + shown.count
    return [
      "plan": .string(plan), "version": .int(version), "from": .instant(period.from),
      "until": .instant(period.until), "people": people.json,
      "data": .array(shown.map(\.json)),
      "next": end < lines.count ? .string(Cursor([String(end)]).text) : .null,
    ]
  }

  private var sheet: [[String]] {
    [["at", "user", "step", "outcome", "code", "channel", "content", "arm"]]
      + lines.map { line in
        [
          line.at.rfc3339, line.user.text, line.step ?? "", line.outcome.rawValue,
          line.code ?? "", line.channel?.rawValue ?? "", line.content ?? "", line.arm ?? "",
        ]
      }
  }

  static let schema = Schema.object([
    "plan": Schema.key, "version": Schema.count, "from": Schema.instant, "until": Schema.instant,
    "people": Account.people, "data": Schema.array(Line.schema),
    "next": Schema.nullable(Schema.string),
  ])
}

extension Replay.Line {
  fileprivate var json: JSONValue {
    [
      "at": .instant(at), "user": .id(user), "step": .optional(step),
      "outcome": .string(outcome.rawValue), "code": .optional(code),
      "channel": .optional(channel?.rawValue), "content": .optional(content),
      "arm": .optional(arm),
    ]
  }

  fileprivate static let schema = Schema.object([
    "at": Schema.instant, "user": Schema.uuid, "step": Schema.nullable(Schema.string),
    "outcome": Schema.choice(Replay.Outcome.allCases.map(\.rawValue)),
    "code": Schema.nullable(Schema.string),
    "channel": Schema.nullable(Schema.choice(Channel.allCases.map(\.rawValue))),
    "content": Schema.nullable(Schema.string), "arm": Schema.nullable(Schema.string),
  ])
}
