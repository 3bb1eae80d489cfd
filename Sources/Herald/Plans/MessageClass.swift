/// Whether limits of contact apply.
public enum MessageClass: String, Sendable, CaseIterable {
  /// Capped; quiet hours and holdouts apply.
  case marketing
  /// Exempt by declaration, which needs the admin role.
  case transactional
}
