import Glibc

/// An entry of the user database.
struct SystemUser: Sendable, Equatable {
  let name: String
  let id: uid_t
  let group: gid_t

  static var isRoot: Bool { geteuid() == 0 }

  init?(named name: String) {
    guard let found = Self.look({ getpwnam_r(name, $0, $1, $2, $3) }) else { return nil }
    self = found
  }

  init?(id: uid_t) {
    guard let found = Self.look({ getpwuid_r(id, $0, $1, $2, $3) }) else { return nil }
    self = found
  }

  private init(name: String, id: uid_t, group: gid_t) {
    self.name = name
    self.id = id
    self.group = group
  }

  private typealias Query = (
    UnsafeMutablePointer<passwd>, UnsafeMutablePointer<CChar>, Int,
    UnsafeMutablePointer<UnsafeMutablePointer<passwd>?>
  ) -> Int32

  private static func look(_ query: Query) -> SystemUser? {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 16_384) { buffer in
      guard let storage = buffer.baseAddress else { return nil }
      var entry = passwd()
      var found: UnsafeMutablePointer<passwd>?
      guard query(&entry, storage, buffer.count, &found) == 0, found != nil,
        let name = entry.pw_name
      else { return nil }
      return SystemUser(name: String(cString: name), id: entry.pw_uid, group: entry.pw_gid)
    }
  }
}
