import ArgumentParser
import Dispatch
import Glibc

/// `herald cluster`: the private PostgreSQL by itself, for psql and pg_dump.
struct ClusterCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cluster",
    abstract: "Keep the private PostgreSQL running and print how to connect to it.",
    discussion: """
      Works beside a running `herald serve` and without one. Prints a connection string for the \
      owner of the tables and one for the role `serve` uses, and ends on Ctrl-C or SIGTERM.
      """)

  @Option(help: "The data directory (default: HERALD_DATA_DIR, or the usual place).")
  var dataDir: String?

  @Flag(help: .hidden)
  var asServe = false

  func run() async throws {
    let ending = SignalWait()
    let cluster = try await EmbeddedCluster.open(
      dataDirectory: dataDir ?? ClusterDirectory.standardPath(), role: asServe ? .serve : .command)
    print("owner \(cluster.ownerURL)\napp   \(cluster.appURL)")
    fflush(nil)
    while await ending.wait(for: .seconds(3600)) == false {}
    await cluster.close()
  }
}
