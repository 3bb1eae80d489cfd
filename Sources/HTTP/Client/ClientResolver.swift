import Foundation
import Synchronization

/// Looks host names up on threads of its own: `getaddrinfo` blocks, and may do so for half a minute.
///
/// Threads are started on demand. One that hangs in the system's resolver ends by itself some time
/// after ``stop()``.
final class ClientResolver: Sendable {
  typealias Lookup = @Sendable (String) -> Result<[ClientAddress], ClientRefusal>
  typealias Deliver = @Sendable (String, Result<[ClientAddress], ClientRefusal>) -> Void

  private struct State {
    var waiting: [String] = []
    var threads = 0
    var idle = 0
    var isStopped = false
  }

  private static let maximumThreads = 8
  private let state = Mutex(State())
  private let work = DispatchSemaphore(value: 0)
  private let lookup: Lookup
  private let deliver: Deliver

  init(lookup: @escaping Lookup, deliver: @escaping Deliver) {
    self.lookup = lookup
    self.deliver = deliver
  }

  /// The answer comes by `deliver`, on another thread. Callers do not ask twice for a name that is
  /// under way.
  func resolve(_ host: String) {
    let needsThread = state.withLock { state in
      state.waiting.append(host)
      guard state.waiting.count > state.idle, state.threads < Self.maximumThreads else {
        return false
      }
      state.threads += 1
      return true
    }
    if needsThread {
      let thread = Thread { self.run() }
      thread.name = "http-resolver"
      thread.start()
    }
    work.signal()
  }

  func stop() {
    let threads = state.withLock { state in
      state.isStopped = true
      state.waiting = []
      return state.threads
    }
    for _ in 0..<threads { work.signal() }
  }

  private func run() {
    while true {
      state.withLock { $0.idle += 1 }
      work.wait()
      let next: String? = state.withLock { state in
        state.idle -= 1
        guard !state.isStopped, !state.waiting.isEmpty else { return nil }
        return state.waiting.removeFirst()
      }
      if let next {
        deliver(next, lookup(next))
      } else if state.withLock({ $0.isStopped }) {
        return
      }
    }
  }

  /// All addresses of both families that the system knows for `host`, in its order of preference.
  static let systemLookup: Lookup = { host in
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var first: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(host, nil, &hints, &first)
    guard code == 0 else {
      let text = gai_strerror(code).map { String(cString: $0) } ?? "error \(code)"
      return .failure(ClientRefusal(reason: "\(host) could not be resolved: \(text)"))
    }
    defer { freeaddrinfo(first) }
    var addresses: [ClientAddress] = []
    var next = first
    while let entry = next {
      if let pointer = entry.pointee.ai_addr, let address = ClientAddress(pointer),
        !addresses.contains(address)
      {
        addresses.append(address)
      }
      next = entry.pointee.ai_next
    }
    return .success(addresses)
  }
}
