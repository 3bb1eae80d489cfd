import Foundation
import HTTP
import JSON

/// The links in messages. Scanners of mailboxes follow every link, so a GET changes nothing; the POST
/// is that of RFC 8058 and of the page's own button.
enum UnsubscribeRoutes {
  static func endpoints(_ unsubscriptions: Unsubscriptions) -> [Endpoint] {
    [
      Endpoint(
        .get, "/u/{token}", .open,
        Operation(
          "showUnsubscribe", "A page that asks whether to unsubscribe; changes nothing.",
          tag: "Unsubscribing", path: token, responses: [200: Schema.string],
          responseType: "text/html", errors: [.notFound])
      ) { call in
        let page = UnsubscribePage(language: call.language)
        do {
          return page.question(try unsubscriptions.read(call.path("token")).subscription)
        } catch  where call.isBrowser {
          return page.invalid
        }
      },
      Endpoint(
        .post, "/u/{token}", .open,
        Operation(
          "unsubscribe",
          "Unsubscribe in one click (RFC 8058): from the message's group, or with `scope=all` from "
            + "its channel. Safe to repeat.", tag: "Unsubscribing", path: token, request: request,
          requestTypes: ["application/x-www-form-urlencoded", "multipart/form-data"],
          requestRequired: false, responses: [200: Schema.string], responseType: "text/html",
          errors: [.notFound]), body: .buffered(limit: 16 << 10)
      ) { call in
        let page = UnsubscribePage(language: call.language)
        let link: UnsubscribeLink
        do {
          link = try unsubscriptions.read(call.path("token"))
        } catch  where call.isBrowser {
          return page.invalid
        }
        let form = try OneClickForm(call.request)
        try await unsubscriptions.perform(
          link, wholeChannel: form.isWholeChannel, by: call.caller, now: call.now)
        return page.done
      },
    ]
  }

  private static let token = ["token": Schema.text(1...512)]
  private static let request = Schema.object([
    "List-Unsubscribe": Schema.choice(["One-Click"]), "scope?": Schema.choice(["all"]),
  ])
}

/// The body of a one-click POST. An empty one is taken too: whoever holds the token may.
struct OneClickForm: Equatable {
  var isWholeChannel = false

  init(_ request: Request) throws {
    guard !request.body.isEmpty else { return }
    let text = String(decoding: request.body, as: UTF8.self)
    if request.headers["content-type"]?.lowercased().hasPrefix("multipart/form-data") ?? false {
      guard text.contains("name=\"List-Unsubscribe\""), text.contains("One-Click") else {
        throw Self.refusal
      }
      return
    }
    var fields: [String: String] = [:]
    for pair in text.split(separator: "&") {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let value = parts.count > 1 ? String(parts[1]).removingPercentEncoding : ""
      fields[String(parts[0])] = value?.trimmingCharacters(in: .whitespacesAndNewlines)
    }
    guard fields["List-Unsubscribe"] == "One-Click" else { throw Self.refusal }
    isWholeChannel = fields["scope"] == "all"
  }

  private static let refusal = HeraldError(
    .invalid, "The body of a one-click request is List-Unsubscribe=One-Click.")
}

extension Call {
  fileprivate var language: UnsubscribePage.Language {
    UnsubscribePage.Language(accepting: request.headers["accept-language"])
  }

  /// Programs get a problem in JSON, as everywhere.
  fileprivate var isBrowser: Bool {
    request.headers["accept"]?.lowercased().contains("text/html") ?? false
  }
}
