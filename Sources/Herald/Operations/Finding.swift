import JSON

/// One line of `herald doctor`.
public struct Finding: Sendable, Equatable {
  public enum Level: String, Sendable, CaseIterable {
    case ok, warn, fail
  }

  public let level: Level
  /// What was looked at, in a word or two.
  public let check: String
  public let detail: String
  /// How to mend it.
  public let remedy: String?

  public static func ok(_ check: String, _ detail: String) -> Finding {
    Finding(level: .ok, check: check, detail: detail, remedy: nil)
  }

  public static func warn(_ check: String, _ detail: String, _ remedy: String) -> Finding {
    Finding(level: .warn, check: check, detail: detail, remedy: remedy)
  }

  public static func fail(_ check: String, _ detail: String, _ remedy: String) -> Finding {
    Finding(level: .fail, check: check, detail: detail, remedy: remedy)
  }

  public var json: JSONValue {
    [
      "level": .string(level.rawValue), "check": .string(check), "detail": .string(detail),
      "remedy": .optional(remedy),
    ]
  }
}
