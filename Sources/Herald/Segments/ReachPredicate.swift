import Postgres

/// `ReachRule` for marketing in SQL: over alias `u` (`users`), of whom it asks the id alone.
struct ReachPredicate {
  let unknown: UnknownConsent
  /// The subscription group that is asked about, too.
  let group: String?

  /// Whether the person may be reached on the channel.
  func holds(_ channel: Channel) -> SQL {
    let isAllowed = allows(channel)
    guard let address = Self.address(channel) else { return isAllowed }
    return "(\(isAllowed) AND \(address))"
  }

  /// What the person said of the channel, or of it and the group.
  private func answers(_ channel: Channel) -> SQL {
    let groups: SQL =
      group.map { "c.subscription_group IN ('', \($0))" } ?? "c.subscription_group = ''"
    return """
      SELECT FROM consents AS c WHERE c.user_id = u.id AND c.channel = \(channel.rawValue) AND \(groups)
      """
  }

  private func allows(_ channel: Channel) -> SQL {
    let answers = answers(channel)
    var isAllowed: SQL =
      unknown.allowed.contains(channel)
      ? "(NOT EXISTS (\(answers) AND c.state = 'denied'))"
      : "EXISTS (\(answers) AND c.state = 'granted')"
    if group != nil, !unknown.allowed.contains(channel) {
      isAllowed = "(\(isAllowed) AND NOT EXISTS (\(answers) AND c.state = 'denied'))"
    }
    return isAllowed
  }

  /// Why somebody of whom `holds` is false may not be reached, as text; in the order of `ReachRule`.
  func obstacle(_ channel: Channel) -> SQL {
    var isSuppressed: SQL = "false"
    if let any = Self.address(channel, orSuppressed: true), let open = Self.address(channel) {
      isSuppressed = "\(any) AND NOT \(open)"
    }
    return """
      CASE WHEN \(isSuppressed) THEN \(SkipCode.suppressed.rawValue)
        WHEN EXISTS (\(answers(channel)) AND c.state = 'denied') THEN \(SkipCode.denied.rawValue)
        WHEN NOT \(allows(channel)) THEN \(SkipCode.noConsent.rawValue)
        ELSE \(SkipCode.noAddress.rawValue) END
      """
  }

  /// Has an address for the channel that is not suppressed; nil for channels that need none.
  private static func address(_ channel: Channel, orSuppressed: Bool = false) -> SQL? {
    func unsuppressed(_ kind: SQL, _ value: SQL) -> SQL {
      if orSuppressed { return "true" }
      return """
        NOT EXISTS (SELECT FROM suppressions AS x WHERE x.kind = \(kind) \
        AND x.value_hash = sha256(convert_to(\(value), 'UTF8')))
        """
    }
    let kind: String
    switch channel {
    case .push:
      return """
        EXISTS (SELECT FROM devices AS d WHERE d.user_id = u.id AND d.state = 'active' \
        AND \(unsuppressed("'token'", "d.provider || ':' || d.token")))
        """
    case .sms: kind = "phone"
    case .email: kind = "email"
    case .wechat, .serviceMessage: kind = "wechat_openid"
    case .coupon, .inApp, .webhook: return nil
    }
    return """
      EXISTS (SELECT FROM identities AS i WHERE i.user_id = u.id AND i.kind = \(kind) \
      AND \(unsuppressed("i.kind", "i.value")))
      """
  }
}
