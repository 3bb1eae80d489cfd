import HTTP

/// What a person sees who follows an unsubscribe link: a question with a button, then that it is
/// done. Without scripts, pictures or anything personal, and readable by screen readers.
struct UnsubscribePage {
  enum Language: String {
    case english = "en"
    case chinese = "zh-CN"

    /// The first language of `Accept-Language`, by weight, that there is a page in.
    init(accepting header: String?) {
      let wishes = (header ?? "").split(separator: ",").map {
        part -> (tag: String, weight: Double) in
        let pieces = part.split(separator: ";").map { $0.filter { $0 != " " } }
        let weight = pieces.dropFirst().first { $0.hasPrefix("q=") }.flatMap {
          Double($0.dropFirst(2))
        }
        return (pieces.first?.lowercased() ?? "", weight ?? 1)
      }
      // The weights of equal wishes keep their order: the first of them wins.
      let best = wishes.filter { $0.tag.hasPrefix("zh") || $0.tag.hasPrefix("en") }
        .enumerated().max { ($0.element.weight, $1.offset) < ($1.element.weight, $0.offset) }
      self = best?.element.tag.hasPrefix("zh") ?? false ? .chinese : .english
    }
  }

  let language: Language

  func question(_ subscription: Subscription) -> Response {
    let all = subscription.isWholeChannel
    let kind = words(of: subscription.channel)
    let group = Self.escaped(subscription.group)
    switch language {
    case .english:
      return page(
        200, "Unsubscribe",
        (all
          ? "<p>Do you want to get no more \(kind)?</p>"
          : "<p>Do you want to get no more \(kind) of the kind “\(group)”?</p>")
          + form("Unsubscribe", nil) + (all ? "" : form("Get no more \(kind) at all", "all")))
    case .chinese:
      return page(
        200, "退订",
        (all ? "<p>确定不再接收\(kind)吗？</p>" : "<p>确定不再接收“\(group)”类的\(kind)吗？</p>")
          + form("退订", nil) + (all ? "" : form("不再接收任何\(kind)", "all")))
    }
  }

  var done: Response {
    switch language {
    case .english:
      page(200, "You are unsubscribed", "<p>You will get no more of these messages.</p>")
    case .chinese: page(200, "已退订", "<p>您将不再收到此类消息。</p>")
    }
  }

  var invalid: Response {
    switch language {
    case .english:
      page(
        404, "This link is not valid",
        "<p>Please use the link of the message unchanged, or answer the message.</p>")
    case .chinese: page(404, "链接无效", "<p>请使用消息中的原始链接，或直接回复该消息。</p>")
    }
  }

  private func form(_ label: String, _ scope: String?) -> String {
    let field = scope.map { #"<input type="hidden" name="scope" value="\#($0)">"# } ?? ""
    return """
      <form method="post"><input type="hidden" name="List-Unsubscribe" value="One-Click">\(field)\
      <button type="submit">\(label)</button></form>
      """
  }

  private func page(_ status: Int, _ title: String, _ body: String) -> Response {
    let html = """
      <!DOCTYPE html>
      <html lang="\(language.rawValue)"><head><meta charset="utf-8"><title>\(title)</title>
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <style>body{font:1.1rem/1.6 system-ui,sans-serif;max-width:34rem;margin:3rem auto;\
      padding:0 1rem;color:#222;background:#fff}button{font:inherit;padding:.6rem 1.2rem;\
      margin:.4rem 0;border:2px solid #1a4f8b;border-radius:.4rem;background:#1a4f8b;color:#fff}\
      button:focus-visible{outline:3px solid #e08000;outline-offset:2px}</style></head>
      <body><main><h1>\(title)</h1>\(body)</main></body></html>

      """
    var response = Response.text(status, html, contentType: "text/html; charset=utf-8")
    response.headers["content-security-policy"] =
      "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
    response.headers["referrer-policy"] = "no-referrer"
    response.headers["cache-control"] = "no-store"
    response.headers["x-robots-tag"] = "noindex"
    response.headers["vary"] = "Accept-Language"
    return response
  }

  private func words(of channel: Channel) -> String {
    switch (channel, language) {
    case (.sms, .english): "text messages"
    case (.sms, .chinese): "短信"
    case (.email, .english): "e-mails"
    case (.email, .chinese): "邮件"
    case (.push, .english), (.inApp, .english): "notifications"
    case (.push, .chinese), (.inApp, .chinese): "通知"
    case (.wechat, .english), (.serviceMessage, .english): "WeChat messages"
    case (.wechat, .chinese), (.serviceMessage, .chinese): "微信消息"
    case (.coupon, .english), (.webhook, .english): "messages"
    case (.coupon, .chinese), (.webhook, .chinese): "消息"
    }
  }

  private static func escaped(_ text: String) -> String {
    var out = ""
    for character in text {
      switch character {
      case "&": out += "&amp;"
      case "<": out += "&lt;"
      case ">": out += "&gt;"
      case "\"": out += "&quot;"
      default: out.append(character)
      }
    }
    return out
  }
}
