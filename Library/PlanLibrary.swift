/// Ready plans, embedded in the binary: one JSON document each. An object of an `en` and a `zh`
/// alone is a text in two languages.
public enum PlanLibrary {
  /// In the order in which they are listed.
  public static let all: [[UInt8]] = [
    PackageResources.abandoned_payment_json,
    PackageResources.birthday_json,
    PackageResources.expiring_coupon_json,
    PackageResources.first_order_json,
    PackageResources.layered_follow_up_json,
    PackageResources.one_year_later_json,
    PackageResources.rain_at_noon_json,
    PackageResources.second_order_json,
    PackageResources.series_30_days_json,
    PackageResources.special_dates_json,
    PackageResources.win_back_json,
  ]
}
