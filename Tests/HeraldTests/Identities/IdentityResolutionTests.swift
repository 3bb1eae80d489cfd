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
  }

  private func resolve(
    _ world: World
  ) throws -> (outcome: IdentityResolution.Outcome, resolution: IdentityResolution) {
    var owners: [Identity: UUID] = [:]
    var anchors: [UUID: [Identity]] = [:]
    for (text, user) in world.owners {
      let known = try identity(text)
      owners[known] = user
      if known.kind.isAnchor { anchors[user, default: []].append(known) }
    }
    var resolution = IdentityResolution(owners: owners, anchors: anchors)
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
    #expect(resolution.bound == [try identity("external_id:a"): p])
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

  @Test("an external_id and another person's unionid are a conflict")
  func anchorsOfTwo() throws {
    let (outcome, resolution) = try resolve(
      World(
        owners: ["external_id:a": p, "wechat_unionid:b": q],
        claim: ["external_id:a", "wechat_unionid:b"]))
    guard case .conflict = outcome else {
      Issue.record("merged two people")
      return
    }
    #expect(resolution.bound.isEmpty && resolution.moves.isEmpty)
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
      #expect(resolution.moves.values.map(\.to) == [target])
      #expect(resolution.moves.values.map(\.from) == [q])
    }
  }

  @Test("a phone whose owner may be the same person needs a merge: conflict")
  func phoneNeedsMerge() throws {
    let (outcome, _) = try resolve(
      World(
        owners: ["external_id:a": p, "phone:13800138000": q],
        claim: ["external_id:a", "phone:13800138000"]))
    guard case .conflict = outcome else {
      Issue.record("moved the phone of a user who may be the same person")
      return
    }
  }

  @Test("phone and e-mail of two users, and nothing to decide by: conflict")
  func undecided() throws {
    let (outcome, _) = try resolve(
      World(
        owners: ["phone:13800138000": p, "email:a@example.com": q],
        claim: ["phone:13800138000", "email:a@example.com"]))
    guard case .conflict = outcome else {
      Issue.record("took one of two")
      return
    }
  }

  @Test("a device belongs to whoever logged in last")
  func deviceShares() throws {
    let owners = ["external_id:a": p, "external_id:b": q, "device_id:d": q]
    for mode in [IdentityResolution.Mode.strict, .lenient] {
      let (outcome, resolution) = try resolve(
        World(owners: owners, claim: ["external_id:a", "device_id:d"], mode: mode))
      #expect(outcome == .user(p, isNew: false))
      #expect(resolution.moves[try identity("device_id:d")]?.to == p)
    }
  }

  @Test("an event belongs to its highest identity and never conflicts")
  func lenient() throws {
    let (outcome, resolution) = try resolve(
      World(
        owners: ["external_id:a": p, "phone:13800138000": q],
        claim: ["phone:13800138000", "external_id:a", "email:a@example.com"], mode: .lenient))
    #expect(outcome == .user(p, isNew: false))
    #expect(resolution.moves.isEmpty)
    #expect(resolution.bound == [try identity("email:a@example.com"): p])
  }

  @Test("claims of one batch see each other")
  func batch() throws {
    var resolution = IdentityResolution(owners: [:], anchors: [:])
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
    #expect(resolution.bound[try identity("email:a@example.com")] == ids[1])
    #expect(resolution.moves.isEmpty)
  }
}
