import Foundation
import JSON

extension Segments.Preview {
  var json: JSONValue {
    var reachable = JSONObject()
    for (channel, count) in crowd.reachable { reachable[channel] = .int(count) }
    let (seconds, attoseconds) = took.components
    return [
      "count": .int(crowd.count), "exact": true, "reachable": .object(reachable),
      "sample": .array(crowd.sample.map(JSONValue.id)),
      "took_ms": .int(Int(seconds) * 1000 + Int(attoseconds / 1_000_000_000_000_000)),
    ]
  }
}

extension SegmentInsight {
  /// `masked`: values that show an address are not for analysts, whatever the attribute is called.
  func json(by dimension: String, masked: Bool) -> JSONValue {
    [
      "by": .string(dimension), "count": .int(total), "others": .int(others),
      "values": .array(
        values.map { row in
          let value = row.value ?? .null
          return ["value": masked ? UserMask.masked(value) : value, "count": .int(row.count)]
        }),
    ]
  }
}

extension SegmentCrowdStore.Dimension {
  /// `tag:tier` or `attribute:city`; 400 otherwise, 403 for personal attributes where they are masked.
  init(query text: String, for caller: Caller) throws {
    let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
    guard parts.count == 2, parts[1].unicodeScalars.count <= 128 else {
      throw HeraldError(
        .badQuery, "`by` must be tag:<key> or attribute:<key>, such as tag:tier.", pointer: "by")
    }
    switch parts[0] {
    case "tag": self = .tag(parts[1])
    case "attribute":
      guard !caller.seesMasked || !UserMask.isPersonal(parts[1]) else {
        throw HeraldError(
          .forbidden, "A key of role '\(caller.role.rawValue)' may not see this attribute's values."
        )
      }
      self = .attribute(parts[1])
    default:
      throw HeraldError(
        .badQuery, "`by` must be tag:<key> or attribute:<key>, such as tag:tier.", pointer: "by")
    }
  }
}

extension User {
  /// A member of a segment, in short; `GET /v1/users/{id}` has the rest.
  func memberJSON(for caller: Caller) -> JSONValue {
    let externalID = identities.first { $0.kind.key == "external_id" }?.value
    let shown = caller.seesMasked ? externalID.map(UserMask.masked) : externalID
    return [
      "id": .id(id), "external_id": .optional(shown), "created_at": .instant(createdAt),
    ]
  }
}
