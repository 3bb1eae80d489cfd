import Foundation
import HTTP
import Postgres

/// The figures of this process and, from the database, of all of them together.
final class Metrics: Sendable {
  private let db: Database
  let http: HTTPMetrics
  let attempts: AttemptMetrics

  init(db: Database, attempts: AttemptMetrics) {
    self.db = db
    http = HTTPMetrics()
    self.attempts = attempts
  }

  /// Figures of the database, nil while it cannot be asked.
  struct Stored: Sendable {
    let queue: MetricsStore.Queue
    let unsealed: Int
    let months: [(table: String, months: Int)]
    let strays: [(table: String, count: Int)]
    let jobs: [(state: String, count: Int)]
    let senders: [(key: String, channel: String, state: String)]
    let stops: [String]
  }

  /// Answers also when the database does not: whoever watches must see that.
  func text(now: Date) async -> String {
    let stored = await stored(now: now)
    var text = MetricsText()
    text.addProcess(ProcessFigures.read(), now: now)
    text.addHTTP(http)
    text.addPool(db.pool.statistics, isUp: stored != nil)
    text.addAttempts(attempts)
    if let stored { text.add(stored) }
    return text.text
  }

  private func stored(now: Date) async -> Stored? {
    try? await db.read(timeout: .seconds(3)) { db in
      Stored(
        queue: try MetricsStore.queue(now: now, in: db),
        unsealed: try MetricsStore.unsealed(in: db),
        months: try MetricsStore.monthsAhead(now: now, in: db),
        strays: try MetricsStore.strays(in: db),
        jobs: try MetricsStore.jobs(in: db), senders: try MetricsStore.senders(in: db),
        stops: try StopStore.list(in: db).map(\.scope))
    }
  }
}

extension MetricsText {
  fileprivate mutating func addProcess(_ figures: ProcessFigures, now: Date) {
    family("herald_build_info", .gauge, "1, with the program's version.")
    sample("herald_build_info", ["version": Application.version], 1)
    gauge("process_resident_memory_bytes", "Resident memory size in bytes.", figures.residentBytes)
    gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", figures.virtualBytes)
    gauge("process_open_fds", "Number of open file descriptors.", figures.openDescriptors)
    gauge("process_max_fds", "Maximum number of open file descriptors.", figures.descriptorLimit)
    gauge("process_threads", "Number of threads.", figures.threads)
    if let seconds = figures.processorSeconds {
      family("process_cpu_seconds_total", .counter, "Total user and system CPU time in seconds.")
      sample("process_cpu_seconds_total", [:], seconds)
    }
    gauge(
      "process_start_time_seconds", "Start time of the process since the epoch in seconds.",
      figures.startedAt)
    gauge(
      "herald_uptime_seconds", "Seconds since the process started.",
      figures.startedAt.map { max(0, now.timeIntervalSince1970 - $0) })
  }

  fileprivate mutating func addHTTP(_ metrics: HTTPMetrics) {
    let requests = metrics.requests
    family(
      "herald_http_requests_total", .counter,
      "Requests answered, by route pattern. An empty route matched none.")
    for (key, durations) in requests {
      sample(
        "herald_http_requests_total",
        ["route": key.route, "method": key.method, "status": String(key.status)], durations.count)
    }
    let name = "herald_http_request_duration_seconds"
    family(name, .histogram, "From the complete header to the last byte of the answer.")
    for (key, durations) in Self.merged(requests) {
      var sum = 0
      for (bound, count) in zip(HTTPMetrics.bounds, durations.buckets) {
        sum += count
        sample(
          name + "_bucket",
          ["route": key.route, "method": key.method, "le": Self.number(bound)], sum)
      }
      sample(
        name + "_bucket", ["route": key.route, "method": key.method, "le": "+Inf"],
        durations.count)
      sample(name + "_sum", ["route": key.route, "method": key.method], durations.sum)
      sample(name + "_count", ["route": key.route, "method": key.method], durations.count)
    }
    let server = metrics.connections
    gauge("herald_http_connections", "Connections that are open.", server?.connectionsOpen)
    counter(
      "herald_http_connections_accepted_total", "Connections accepted.",
      server?.connectionsAccepted)
    counter(
      "herald_http_connections_refused_total", "Connections turned away by a limit.",
      server?.connectionsRefused)
    counter(
      "herald_http_faults_total", "Requests the server refused before any route.", server?.faults)
  }

  /// The histogram goes without the status: it would multiply the series for little.
  private static func merged(
    _ requests: [(key: HTTPMetrics.Key, durations: HTTPMetrics.Durations)]
  ) -> [(key: HTTPMetrics.Key, durations: HTTPMetrics.Durations)] {
    var merged: [HTTPMetrics.Key: HTTPMetrics.Durations] = [:]
    for (key, durations) in requests {
      let route = HTTPMetrics.Key(route: key.route, method: key.method, status: 0)
      var sum = merged[route] ?? HTTPMetrics.Durations()
      for (index, count) in durations.buckets.enumerated() { sum.buckets[index] += count }
      sum.sum += durations.sum
      merged[route] = sum
    }
    return merged.sorted { $0.key < $1.key }.map { (key: $0.key, durations: $0.value) }
  }

  fileprivate mutating func addPool(_ pool: PoolStatistics, isUp: Bool) {
    gauge("herald_database_up", "Whether the database answered this request.", isUp ? 1 : 0)
    gauge("herald_pool_size", "Connections at most.", pool.size)
    gauge("herald_pool_connections", "Connections that are open.", pool.open)
    gauge("herald_pool_idle", "Connection threads with nothing to do.", pool.idle)
    gauge("herald_pool_waiting", "Callers waiting for a connection.", pool.waiting)
    counter(
      "herald_pool_acquire_timeouts_total", "Callers that gave up waiting.", pool.acquireTimeouts)
    counter(
      "herald_pool_reconnects_total", "Connections made in place of a lost one.", pool.reconnects)
  }

  fileprivate mutating func addAttempts(_ metrics: AttemptMetrics) {
    family(
      "herald_attempts_total", .counter,
      "Hand-overs this process made, by sender and outcome.")
    for (key, count) in metrics.counts {
      sample("herald_attempts_total", ["sender": key.sender, "status": key.status], count)
    }
  }

  fileprivate mutating func add(_ stored: Metrics.Stored) {
    let queue = stored.queue
    gauge("herald_queue_depth", "Deliveries to do, now or later.", queue.depth)
    gauge("herald_queue_due", "Deliveries that are due; counted up to 1000 a lane.", queue.due)
    gauge(
      "herald_queue_oldest_due_seconds", "How long the longest waiting due delivery is overdue.",
      queue.oldestSeconds)
    gauge("herald_in_flight", "Deliveries handed over and not settled.", queue.inFlight)
    gauge(
      "herald_queue_orphaned", "Deliveries whose worker vanished and which none has taken over.",
      queue.orphaned)
    gauge("herald_audit_unsealed", "Audit entries not yet in the chain.", stored.unsealed)
    family(
      "herald_partitions_ahead", .gauge, "Months that have their partition, this one included.")
    for (table, months) in stored.months {
      sample("herald_partitions_ahead", ["table": table], months)
    }
    family(
      "herald_partition_strays", .gauge,
      "Rows that lie outside every month; counted up to 1000 a table.")
    for (table, count) in stored.strays {
      sample("herald_partition_strays", ["table": table], count)
    }
    family("herald_jobs", .gauge, "Jobs by state.")
    for (state, count) in stored.jobs { sample("herald_jobs", ["state": state], count) }
    family("herald_sender_paused", .gauge, "1 for a sender that is paused, else 0.")
    for sender in stored.senders {
      sample(
        "herald_sender_paused", ["sender": sender.key, "channel": sender.channel],
        sender.state == "active" ? 0 : 1)
    }
    family("herald_stopped", .gauge, "1 for each kill switch that is on: all, or channel:….")
    for scope in stored.stops { sample("herald_stopped", ["scope": scope], 1) }
  }
}
