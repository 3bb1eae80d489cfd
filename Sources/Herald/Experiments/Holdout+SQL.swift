import Postgres

extension Holdout {
  /// What decides about a person: the buckets, and the groups kept from earlier. Columns for a SELECT
  /// list; `user` is the id of who stands for them.
  func columns(of user: SQL) -> SQL {
    """
    \(bucket(Self.globalScope, globalBuckets, user)) AS global_bucket,
    \(arm(Self.globalScope, globalBuckets, user)) AS global_arm,
    \(bucket(scope, buckets, user)) AS bucket,
    \(arm(scope, buckets, user)) AS plan_arm
    """
  }

  /// Over those columns: which holdout keeps the person out, `global` or `plan`; NULL for none.
  var verdict: SQL {
    """
    CASE WHEN \(holds("global_arm", "global_bucket", globalBuckets)) THEN 'global'
      WHEN \(holds("plan_arm", "bucket", buckets)) THEN 'plan' END
    """
  }

  /// Over those columns and `held`, the verdict: what the enrolment of somebody held out tells of it.
  var values: SQL {
    """
    jsonb_build_object('holdout', jsonb_build_object('scope', held,
      'bucket', CASE held WHEN 'global' THEN global_bucket ELSE bucket END,
      'held_out_below', CASE held WHEN 'global' THEN \(globalBuckets) ELSE \(buckets) END))
    """
  }

  /// The groups to keep of people who came to the draw: rows for `arms`, from a relation with those
  /// columns, `held`, `person` and `refusal`.
  func kept(from relation: SQL) -> SQL {
    """
    SELECT person, \(Self.globalScope), CASE WHEN held = 'global' THEN \(Self.heldOut)
        ELSE \(Self.isIn) END AS arm, global_bucket AS bucket
      FROM \(relation) WHERE refusal IS NULL AND global_bucket IS NOT NULL AND global_arm IS NULL
    UNION ALL
    SELECT person, \(scope), CASE WHEN held = 'plan' THEN \(Self.heldOut)
        ELSE \(Self.isIn) END, bucket
      FROM \(relation) WHERE refusal IS NULL AND bucket IS NOT NULL AND plan_arm IS NULL
        AND held IS DISTINCT FROM 'global'
    """
  }

  /// Whether a person would be kept out now.
  func holds(_ user: SQL) -> SQL {
    if buckets == 0, globalBuckets == 0 { return "false" }
    return "EXISTS (SELECT FROM (SELECT \(columns(of: user))) AS h WHERE \(verdict) IS NOT NULL)"
  }

  private func bucket(_ scope: String, _ buckets: Int, _ user: SQL) -> SQL {
    buckets > 0 ? "herald_bucket(\(scope), \(user)::text)" : "NULL::integer"
  }

  private func arm(_ scope: String, _ buckets: Int, _ user: SQL) -> SQL {
    buckets > 0
      ? "(SELECT r.arm FROM arms r WHERE r.user_id = \(user) AND r.scope = \(scope))"
      : "NULL::text"
  }

  /// A group that was kept goes before the bucket.
  private func holds(_ arm: SQL, _ bucket: SQL, _ buckets: Int) -> SQL {
    buckets > 0 ? "coalesce(\(arm) = \(Self.heldOut), \(bucket) < \(buckets))" : "false"
  }
}
