import Foundation
import JSON
import PlanLibrary

/// The plans that come with Herald.
struct ReadyPlans: Sendable {
  let packages: PlanPackages

  static let all: [ReadyPlan] = PlanLibrary.all.compactMap { bytes in
    (try? JSONScanner.parse(bytes)).flatMap(ReadyPlan.init)
  }

  func get(_ key: String) throws -> ReadyPlan {
    guard let plan = Self.all.first(where: { $0.key == key }) else {
      let known = Self.all.map { "'\($0.key)'" }.joined(separator: ", ")
      throw HeraldError(
        .notFound, "There is no ready plan '\(key)'; there are \(known).")
    }
    return plan
  }

  func list(_ page: PageRequest) -> Page<ReadyPlan> {
    let after = page.after?.values[0] ?? ""
    return Page(Array(Self.all.filter { $0.key > after }.prefix(page.limit + 1)), page) {
      [$0.key]
    }
  }

  /// The ready plan as a draft under its own key, with all it needs.
  func install(
    _ key: String, _ language: ReadyPlan.Language, _ conflicts: PlanPackage.Conflicts,
    by caller: Caller, now: Date
  ) async throws -> PlanImport {
    try await packages.take(
      try get(key).package(in: language), conflicts, by: caller, now: now)
  }
}
