import Foundation
import JSON

/// Work on an upload that goes on after its request was answered.
public struct Job: Sendable {
  public enum State: String, Sendable, CaseIterable {
    /// The upload is still coming in.
    case receiving
    case queued, running, completed, failed, cancelled

    var isOver: Bool { self == .completed || self == .failed || self == .cancelled }
  }

  /// What an import brings.
  enum Kind: Sendable, Equatable {
    case users
    case events
    /// Replaces the list of this segment.
    case segment(String)

    init?(_ text: String) {
      switch text {
      case "users": self = .users
      case "events": self = .events
      default:
        let key = text.dropFirst("segment:".count)
        guard text.hasPrefix("segment:"), TextPattern.key.matches(String(key)) else { return nil }
        self = .segment(String(key))
      }
    }

    var text: String {
      switch self {
      case .users: "users"
      case .events: "events"
      case .segment(let key): "segment:\(key)"
      }
    }
  }

  enum Format: String, Sendable, CaseIterable {
    case csv, ndjson
  }

  /// Where the next batch begins. Saved with what the batch did, so that a killed import goes on
  /// exactly there.
  struct Progress: Sendable, Equatable {
    /// Bytes of the upload that are done.
    var offset = 0
    /// Lines that are done.
    var line = 0
    /// The header of a CSV file, once it was read.
    var columns: [String]?
  }

  let id: UUID
  /// As the API names it; other kinds of jobs are not imports.
  let kind: String
  var state: State
  let format: Format?
  /// Whether imported events count as live ones, which fire triggers; history does not.
  let firesTriggers: Bool
  /// Bytes of the upload; 0 while it is coming in.
  let bytes: Int
  let done: Int
  let failed: Int
  let total: Int?
  let progress: Progress
  let problem: String?
  let createdBy: String
  let createdAt: Date
  let updatedAt: Date
  let finishedAt: Date?
}

extension Job.Progress {
  var json: JSONValue {
    var json: JSONObject = ["offset": .int(offset), "line": .int(line)]
    if let columns { json["columns"] = .array(columns.map(JSONValue.string)) }
    return .object(json)
  }

  init(json: JSONValue) {
    offset = json["offset"]?.intValue ?? 0
    line = json["line"]?.intValue ?? 0
    columns = json["columns"]?.arrayValue?.compactMap(\.stringValue)
  }
}

/// What is wrong with one record of an upload.
struct RecordFault: Sendable {
  let line: Int
  let code: String
  /// JSON pointer into the record, or `/` and the column.
  let pointer: String
  let detail: String

  init(line: Int, code: String, pointer: String, detail: String) {
    self.line = line
    self.code = code
    self.pointer = pointer
    self.detail = detail
  }

  init(line: Int, _ fault: JSONFault) {
    self.init(
      line: line, code: fault.code.rawValue, pointer: fault.pointer.description,
      detail: fault.detail)
  }

  init(line: Int, _ error: HeraldError) {
    let first = error.faults.first
    self.init(
      line: line, code: first?.code.rawValue ?? error.code.name, pointer: error.pointer ?? "",
      detail: error.message)
  }
}
