import Foundation
import JSON
import Templates

extension SourceDraft {
  init?(key: String, _ reader: ObjectReader, allowPrivate: Bool) {
    let before = reader.faults.count
    let name = reader.string("name", minLength: 1, maxLength: 200)
    let isLive = reader.bool("live") ?? true
    var secrets = SecretFields()
    let signature = reader.object("signature").flatMap { SourceSignature($0, &secrets) }
    let mapping = reader.object("mapping", required: true).flatMap { SourceMapping($0) }
    let pull = reader.object("pull").flatMap {
      SourcePull($0, allowPrivate: allowPrivate, &secrets)
    }
    if !reader.has("signature"), !reader.has("pull") {
      reader.add(
        .required, "signature", "A source takes webhooks (signature), is pulled (pull), or both.")
    }
    reader.finish()
    guard let mapping, reader.faults.count == before else { return nil }
    for field in signature?.sensitiveHeaders ?? [] where mapping.headers.contains(field) {
      reader.faults.add(
        .invalidChoice, at: reader.pointer.appending("mapping"),
        "The header '\(field)' holds the signature or token; it cannot be mapped.")
    }
    guard reader.faults.count == before else { return nil }
    source = Source(
      key: key, name: name, isLive: isLive, signature: signature, mapping: mapping, pull: pull,
      config: Self.masked(reader.object))
    self.secrets = secrets
  }

  /// The document with `***` for each secret.
  private static func masked(_ document: JSONObject) -> JSONObject {
    var document = document
    let mask = JSONValue.string(SecretFields.mask)
    if var signature = document["signature"]?.objectValue {
      for field in ["secret", "previous_secret"] where signature[field] != nil {
        signature[field] = mask
      }
      document["signature"] = .object(signature)
    }
    if var pull = document["pull"]?.objectValue, var headers = pull["headers"]?.objectValue {
      for (name, value) in headers where value.objectValue != nil {
        headers[name] = ["secret": mask]
      }
      pull["headers"] = .object(headers)
      document["pull"] = .object(pull)
    }
    return document
  }
}

extension SourceMapping {
  /// The names of headers that are looked at.
  var headers: Set<String> {
    let values =
      identities.map(\.value) + attributes.map(\.value) + when.map(\.value)
      + [name, timestamp, messageID].compactMap(\.self)
    let members: [MappedValue] =
      if case .members(let members) = properties { members.map(\.value) } else { [] }
    return Set(
      (values + members).flatMap { value -> [String] in
        switch value.origin {
        case .header(let name): [name]
        case .template(let template):
          template.references.filter { $0.root == .header }.compactMap {
            $0.names.first?.lowercased()
          }
        case .constant, .pointer: []
        }
      })
  }
}

extension SourceView {
  var json: JSONValue {
    let config = stored.source.config
    return [
      "key": .string(stored.key), "name": .optional(stored.source.name),
      "live": .bool(stored.source.isLive), "signature": config["signature"] ?? .null,
      "mapping": config["mapping"] ?? .null, "pull": config["pull"] ?? .null,
      "pull_state": pull?.json ?? .null, "dead_letters": .int(deadLetters),
      "version": .int(stored.version), "created_at": .instant(stored.createdAt),
      "updated_at": .instant(stored.updatedAt),
    ]
  }
}

extension StoredSource {
  var auditJSON: JSONValue {
    .object(JSONObject(source.config.members + [("version", .int(version))]))
  }
}

extension PullState {
  var json: JSONValue {
    [
      "running": .bool(isRunning), "next_at": .instant(nextAt), "cursor": cursor ?? .null,
      "progress": progress?.summary(endedAt: nil) ?? .null, "last_run": lastRun ?? .null,
      "failures": .int(failures), "error": .optional(error), "error_at": .instant(errorAt),
    ]
  }
}

extension SourceTally {
  var members: [(key: String, value: JSONValue)] {
    [
      ("accepted", .int(accepted)), ("duplicates", .int(duplicates)), ("ignored", .int(ignored)),
      ("dead_letters", .int(deadLetters)),
    ]
  }

  var json: JSONValue { .object(JSONObject(members)) }

  fileprivate init(_ json: JSONValue) {
    self.init(
      accepted: json["accepted"]?.intValue ?? 0, duplicates: json["duplicates"]?.intValue ?? 0,
      ignored: json["ignored"]?.intValue ?? 0, deadLetters: json["dead_letters"]?.intValue ?? 0)
  }
}

extension PullProgress {
  /// For answers.
  func summary(endedAt: Date?) -> JSONValue {
    .object(
      JSONObject(
        [
          ("started_at", .instant(startedAt)), ("ended_at", .instant(endedAt)),
          ("pages", .int(pages)),
        ] + tally.members))
  }

  /// For the database.
  var json: JSONValue {
    [
      "started_at": .instant(startedAt), "position": position.json, "base": base ?? .null,
      "highest": highest ?? .null, "pages": .int(pages), "tally": tally.json,
    ]
  }

  /// Nil for what another version wrote and this one cannot read: the run then begins anew.
  init?(_ json: JSONValue) {
    guard let startedAt = json["started_at"]?.stringValue.flatMap({ Date(rfc3339: $0) }),
      let position = json["position"].flatMap({ PullPosition($0) })
    else { return nil }
    func value(_ key: String) -> JSONValue? {
      json[key].flatMap { $0.isNull ? nil : $0 }
    }
    self.init(
      startedAt: startedAt, position: position, base: value("base"), highest: value("highest"),
      pages: json["pages"]?.intValue ?? 0, tally: SourceTally(json["tally"] ?? .null))
  }
}

extension PullPosition {
  fileprivate var json: JSONValue {
    switch self {
    case .first: [:]
    case .url(let url): ["url": .string(url)]
    case .token(let token): ["token": .string(token)]
    case .page(let number): ["page": .int(number)]
    case .last(let value): ["last": .string(value)]
    }
  }

  fileprivate init?(_ json: JSONValue) {
    if let url = json["url"]?.stringValue {
      self = .url(url)
    } else if let token = json["token"]?.stringValue {
      self = .token(token)
    } else if let number = json["page"]?.intValue {
      self = .page(number)
    } else if let value = json["last"]?.stringValue {
      self = .last(value)
    } else if json.objectValue?.isEmpty ?? false {
      self = .first
    } else {
      return nil
    }
  }
}
