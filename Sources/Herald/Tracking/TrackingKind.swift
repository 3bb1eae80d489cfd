/// The calls of the tracking API.
enum TrackingKind: String, CaseIterable, Sendable {
  case track, identify, alias, group, page, screen

  /// The name of the event that is stored for a call without a name of its own.
  var eventName: String {
    switch self {
    case .track: "track"
    case .page, .screen: rawValue
    case .identify, .alias, .group: "$\(rawValue)"
    }
  }
}
