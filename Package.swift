// swift-tools-version: 6.2

import PackageDescription

// One language mode and one severity for the whole project: a warning is an error everywhere.
let swift: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .treatAllWarnings(as: .error),
]

let package = Package(
  name: "strait",
  products: [
    .executable(name: "edge-node", targets: ["edge-node"]),
    .executable(name: "control-plane", targets: ["control-plane"]),
    .executable(name: "strait", targets: ["strait"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
    .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.4.3"),
    .package(url: "https://github.com/grpc/grpc-swift-nio-transport", from: "2.9.2"),
    .package(url: "https://github.com/grpc/grpc-swift-protobuf", from: "2.4.1"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
  ],
  targets: [
    // MARK: Protocol: what both planes share
    .target(
      name: "StraitProtocol",
      dependencies: [
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ],
      path: "Sources/Protocol",
      exclude: ["ControlLink", "Contract/strait.proto"],
      sources: ["Contract", "Values"],
      swiftSettings: swift
    ),
    .target(
      name: "StraitControlLink",
      dependencies: [
        "StraitProtocol",
        .product(name: "GRPCCore", package: "grpc-swift-2"),
        .product(name: "GRPCProtobuf", package: "grpc-swift-protobuf"),
        .product(name: "NIOCore", package: "swift-nio"),
      ],
      path: "Sources/Protocol/ControlLink",
      swiftSettings: swift
    ),

    .target(
      name: "StraitSettings",
      dependencies: [.product(name: "Yams", package: "Yams")],
      path: "Sources/Protocol/Settings",
      swiftSettings: swift
    ),

    // MARK: Edge node
    .target(name: "CLinux", path: "Sources/EdgeNode/CLinux"),
    .target(
      name: "COpenSSL",
      dependencies: ["CLinux"],
      path: "Sources/EdgeNode/COpenSSL",
      linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]
    ),
    .target(
      name: "CNghttp2",
      dependencies: ["CLinux"],
      path: "Sources/EdgeNode/CNghttp2",
      // The static archive costs 5 % less CPU a request than the shared library.
      linkerSettings: [.linkedLibrary(":libnghttp2.a")]
    ),
    .target(
      name: "EdgeDataPath",
      dependencies: ["CLinux", "COpenSSL", "CNghttp2", "StraitProtocol"],
      path: "Sources/EdgeNode",
      sources: ["Transport", "Policy", "Relay", "Dialects"],
      swiftSettings: swift
    ),
    .target(name: "CChecksum", path: "Sources/EdgeNode/CChecksum"),
    .target(
      name: "EdgeUplink",
      dependencies: [
        "CChecksum", "CLinux", "StraitProtocol", "StraitControlLink",
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "GRPCCore", package: "grpc-swift-2"),
        .product(name: "GRPCNIOTransportHTTP2", package: "grpc-swift-nio-transport"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "SwiftASN1", package: "swift-asn1"),
        .product(name: "X509", package: "swift-certificates"),
      ],
      path: "Sources/EdgeNode/Uplink",
      swiftSettings: swift
    ),
    .executableTarget(
      name: "edge-node",
      dependencies: [
        "CLinux", "EdgeDataPath", "EdgeUplink", "StraitProtocol", "StraitSettings",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      path: "Sources/EdgeNode/Main",
      swiftSettings: swift
    ),

    // MARK: Control plane
    .target(
      name: "CLibpq",
      path: "Sources/ControlPlane/CLibpq",
      linkerSettings: [.linkedLibrary("pq")]
    ),
    .target(
      name: "Postgres",
      dependencies: ["CLibpq", .product(name: "Logging", package: "swift-log")],
      path: "Sources/ControlPlane/Postgres",
      swiftSettings: swift
    ),
    .target(
      name: "AdminAPI",
      dependencies: ["StraitProtocol"],
      path: "Sources/ControlPlane/AdminAPI",
      swiftSettings: swift
    ),
    .target(
      name: "ControlPlaneCore",
      dependencies: [
        "AdminAPI", "Postgres", "StraitProtocol", "StraitControlLink", "StraitSettings",
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "GRPCCore", package: "grpc-swift-2"),
        .product(name: "GRPCNIOTransportHTTP2", package: "grpc-swift-nio-transport"),
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HummingbirdTLS", package: "hummingbird"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCertificateReloading", package: "swift-nio-extras"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "SwiftASN1", package: "swift-asn1"),
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
        .product(name: "X509", package: "swift-certificates"),
      ],
      path: "Sources/ControlPlane",
      sources: ["Domain", "Store", "Services", "Server"],
      swiftSettings: swift
    ),
    .executableTarget(
      name: "control-plane",
      dependencies: [
        "ControlPlaneCore", "StraitProtocol", "StraitSettings",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      path: "Sources/ControlPlane/Main",
      swiftSettings: swift
    ),
    .target(
      name: "RegionFiles",
      dependencies: ["AdminAPI", .product(name: "Yams", package: "Yams")],
      path: "Sources/ControlPlane/RegionFiles",
      swiftSettings: swift
    ),
    // The operator's command is a library with an executable of one line, because tests cannot import executables.
    .target(
      name: "OperatorCommand",
      dependencies: [
        "AdminAPI", "RegionFiles", "StraitProtocol",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "Yams", package: "Yams"),
      ],
      path: "Sources/ControlPlane/Operator",
      exclude: ["Main"],
      swiftSettings: swift
    ),
    .executableTarget(
      name: "strait",
      dependencies: ["OperatorCommand"],
      path: "Sources/ControlPlane/Operator/Main",
      swiftSettings: swift
    ),

    // MARK: Tests
    .target(
      name: "TestSupport",
      path: "Tests/Support",
      swiftSettings: swift
    ),
    .testTarget(
      name: "ProtocolTests",
      dependencies: ["StraitProtocol", "TestSupport"],
      path: "Tests/Protocol",
      swiftSettings: swift
    ),
    .testTarget(
      name: "EdgeDataPathTests",
      dependencies: ["EdgeDataPath", "StraitProtocol"],
      path: "Tests/EdgeNode/DataPath",
      swiftSettings: swift
    ),
    // Killed by the spool's tests, and measures what an append costs.
    .executableTarget(
      name: "spool-writer",
      dependencies: ["EdgeUplink", "StraitProtocol", .product(name: "Logging", package: "swift-log")],
      path: "Tests/Tools/SpoolWriter",
      swiftSettings: swift
    ),
    // Says what the parsers make of documents, for comparison with other parsers, and measures them.
    .executableTarget(
      name: "parser-probe",
      dependencies: ["EdgeDataPath", "StraitProtocol"],
      path: "Tests/Conformance/Probe",
      swiftSettings: swift
    ),
    // Measures a configuration of a million keys.
    .executableTarget(
      name: "configuration-probe",
      dependencies: ["CLinux", "EdgeDataPath", "StraitProtocol"],
      path: "Tests/Tools/ConfigurationProbe",
      swiftSettings: swift
    ),
    .testTarget(
      name: "EdgeUplinkTests",
      dependencies: [
        "CChecksum", "EdgeUplink", "StraitProtocol", "StraitControlLink", "TestSupport", "spool-writer",
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "GRPCCore", package: "grpc-swift-2"),
        .product(name: "GRPCNIOTransportHTTP2", package: "grpc-swift-nio-transport"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "SwiftASN1", package: "swift-asn1"),
        .product(name: "X509", package: "swift-certificates"),
      ],
      path: "Tests/EdgeNode/Uplink",
      swiftSettings: swift
    ),
    .testTarget(
      name: "PostgresTests",
      dependencies: ["Postgres", "TestSupport", .product(name: "Logging", package: "swift-log")],
      path: "Tests/ControlPlane/Postgres",
      swiftSettings: swift
    ),
    .testTarget(
      name: "RegionFilesTests",
      dependencies: ["AdminAPI", "RegionFiles", "TestSupport"],
      path: "Tests/ControlPlane/RegionFiles",
      swiftSettings: swift
    ),
    .testTarget(
      name: "OperatorCommandTests",
      dependencies: [
        "AdminAPI", "OperatorCommand",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "SwiftASN1", package: "swift-asn1"),
        .product(name: "X509", package: "swift-certificates"),
      ],
      path: "Tests/ControlPlane/Operator",
      swiftSettings: swift
    ),
    .testTarget(
      name: "ControlPlaneTests",
      dependencies: [
        "ControlPlaneCore", "AdminAPI", "Postgres", "StraitProtocol", "StraitControlLink", "StraitSettings",
        "TestSupport",
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "GRPCCore", package: "grpc-swift-2"),
        .product(name: "GRPCNIOTransportHTTP2", package: "grpc-swift-nio-transport"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "SwiftASN1", package: "swift-asn1"),
        .product(name: "X509", package: "swift-certificates"),
      ],
      path: "Tests/ControlPlane/Core",
      swiftSettings: swift
    ),
  ]
)
