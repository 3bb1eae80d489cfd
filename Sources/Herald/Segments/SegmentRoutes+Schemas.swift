import JSON

extension SegmentRoutes {
  static let components: JSONObject = [
    "Segment": segment, "SegmentPreview": preview, "SegmentUser": user,
    "SegmentUsersChanged": usersChanged, "SegmentInsight": insight,
  ]

  private static let refresh = Schema.oneOf([
    Schema.choice(["live", "static"]),
    Schema.object(["cron": Schema.text(9...100), "zone": Schema.text(1...64)]),
  ])

  static let request = Schema.object([
    "name": Schema.text(1...200), "condition?": Schema.ref("Condition"), "refresh?": refresh,
  ])

  static let changeRequest = Schema.object([
    "add?": Schema.array(Schema.item(Schema.text(1...320)), max: SegmentMemberChange.maximum),
    "remove?": Schema.array(Schema.item(Schema.text(1...320)), max: SegmentMemberChange.maximum),
  ])

  private static let segment = Schema.object([
    "key": Schema.key, "name": Schema.string,
    "kind": Schema.choice(Segment.Kind.allCases.map(\.rawValue)),
    "condition": Schema.nullable(Schema.ref("Condition")), "refresh": refresh,
    "list_version": Schema.nullable(Schema.count), "size": Schema.nullable(Schema.count),
    "refreshed_at": Schema.nullable(Schema.instant), "version": Schema.count,
    "created_at": Schema.instant, "updated_at": Schema.instant,
  ])

  private static let preview = Schema.object([
    "count": Schema.count, "exact": Schema.bool, "reachable": Schema.counts,
    "sample": Schema.array(Schema.uuid), "took_ms": Schema.count,
  ])

  private static let user = Schema.object([
    "id": Schema.uuid, "external_id": Schema.nullable(Schema.string),
    "created_at": Schema.instant,
  ])

  private static let usersChanged = Schema.object([
    "list_version": Schema.count, "added": Schema.count, "removed": Schema.count,
    "rejected": Schema.array(
      Schema.object([
        "code": Schema.string, "pointer": Schema.string, "detail": Schema.string,
      ])),
  ])

  private static let insight = Schema.object([
    "by": Schema.string, "count": Schema.count,
    "values": Schema.array(Schema.object(["value": Schema.any, "count": Schema.count])),
    "others": Schema.count,
  ])
}
