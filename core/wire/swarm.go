package wire

// Bounds of the extension's messages.
const (
	MaxRequest       = 1 << 20   // bytes of payload in one data frame
	MaxManifestChunk = 256 << 10 // bytes of a manifest in one frame
	MaxManifest      = 128 << 20 // bytes of a whole manifest
	MaxSpans         = 3072      // spans listed in one frame
	MaxBitfield      = 1 << 20   // bytes of a Bitfield or SpanBitfield
)

// SpanHave announces verified spans. A list longer than MaxSpans goes out as
// several frames; that holds for SpanDontHave, Start, Stop and SpanSuspect, too.
type SpanHave struct{ Spans []uint32 }

// SpanBitfield announces all verified spans, the high bit of the first byte
// being span 0. It has at most MaxBitfield bytes.
type SpanBitfield struct{ Bits []byte }

// SpanDontHave takes announced spans back: they were lost on the sender's disk.
type SpanDontHave struct{ Spans []uint32 }

// Start says that the sender is now fetching the spans, so that others prefer
// different ones (START of requirement 16).
type Start struct{ Spans []uint32 }

// Stop says that the sender no longer fetches the spans and has not got them.
type Stop struct{ Spans []uint32 }

// SpanSuspect says that what the receiver sent of the spans failed
// verification. It answers each with SpanHave, if its bytes are right when it
// reads them again, or with SpanDontHave.
type SpanSuspect struct{ Spans []uint32 }

// SpanRequest asks for Length bytes, 1 to MaxRequest, at Begin of a span.
type SpanRequest struct{ Span, Begin, Length uint32 }

// SpanCancel takes a SpanRequest back.
type SpanCancel struct{ Span, Begin, Length uint32 }

// SpanReject says that a SpanRequest will not be answered, why, and after how
// many milliseconds it may be asked again.
type SpanReject struct {
	Span, Begin, Length uint32
	Reason              Reason
	RetryAfterMs        uint32
}

// Reason says why a request was rejected. Receivers treat an unknown one as
// ReasonBusy.
type Reason uint8

// Reasons of a SpanReject.
const (
	ReasonBusy       Reason = 1 // no budget or too many requests: ask later
	ReasonNotHeld    Reason = 2 // the sender does not have the span
	ReasonReadFailed Reason = 3 // the sender's disk did not deliver it, or it changed there
	ReasonPaused     Reason = 4 // the sender sends nothing of the transfer for now
)

// SpanData is the head of a data frame; Length bytes of payload follow it.
type SpanData struct{ Span, Begin, Length uint32 }

// ManifestRequest asks for Length bytes, 1 to MaxManifestChunk, of the encoded
// manifest. The answer has all of them that there are; several requests are
// answered in their order.
type ManifestRequest struct{ Offset, Length uint32 }

// ManifestData answers a ManifestRequest: Data lies at Offset of an encoded
// manifest of Total bytes.
type ManifestData struct {
	Total, Offset uint32
	Data          []byte
}

// ManifestReject says that the sender does not have the manifest (yet).
type ManifestReject struct{}

// Load tells what the sender can do for others.
type Load struct {
	Complete bool   // has every span
	Queued   uint32 // bytes waiting to be uploaded to anyone
}
