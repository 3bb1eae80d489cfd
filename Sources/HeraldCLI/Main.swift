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
      KeysCommand.self, GatewayCommand.self,
      ClusterCommand.self,
    ])
}
