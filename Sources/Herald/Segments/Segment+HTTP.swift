import Conditions
import JSON

extension Segment {
  init?(key: String, _ reader: ObjectReader, _ faults: Faults) {
    let name = reader.string("name", required: true, minLength: 1, maxLength: 200)
    let condition = reader.value("condition").flatMap {
      Condition.parse($0, at: reader.pointer.appending("condition"), faults: faults)
    }
    let refresh = Refresh(reader, faults)
    switch (refresh, reader.has("condition")) {
    case (.list, true):
      reader.add(
        "invalid", "condition",
        "A static segment has no condition; upload its users to /v1/segments/\(key)/users.")
    case (.live, false), (.scheduled, false):
      reader.add(
        .required, "condition",
        "A condition is required, unless the segment is a list (\"refresh\": \"static\").")
    default: break
    }
    guard let name, let refresh, faults.isEmpty else { return nil }
    self.init(key: key, name: name, condition: condition?.json, refresh: refresh)
  }
}

extension Segment.Refresh {
  /// Nil, with a fault, when it is none; absent is live.
  fileprivate init?(_ reader: ObjectReader, _ faults: Faults) {
    guard let value = reader.value("refresh") else {
      self = .live
      return
    }
    switch value {
    case "live": self = .live
    case "static": self = .list
    case .object:
      guard let schedule = reader.object("refresh") else { return nil }
      let cron = schedule.string("cron", required: true, maxLength: 100)
      let zone = schedule.string("zone", required: true, maxLength: 64)
      schedule.finish()
      if let cron, CronSchedule(cron) == nil {
        schedule.add(.invalidFormat, "cron", CronSchedule.expectation)
      }
      if let zone, !TimeZones.isKnown(zone) {
        schedule.add(
          .invalidFormat, "zone", "An IANA zone such as Asia/Shanghai is expected here.")
      }
      guard let cron, let zone else { return nil }
      self = .scheduled(cron: cron, zone: zone)
    default:
      reader.add(
        .invalidChoice, "refresh",
        "\"live\", \"static\" or {\"cron\": …, \"zone\": …} is expected here.")
      return nil
    }
  }
}

extension StoredSegment {
  /// The size is everybody's, so a caller with a user scope is not told.
  func json(for caller: Caller) -> JSONValue {
    let isScoped = caller.userScope != nil
    return [
      "key": .string(segment.key), "name": .string(segment.name),
      "kind": .string(segment.kind.rawValue), "condition": segment.condition ?? .null,
      "refresh": segment.refresh.json,
      "list_version": segment.kind == .list ? .int(listVersion) : .null,
      "size": isScoped ? .null : .optional(size), "refreshed_at": .instant(refreshedAt),
      "version": .int(version), "created_at": .instant(createdAt),
      "updated_at": .instant(updatedAt),
    ]
  }

  var auditJSON: JSONValue {
    [
      "key": .string(segment.key), "name": .string(segment.name),
      "condition": segment.condition ?? .null, "refresh": segment.refresh.json,
      "version": .int(version),
    ]
  }
}

extension SegmentMemberChange {
  /// Entries of each list.
  static let maximum = 10_000

  init?(_ reader: ObjectReader, _ faults: Faults) {
    var unreadable: [JSONFault] = []
    func entries(_ key: String) -> [Entry] {
      (reader.array(key, count: 0...Self.maximum) ?? []).compactMap { element in
        guard let text = element.value.stringValue else {
          faults.add(
            .typeMismatch, at: element.pointer,
            "A user is named by a string: Herald's id, or kind:value.")
          return nil
        }
        do throws(IdentityFault) {
          return Entry(ref: try UserRef(text: text), pointer: element.pointer)
        } catch {
          unreadable.append(JSONFault("unknown_user", at: element.pointer, error.detail))
          return nil
        }
      }
    }
    let add = entries("add")
    let remove = entries("remove")
    if !reader.has("add"), !reader.has("remove") {
      faults.add(.required, at: reader.pointer, "'add' or 'remove' is required.")
    }
    guard faults.isEmpty else { return nil }
    self.init(add: add, remove: remove, unreadable: unreadable)
  }
}

extension SegmentMemberStore.Outcome {
  var json: JSONValue {
    [
      "list_version": .int(version), "added": .int(added), "removed": .int(removed),
      "rejected": .array(
        unknown.map {
          [
            "code": .string($0.code.rawValue), "pointer": .string($0.pointer.description),
            "detail": .string($0.detail),
          ]
        }),
    ]
  }
}
