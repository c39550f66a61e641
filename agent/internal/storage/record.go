package storage

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/atomicfile"
)

// The progress record says which spans of a staging are on disk and verified.
// It is a header and one slot of four bytes for each span, written after the
// span's data. A slot is zero or the tag of its span, which depends on a number
// drawn when the record was made: bytes that got there in any other way do not
// pass for a finished span, and a slot is written without reading its
// neighbours. All integers are little endian.
//
//	 0  magic "RSWMPROG"
//	 8  version
//	12  number of spans
//	16  digest
//	48  boot id and number of the mount: spans count without hashing only while
//	    the machine runs on and the filesystem stays mounted
//	64  inode of the staged tree or file: the record is of that one only
//	72  nonce
//	80  CRC-32C of bytes 0 to 79
//	84  zero
//	128 slots
const (
	recordMagic   = "RSWMPROG"
	recordVersion = 1
	recordHeader  = 128
	recordSummed  = 80
	slotSize      = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// bootID is /proc/sys/kernel/random/boot_id.
type bootID [16]byte

// recordHead is what a record says of itself.
type recordHead struct {
	digest artifact.Digest
	boot   bootID
	top    uint64
	nonce  uint64
	spans  int
}

// tag is what the slot of a finished span holds; never zero.
func (h *recordHead) tag(span int) uint32 {
	var b [48]byte
	copy(b[:], h.digest[:])
	binary.LittleEndian.PutUint64(b[32:], h.nonce)
	binary.LittleEndian.PutUint64(b[40:], uint64(span))
	return crc32.Checksum(b[:], castagnoli) | 1
}

func encodeRecord(h recordHead, have artifact.Bitset) []byte {
	b := make([]byte, recordHeader+slotSize*h.spans)
	copy(b, recordMagic)
	binary.LittleEndian.PutUint32(b[8:], recordVersion)
	binary.LittleEndian.PutUint32(b[12:], uint32(h.spans))
	copy(b[16:], h.digest[:])
	copy(b[48:], h.boot[:])
	binary.LittleEndian.PutUint64(b[64:], h.top)
	binary.LittleEndian.PutUint64(b[72:], h.nonce)
	binary.LittleEndian.PutUint32(b[80:], crc32.Checksum(b[:recordSummed], castagnoli))
	for i := have.NextSet(0); i >= 0; i = have.NextSet(i + 1) {
		binary.LittleEndian.PutUint32(b[recordHeader+slotSize*i:], h.tag(i))
	}
	return b
}

// decodeRecord reads a record. It fails if any bit of it is not as
// encodeRecord or a finished span wrote it.
func decodeRecord(b []byte) (recordHead, artifact.Bitset, error) {
	var h recordHead
	if len(b) < recordHeader || string(b[:8]) != recordMagic {
		return h, artifact.Bitset{}, errors.New("progress record: not one")
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != recordVersion {
		return h, artifact.Bitset{}, fmt.Errorf("progress record: version %d is not known", v)
	}
	if binary.LittleEndian.Uint32(b[80:]) != crc32.Checksum(b[:recordSummed], castagnoli) {
		return h, artifact.Bitset{}, errors.New("progress record: wrong checksum")
	}
	for _, zero := range b[recordSummed+4 : recordHeader] {
		if zero != 0 {
			return h, artifact.Bitset{}, errors.New("progress record: garbage in the header")
		}
	}
	h = recordHead{
		digest: artifact.Digest(b[16:48]),
		boot:   bootID(b[48:64]),
		top:    binary.LittleEndian.Uint64(b[64:]),
		nonce:  binary.LittleEndian.Uint64(b[72:]),
	}
	spans := int64(binary.LittleEndian.Uint32(b[12:]))
	if int64(len(b)) != recordHeader+slotSize*spans {
		return h, artifact.Bitset{}, fmt.Errorf("progress record: %d bytes for %d spans", len(b), spans)
	}
	h.spans = int(spans)
	have, err := decodeSlots(&h, b[recordHeader:])
	return h, have, err
}

func decodeSlots(h *recordHead, b []byte) (artifact.Bitset, error) {
	have := artifact.NewBitset(h.spans)
	for i := range h.spans {
		switch binary.LittleEndian.Uint32(b[slotSize*i:]) {
		case 0:
		case h.tag(i):
			have.Set(i)
		default:
			return artifact.Bitset{}, fmt.Errorf("progress record: garbage in the slot of span %d", i)
		}
	}
	return have, nil
}

// record is an open progress record. It is safe for concurrent use.
type record struct {
	head recordHead
	f    *os.File
}

const recordName = "progress"

// createRecord writes a record of what is there already in place of any other,
// and opens it.
func createRecord(dir *os.Root, h recordHead, have artifact.Bitset) (*record, error) {
	var nonce [8]byte
	rand.Read(nonce[:])
	h.nonce = binary.LittleEndian.Uint64(nonce[:])
	h.spans = have.Len()
	if err := atomicfile.WriteIn(dir, recordName, encodeRecord(h, have)); err != nil {
		return nil, err
	}
	f, err := dir.OpenFile(recordName, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	return &record{head: h, f: f}, nil
}

// finish records a span whose data was written.
func (r *record) finish(span int) error {
	var slot [slotSize]byte
	binary.LittleEndian.PutUint32(slot[:], r.head.tag(span))
	_, err := r.f.WriteAt(slot[:], recordHeader+slotSize*int64(span))
	return err
}

// forget takes a span back whose data turned out to be wrong.
func (r *record) forget(span int) error {
	_, err := r.f.WriteAt(make([]byte, slotSize), recordHeader+slotSize*int64(span))
	return err
}

func (r *record) close() {
	if r != nil {
		r.f.Close()
	}
}
