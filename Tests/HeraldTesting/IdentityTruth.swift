import JSON

/// People with their identities, and claims that hold each of them together: each of one to three
/// identities, in such a way that no order leaves a person in two. No two claims contradict each other.
public struct IdentityTruth: Sendable {
  /// Kind to values, sorted.
  public private(set) var people: [[String: [String]]] = []
  /// As `user` of an event and `identities` of an upsert, in random order.
  public private(set) var claims: [JSONObject] = []

  public init(count: Int, using random: inout some RandomNumberGenerator) {
    for number in 0..<count {
      let all: [(kind: String, value: String)] =
        [("external_id", "u-\(number)"), ("email", "p\(number)@example.com")]
        + (0..<Int.random(in: 1...3, using: &random)).map {
          ("phone", "+86138\(Self.digits(number))\($0)")
        }
        + (0..<Int.random(in: 1...3, using: &random)).map {
          ("anonymous_id", "a-\(number)-\($0)")
        }
      people.append(Dictionary(grouping: all, by: \.kind).mapValues { $0.map(\.value).sorted() })
      let shuffled = all.shuffled(using: &random)
      for place in shuffled.indices.dropFirst() {
        add([shuffled[place], shuffled[Int.random(in: 0..<place, using: &random)]])
      }
      add(Array(all.shuffled(using: &random).prefix(3)))
      for identity in all where Int.random(in: 0..<4, using: &random) == 0 { add([identity]) }
    }
    claims.shuffle(using: &random)
  }

  /// Seven of them.
  private static func digits(_ number: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, 7 - text.count)) + text
  }

  private mutating func add(_ identities: [(kind: String, value: String)]) {
    var claim = JSONObject()
    // An object names a kind once; two phones of one person come together as a list elsewhere.
    for (kind, value) in identities where claim[kind] == nil { claim[kind] = .string(value) }
    guard claim.count == identities.count else {
      // Through the external_id instead, so that the two stay connected.
      for (kind, value) in identities where kind != "external_id" {
        claims.append([
          kind: .string(value), "external_id": .string("u-\(people.count - 1)"),
        ])
      }
      return
    }
    claims.append(claim)
  }
}
