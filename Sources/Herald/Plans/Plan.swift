import Foundation
import JSON

/// A plan with its versions: at most one draft and one live.
public struct Plan: Sendable {
  public let key: String
  public let name: String
  /// What it is listed under; no part of what is approved.
  public let group: String?
  public let draftVersion: Int?
  public let liveVersion: Int?
  public let paused: Bool
  public let version: Int
  public let createdAt: Date
  public let updatedAt: Date
  public let archivedAt: Date?

  /// The draft, else the live one.
  var newestVersion: Int? { draftVersion ?? liveVersion }
}

/// One version of a plan's document.
public struct PlanVersion: Sendable {
  public let plan: String
  public let version: Int
  public let document: JSONValue
  /// `sha256:…` of the canonical document.
  public let hash: String
  public let state: PlanState
  public let stateReason: String?
  public let manifest: JSONValue?
  public let manifestHash: String?
  public let author: String
  public let createdAt: Date
  public let updatedAt: Date
  public let launchAt: Date?
}
