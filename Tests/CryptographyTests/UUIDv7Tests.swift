import Cryptography
import Foundation
import Testing

@Suite struct UUIDv7Tests {
  @Test("Ids rise strictly, also when the clock stands still or goes back")
  func order() {
    let start = Date()
    let ids = (0..<10_000).map { UUIDv7.next(now: start.addingTimeInterval(-Double($0 % 3))) }
    #expect(zip(ids, ids.dropFirst()).allSatisfy { $0.uuidString < $1.uuidString })
  }

  @Test("Ids made on many threads at once are all different")
  func concurrency() async {
    let ids = await withTaskGroup(of: [UUID].self) { group in
      for _ in 0..<8 { group.addTask { (0..<1000).map { _ in UUIDv7.next() } } }
      return await group.reduce(into: []) { $0 += $1 }
    }
    #expect(Set(ids).count == 8000)
  }

  @Test("Version, variant and instant stand where RFC 9562 puts them")
  func layout() {
    let id = UUIDv7.at(Date(timeIntervalSince1970: 1_645_557_742))
    #expect(id.uuidString.hasPrefix("017F22E2-79B0-7"))
    #expect(id.uuid.8 >> 6 == 0b10)
    #expect(UUIDv7.instant(of: id) == Date(timeIntervalSince1970: 1_645_557_742))
    #expect(UUIDv7.instant(of: UUID()) == nil)
  }

  @Test(
    "Instants outside the field are clamped",
    arguments: [-1, -1e300, 1e300, Double.infinity, -Double.infinity, Double.nan])
  func clamped(seconds: Double) {
    let id = UUIDv7.at(Date(timeIntervalSince1970: seconds))
    #expect(id.uuid.6 >> 4 == 7)
  }
}
