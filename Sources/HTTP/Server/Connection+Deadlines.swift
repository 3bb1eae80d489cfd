extension Connection {
  /// Called by the loop's wheel at the tick asked for.
  func checkDeadline(_ now: UInt64, tick: UInt64) {
    guard phase != .closed else { return }
    if tick >= scheduledTick { scheduledTick = .max }
    if deadline(now) <= now { expire(now) }
    if phase != .closed { arm() }
  }

  /// Makes sure that the wheel asks not much later than the current deadline.
  func arm() {
    let deadline = deadline(MonotonicClock.now)
    guard deadline != .max, TimerWheel.tick(of: deadline) < scheduledTick else { return }
    scheduledTick = loop.schedule(id, deadline: deadline)
  }

  /// When what is waited for has taken too long; `.max` when nobody but a handler is waited for.
  private func deadline(_ now: UInt64) -> UInt64 {
    let times = service.deadlines
    var deadline = UInt64.max
    switch phase {
    case .idle:
      if let headStartedAt {
        deadline = headStartedAt &+ times.header
      } else {
        deadline = idleSince &+ (served == 0 ? times.header : times.idle)
      }
    case .receiving, .handling, .responding: deadline = bodyDeadline(now)
    case .lingering: deadline = lingerDeadline
    case .closing, .closed: break
    }
    if let blockedSince {
      let allowance = times.write &+ UInt64(sentSinceBlocked) &* times.perByte
      deadline = min(deadline, blockedSince &+ allowance)
    }
    return deadline
  }

  /// The time in which the client was not allowed to send does not count.
  private func bodyDeadline(_ now: UInt64) -> UInt64 {
    guard var exchange, exchange.bodyOpen, !exchange.isBroken else { return .max }
    if exchange.awaitsContinue || !takesInput {
      if exchange.pausedAt == nil { self.exchange?.pausedAt = now }
      return .max
    }
    if let pausedAt = exchange.pausedAt {
      exchange.bodyStartedAt &+= now &- pausedAt
      exchange.pausedAt = nil
      self.exchange?.bodyStartedAt = exchange.bodyStartedAt
      self.exchange?.pausedAt = nil
    }
    return exchange.bodyStartedAt &+ service.deadlines.body
      &+ UInt64(exchange.bytesIn) &* service.deadlines.perByte
  }

  private func expire(_ now: UInt64) {
    if let blockedSince,
      blockedSince &+ service.deadlines.write
        &+ UInt64(sentSinceBlocked) &* service.deadlines.perByte <= now
    {
      return lose()
    }
    switch phase {
    case .idle where headStartedAt == nil: return close()
    case .idle: refuse(.headerTimeout)
    case .receiving, .handling, .responding: refuse(.bodyTimeout)
    case .lingering: return close()
    case .closing, .closed: return
    }
    flush()
    settle()
  }
}
