import Foundation
import HTTP
import JSON

enum SettingsRoutes {
  static func endpoints(_ settings: Settings) -> [Endpoint] {
    [
      Endpoint(
        .get, "/v1/settings", .readers,
        Operation(
          "getSettings", "What holds for the whole installation.", tag: "Administration",
          responses: [200: Schema.ref("Settings")])
      ) { _ in
        let stored = try await settings.load()
        return .resource(stored.json, version: stored.version)
      },
      Endpoint(
        .put, "/v1/settings", .admins,
        Operation(
          "putSettings",
          "Replace the settings: what is left out takes its default. A proposal once a "
            + "second admin or approver could decide on it.",
          tag: "Administration", request: ProjectSettings.request,
          responses: [200: Schema.ref("Settings"), 202: Schema.ref("SettingsProposal")],
          errors: [.preconditionFailed])
      ) { call in
        let wanted = try call.read { reader, _ in ProjectSettings(reader) }
        let change = try await settings.put(
          wanted, expecting: try call.expectedVersion(), by: call.caller, now: call.now)
        switch change {
        case .made(let stored): return .resource(stored.json, version: stored.version)
        case .proposed(let proposal, let changes): return .json(202, proposal.json(changes))
        }
      },
      Endpoint(
        .get, "/v1/settings/proposals", .roles([.admin, .approver]),
        Operation(
          "listSettingsProposals", "Proposed changes, newest first.", tag: "Administration",
          query: Operation.paging + [.init("state", states, "Those in this state.")],
          responses: [200: Schema.page(Schema.ref("SettingsProposal"))])
      ) { call in
        let page = try PageRequest(call.request, width: 1)
        let state = try call.request.choice(
          "state", SettingsProposal.State.allCases.map(\.rawValue))
        return .page(
          try await settings.proposals(page, state: state), call.request,
          item: { $0.proposal.json($0.changes) })
      },
      Endpoint(
        .post, "/v1/settings/proposals/{id}/confirm", .roles([.admin, .approver]),
        Operation(
          "confirmSettingsProposal", "Make a change that somebody else proposed.",
          tag: "Administration", responses: [200: Schema.ref("Settings")],
          errors: [.notFound, .selfApproval, .wrongState])
      ) { call in
        guard let id = UUID(uuidString: call.path("id")) else {
          throw HeraldError.notFound("proposal", call.path("id"))
        }
        let stored = try await settings.confirm(id, by: call.caller, now: call.now)
        return .resource(stored.json, version: stored.version)
      },
    ]
  }

  static let components: JSONObject = {
    guard case .object(var settings) = ProjectSettings.schema else { return [:] }
    var properties = settings["properties"]?.objectValue ?? [:]
    properties["version"] = Schema.count
    properties["updated_at"] = Schema.nullable(Schema.instant)
    settings["required"] = .array(properties.keys.map(JSONValue.string))
    settings["properties"] = .object(properties)
    return ["Settings": .object(settings), "SettingsProposal": proposal]
  }()

  private static let states = Schema.choice(SettingsProposal.State.allCases.map(\.rawValue))
  private static let proposal = Schema.object([
    "proposal": Schema.uuid, "state": states, "settings": ProjectSettings.schema,
    "changes": ManifestDiff.schema,
    "base_version": Schema.count, "proposed_by": Schema.string, "proposed_at": Schema.instant,
    "decided_by": Schema.nullable(Schema.string), "decided_at": Schema.nullable(Schema.instant),
  ])
}

extension SettingsProposal {
  fileprivate func json(_ changes: JSONValue) -> JSONValue {
    [
      "proposal": .id(id), "state": .string(state.rawValue), "settings": settings.json,
      "changes": changes,
      "base_version": .int(baseVersion), "proposed_by": .string(proposedBy),
      "proposed_at": .instant(proposedAt), "decided_by": .optional(decidedBy),
      "decided_at": .instant(decidedAt),
    ]
  }
}
