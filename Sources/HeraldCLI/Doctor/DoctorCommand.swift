import ArgumentParser
import Foundation
import HTTP
import Herald
import JSON
import Logging

/// `herald doctor`
struct DoctorCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Check everything Herald needs, and say how to mend what is wrong.",
    discussion: """
      Prints a line for each check: OK, WARN or FAIL. Ends with status 1 when something failed. \
      Changes nothing; works beside a running `herald serve` and without one. Some checks read whole \
      tables.

      Examples:
        herald doctor
        herald doctor --json | jq '.findings[] | select(.level != "ok")'
        HERALD_DATABASE_URL=postgresql://herald_app@db/herald herald doctor
      """)

  @Flag(help: "Print one JSON object instead of lines.") var json = false
  @Option(help: "Where the private database and files are (HERALD_DATA_DIR).") var dataDir: String?
  @Option(help: "PostgreSQL to use instead of the private one (HERALD_DATABASE_URL).")
  var databaseUrl: String?
  @Option(help: "A file of NAME=value lines (HERALD_CONFIG).") var config: String?

  func run() async throws {
    let findings = await findings()
    let failed = findings.contains { $0.level == .fail }
    if json {
      let document: JSONValue = ["ok": .bool(!failed), "findings": .array(findings.map(\.json))]
      print(String(decoding: document.bytes, as: UTF8.self))
    } else {
      for finding in findings { print(Self.line(finding)) }
    }
    if failed { throw ExitCode(1) }
  }

  static func line(_ finding: Finding) -> String {
    let level = finding.level.rawValue.uppercased()
    let padding = String(repeating: " ", count: 5 - level.count)
    return "\(level)\(padding)\(finding.check): \(finding.detail)"
      + (finding.remedy.map { ". \($0)" } ?? "")
  }

  private func findings() async -> [Finding] {
    let configuration: Configuration
    do {
      configuration = try Configuration(
        flags: [
          "HERALD_DATA_DIR": dataDir, "HERALD_DATABASE_URL": databaseUrl, "HERALD_CONFIG": config,
        ].compactMapValues { $0 })
    } catch let faults as Configuration.Faults {
      return faults.all.map {
        .fail("configuration", $0, "Correct it and run `herald doctor` again.")
      }
    } catch {
      return [.fail("configuration", Sentence(error).description, "Correct it.")]
    }
    var findings = configuration.unknownNames.map { sentence -> Finding in
      .warn("configuration", sentence, "Correct or remove it.")
    }
    if findings.isEmpty { findings.append(.ok("configuration", "understood")) }
    let machine = MachineCheckup(configuration: configuration)
    findings += machine.findings()
    findings += await database(configuration)
    findings.append(await machine.port())
    return findings
  }

  private func database(_ configuration: Configuration) async -> [Finding] {
    if configuration.databaseURL == nil,
      ClusterFiles.entry(configuration.dataDirectory + "/postgres") == nil
    {
      do {
        let programs = try await ServerPrograms.find(version: nil)
        return [
          .ok("database", "none yet: `herald serve` makes it with \(programs.directory)")
        ]
      } catch {
        return [.fail("database", Sentence(error).description, "Do as it says.")]
      }
    }
    let logger = Logger(label: "herald") { _ in SwiftLogNoOpLogHandler() }
    do {
      let installation = try await Installation.look(configuration, logger: logger)
      let checkup = installation.application.checkup
      var findings = await checkup.database(now: Date())
      if findings.contains(where: { $0.check == "schema" && $0.level == .ok }) {
        findings += await checkup.senders {
          await Endpoints.obstacle($0, allowPrivate: configuration.allowPrivateEndpoints)
        }
        findings += await checkup.senderGaps()
      }
      await installation.close()
      return findings
    } catch {
      return [
        .fail("database", Sentence(error).description, "Mend that and run `herald doctor` again.")
      ]
    }
  }
}
