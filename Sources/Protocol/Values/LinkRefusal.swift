// Refusals of the control link that an edge acts on, in words that programs compare. They travel in the trailing
// metadata of a call beside the words for people.

package enum LinkRefusal {
  package static let metadataKey = "strait-refusal"
  /// An operator took this edge out of the fleet, for good. Nothing else may carry this word: an edge that a database
  /// merely does not know goes on serving.
  package static let evicted = "evicted"
}
