import JSON

/// The accounting of a plan as the API gives it, with the demonstration's own sums over it.
struct DemoBooks {
  struct Step {
    let id: String
    let entered: Int
    let sent: Int
    let failed: Int
    let skipped: [(code: String, count: Int)]
    let pending: Int
    let unknown: Int

    var accounted: Int { sent + failed + skipped.total + pending + unknown }
  }

  let targeted: Int
  let heldOut: Int
  let skippedAtEntry: [(code: String, count: Int)]
  let active: Int
  let finished: Int
  let exited: [(code: String, count: Int)]
  let steps: [Step]
  /// By channel: each status with its count.
  let attempts: [(channel: String, counts: [(code: String, count: Int)])]
  /// Herald's own verdict.
  let isBalanced: Bool

  init(_ json: JSONValue) {
    func count(_ value: JSONValue?) -> Int { value?.intValue ?? 0 }
    func counts(_ value: JSONValue?) -> [(code: String, count: Int)] {
      (value?.objectValue?.members ?? []).map { ($0.key, count($0.value)) }
    }
    let people = json["people"]
    targeted = count(people?["targeted"])
    heldOut = count(people?["held_out"])
    skippedAtEntry = counts(people?["skipped_at_entry"])
    active = count(people?["active"])
    finished = count(people?["finished"])
    exited = counts(people?["exited"])
    steps = (json["steps"]?.objectValue?.members ?? []).map { id, step in
      Step(
        id: id, entered: count(step["entered"]), sent: count(step["sent"]),
        failed: count(step["failed"]), skipped: counts(step["skipped"]),
        pending: count(step["pending"]), unknown: count(step["unknown"]))
    }
    attempts = (json["attempts"]?.objectValue?.members ?? []).map { ($0.key, counts($0.value)) }
    isBalanced = json["balanced"]?.boolValue ?? false
  }

  var sent: Int { steps.reduce(0) { $0 + $1.sent } }
  /// Nothing further happens to them.
  var through: Int { heldOut + skippedAtEntry.total + finished + exited.total }
  var accounted: Int { through + active }
}

extension [(code: String, count: Int)] {
  var total: Int { reduce(0) { $0 + $1.count } }
  /// Such as "denied 12, no_address 3".
  var text: String {
    filter { $0.count > 0 }.map { "\($0.code) \($0.count.grouped)" }.joined(separator: ", ")
  }
}
