import Foundation
import JSON
import Postgres
import Synchronization

/// The declared schemas that events are held against when they come in.
public final class EventSchemas: Sendable {
  private let cache = Mutex<(schemas: [String: EventSchema], until: ContinuousClock.Instant)?>(nil)

  /// A declaration holds after at most this long.
  static let cacheFor = Duration.seconds(1)

  public init() {}

  /// Refuses those of the accepted events that must not be stored as they are. Returns those that are
  /// stored although they do not fit, with the faults of each.
  func inspect(
    _ events: [IncomingEvent], _ outcomes: inout [EventOutcome], in tx: Transaction
  ) throws -> [Int: [JSONFault]] {
    let schemas = try current(in: tx)
    guard !schemas.isEmpty else { return [:] }
    var flagged: [Int: [JSONFault]] = [:]
    for (index, incoming) in events.enumerated() where outcomes[index] == .accepted {
      guard let schema = schemas[incoming.event.name],
        let properties = try? JSONScanner.parse(incoming.event.properties)
      else { continue }
      let faults = schema.faults(of: properties)
      guard let fault = faults.first else { continue }
      if schema.mode == .flag {
        flagged[index] = faults
      } else {
        outcomes[index] = .rejected(
          code: fault.code.rawValue, field: String(fault.pointer.description.dropFirst()),
          detail: fault.detail)
      }
    }
    return flagged
  }

  private func current(in tx: Transaction) throws -> [String: EventSchema] {
    if let known = cache.withLock({ $0 }), known.until > .now { return known.schemas }
    let schemas = try CatalogueStore.enforced(in: tx)
    cache.withLock { $0 = (schemas, .now + Self.cacheFor) }
    return schemas
  }
}
