import Foundation
import JSON

/// What is fetched of a system that sends no webhooks, and how its pages hang together.
struct SourcePull: Sendable, Equatable {
  enum HeaderValue: Sendable, Equatable {
    case plain(String)
    /// Stands among the source's secrets.
    case secret
  }

  struct Header: Sendable, Equatable {
    let name: String
    let value: HeaderValue
  }

  /// How a page leads to the next.
  enum Next: Sendable, Equatable {
    /// There is one page.
    case none
    /// A URL in the body.
    case url(JSONPointer)
    /// A token in the body that goes into the query.
    case token(JSONPointer, parameter: String)
    /// The `Link` header with `rel="next"` (RFC 8288).
    case link
    /// Counted up until a page is empty.
    case page(parameter: String, first: Int)
    /// A value of the last item that goes into the query, until a page is empty.
    case last(JSONPointer, parameter: String)
  }

  /// What the next run begins behind: the highest value of the items seen.
  struct Cursor: Sendable, Equatable {
    let pointer: JSONPointer
    let parameter: String
    let initial: JSONValue?
  }

  let url: String
  let headers: [Header]
  let every: TimeSpan
  let items: JSONPointer
  let next: Next
  let cursor: Cursor?
  let timeout: TimeSpan

  /// Pages of one run; more is a server that never ends.
  static let pageLimit = 100_000
  static let responseBytes = 16 << 20

  /// How long a claim outlasts its last page.
  var leaseSeconds: Double { Double(timeout.seconds) + 20 }
}

/// A page to be fetched.
enum PullPosition: Sendable, Equatable {
  case first
  case url(String)
  case token(String)
  case page(Int)
  case last(String)
}

/// A run under way: where it goes on, and what it brought so far.
struct PullProgress: Sendable, Equatable {
  let startedAt: Date
  var position = PullPosition.first
  /// What the run began behind.
  let base: JSONValue?
  /// Of the items seen in it.
  var highest: JSONValue?
  var pages = 0
  var tally = SourceTally()
}

/// What became of items; every one is in exactly one of these.
struct SourceTally: Sendable, Equatable {
  var accepted = 0
  var duplicates = 0
  var ignored = 0
  var deadLetters = 0

  static func + (left: SourceTally, right: SourceTally) -> SourceTally {
    SourceTally(
      accepted: left.accepted + right.accepted, duplicates: left.duplicates + right.duplicates,
      ignored: left.ignored + right.ignored, deadLetters: left.deadLetters + right.deadLetters)
  }
}
