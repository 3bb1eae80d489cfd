/// Where the producer of a streamed response writes.
public struct ResponseWriter: Sendable {
  private let send: @Sendable ([UInt8]) async throws -> Void

  /// `send` returns when it wants the next piece.
  public init(_ send: @escaping @Sendable ([UInt8]) async throws -> Void) { self.send = send }

  /// Returns when the client has taken enough that the next piece is welcome; throws
  /// `HTTPFault` 499 when it has gone or was too slow.
  public func write(_ bytes: [UInt8]) async throws { try await send(bytes) }

  public func write(_ text: String) async throws { try await send(Array(text.utf8)) }
}
