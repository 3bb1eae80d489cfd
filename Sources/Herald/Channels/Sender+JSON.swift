import JSON

extension SenderDraft {
  init?(key: String, _ registry: AdapterRegistry, _ reader: ObjectReader, _ faults: Faults) {
    let channel = reader.choice("channel", Channel.self, required: true)
    let adapter = reader.string("adapter", required: true)
    let kind = adapter.flatMap { registry[$0] }
    if adapter != nil, kind == nil {
      let known = registry.kinds.map { "'\($0.name)'" }.joined(separator: ", ")
      reader.add(.invalidChoice, "adapter", "One of \(known) is expected here.")
    }
    if let channel, let kind, !kind.channels.contains(channel) {
      reader.add(
        .invalidChoice, "channel",
        "Adapter '\(kind.name)' does not send on channel '\(channel.rawValue)'.")
    }
    let weight = reader.int("weight", range: 0...1000) ?? Sender.defaultWeight
    let pace = Self.pace(reader)
    let concurrency = reader.int("concurrency", range: 1...1024) ?? Sender.defaultConcurrency
    let timeout = Self.timeout(reader)
    let config = reader.value("config", required: true)
    guard let kind, let config else { return nil }
    let place = reader.pointer.appending("config")
    guard case .object(let members) = config else {
      faults.add(.typeMismatch, at: place, "An object is expected here, not \(config.article).")
      return nil
    }
    let parts = Self.split(members, kind)
    let found = Faults()
    kind.validate(config, place, found)
    // A kept secret was checked when it was given.
    let kept = parts.kept.map { place.appending($0) }
    for fault in found.all where !kept.contains(fault.pointer) { faults.add(fault) }
    guard let channel, let timeout, faults.isEmpty else { return nil }
    sender = Sender(
      key: key, channel: channel, adapter: kind.name, config: parts.config, weight: weight,
      pacePerSecond: pace.perSecond, quotaPerDay: pace.perDay, concurrency: concurrency,
      timeout: timeout)
    secrets = parts.secrets
    keptSecrets = parts.kept
  }

  private static func pace(_ reader: ObjectReader) -> (perSecond: Double?, perDay: Int?) {
    // null says "no limit", as an answer shows it.
    if reader.isNull("pace") {
      reader.allow("pace")
      return (nil, nil)
    }
    guard let pace = reader.object("pace") else { return (nil, nil) }
    let rate = pace.double(
      "per_second", required: !pace.has("per_day"), range: 0.001...1_000_000)
    let quota = pace.int("per_day", range: 1...1_000_000_000_000)
    pace.finish()
    return (rate, quota)
  }

  private static func timeout(_ reader: ObjectReader) -> TimeSpan? {
    guard let low = TimeSpan(seconds: 1), let high = TimeSpan(seconds: 30) else { return nil }
    if !reader.has("timeout") { return TimeSpan(seconds: Sender.defaultTimeoutSeconds) }
    return reader.duration("timeout", range: low...high)
  }

  private struct Parts {
    var config = JSONObject()
    var secrets = JSONObject()
    var kept: [String] = []
  }

  private static func split(_ members: JSONObject, _ kind: AdapterKind) -> Parts {
    var parts = Parts()
    for (field, value) in members {
      guard kind.secretFields.contains(field) else {
        parts.config[field] = value
        continue
      }
      parts.config[field] = .string(Senders.mask)
      if value.stringValue == Senders.mask {
        parts.kept.append(field)
      } else {
        parts.secrets[field] = value
      }
    }
    return parts
  }
}

extension Sender {
  fileprivate var paceJSON: JSONValue {
    var pace = JSONObject()
    pace["per_second"] = pacePerSecond.map(JSONValue.double)
    pace["per_day"] = quotaPerDay.map(JSONValue.int)
    return pace.isEmpty ? .null : .object(pace)
  }
}

extension StoredSender {
  var json: JSONValue {
    [
      "key": .string(sender.key), "channel": .string(sender.channel.rawValue),
      "adapter": .string(sender.adapter), "config": .object(sender.config),
      "weight": .int(sender.weight),
      "pace": sender.paceJSON,
      "concurrency": .int(sender.concurrency), "timeout": .string(sender.timeout.description),
      "state": .string(state.rawValue), "state_reason": .optional(stateReason),
      "version": .int(version), "created_at": .instant(createdAt),
      "updated_at": .instant(updatedAt),
    ]
  }

  var auditJSON: JSONValue { json }
}
