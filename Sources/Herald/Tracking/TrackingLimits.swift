/// How much of the tracking API's requests is taken.
public struct TrackingLimits: Sendable {
  /// Of one request, inflated. RudderStack's clients send up to 4 MiB.
  public var batchBytes = 5 << 20
  /// A message above it is stored, and noted as a violation: Segment would refuse it.
  public var messageBytes = 32 << 10
  /// A message above it is refused by itself.
  public static let messageCeiling = 256 << 10
  /// Messages of one request; those beyond are left out.
  public static let messages = 10_000
  /// No request is read beyond it, whatever `batchBytes` says.
  public static let bodyCeiling = 16 << 20

  public init() {}
}
