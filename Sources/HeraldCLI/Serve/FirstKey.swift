import Foundation
import Herald

/// The admin key of an empty database: shown once.
enum FirstKey {
  static func install(_ installation: Installation) async throws {
    let configuration = installation.configuration
    let secret = try await installation.application.keys.bootstrap(
      secret: configuration.adminKey, now: installation.now())
    guard let secret, configuration.adminKey == nil else { return }
    guard isatty(1) != 1 else {
      print(welcome(secret, "\(configuration.listenHost):\(configuration.listenPort)"))
      return
    }
    let path = configuration.dataDirectory + "/first-admin-key"
    guard
      FileManager.default.createFile(
        atPath: path, contents: Data((secret + "\n").utf8),
        attributes: [.posixPermissions: 0o600])
    else {
      throw Installation.Refusal(
        description: "Cannot write the first admin key to \(path); set HERALD_ADMIN_KEY instead.")
    }
    print("The first admin key is in \(path); keep it and delete the file.")
    // What is no terminal gets it with the next 4 KiB otherwise.
    fflush(nil)
  }

  private static func welcome(_ secret: String, _ address: String) -> String {
    """

    Herald is ready. Your admin key, shown this once:

      \(secret)

    These commands, pasted into another terminal, lead to a finished campaign that writes its
    messages to a file (the README's tour explains each):

    \(tour(secret, address))
    """
  }

  /// Users, a segment, a template, a sender and a plan; an operator who submits and an approver who
  /// approves. README.md tells the same at length.
  private static func tour(_ secret: String, _ address: String) -> String {
    #"""
      export HERALD=http://\#(address) KEY=\#(secret)
      call() { curl -sS -X "$2" "$HERALD$3" -H "Authorization: Bearer $1" \
        -H 'Content-Type: application/json' ${4:+-d} ${4:+"$4"}; echo; }
      field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
      OPERATOR=$(call $KEY POST /v1/keys '{"name": "tour", "role": "operator", "principal": "li.lei"}' | field key)
      APPROVER=$(call $KEY POST /v1/keys '{"name": "tour", "role": "approver", "principal": "han.meimei"}' | field key)
      call $OPERATOR POST /v1/users '{"identities": {"external_id": "u-1", "phone": "+8613800000001"},
        "attributes": {"name": "李雷", "city": "杭州"}, "consents": {"sms": "granted"}}'
      call $OPERATOR PUT /v1/segments/hangzhou '{"name": "Hangzhou", "refresh": "live",
        "condition": {"attribute": "city", "eq": "杭州"}}'
      call $OPERATOR PUT /v1/templates/hello '{"channel": "sms", "content": {"text": "Hi {{ user.name }}", "signature": "Herald"}}'
      call $OPERATOR PUT /v1/senders/file '{"channel": "sms", "adapter": "file", "config": {}}'
      call $OPERATOR PUT /v1/plans/first '{"name": "First", "trigger": {"segment": "hangzhou", "at": "now"},
        "steps": [{"id": "hello", "send": {"chain": [{"channel": "sms", "template": "hello"}]}}]}'
      SUBMITTED=$(call $OPERATOR POST /v1/plans/first/submit); echo "$SUBMITTED"
      call $APPROVER POST /v1/approvals/$(echo "$SUBMITTED" | field approval)/approve \
        "{\"hash\": \"$(echo "$SUBMITTED" | field hash)\"}"
      sleep 2; call $APPROVER GET /v1/plans/first/accounting

    """#
  }
}
