/// The states of a delivery in the ledger.
public enum DeliveryStatus: String, Sendable, CaseIterable {
  case pending, sent, failed, skipped, unknown
}

/// How one attempt ended; `skipped` is a link that was not eligible.
public enum AttemptStatus: String, Sendable, CaseIterable {
  case sent, failed, retry, unknown, skipped
}

/// Why somebody was not sent something. The API's skip and failure codes.
public enum SkipCode: String, Sendable, CaseIterable {
  // At entry.
  case erased, merged, notInAudience = "not_in_audience", outsideWindow = "outside_window"
  case reentryLimit = "reentry_limit"
  /// `limits.audience` people have entered already.
  case audienceLimit = "audience_limit"
  /// What must not follow the trigger's event has followed it.
  case unlessHappened = "unless_happened"
  // At the gates.
  case cancelled, expired
  case goalReached = "goal_reached"
  case leftAudience = "left_audience"
  case noConsent = "no_consent"
  case denied, suppressed
  case noAddress = "no_address"
  /// A cap has no room.
  case capped
  /// Another message went out too short a time ago.
  case minimumGap = "minimum_gap"
  /// Another plan of its group was first.
  case excluded
  case quietHours = "quiet_hours"
  case holiday
  /// The provider takes no more of the sender today.
  case quotaSpent = "quota_spent"
  case missingValue = "missing_value"
  case outOfStock = "out_of_stock"
  case perUserLimit = "per_user_limit"
  case budgetSpent = "budget_spent"
  case couponExpired = "coupon_expired"
}

/// The gates before every hand-over, in their order.
public enum Gate: String, Sendable, CaseIterable {
  case stopped, trigger, exit, window, expiry, consent, reachable, caps
  case quietHours = "quiet_hours"
  case render, stock, pace
}
