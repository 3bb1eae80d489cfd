import Conditions
import Cryptography
import Foundation
import JSON

/// Everything a plan's version uses, frozen at submission: the document, the contents of its
/// templates and coupons, the whole closure of its conditions, and which senders may carry it.
/// An approver approves its hash; dispatch reads from it and nothing else.
public struct Manifest: Sendable {
  public let plan: String
  /// Nil when read from where it is stored.
  public let version: Int?
  public let document: JSONValue
  /// By key: `{"channel", "content", "on_missing"}`.
  public let templates: JSONObject
  /// By key: `{"name", "discount", "valid", "per_user"}`.
  public let coupons: JSONObject
  /// By key: `{"channel", "adapter", "config"}`, without secrets and weights.
  public let senders: JSONObject
  /// Of the tags that steps set or take away, by key: `{"type", "choices", "ttl"}`.
  public var tags: JSONObject = [:]
  /// What segments and lists meant.
  public let closure: SegmentClosure
  /// The submitter's user scope: the crowd never reaches beyond it.
  public let userScope: JSONValue?

  /// Holds no number that only this database counts up: the same plan with the same contents has the
  /// same hash in another Herald.
  public var json: JSONValue {
    [
      "plan": .string(plan), "document": document,
      "templates": .object(templates), "coupons": .object(coupons), "senders": .object(senders),
      "tags": .object(tags), "segments": closure.json, "user_scope": userScope ?? .null,
    ]
  }

  /// `sha256:` of the canonical form.
  public static func hash(of json: JSONValue) -> String {
    "sha256:" + Hex.encode(SHA256.hash(json.canonicalBytes))
  }
}

extension Manifest {
  /// A manifest as stored, whose version of the plan stands beside it.
  init(stored json: JSONValue) throws {
    guard let plan = json["plan"]?.stringValue,
      let document = json["document"], let segments = json["segments"]
    else { throw HeraldError(.unexpected, "A stored manifest cannot be read.") }
    self.plan = plan
    version = nil
    self.document = document
    templates = json["templates"]?.objectValue ?? [:]
    coupons = json["coupons"]?.objectValue ?? [:]
    senders = json["senders"]?.objectValue ?? [:]
    tags = json["tags"]?.objectValue ?? [:]
    closure = try SegmentClosure(json: segments)
    userScope = json["user_scope"].flatMap { $0.isNull ? nil : $0 }
  }
}
