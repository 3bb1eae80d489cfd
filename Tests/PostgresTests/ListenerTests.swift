import Foundation
import HeraldTesting
import Postgres
import Synchronization
import Testing

@Suite("Notifications", .emptyDatabase)
struct ListenerTests {
  private final class Inbox: Sendable {
    let received = Mutex<[String]>([])
    let connects = Counter()
    var texts: [String] { received.withLock { $0 } }
  }

  private func listen(_ url: String, _ inbox: Inbox) -> NotificationListener {
    NotificationListener(
      PoolConfiguration(url: url), channels: ["orders", "odd \"name\""], logger: silent,
      onConnect: { inbox.connects.increment() },
      onNotification: { channel, payload in
        inbox.received.withLock { $0.append("\(channel)=\(payload)") }
      })
  }

  private func notify(_ channel: String, _ payload: String) async throws {
    _ = try await database.pool.read { try $0.query("SELECT pg_notify(\(channel), \(payload))") }
  }

  @Test("notifications of the channels arrive in order, others do not")
  func delivery() async throws {
    let inbox = Inbox()
    let listener = listen(database.url, inbox)
    #expect(try await eventually { inbox.connects.value == 1 })
    try await notify("orders", "1")
    try await notify("elsewhere", "2")
    try await notify("odd \"name\"", "é")
    #expect(try await eventually { inbox.texts.count == 2 })
    #expect(inbox.texts == ["orders=1", "odd \"name\"=é"])
    listener.stop()
  }

  @Test("after a loss it listens again and says so")
  func reconnect() async throws {
    let inbox = Inbox()
    let listener = listen(database.url, inbox)
    for round in 1...3 {
      #expect(try await eventually { inbox.connects.value == round })
      try await notify("orders", "\(round)")
      #expect(try await eventually { inbox.texts.count == round })
      try await terminateOthers()
    }
    listener.stop()
  }

  @Test("stopping ends its connection")
  func stopping() async throws {
    let inbox = Inbox()
    let listener = listen(database.url, inbox)
    #expect(try await eventually { inbox.connects.value == 1 })
    listener.stop()
    #expect(try await eventually { try await others() == 0 })
  }

  @Test("dropping the listener ends its connection")
  func dropping() async throws {
    let inbox = Inbox()
    var listener: NotificationListener? = listen(database.url, inbox)
    #expect(try await eventually { inbox.connects.value == 1 })
    #expect(listener != nil)
    listener = nil
    #expect(try await eventually { try await others() == 0 })
  }

  private func terminateOthers() async throws {
    _ = try await database.pool.read { session in
      try session.query(
        """
        SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
        """)
    }
  }

  private func others() async throws -> Int? {
    try await database.pool.read { session in
      try session.one(
        """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
        """
      )?.get(0, as: Int.self)
    }
  }
}
