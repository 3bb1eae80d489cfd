import CLibPQ
import Dispatch
import Glibc
import Synchronization

/// A call that waits for, or has got, a connection.
struct PoolRequest: Sendable {
  let id: UInt64
  /// When it gives up waiting.
  let deadline: Instant
  /// Does the work on the connection's thread and returns what tells the caller.
  let run: @Sendable (ConnectionSlot) -> @Sendable () -> Void
  /// Tells the caller that its turn never came.
  let fail: @Sendable (PostgresError) -> Void
}

enum WorkerOrder {
  case run(PoolRequest)
  case wait
  case stop
}

/// The thread of one connection. Sleeps on a semaphore while the pool has nothing for it.
final class PoolWorker: Sendable {
  let number: Int
  private let orders = Mutex<[WorkerOrder]>([])
  private let signal = DispatchSemaphore(value: 0)

  init(number: Int) { self.number = number }

  /// Hands an order to the sleeping thread.
  func post(_ order: WorkerOrder) {
    orders.withLock { $0.append(order) }
    signal.signal()
  }

  /// The thread's life: `next` is asked after each request and may give it another one.
  func work(
    slot: ConnectionSlot, next: (PoolWorker) -> WorkerOrder, ended: (PoolWorker) -> Void
  ) {
    var order = WorkerOrder.wait
    while true {
      switch order {
      case .wait:
        signal.wait()
        order = orders.withLock { $0.isEmpty ? .wait : $0.removeFirst() }
      case .run(let request):
        let tell = request.run(slot)
        slot.tidy()
        // First free for others, then tell: the caller's next request finds this thread.
        order = next(self)
        tell()
      case .stop:
        slot.disconnect()
        ended(self)
        return
      }
    }
  }
}

/// A detached thread of its own, for work that blocks.
enum OwnThread {
  private final class Start {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }

  /// - Returns: false when the system gives no thread.
  static func start(name: String, _ body: @escaping @Sendable () -> Void) -> Bool {
    let start = Unmanaged.passRetained(
      Start {
        herald_name_thread(name)
        body()
      })
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    // Bodies decode documents recursively; the default of a secondary thread may be smaller.
    pthread_attr_setstacksize(&attributes, 8 << 20)
    var thread = pthread_t()
    let result = pthread_create(
      &thread, &attributes,
      { context in
        if let context { Unmanaged<Start>.fromOpaque(context).takeRetainedValue().body() }
        return nil
      }, start.toOpaque())
    if result != 0 { start.release() }
    return result == 0
  }
}
