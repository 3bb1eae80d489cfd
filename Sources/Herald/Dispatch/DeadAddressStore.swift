import Cryptography
import Foundation
import Postgres

/// Addresses a provider called dead while something was handed over.
enum DeadAddressStore {
  /// A token's device dies; any other address is suppressed, whoever has it.
  static func mark(_ address: Address, of user: UUID, now: Date, in tx: Transaction) throws {
    switch address.kind {
    case .token:
      try tx.execute(
        """
        UPDATE devices SET state = 'dead', updated_at = \(now)
        WHERE user_id = coalesce(
            (SELECT user_id FROM user_aliases WHERE alias_id = \(user)), \(user)) AND token = \(address.value)
          AND (\(address.provider)::text IS NULL OR provider = \(address.provider))
          AND state = 'active'
        """)
    case .phone, .email, .openid:
      let kind = address.kind == .openid ? "wechat_openid" : address.kind.rawValue
      try SuppressionStore.add(
        [SuppressedAddress(kind: kind, value: address.value)], reason: "bounced", now: now, in: tx)
    case .userID: break
    }
  }
}
