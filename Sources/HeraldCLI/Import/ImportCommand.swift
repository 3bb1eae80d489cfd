import ArgumentParser
import Foundation
import HTTP
import JSON
import Logging

/// `herald import`
struct ImportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Import users, events or the list of a segment from CSV or NDJSON.",
    discussion: """
      The file, plain or gzip, is streamed to a running Herald, which works on it as a job: Ctrl-C \
      leaves the job running. A CSV names its columns in the first line: external_id, phone, email … \
      say whose a row is; for users attributes, tags.KEY and consents.CHANNEL; for events name, \
      timestamp, message_id and properties.NAME.

      Examples:
        herald import users people.csv --key hk_…
        herald import events orders.ndjson.gz --errors refused.csv
        zcat orders.csv.gz | herald import events -
        herald import segment:vip vip.csv
        herald import --resume 0192f0c2-…

      Exit codes: 0 all was taken, 1 rows were refused or the job failed, 130 Ctrl-C.
      """)

  @Argument(help: "users, events or segment:KEY.") var kind: String?
  @Argument(help: "The file; - is standard input.") var file: String?
  @Option(help: "Where Herald is (HERALD_URL; http://127.0.0.1:8080).") var url: String?
  @Option(help: "A key of role operator or admin (HERALD_KEY).") var key: String?
  @Option(help: "csv or ndjson, where the name does not tell.") var format: String?
  @Option(help: "Write the refused rows and why here, as CSV.") var errors: String?
  @Flag(help: "Let imported events fire triggers, as if they happened now.") var triggers = false
  @Flag(help: "Exit with 0 although rows were refused.") var allowFailures = false
  @Option(help: "Follow this job again instead of uploading a file.") var resume: String?

  func validate() throws {
    if let resume {
      guard UUID(uuidString: resume) != nil else {
        throw ValidationError("--resume takes the id of a job.")
      }
      guard kind == nil, file == nil else {
        throw ValidationError("--resume follows a job; leave the kind and the file out.")
      }
      return
    }
    guard let kind, file != nil else {
      throw ValidationError("Say what to import and from where: herald import users people.csv")
    }
    guard kind.wholeMatch(of: /users|events|segment:[a-z0-9_-]{1,64}/) != nil else {
      throw ValidationError("The kind is users, events or segment:KEY; it is '\(kind)'.")
    }
    if triggers, kind != "events" {
      throw ValidationError("Only an import of events can fire triggers.")
    }
    if let format, UploadFile.Format(rawValue: format) == nil {
      throw ValidationError("--format takes csv or ndjson.")
    }
  }

  func run() async throws {
    let environment = ProcessInfo.processInfo.environment
    Logs.bootstrap(level: "error", format: .text)
    guard let key = key ?? environment["HERALD_KEY"], !key.isEmpty else {
      throw ValidationError("A key is needed: --key, or HERALD_KEY in the environment.")
    }
    let url = try HeraldClient.address(url)
    let http = HeraldClient.connection()
    let client = HeraldClient(url: url, key: key, http: http)
    let work = JobFollowing(client: client, terminal: Terminal())
    let result: Result<Void, any Error>
    do {
      result = .success(try await run(work))
    } catch {
      result = .failure(error)
    }
    await http.shutdown(grace: .zero)
    try result.get()
  }

  private func run(_ work: JobFollowing) async throws {
    let id = try await job(work)
    let ended = try await Interruption.watch { try await work.follow(id) }
    guard let job = ended else {
      work.terminal.say("Job \(id) goes on in Herald. To look at it again:")
      work.terminal.say("  herald import --resume \(id)")
      throw ExitCode(130)
    }
    try await finish(job, work)
  }

  private func job(_ work: JobFollowing) async throws -> String {
    if let resume { return resume }
    guard let kind, let path = file else { throw ValidationError("A file is needed.") }
    let upload = try UploadFile(path: path, format: format.flatMap(UploadFile.Format.init))
    let id = try await Interruption.watch {
      try await work.upload(kind: kind, triggers: triggers, upload)
    }
    guard let id else {
      work.terminal.say("The upload was broken off; nothing of it is imported.")
      throw ExitCode(130)
    }
    work.terminal.say("\(upload.name) is uploaded as job \(id).")
    return id
  }

  private func finish(_ job: JobView, _ work: JobFollowing) async throws {
    let taken = (job.done - job.failed).grouped
    switch job.state {
    case "completed":
      work.terminal.say("\(taken) of \((job.total ?? job.done).grouped) rows imported.")
    case "cancelled": work.terminal.say("The job was cancelled; \(taken) rows are imported.")
    default:
      work.terminal.say("The job failed after \(taken) rows: \(job.problem ?? "")")
    }
    if job.failed > 0 {
      work.terminal.say(
        "\(job.failed.grouped) \(job.failed == 1 ? "row was" : "rows were") refused.")
      try await saveErrors(job, work)
    }
    guard job.state == "completed", job.failed == 0 || allowFailures else { throw ExitCode(1) }
  }

  private func saveErrors(_ job: JobView, _ work: JobFollowing) async throws {
    let path = "/v1/jobs/\(job.id)/errors"
    guard let errors else {
      work.terminal.say("Which and why: herald import --resume \(job.id) --errors FILE")
      work.terminal.say("               or GET \(work.client.url)\(path)")
      return
    }
    let answer = try await work.client.send("GET", path)
    guard answer.status == 200 else {
      throw HeraldClient.Refusal(request: "GET \(path)", answer: answer)
    }
    try Data(answer.body).write(to: URL(fileURLWithPath: errors))
    work.terminal.say("Which and why: \(errors)")
  }
}
