// What the uplink is told at start.

package struct UplinkConfiguration: Sendable {
  /// The edge's folder: its identity, its last good configuration and its spool.
  package var dataDirectory: String
  /// `host:port` of the control link, which asks for the edge's certificate, at each replica.
  package var controlPlaneAddresses: [String]
  /// `host:port` of the listener that gives certificates, at each replica.
  package var enrolmentAddresses: [String]
  /// PEM file with the authority that the control plane's certificates come from.
  package var authorityFile: String
  /// Needed once, on an edge that has no identity yet.
  package var joinToken: String?
  /// Where clients reach this edge.
  package var baseURL: String
  package var softwareVersion: String
  /// `address:port` at which edges of the same region may ask for this edge's configuration; nil for nowhere.
  package var peerListen: String?
  /// `host:port` of edges of the same region that may be asked.
  package var peers: [String] = []
  package var limits = UplinkLimits()
  /// How a new configuration is tried before it is put into force; nil for not at all.
  package var trial: ConfigurationTrial?

  package init(
    dataDirectory: String, controlPlaneAddresses: [String], enrolmentAddresses: [String],
    authorityFile: String, joinToken: String?, baseURL: String, softwareVersion: String
  ) {
    self.dataDirectory = dataDirectory
    self.controlPlaneAddresses = controlPlaneAddresses
    self.enrolmentAddresses = enrolmentAddresses
    self.authorityFile = authorityFile
    self.joinToken = joinToken
    self.baseURL = baseURL
    self.softwareVersion = softwareVersion
  }

  package var spoolDirectory: String { dataDirectory + "/spool" }
}

package struct UplinkLimits: Sendable {
  /// Waits between attempts: doubled from the first to the second, each shortened at random by up to a half.
  package var reconnectMilliseconds = 200
  package var reconnectMaximumMilliseconds = 3_000
  /// A link that held for so long, or brought something, begins with short waits again.
  package var steadySeconds: Double = 10
  /// From the first packet to a stream that takes messages.
  package var connectSeconds: Double = 10
  /// Of that, until the other side has answered the first packet. The transport by itself waits 10 seconds, and whoever
  /// gives a connection up waits with it.
  package var dialSeconds: Double = 5
  /// Silence before an HTTP/2 PING, and how long its answer may take: together the time to notice a dead centre.
  /// The transport raises a silence below 10 seconds to 10.
  package var keepaliveSeconds = 10
  package var keepaliveTimeoutSeconds = 5
  package var enrolSeconds: Double = 15
  package var shipSeconds: Double = 30
  /// A whole snapshot from another edge.
  package var peerFetchSeconds: Double = 30
  /// Before another attempt to listen for other edges.
  package var peerRetrySeconds: Double = 5
  /// For other edges to take their leave when this one ends listening to them.
  package var peerGraceSeconds: Double = 1
  /// Each report that finds the edge in step brings the control plane's word of it.
  package var reportSeconds: Double = 5
  /// How often the last word goes to disk, and how often it is asked whether the machine slept.
  package var lastWordStoreSeconds: Double = 10
  package var lastWordLookSeconds: Double = 1
  /// A batch with fewer records is a short one.
  package var fullBatchRecords = 500
  /// After a short batch, so that steady traffic goes in few batches.
  package var shortBatchPauseMilliseconds = 25
  /// One part of an update, as one message.
  package var updatePartBytes = 16 << 20
  package var updateParts = 65_536
  package var updateResources = 10_000_000
  /// Answers waiting to go up; the oldest give way, because the newest says it all.
  package var queuedStatuses = 64
  /// Revocations that the configuration does not hold yet.
  package var revocations = 200_000
  /// A lane that was open for so long has told an edge that knew nothing all that there was.
  package var laneTellSeconds: Double = 5
  /// Before a control plane that lacks a service is asked for it again.
  package var unknownServiceSeconds: Double = 60
  package var snapshotBytes = 1 << 30
  package var snapshotRetrySeconds: Double = 5
  /// A start that is asked to end after so long without serving hangs. A million keys take 3 seconds, a trial 20 at most.
  package var startSeconds: Double = 30
  /// So many starts in a row that die of the stored configuration, and it is set aside.
  package var deadStarts = 3
  /// An edge that was up for so long, or served so many well, lives with what it started from.
  package var provenSeconds: Double = 60
  package var provenExchanges: UInt64 = 100
  /// The stored configuration is written again only so often that the disk takes no more than this on average.
  package var snapshotBytesPerSecond = 8 << 20
  /// Text of a refusal that the control plane gets to see.
  package var reasonCharacters = 500
  /// How often it is asked whether the certificate is to be renewed.
  package var certificateLookSeconds: Double = 10
  /// Waits between attempts to renew, doubled from the first to the second.
  package var renewRetryMilliseconds = 1_000
  package var renewRetryMaximumMilliseconds = 300_000

  package init() {}
}
