/// Wake-ups by coarse ticks, for many connections whose deadlines mostly move on unused.
///
/// A deadline that moves later costs nothing: the owner is asked at the earlier tick and says
/// when to come again. Entries are identifiers, so that an ended connection is not kept.
struct TimerWheel: Sendable {
  static let tickNanoseconds: UInt64 = 250_000_000
  private static let slots = 512

  private var entries: [[Int]] = Array(repeating: [], count: slots)
  private(set) var now: UInt64

  init(now: UInt64) { self.now = now }

  /// The tick at which a deadline in nanoseconds has certainly passed.
  static func tick(of deadline: UInt64) -> UInt64 { deadline / tickNanoseconds + 1 }

  /// Returns the tick at which `id` will be asked: at most the horizon away.
  mutating func schedule(_ id: Int, at tick: UInt64) -> UInt64 {
    let horizon = now + UInt64(Self.slots) - 1
    let tick = min(max(tick, now + 1), horizon)
    entries[Int(tick % UInt64(Self.slots))].append(id)
    return tick
  }

  /// Everyone to be asked up to and including `tick`.
  mutating func advance(to tick: UInt64) -> [Int] {
    guard tick > now else { return [] }
    var due: [Int] = []
    let steps = min(tick - now, UInt64(Self.slots))
    for step in 1...steps {
      let slot = Int((now + step) % UInt64(Self.slots))
      due += entries[slot]
      entries[slot] = []
    }
    now = tick
    return due
  }
}
