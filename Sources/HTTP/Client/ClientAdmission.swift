/// Who may have a connection now, and who waits.
///
/// Three limits hold at once: in all, for a host, for a group. Those who wait stand in one line for each
/// pair of group and host, and the lines take turns: a slow host or group never holds up another.
struct ClientAdmission {
  private struct Host: Hashable {
    let name: String
    let port: Int
  }

  private struct Lane: Hashable {
    let group: String
    let host: Host

    init(_ submission: ClientSubmission) {
      group = submission.request.group
      host = Host(name: submission.target.host, port: submission.target.port)
    }
  }

  private let limits: (total: Int, host: Int, group: Int)
  private var total = 0
  private var perHost: [Host: Int] = [:]
  private var perGroup: [String: Int] = [:]
  private var lines: [Lane: ClientLine] = [:]
  private var turns: [Lane] = []
  private var turn = 0

  init(_ configuration: ClientConfiguration) {
    limits = (
      max(1, configuration.maxConnections), max(1, configuration.maxConnectionsPerHost),
      max(1, configuration.maxConnectionsPerGroup)
    )
  }

  var hasWaiting: Bool { !lines.isEmpty }

  /// True when the submission has its place; false when it was put in line.
  mutating func admit(_ submission: ClientSubmission) -> Bool {
    let lane = Lane(submission)
    if lines.isEmpty || lines[lane] == nil, hasRoom(lane) {
      take(lane)
      return true
    }
    if lines[lane] == nil { turns.append(lane) }
    lines[lane, default: ClientLine()].append(submission)
    return false
  }

  /// Gives back the place of a submission that was admitted.
  mutating func release(_ submission: ClientSubmission) {
    let lane = Lane(submission)
    total -= 1
    Self.decrement(&perHost, lane.host)
    Self.decrement(&perGroup, lane.group)
  }

  /// The next in line for whom there is a place, which is taken for it; nil when there is none.
  mutating func next() -> ClientSubmission? {
    var tried = 0
    while total < limits.total, tried < turns.count {
      turn = turn < turns.count ? turn : 0
      let lane = turns[turn]
      guard hasRoom(lane) else {
        turn += 1
        tried += 1
        continue
      }
      let submission = lines[lane]?.popFirst()
      if lines[lane]?.isEmpty ?? true {
        lines[lane] = nil
        turns.remove(at: turn)
      } else {
        turn += 1
      }
      if let submission {
        take(lane)
        return submission
      }
    }
    return nil
  }

  /// Takes out of the lines all that `isOver` and returns them. Looks at each that waits.
  mutating func remove(where isOver: (ClientSubmission) -> Bool) -> [ClientSubmission] {
    var removed: [ClientSubmission] = []
    for lane in turns {
      removed += lines[lane]?.remove(where: isOver) ?? []
      if lines[lane]?.isEmpty ?? true { lines[lane] = nil }
    }
    if !removed.isEmpty { turns.removeAll { lines[$0] == nil } }
    return removed
  }

  private func hasRoom(_ lane: Lane) -> Bool {
    total < limits.total && perHost[lane.host, default: 0] < limits.host
      && perGroup[lane.group, default: 0] < limits.group
  }

  private mutating func take(_ lane: Lane) {
    total += 1
    perHost[lane.host, default: 0] += 1
    perGroup[lane.group, default: 0] += 1
  }

  private static func decrement<Key>(_ counts: inout [Key: Int], _ key: Key) {
    guard let count = counts[key] else { return }
    counts[key] = count > 1 ? count - 1 : nil
  }
}

/// First in, first out, without moving the rest at every departure.
struct ClientLine {
  private var items: [ClientSubmission] = []
  private var first = 0

  var isEmpty: Bool { first == items.count }

  mutating func append(_ submission: ClientSubmission) { items.append(submission) }

  mutating func popFirst() -> ClientSubmission? {
    guard first < items.count else { return nil }
    let submission = items[first]
    first += 1
    if first == items.count {
      items.removeAll(keepingCapacity: true)
      first = 0
    } else if first >= 256, first * 2 >= items.count {
      items.removeFirst(first)
      first = 0
    }
    return submission
  }

  mutating func remove(where isOver: (ClientSubmission) -> Bool) -> [ClientSubmission] {
    let over = items[first...].filter(isOver)
    guard !over.isEmpty else { return [] }
    items = items[first...].filter { !isOver($0) }
    first = 0
    return over
  }
}
