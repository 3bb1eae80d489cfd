import Cryptography
import Foundation
import Testing

@Suite("Order of ids") struct UUIDOrderTests {
  @Test("sorting by words is the order of the bytes, and keeps equal ones as they were")
  func order() {
    var ids = (0..<500).map { _ in UUID() }
    ids += ids.prefix(100)
    let items = ids.enumerated().map { (id: $1, place: $0) }
    let sorted = items.sorted(byID: \.id)
    func bytes(_ id: UUID) -> [UInt8] { withUnsafeBytes(of: id.uuid) { Array($0) } }
    for (one, next) in zip(sorted, sorted.dropFirst()) {
      let isLess = bytes(one.id).lexicographicallyPrecedes(bytes(next.id))
      #expect(isLess || (one.id == next.id && one.place < next.place))
    }
    #expect(Set(sorted.map(\.place)).count == items.count)
  }

  @Test("many ids made at once grow, and follow those made before")
  func batch() {
    let now = Date()
    let before = UUIDv7.next(now: now)
    let ids = UUIDv7.next(1000, now: now)
    let all = [before] + ids + [UUIDv7.next(now: now)]
    #expect(all.sorted(byID: \.self) == all)
    #expect(Set(all).count == 1002)
    #expect(ids.allSatisfy { $0.uuid.6 >> 4 == 7 && $0.uuid.8 >> 6 == 2 })
    #expect(UUIDv7.next(0).isEmpty)
  }
}
