package artifact

// Limits of a manifest.
const (
	MinPieceLength  = LeafSize
	MaxPieceLength  = 16 << 20
	MaxManifestSize = 128 << 20 // bytes of its encoding
	MaxEntries      = 10_000_000
	MaxPieces       = 1 << 24

	maxSize      = 1 << 62   // bytes of content
	maxPathBytes = 256 << 20 // of all file paths together: bounds what a small manifest grows to
)

// What ChoosePieceLength aims at.
const (
	usualPieceLength = 256 << 10
	usualSpans       = 1000
	tinySpans        = 64
)

// ChoosePieceLength returns the piece length for size bytes in so many files: a
// power of two from 256 KiB to 16 MiB, the largest that gives at least 1,000
// spans. Content too small for 64 spans of 256 KiB gets shorter pieces, down to
// 16 KiB.
func ChoosePieceLength(size int64, files int) int64 {
	length := largestGiving(usualSpans, size, files)
	if length < usualPieceLength {
		length = min(usualPieceLength, largestGiving(tinySpans, size, files))
	}
	return length
}

// largestGiving returns the largest piece length, if any, that is expected to
// give so many spans, else the smallest.
func largestGiving(spans, size int64, files int) int64 {
	length := int64(MaxPieceLength)
	for length > MinPieceLength && expectedSpans(size, files, length) < spans {
		length /= 2
	}
	return length
}

// expectedSpans counts full pieces, and half a span lost at each file's end.
func expectedSpans(size int64, files int, pieceLength int64) int64 {
	full := size / pieceLength
	return full + min(int64(files), full)/2
}
