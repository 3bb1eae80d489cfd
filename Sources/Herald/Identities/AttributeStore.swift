import Foundation
import Postgres

enum AttributeStore {
  /// The merge rules of declared attributes.
  static func rules(in db: any Queryable) throws -> [String: AttributeRule] {
    var rules: [String: AttributeRule] = [:]
    for row in try db.query("SELECT key, merge FROM attributes") {
      rules[try row.get("key")] = AttributeRule(rawValue: try row.get("merge"))
    }
    return rules
  }
}
