/// The schema's history, embedded in the binary. Files are forward-only and never edited once
/// released: a database remembers the checksum of each.
public enum Migrations {
  /// (version, name, SQL text), in order. The build embeds each file of `sql/` under its name with
  /// the leading digit and the dot replaced.
  public static let all: [(version: Int, name: String, sql: [UInt8])] = [
    (1, "users", PackageResources._001_users_sql),
    (2, "events", PackageResources._002_events_sql),
    (3, "segments_templates", PackageResources._003_segments_templates_sql),
    (4, "access_audit", PackageResources._004_access_audit_sql),
    (5, "plans", PackageResources._005_plans_sql),
    (6, "channels_coupons", PackageResources._006_channels_coupons_sql),
    (7, "dispatch", PackageResources._007_dispatch_sql),
    (8, "partitions", PackageResources._008_partitions_sql),
    (9, "statistics", PackageResources._009_statistics_sql),
    (10, "restoration", PackageResources._010_restoration_sql),
    (11, "tracking", PackageResources._011_tracking_sql),
    (12, "retention", PackageResources._012_retention_sql),
    (13, "identity", PackageResources._013_identity_sql),
    (14, "sources", PackageResources._014_sources_sql),
    (15, "people", PackageResources._015_people_sql),
    (17, "journeys", PackageResources._017_journeys_sql),
    (18, "triggers", PackageResources._018_triggers_sql),
    (19, "caps", PackageResources._019_caps_sql),
    (20, "reservations", PackageResources._020_reservations_sql),
    (21, "arms", PackageResources._021_arms_sql),
    (22, "experiments", PackageResources._022_experiments_sql),
    (23, "approvals", PackageResources._023_approvals_sql),
    (24, "guards", PackageResources._024_guards_sql),
    (25, "library", PackageResources._025_library_sql),
    (28, "flagged_events", PackageResources._028_flagged_events_sql),
    (29, "phone_zone", PackageResources._029_phone_zone_sql),
    (30, "erasure_names", PackageResources._030_erasure_names_sql),
    (31, "handover_instants", PackageResources._031_handover_instants_sql),
    (32, "stream_entries", PackageResources._032_stream_entries_sql),
  ]

  /// Repeatable: run after the migrations, every time.
  public static let grants: [UInt8] = PackageResources.grants_sql
}
