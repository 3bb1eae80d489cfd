import Postgres

/// What is drawn at entry: the holdouts, and the arm of an experiment. The SQL is the same for crowds
/// and for people who enter one by one.
struct EntryDraw: Sendable {
  let holdout: Holdout
  let variants: VariantDraw?

  /// Columns for a SELECT list; `user` is the id of who stands for the person.
  func columns(of user: SQL) -> SQL {
    guard let variants else {
      return "\(holdout.columns(of: user)), NULL::integer AS arm_bucket, NULL::text AS kept_arm"
    }
    return """
      \(holdout.columns(of: user)), herald_bucket(\(variants.scope), \(user)::text) AS arm_bucket,
      (SELECT r.arm FROM arms r WHERE r.user_id = \(user) AND r.scope = \(variants.scope))
        AS kept_arm
      """
  }

  /// Over those columns: the arm of somebody who is not held out.
  var arm: SQL { variants?.arm ?? "NULL::text" }

  /// The groups to keep: rows for `arms`, from a relation with those columns, `held`, `arm`, `person`
  /// and `refusal`.
  func kept(from relation: SQL) -> SQL {
    guard let variants else { return holdout.kept(from: relation) }
    return """
      \(holdout.kept(from: relation))
      UNION ALL
      SELECT person, \(variants.scope), arm, arm_bucket FROM \(relation)
        WHERE refusal IS NULL AND held IS NULL AND kept_arm IS NULL
          AND arm <> \(Experiment.winner)
      """
  }
}

extension VariantDraw {
  /// An arm that was kept goes before the bucket, as long as there is such a variant.
  fileprivate var arm: SQL {
    if isDecided { return "\(Experiment.winner)::text" }
    var cases: SQL = "CASE WHEN kept_arm = ANY(\(ranges.map(\.key))) THEN kept_arm"
    for (key, buckets) in ranges {
      cases =
        cases
        + " WHEN arm_bucket >= \(buckets.lowerBound) AND arm_bucket < \(buckets.upperBound) THEN \(key)"
    }
    return cases + " ELSE \(Experiment.winner) END"
  }
}

extension PlanDocument {
  func draw(of plan: String, _ project: ProjectSettings) -> EntryDraw {
    EntryDraw(
      holdout: holdout(of: plan, project),
      variants: experiment.map { VariantDraw($0, plan: plan) })
  }
}
