import Foundation

extension UUID {
  /// The lane of a user's work, 0…63; the same as herald_lane in SQL.
  var lane: Int { Int(uuid.15 & 63) }
}
