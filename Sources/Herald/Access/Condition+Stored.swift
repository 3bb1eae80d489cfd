import Conditions
import JSON

extension Condition {
  /// A condition that was checked before it was stored.
  static func stored(_ json: JSONValue) throws -> Condition {
    let faults = Faults()
    guard let condition = parse(json, at: .root, faults: faults), faults.isEmpty else {
      throw HeraldError(
        .unexpected, "A stored condition cannot be read: \(faults.all.first?.description ?? "")")
    }
    return condition
  }
}
