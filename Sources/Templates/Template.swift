import JSON

/// A text with places for values: `Hi {{ user.name | default: 'there' }}`.
///
/// That is the whole language. There are no conditions, loops or filters but `default`, and a value
/// is never read as template again, so rendering takes time linear in template and values.
///
///     place   = "{{" path [ "|" "default" ":" string ] "}}"
///     path    = name *( "." name | "[" string "]" )
///     name    = letters, digits, "_" and "-" of any script
///     string  = '…' or "…", without escapes
///
/// Paths that exist in a message: `user.<attribute>` (and what lies in it), `event.<property>`,
/// `plan.key`, `steps.<id>.coupon.code`, `steps.<id>.coupon.valid_until` and `unsubscribe_url`; in
/// the mapping of a source: `item.<member>` and `header.<name>`.
public struct Template: Sendable, Equatable {
  public let source: String
  let pieces: [Piece]

  enum Piece: Sendable, Equatable {
    case text(String)
    case place(TemplatePath, default: String?)
  }

  public static let maximumPlaces = 200

  /// The template a text spells. Nil when anything is wrong with it; `faults` then has grown by
  /// every fault found, each with line, column and byte offset in its detail.
  ///
  /// `singleLine` refuses line breaks, for titles and mail headers; other control characters and
  /// bidi overrides are refused everywhere.
  public static func parse(
    _ source: String, at pointer: JSONPointer = .root, singleLine: Bool = false,
    roots: Set<TemplatePath.Root> = TemplatePath.Root.message, faults: Faults
  ) -> Template? {
    var parser = TemplateParser(
      source, pointer: pointer, singleLine: singleLine, roots: roots, faults: faults)
    return parser.parse()
  }

  init(source: String, pieces: [Piece]) {
    self.source = source
    self.pieces = pieces
  }

  /// The paths in the order of their first use, without repeats.
  public var references: [TemplatePath] {
    var seen: [TemplatePath] = []
    for case .place(let path, _) in pieces where !seen.contains(path) { seen.append(path) }
    return seen
  }

  /// Those of `references` that are shown somewhere without a default.
  public var needs: [TemplatePath] {
    var seen: [TemplatePath] = []
    for case .place(let path, nil) in pieces where !seen.contains(path) { seen.append(path) }
    return seen
  }
}

/// Where a value comes from: `user.address.city`.
public struct TemplatePath: Sendable, Equatable, CustomStringConvertible {
  public enum Root: String, Sendable, CaseIterable {
    case user, event, plan, steps
    case unsubscribeURL = "unsubscribe_url"
    case item, header

    /// What a message to a user can show.
    public static let message: Set<Root> = [.user, .event, .plan, .steps, .unsubscribeURL]
    /// What comes in from another system.
    public static let mapping: Set<Root> = [.item, .header]
  }

  public let root: Root
  /// Empty for `unsubscribe_url` only.
  public let names: [String]

  public init(_ root: Root, _ names: [String]) {
    self.root = root
    self.names = names
  }

  /// As it would be written.
  public var description: String {
    names.reduce(root.rawValue) { text, name in
      let isPlain = !name.isEmpty && name.unicodeScalars.allSatisfy(TemplateParser.isName)
      let quote = name.contains("'") ? "\"" : "'"
      return isPlain ? "\(text).\(name)" : "\(text)[\(quote)\(name)\(quote)]"
    }
  }

  /// By bytes, as attributes are found.
  public static func == (left: TemplatePath, right: TemplatePath) -> Bool {
    left.root == right.root
      && left.names.elementsEqual(right.names) { $0.utf8.elementsEqual($1.utf8) }
  }
}
