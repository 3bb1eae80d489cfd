/// A name that plans are listed under.
struct PlanGroup: Sendable {
  let key: String
  /// Not archived.
  let plans: Int
  let live: Int
}

/// Which plans a list shows.
struct PlanFilter: Sendable {
  var state: String?
  var group: String?
  /// Archived ones only, else none of them.
  var isArchived = false
}
