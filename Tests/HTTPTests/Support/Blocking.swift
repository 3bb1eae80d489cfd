import Dispatch

/// Runs blocking work of the current task on a thread of its own: the pool's threads are those
/// that run handlers, and there are few. Issues still belong to the running test.
func blocking<T: Sendable>(_ work: @escaping @Sendable () throws -> T) async rethrows -> T {
  try await withTaskExecutorPreference(BlockingExecutor()) { try await run(work) }
}

@concurrent
private func run<T: Sendable>(_ work: @Sendable () throws -> T) async rethrows -> T { try work() }

private final class BlockingExecutor: TaskExecutor {
  private let queue = DispatchQueue(label: "test.blocking")

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}
