import Foundation
import Testing

@testable import Herald

@Suite("Whose identities they are")
struct IdentityResolutionTests {
  private let p = UUID()
  private let q = UUID()
  private let fresh = UUID()

  private func identity(_ text: String) throws -> Identity {
    guard case .identity(let identity) = try UserRef(text: text) else { throw CancellationError() }
    return identity
  }

  private struct World {
    var owners: [String: UUID]
    var claim: [String]
    var mode = IdentityResolution.Mode.strict
    var target: UUID?
    var areApart = false
  }

  private func resolve(
    _ world: World
  ) throws -> (outcome: IdentityResolution.Outcome, resolution: IdentityResolution) {
    var owners: [Identity: IdentityResolution.Owner] = [:]
    var people: [UUID: Person] = [:]
    for user in [p, q] { people[user] = Person(createdAt: Date(timeIntervalSince1970: 0)) }
    for (text, user) in world.owners {
      let known = try identity(text)
      owners[known] = .init(user: user, origin: user)
      people[user]?.add(known)
    }
    let apart: Set<UserPair> = world.areApart ? [UserPair(p, q)] : []
    var resolution = IdentityResolution(owners: owners, people: people, apart: apart)
    let claim = IdentityResolution.Claim(
      identities: try world.claim.map(identity), target: world.target)
    let outcome = resolution.resolve(claim, world.mode) { fresh }
    return (outcome, resolution)
  }

  @Test("unknown identities make one new user")
  func new() throws {
    let (outcome, resolution) = try resolve(
      World(owners: [:], claim: ["external_id:a", "phone:13800138000"]))
    #expect(outcome == .user(fresh, isNew: true))
    #expect(resolution.created == [fresh])
    #expect(resolution.bound.count == 2)
  }

  @Test("one known user gets the new identities")
  func binds() throws {
    let (outcome, resolution) = try resolve(
      World(owners: ["anonymous_id:x": p], claim: ["anonymous_id:x", "external_id:a"]))
    #expect(outcome == .user(p, isNew: false))
    #expect(resolution.bound == [try identity("external_id:a"): .init(user: p, origin: p)])
  }

  @Test("a second external_id is a conflict, not another name of the same user")
  func oneAnchor() throws {
    let known = try resolve(
      World(owners: ["external_id:a": p], claim: ["external_id:b"], target: p))
    guard case .conflict = known.outcome else {
      Issue.record("bound a second external_id")
      return
    }
  }

  @Test("an external_id and the unionid of somebody without one are one person")
  func merges() throws {
    let (outcome, resolution) = try resolve(
      World(
        owners: ["external_id:a": p, "wechat_unionid:b": q],
        claim: ["external_id:a", "wechat_unionid:b"]))
    #expect(outcome == .user(p, isNew: false))
    #expect(resolution.merges.map(\.merged) == [q] && resolution.merges.map(\.survivor) == [p])
  }

  @Test("two external_ids are two people, whatever else comes together")
  func anchorsOfTwo() throws {
    let owners = ["external_id:a": p, "external_id:b": q, "wechat_unionid:b": q]
    let claim = ["external_id:a", "wechat_unionid:b"]
    let strict = try resolve(World(owners: owners, claim: claim))
    guard case .conflict = strict.outcome else {
      Issue.record("merged two people")
      return
    }
    #expect(strict.resolution.bound.isEmpty && strict.resolution.moves.isEmpty)
    let lenient = try resolve(World(owners: owners, claim: claim, mode: .lenient))
    #expect(lenient.outcome == .user(p, isNew: false))
    for resolution in [strict.resolution, lenient.resolution] {
      #expect(resolution.merges.isEmpty)
      #expect(resolution.conflicts.map(\.pair) == [UserPair(p, q)])
      #expect(resolution.conflicts.map(\.kind.key) == ["external_id"])
    }
  }

  @Test("who was told apart is not merged, and not asked about again")
  func toldApart() throws {
    let (outcome, resolution) = try resolve(
      World(
        owners: ["external_id:a": p, "anonymous_id:x": q],
        claim: ["external_id:a", "anonymous_id:x"],
        mode: .lenient, areApart: true))
    #expect(outcome == .user(p, isNew: false))
    #expect(resolution.merges.isEmpty && resolution.conflicts.isEmpty)
    #expect(resolution.moves[try identity("anonymous_id:x")]?.to.user == p)
  }

  @Test("a phone goes to the external_id that comes with it when its owner is somebody else")
  func phoneMoves() throws {
    for owners in [
      ["external_id:a": p, "external_id:b": q, "phone:13800138000": q],
      ["external_id:b": q, "phone:13800138000": q],
    ] {
      let (outcome, resolution) = try resolve(
        World(owners: owners, claim: ["external_id:a", "phone:13800138000"]))
      let target = owners["external_id:a"] ?? fresh
      #expect(outcome == .user(target, isNew: target == fresh))
      #expect(resolution.moves.values.map(\.to.user) == [target])
      #expect(resolution.moves.values.map(\.from) == [q])
    }
  }

  @Test("a phone whose owner may be the same person merges the two")
  func phoneMerges() throws {
    for mode in [IdentityResolution.Mode.strict, .lenient] {
      let (outcome, resolution) = try resolve(
        World(
          owners: ["external_id:a": p, "phone:13800138000": q],
          claim: ["external_id:a", "phone:13800138000"], mode: mode))
      #expect(outcome == .user(p, isNew: false))
      #expect(resolution.merges.map(\.merged) == [q])
      #expect(resolution.settled.map(\.origin) == [nil])
    }
  }

  @Test("phone and e-mail of two people, and nothing to decide by: conflict")
  func undecided() throws {
    let (outcome, resolution) = try resolve(
      World(
        owners: [
          "phone:13800138000": p, "external_id:a": p, "email:a@example.com": q,
          "external_id:b": q,
        ],
        claim: ["phone:13800138000", "email:a@example.com"]))
    guard case .conflict = outcome else {
      Issue.record("took one of two")
      return
    }
    #expect(resolution.moves.isEmpty && resolution.conflicts.count == 1)
  }

  @Test("a device joins nobody who is known by something better")
  func deviceOfAHousehold() throws {
    let (outcome, resolution) = try resolve(
      World(
        owners: ["phone:13800138000": p, "device_id:d": p],
        claim: ["phone:13800138001", "device_id:d"], mode: .lenient))
    #expect(outcome == .user(fresh, isNew: true))
    #expect(resolution.moves[try identity("device_id:d")]?.to.user == fresh)
  }

  @Test("who is known by a device alone goes along with whoever logs in")
  func deviceTakenOver() throws {
    let (outcome, resolution) = try resolve(
      World(
        owners: ["external_id:a": p, "device_id:d": q], claim: ["external_id:a", "device_id:d"],
        mode: .lenient))
    #expect(outcome == .user(p, isNew: false))
    #expect(resolution.merges.map(\.merged) == [q])
  }

  @Test("a device belongs to whoever logged in last")
  func deviceShares() throws {
    let owners = ["external_id:a": p, "external_id:b": q, "device_id:d": q]
    for mode in [IdentityResolution.Mode.strict, .lenient] {
      let (outcome, resolution) = try resolve(
        World(owners: owners, claim: ["external_id:a", "device_id:d"], mode: mode))
      #expect(outcome == .user(p, isNew: false))
      #expect(resolution.moves[try identity("device_id:d")]?.to.user == p)
    }
  }

  @Test("the claim came in on the user its most telling identity had before the merge")
  func wayIn() throws {
    let (_, resolution) = try resolve(
      World(
        owners: ["phone:13800138000": q, "external_id:a": p],
        claim: ["phone:13800138000", "email:a@example.com", "external_id:a"], mode: .lenient))
    #expect(resolution.bound[try identity("email:a@example.com")] == .init(user: p, origin: p))
    var batch = resolution
    batch.resolve(.init(identities: [try identity("phone:13800138000")]), .lenient) { fresh }
    #expect(batch.settled.last?.origin == q)
  }

  @Test("claims of one batch see each other")
  func batch() throws {
    var resolution = IdentityResolution(owners: [:], people: [:])
    let ids = [UUID(), UUID()]
    var made = ids[...]
    let first = try [identity("external_id:a"), identity("phone:13800138000")]
    let second = try [identity("phone:13800138000"), identity("email:a@example.com")]
    let third = try [identity("external_id:b"), identity("email:a@example.com")]
    let outcomes = [first, second, third].map { claim in
      resolution.resolve(.init(identities: claim), .strict) { made.popFirst() ?? UUID() }
    }
    #expect(
      outcomes == [
        .user(ids[0], isNew: true), .user(ids[0], isNew: false), .user(ids[1], isNew: true),
      ])
    #expect(resolution.bound[try identity("email:a@example.com")]?.user == ids[1])
    #expect(resolution.moves.isEmpty)
  }
}
