// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .treatAllWarnings(as: .error),
]

/// Parsers are optimised in debug builds too, so that fuzzing them in the test suite is fast.
let parser = strict + [.unsafeFlags(["-O"], .when(configuration: .debug))]

let package = Package(
  name: "herald",
  products: [.executable(name: "herald", targets: ["HeraldCLI"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
  ],
  targets: [
    .systemLibrary(
      name: "CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
    .systemLibrary(
      name: "CLibCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
    .systemLibrary(
      name: "CLibCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),

    .target(name: "JSON", swiftSettings: parser),
    .target(name: "Cryptography", dependencies: ["CLibCrypto"], swiftSettings: strict),
    .target(
      name: "Postgres",
      dependencies: ["CLibPQ", .product(name: "Logging", package: "swift-log")],
      swiftSettings: strict),
    .target(
      name: "HTTP",
      dependencies: [
        "CLibCurl", "CZlib", "JSON", .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: parser),
    .target(name: "Conditions", dependencies: ["JSON", "Cryptography"], swiftSettings: strict),
    .target(name: "Templates", dependencies: ["JSON"], swiftSettings: strict),
    .target(
      name: "Migrations", path: "Migrations", sources: ["Migrations.swift"],
      resources: [.embedInCode("sql")], swiftSettings: strict),

    .target(
      name: "PlanLibrary", path: "Library", sources: ["PlanLibrary.swift"],
      resources: [.embedInCode("plans")], swiftSettings: strict),

    .target(
      name: "Herald",
      dependencies: [
        "JSON", "Cryptography", "Postgres", "HTTP", "Conditions", "Templates", "Migrations",
        "PlanLibrary",
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .target(name: "HeraldChannels", dependencies: ["Herald"], swiftSettings: strict),
    .executableTarget(
      name: "HeraldCLI",
      dependencies: [
        "Herald", "HeraldChannels",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      exclude: ["Demo/Data/README.md", "Demo/Data/LICENSE"],
      resources: [.embedInCode("Demo/Data/transactions_sample.csv.gz")],
      swiftSettings: strict),

    .target(
      name: "HeraldTesting", dependencies: ["Herald", "HeraldChannels"],
      path: "Tests/HeraldTesting", swiftSettings: strict),
    .testTarget(name: "JSONTests", dependencies: ["JSON"], swiftSettings: strict),
    .testTarget(
      name: "CryptographyTests", dependencies: ["Cryptography"], swiftSettings: strict),
    .testTarget(
      name: "PostgresTests", dependencies: ["Postgres", "HeraldTesting"], swiftSettings: strict),
    .testTarget(
      name: "HTTPTests", dependencies: ["HTTP", "HeraldTesting"], swiftSettings: strict),
    .testTarget(
      name: "ConditionsTests", dependencies: ["Conditions", "HeraldTesting"],
      swiftSettings: strict),
    .testTarget(name: "TemplatesTests", dependencies: ["Templates"], swiftSettings: strict),
    .testTarget(
      name: "HeraldTests", dependencies: ["Herald", "HeraldTesting"], swiftSettings: strict),
    .testTarget(
      name: "HeraldChannelsTests", dependencies: ["HeraldChannels", "HeraldTesting"],
      swiftSettings: strict),
    .testTarget(
      name: "EndToEndTests", dependencies: ["HeraldCLI", "HeraldTesting"], swiftSettings: strict),
  ]
)
