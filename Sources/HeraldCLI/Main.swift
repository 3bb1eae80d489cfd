import ArgumentParser
import Herald

@main
struct HeraldCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "herald",
    abstract: "Marketing automation: every recipient accounted for, nothing sent unapproved.",
    discussion: """
      Start with `herald serve`; the README's tour leads from there to a finished campaign.
      """,
    version: Application.version,
    subcommands: [
      ServeCommand.self, DemoCommand.self, ImportCommand.self, MigrateCommand.self,
      KeysCommand.self, GatewayCommand.self, WatchCommand.self, DoctorCommand.self,
      BackupCommand.self,
      RestoreCommand.self, ResumeCommand.self, OpenAPICommand.self, ClusterCommand.self,
    ])

  /// Errors reach the terminal as sentences.
  static func main() async {
    do {
      var command = try parseAsRoot()
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch {
      exit(withError: error.isOfParser ? error : Sentence(error))
    }
  }
}

extension Error {
  /// Help texts, exit codes and faults of the command line, which the parser shows itself.
  fileprivate var isOfParser: Bool {
    self is ValidationError || self is ExitCode || self is CleanExit
      || String(reflecting: type(of: self)).hasPrefix("ArgumentParser.")
  }
}
