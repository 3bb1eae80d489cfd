import Foundation
import JSON
import Postgres

extension Checkup {
  /// Adapters, secrets and endpoints of all senders. `reach` says what keeps a URL from being
  /// reached, nil for nothing.
  public func senders(
    reach: @escaping @Sendable (_ url: String) async -> String?
  ) async -> [Finding] {
    await look("senders") {
      let all = try await db.read { db in
        try Channel.allCases.flatMap { try SenderStore.list(channel: $0, in: db) }
      }
      var findings: [Finding] = []
      for stored in all { findings += await self.sender(stored, reach) }
      if findings.isEmpty {
        findings.append(
          .ok("senders", all.isEmpty ? "there is none yet" : "\(all.count) can be used"))
      }
      return findings
    }
  }

  /// Versions of plans that people may enter, or are in, and that wait for a sender.
  public func senderGaps() async -> [Finding] {
    await look("plans") {
      try await db.read { db in
        var findings: [Finding] = []
        for (name, takesPeople) in try PlanStore.inhabited(in: db)
        where try takesPeople || QueueStore.hasRows(name, in: db) {
          let plan = try ApprovedPlan(PlanStore.version(name.plan, name.version, in: db))
          for channel in plan.document.channels.sorted(by: { $0.rawValue < $1.rawValue }) {
            guard let gap = try SenderGap.find(plan.manifest, channel, in: db) else { continue }
            let words = gap.sorted { $0.key < $1.key }.map { "\($0.key) is \($0.value)" }
            findings.append(
              .fail(
                "plan \(name.plan)",
                "no sender can carry \(channel.rawValue) of version \(name.version): "
                  + words.joined(separator: ", "),
                "PUT one of them as it was approved, or resume it. Whoever enters later can go by other "
                  + "senders: PUT the plan's document again and have it approved."))
          }
        }
        return findings
      }
    }
  }

  private func sender(
    _ stored: StoredSender, _ reach: (String) async -> String?
  ) async -> [Finding] {
    let check = "sender \(stored.key)"
    guard senders.registry[stored.sender.adapter] != nil else {
      let known = senders.registry.kinds.map(\.name).joined(separator: ", ")
      return [
        .fail(
          check, "adapter '\(stored.sender.adapter)' is not in this build",
          "Save it with one of \(known), or run the build that has it.")
      ]
    }
    do {
      try senders.requireReadableSecrets(of: stored)
    } catch {
      return [
        .fail(
          check, "its secrets do not open with this HERALD_SECRETS_KEY",
          "Start Herald with the key they were saved under, or save the sender with its secrets again."
        )
      ]
    }
    var findings: [Finding] = []
    if let url = stored.sender.config["url"]?.stringValue, let obstacle = await reach(url) {
      findings.append(
        .warn(check, obstacle, "Correct the sender's url, or mend the name service."))
    }
    if stored.state == .paused {
      findings.append(
        .warn(
          check, "is paused\(stored.stateReason.map { ": \($0)" } ?? "")",
          "`POST /v1/senders/\(stored.key)/resume` once that is mended."))
    }
    return findings
  }
}
