import CLibCurl
import Foundation

/// An easy handle, used again for one request after the other. Belongs to the loop's thread, on which
/// libcurl also calls the callbacks.
final class ClientTransfer {
  let handle: UnsafeMutableRawPointer
  private let errorText: UnsafeMutablePointer<CChar>
  /// libcurl reads small bodies from here while the transfer runs.
  private let smallBody = UnsafeMutableRawBufferPointer.allocate(byteCount: 8 << 10, alignment: 16)
  let allowPrivate: Bool
  let maxHeaderBytes: Int

  private(set) var submission: ClientSubmission?
  /// Set just before the first byte of the request is written: from here on it may have left.
  var hasStarted = false
  /// libcurl wanted to send the request a second time, on another connection.
  var wasRestarted = false
  var bodyOffset = 0
  var head: [UInt8] = []
  var headerByteCount = 0
  var status = 0
  var isHeadComplete = false
  var isHeadTooLong = false
  var body: [UInt8] = []
  var isTruncated = false
  var blocked: ClientRefusal?

  /// Nil when there is no memory.
  init?(_ configuration: ClientConfiguration) {
    guard let handle = curl_easy_init() else { return nil }
    self.handle = handle
    errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
    errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    allowPrivate = configuration.allowPrivateAddresses
    maxHeaderBytes = configuration.maxHeaderBytes
    setConstants(configuration)
    setCallbacks()
  }

  deinit {
    curl_easy_cleanup(handle)
    errorText.deallocate()
    smallBody.deallocate()
  }

  private func setConstants(_ configuration: ClientConfiguration) {
    clibcurl_set_long(handle, CURLOPT_NOSIGNAL, 1)
    clibcurl_set_string(handle, CURLOPT_PROXY, "")  // not even one from the environment
    clibcurl_set_string(handle, CURLOPT_PROTOCOLS_STR, "http,https")
    clibcurl_set_long(handle, CURLOPT_FOLLOWLOCATION, 0)
    clibcurl_set_long(handle, CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
    clibcurl_set_string(handle, CURLOPT_USERAGENT, configuration.userAgent)
    clibcurl_set_long(handle, CURLOPT_PATH_AS_IS, 1)  // some APIs sign the path as it was given
    clibcurl_set_long(handle, CURLOPT_BUFFERSIZE, 16 << 10)
    clibcurl_set_long(handle, CURLOPT_UPLOAD_BUFFERSIZE, 16 << 10)
    clibcurl_set_long(
      handle, CURLOPT_MAXAGE_CONN, Int(max(1, configuration.idleTimeout.components.seconds)))
    clibcurl_set_pointer(handle, CURLOPT_ERRORBUFFER, errorText)
  }

  private func setCallbacks() {
    // Unretained: the handle, which alone calls back, dies with this object.
    let context = Unmanaged.passUnretained(self).toOpaque()
    clibcurl_set_pointer(handle, CURLOPT_PRIVATE, context)
    clibcurl_set_data_callback(handle, CURLOPT_HEADERFUNCTION, Self.receiveHeader)
    clibcurl_set_pointer(handle, CURLOPT_HEADERDATA, context)
    clibcurl_set_data_callback(handle, CURLOPT_WRITEFUNCTION, Self.receiveBody)
    clibcurl_set_pointer(handle, CURLOPT_WRITEDATA, context)
    clibcurl_set_data_callback(handle, CURLOPT_READFUNCTION, Self.provideBody)
    clibcurl_set_pointer(handle, CURLOPT_READDATA, context)
    clibcurl_set_seek_callback(handle, Self.refuseRewind)
    clibcurl_set_open_socket_callback(handle, Self.openSocket)
    clibcurl_set_pointer(handle, CURLOPT_OPENSOCKETDATA, context)
    clibcurl_set_prerequest_callback(handle, Self.beforeRequest)
    clibcurl_set_pointer(handle, CURLOPT_PREREQDATA, context)
  }

  /// Makes the handle ready for `submission`; what varies between requests is set each time.
  func prepare(_ submission: ClientSubmission, now: ContinuousClock.Instant) {
    reset()
    self.submission = submission
    let request = submission.request
    let remaining = milliseconds(submission.deadline - now)
    clibcurl_set_string(handle, CURLOPT_URL, request.url)
    clibcurl_set_list(handle, CURLOPT_HTTPHEADER, submission.headers)
    clibcurl_set_list(handle, CURLOPT_RESOLVE, submission.pin?.list)
    clibcurl_set_long(handle, CURLOPT_TIMEOUT_MS, remaining)
    clibcurl_set_long(
      handle, CURLOPT_CONNECTTIMEOUT_MS, min(remaining, milliseconds(request.connectTimeout)))
    let version = request.version == .http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1
    clibcurl_set_long(handle, CURLOPT_HTTP_VERSION, version)
    setMethod(request)
  }

  private func setMethod(_ request: ClientRequest) {
    let hasBody =
      !request.body.isEmpty || request.source != nil
      || ["POST", "PUT", "PATCH"].contains(request.method)
    if let source = request.source {
      clibcurl_set_offset(handle, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(source.length ?? -1))
      clibcurl_set_pointer(handle, CURLOPT_POSTFIELDS, nil)
    } else {
      setBody(request.body)
    }
    if hasBody {
      clibcurl_set_long(handle, CURLOPT_POST, 1)
    } else if request.method == "HEAD" {
      clibcurl_set_long(handle, CURLOPT_NOBODY, 1)
    } else {
      clibcurl_set_long(handle, CURLOPT_HTTPGET, 1)
    }
    clibcurl_set_string(handle, CURLOPT_CUSTOMREQUEST, request.method)
  }

  /// A small body goes out in one write with the head, which makes for 1.6 times the rate; a large one
  /// is asked for piece by piece. Neither is sent twice: ``beforeRequest`` sees to that for both.
  private func setBody(_ body: [UInt8]) {
    clibcurl_set_offset(handle, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count))
    guard !body.isEmpty, body.count <= smallBody.count else {
      clibcurl_set_pointer(handle, CURLOPT_POSTFIELDS, nil)
      return
    }
    smallBody.copyBytes(from: body)
    clibcurl_set_pointer(handle, CURLOPT_POSTFIELDS, smallBody.baseAddress)
  }

  /// At least one: zero would mean no limit at all.
  private func milliseconds(_ duration: Duration) -> Int {
    let (seconds, attoseconds) = max(.milliseconds(1), min(duration, .seconds(3600))).components
    return Int(seconds * 1000 + attoseconds / 1_000_000_000_000_000)
  }

  /// Lets go of the request and of all that came of it.
  func reset() {
    submission = nil
    hasStarted = false
    wasRestarted = false
    bodyOffset = 0
    head = []
    headerByteCount = 0
    status = 0
    isHeadComplete = false
    isHeadTooLong = false
    body = []
    isTruncated = false
    blocked = nil
    errorText.pointee = 0
  }

  /// What libcurl's end of the transfer means.
  func outcome(_ code: CURLcode) -> ClientOutcome {
    if status >= 200, isHeadComplete, code == CURLE_OK || isTruncated {
      return .response(
        ClientResponse(status: status, head: head, body: body, isTruncated: isTruncated))
    }
    if let blocked, !hasStarted { return blocked.outcome }
    if isHeadTooLong {
      return .unknown(reason: "answer has more than \(maxHeaderBytes) bytes of headers")
    }
    if wasRestarted || code == CURLE_SEND_FAIL_REWIND {
      return .unknown(reason: "connection lost after the request was sent on it")
    }
    return interrupted(describe(code))
  }

  /// The end of a transfer that was given up before its answer was complete.
  func interrupted(_ reason: String) -> ClientOutcome {
    hasStarted ? .unknown(reason: reason) : .notSent(reason: reason)
  }

  private func describe(_ code: CURLcode) -> String {
    let detail = String(cString: errorText)
    if !detail.isEmpty { return detail }
    return curl_easy_strerror(code).map { String(cString: $0) } ?? "error \(code.rawValue)"
  }
}
