/// Zones that plans and segments name: the same that people may live in.
enum TimeZones {
  static func isKnown(_ name: String) -> Bool { TimeZoneName.isValid(name) }
}
