import Foundation
import JSON

/// Who is to be added to and removed from a static list, with their places in the request. A user in
/// both lists is removed.
public struct SegmentMemberChange: Sendable {
  public struct Entry: Sendable {
    public let ref: UserRef
    public let pointer: JSONPointer
  }

  public let add: [Entry]
  public let remove: [Entry]
  /// What could not be read as a user.
  public let unreadable: [JSONFault]

  var refs: [UserRef] { (add + remove).map(\.ref) }

  /// `users` belong to `refs`, in order; nil where there is no such user.
  func split(_ users: [UUID?]) -> (add: [UUID], remove: [UUID], unknown: [JSONFault]) {
    let unknown = zip(add + remove, users).filter { $1 == nil }.map { entry, _ in
      JSONFault("unknown_user", at: entry.pointer, "There is no such user.")
    }
    return (
      users.prefix(add.count).compactMap { $0 }, users.dropFirst(add.count).compactMap { $0 },
      unreadable + unknown
    )
  }
}
