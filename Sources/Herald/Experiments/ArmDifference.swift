/// Two users' different arms of one scope.
struct ArmDifference: Sendable, Equatable {
  let scope: String
  let one: String
  let other: String
}
