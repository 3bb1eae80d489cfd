import Cryptography
import Testing

@Suite struct BucketTests {
  static let vectors: [(salt: String, unit: String, bucket: Int)] = [
    ("exp-1", "1", 6124),
    ("exp-1", "2", 8830),
    ("exp-1", "user_0000", 7469),
    ("exp-1", "a@b.example", 5815),
    ("exp-1", "00000000-0000-0000-0000-000000000001", 4322),
    ("exp-1", "用户7", 6408),
    ("exp-2", "1", 8972),
    ("exp-2", "2", 8636),
    ("exp-2", "user_0000", 2502),
    ("exp-2", "a@b.example", 7682),
    ("exp-2", "00000000-0000-0000-0000-000000000001", 8827),
    ("exp-2", "用户7", 4850),
    ("plan:42/race", "1", 2961),
    ("plan:42/race", "2", 7837),
    ("plan:42/race", "user_0000", 9511),
    ("plan:42/race", "a@b.example", 3532),
    ("plan:42/race", "00000000-0000-0000-0000-000000000001", 3850),
    ("plan:42/race", "用户7", 5701),
    ("控制组", "1", 8507),
    ("控制组", "2", 7622),
    ("控制组", "user_0000", 9832),
    ("控制组", "a@b.example", 9532),
    ("控制组", "00000000-0000-0000-0000-000000000001", 9098),
    ("控制组", "用户7", 5175),
  ]

  @Test("A bucket is what the reference implementation gives", arguments: vectors)
  func vector(salt: String, unit: String, bucket: Int) {
    #expect(Bucket.of(salt: salt, unit: unit) == bucket)
  }

  @Test("Sequential ids spread evenly over the buckets (chi-square over 100 cells)")
  func uniformity() {
    var cells = [Int](repeating: 0, count: 100)
    for unit in 0..<20_000 { cells[Bucket.of(salt: "exp-1", unit: String(unit)) / 100] += 1 }
    let chiSquare = cells.reduce(0.0) { $0 + Double(($1 - 200) * ($1 - 200)) / 200 }
    // 99 degrees of freedom: 0.1 % lie above 148.2, 0.1 % below 60. The input is fixed.
    #expect((60...148.2).contains(chiSquare))
  }

  @Test("Salt and unit do not run into one another")
  func separator() {
    #expect(Bucket.of(salt: "ab", unit: "c") != Bucket.of(salt: "a", unit: "bc"))
  }
}
