import ArgumentParser
import Foundation
import HTTP
import Herald
import HeraldChannels
import Logging
import Postgres

/// `herald openapi`
struct OpenAPICommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "openapi", abstract: "Print the OpenAPI 3.1 document of this version.",
    discussion: """
      The same as GET /openapi.json of a running server; needs no database.

      Example:
        herald openapi > openapi.json
      """)

  func run() async throws {
    let logger = Logger(label: "herald") { _ in SwiftLogNoOpLogHandler() }
    let client = HTTPClient(logger: logger)
    let application = Application(
      pool: Pool(PoolConfiguration(url: ""), logger: logger),
      registry: .standard(
        client: client, allowPrivate: false, dataDirectory: FileManager.default.temporaryDirectory),
      secrets: .random(), logger: logger)
    FileHandle.standardOutput.write(Data(application.openAPI + [0x0A]))
    await client.shutdown()
    await application.close()
  }
}
