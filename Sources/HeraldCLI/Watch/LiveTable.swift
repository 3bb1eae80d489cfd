import Foundation
import JSON

/// A PlanLive as people read it.
struct LiveTable {
  let live: JSONValue

  private static let people = [
    "undecided", "active", "finished", "exited", "skipped", "held_out",
  ]
  private static let deliveries = ["pending", "sent", "failed", "skipped", "unknown"]

  private func count(_ group: String, _ name: String) -> Int {
    live[group]?[name]?.intValue ?? 0
  }

  private var state: String {
    var words = [live["state"]?.stringValue ?? "not launched"]
    if let pause = live["auto_pause"]?["detail"]?.stringValue {
      words.append("by Herald: \(pause)")
    }
    let stopped = live["stopped"]?.arrayValue?.compactMap(\.stringValue) ?? []
    if !stopped.isEmpty { words.append("stopped: \(stopped.joined(separator: ", "))") }
    return words.joined(separator: ", ")
  }

  private var time: String {
    let text = live["at"]?.stringValue ?? ""
    return String(text.split(separator: "T").last?.prefix(8) ?? "")
  }

  private var rate: String {
    live["per_second"]?.numberValue.map { "\($0.text)/s" } ?? "-"
  }

  /// For a screen that is drawn again each time.
  var lines: [String] {
    var lines = [
      "plan \(live["plan"]?.stringValue ?? "")  \(state)  \(time) UTC", "",
    ]
    var people = TextTable(.text("people"), .number(""))
    for name in Self.people {
      people.add(name.replacing("_", with: " "), count("people", name).grouped)
    }
    var messages = TextTable(.text("deliveries"), .number(""))
    for name in Self.deliveries {
      messages.add(name, count("deliveries", name).grouped)
    }
    messages.add("follow-ups", (live["follow_ups"]?.intValue ?? 0).grouped)
    messages.add("in flight", (live["in_flight"]?.intValue ?? 0).grouped)
    messages.add("rate", rate)
    lines += Self.beside(people.lines(), messages.lines())
    let refusals = live["refusals"]?.arrayValue ?? []
    guard !refusals.isEmpty else { return lines }
    var table = TextTable(
      .text("last refusals"), .text("step"), .text("channel"), .text("why"), .number("people"))
    for refusal in refusals {
      let at = refusal["at"]?.stringValue ?? ""
      table.add(
        String(at.split(separator: "T").last?.prefix(8) ?? ""), refusal["step"]?.stringValue ?? "",
        refusal["channel"]?.stringValue ?? "-",
        "\(refusal["status"]?.stringValue ?? ""): \(refusal["reason"]?.stringValue ?? "")",
        (refusal["count"]?.intValue ?? 0).grouped)
    }
    return lines + [""] + table.lines()
  }

  /// For logs and pipes.
  var line: String {
    func words(_ group: String, _ names: [String]) -> String {
      names.map { "\($0.replacing("_", with: " ")) \(count(group, $0))" }.joined(separator: ", ")
    }
    let people = words("people", Self.people.filter { count("people", $0) > 0 })
    return """
      \(time) \(state): people \(people.isEmpty ? "none" : people); deliveries \
      \(words("deliveries", Self.deliveries)), follow-ups \(live["follow_ups"]?.intValue ?? 0), \
      in flight \(live["in_flight"]?.intValue ?? 0), \(rate)
      """
  }

  private static func beside(_ left: [String], _ right: [String]) -> [String] {
    let width = (left.map(TextWidth.of).max() ?? 0) + 4
    return (0..<max(left.count, right.count)).map { index in
      let start = index < left.count ? left[index] : ""
      return index < right.count ? TextWidth.pad(start, to: width) + right[index] : start
    }
  }
}
