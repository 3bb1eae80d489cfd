/// A request's body while it arrives, in pieces of at most 64 KiB, inflated.
///
/// The client is held back by as much as the consumer is slow. Iterating throws `HTTPFault` when
/// the body is malformed (400), too large (413), too slow (408) or cut off (499), and
/// `CancellationError`. May be iterated once.
public struct BodyStream: AsyncSequence, Sendable {
  private enum Source: Sendable {
    case channel(BodyChannel, gzip: Bool, limit: Int)
    case pieces([[UInt8]])
  }

  private let source: Source
  private var observer: Observer?

  /// Is given every piece as it is read, and nil at the end of a body that came whole.
  public typealias Observer = @Sendable ([UInt8]?) -> Void

  init(_ channel: BodyChannel, gzip: Bool, limit: Int) {
    source = .channel(channel, gzip: gzip, limit: limit)
  }

  /// A stream of what is given, for callers of a handler that have no connection.
  public init(pieces: [[UInt8]]) { source = .pieces(pieces) }

  /// The same body, watched while somebody reads it.
  public func observed(by observer: @escaping Observer) -> BodyStream {
    var copy = self
    copy.observer = observer
    return copy
  }

  public func makeAsyncIterator() -> Iterator {
    var iterator =
      switch source {
      case .channel(let channel, let gzip, let limit):
        Iterator(channel: channel, inflates: gzip, limit: limit)
      case .pieces(let pieces): Iterator(pieces: pieces[...])
      }
    iterator.observer = observer
    return iterator
  }

  public struct Iterator: AsyncIteratorProtocol {
    private let channel: BodyChannel?
    private let limit: Int
    private var inflates: Bool
    private var inflater: Inflater?
    private var pieces: ArraySlice<[UInt8]> = []
    fileprivate var observer: Observer?

    init(channel: BodyChannel, inflates: Bool, limit: Int) {
      self.channel = channel
      self.inflates = inflates
      self.limit = limit
    }

    init(pieces: ArraySlice<[UInt8]>) {
      channel = nil
      inflates = false
      limit = .max
      self.pieces = pieces
    }

    public mutating func next() async throws -> [UInt8]? {
      let piece = try await read()
      observer?(piece)
      return piece
    }

    private mutating func read() async throws -> [UInt8]? {
      guard let channel else { return pieces.popFirst() }
      guard inflates else { return try await channel.take() }
      while true {
        do {
          if let piece = try inflater?.pull() { return piece }
        } catch {
          channel.fail(error)
          throw error
        }
        guard let raw = try await channel.take() else { return try finish(channel) }
        if inflater == nil { inflater = try Inflater(limit: limit) }
        inflater?.push(raw)
      }
    }

    /// An empty body passes for an empty gzip stream.
    private mutating func finish(_ channel: BodyChannel) throws -> [UInt8]? {
      inflates = false
      do throws(HTTPFault) {
        try inflater?.finish()
      } catch {
        channel.fail(error)
        throw error
      }
      return nil
    }
  }
}
