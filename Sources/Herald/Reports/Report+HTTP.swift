import Foundation
import HTTP
import JSON

extension Report {
  enum Format: String, Sendable, CaseIterable {
    case json, csv, table
  }

  func response(_ format: Format) -> Response {
    switch format {
    case .json: .json(200, json)
    case .csv:
      Response(
        status: 200, headers: ["Content-Type": "text/csv; charset=utf-8; header=present"],
        body: .bytes(sheet.flatMap(CSVText.line)))
    case .table: .text(200, TextTable.write(sheet) + goals.map(\.sentence).joined())
    }
  }

  var json: JSONValue {
    var totals = self.totals.members
    totals["targeted"] = .int(people.targeted)
    totals["held_out"] = .int(people.heldOut)
    return [
      "plan": .string(plan), "by": .string(dimension.rawValue),
      "rows": .array(
        rows.map { row in
          .object(JSONObject([(key: "key", value: .string(row.key))] + row.figures.members))
        }),
      "totals": .object(totals), "goals": .array(goals.map(\.json)),
      "races": .array(races.map(\.json)),
    ]
  }

  /// The header, the rows, the totals.
  private var sheet: [[String]] {
    let header = [dimension.rawValue] + ReportFigures.columns.map(\.name) + ["ctr"]
    return [header] + rows.map { [$0.key] + $0.figures.cells } + [["total"] + totals.cells]
  }

  static let schema = Schema.object([
    "plan": Schema.key, "by": Schema.choice(Dimension.allCases.map(\.rawValue)),
    "rows": Schema.array(ReportFigures.schema(["key": Schema.string])),
    "totals": ReportFigures.schema(["targeted": Schema.count, "held_out": Schema.count]),
    "goals": Schema.array(Goal.schema), "races": Schema.array(RaceStore.Race.schema),
  ])
}

extension ReportFigures {
  fileprivate var members: JSONObject {
    var object = JSONObject()
    for (name, path) in Self.columns {
      object[name] = .int(self[keyPath: path])
      if name == "clicked" { object["ctr"] = .rate(ctr) }
    }
    return object
  }

  fileprivate var cells: [String] {
    Self.columns.map { String(self[keyPath: $0.path]) }
      + [ctr.map { String(Rounding.six($0)) } ?? ""]
  }

  fileprivate static func schema(_ others: JSONObject) -> JSONValue {
    var properties = others
    for (name, _) in columns { properties[name] = Schema.count }
    properties["ctr"] = Schema.nullable(Schema.number)
    return [
      "type": "object", "properties": .object(properties), "additionalProperties": false,
      "required": .array(properties.keys.map(JSONValue.string)),
    ]
  }
}

extension Report.Goal {
  fileprivate var json: JSONValue {
    [
      "stage": .string(stage.rawValue), "event": .string(event), "within": .string(within),
      "target_rate": .rate(targetRate), "people": .int(treated.people),
      "converted": .int(treated.converted), "rate": .rate(treated.rate),
      "held_out": [
        "people": .int(heldOut.people), "converted": .int(heldOut.converted),
        "rate": .rate(heldOut.rate),
      ],
      "lift": lift.map { lift in
        [
          "absolute": .rate(lift.absolute), "relative": .rate(lift.relative),
          "ci95": [.rate(lift.low), .rate(lift.high)], "method": "newcombe",
        ]
      } ?? .null,
    ]
  }

  /// A line under the table.
  fileprivate var sentence: String {
    var line = "\n\(event) within \(within): \(treated.converted) of \(treated.people)"
    line += ", held out \(heldOut.converted) of \(heldOut.people)"
    if let lift {
      line += ", lift \(Rounding.six(lift.absolute))"
      line += " (95%: \(Rounding.six(lift.low)) to \(Rounding.six(lift.high)))"
    }
    return line + "\n"
  }

  fileprivate static let schema = Schema.object([
    "stage": Schema.choice(PlanDocument.Goal.Stage.allCases.map(\.rawValue)),
    "event": Schema.string, "within": Schema.duration, "target_rate": rate,
    "people": Schema.count, "converted": Schema.count, "rate": rate,
    "held_out": Schema.object([
      "people": Schema.count, "converted": Schema.count, "rate": rate,
    ]),
    "lift": Schema.nullable(
      Schema.object([
        "absolute": Schema.number, "relative": rate,
        "ci95": ["type": "array", "items": Schema.number, "minItems": 2, "maxItems": 2],
        "method": Schema.choice(["newcombe"]),
      ])),
  ])
  private static let rate = Schema.nullable(Schema.number)
}

/// Rates are given to six places: beyond them is noise.
enum Rounding {
  static func six(_ value: Double) -> Double { (value * 1_000_000).rounded() / 1_000_000 }
}

extension JSONValue {
  static func rate(_ value: Double?) -> JSONValue {
    value.map { .double(Rounding.six($0)) } ?? .null
  }
}

extension Request {
  /// `?format=` first, then what the client accepts; JSON when it does not care.
  func reportFormat() throws -> Report.Format {
    if let text = try choice("format", Report.Format.allCases.map(\.rawValue)) {
      return Report.Format(rawValue: text) ?? .json
    }
    let accepted = (headers["accept"] ?? "").lowercased().split(separator: ",")
    let csv = accepted.firstIndex { $0.contains("text/csv") }
    let json = accepted.firstIndex { $0.contains("application/json") }
    if let csv, csv < json ?? .max { return .csv }
    return .json
  }
}
