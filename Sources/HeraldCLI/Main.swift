import ArgumentParser

@main
struct HeraldCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "herald", abstract: "Marketing automation.",
    subcommands: [ClusterCommand.self, GatewayCommand.self])
}
