package api

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
)

// A traceparent of W3C Trace Context, version 00:
// 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.
const (
	traceparentLen = 55
	traceIDStart   = 3
	traceIDEnd     = 35
	parentIDEnd    = 52
)

// validTraceparent reports whether a header can be handed on. Later versions
// may be longer, but begin in the same way.
func validTraceparent(b []byte) bool {
	if len(b) < traceparentLen || b[2] != '-' || b[traceIDEnd] != '-' || b[parentIDEnd] != '-' {
		return false
	}
	if b[0] == 'f' && b[1] == 'f' || len(b) > traceparentLen && (b[0] == '0' && b[1] == '0' || b[traceparentLen] != '-') {
		return false
	}
	return lowerHex(b[:2]) && lowerHex(b[traceIDStart:traceIDEnd]) && !zeros(b[traceIDStart:traceIDEnd]) &&
		lowerHex(b[traceIDEnd+1:parentIDEnd]) && !zeros(b[traceIDEnd+1:parentIDEnd]) &&
		lowerHex(b[parentIDEnd+1:traceparentLen])
}

func lowerHex(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func zeros(b []byte) bool {
	for _, c := range b {
		if c != '0' {
			return false
		}
	}
	return true
}

// newTraceparent begins a trace that nobody has decided to sample.
func newTraceparent() string {
	var id [24]byte
	binary.LittleEndian.PutUint64(id[:], rand.Uint64())
	binary.LittleEndian.PutUint64(id[8:], rand.Uint64())
	binary.LittleEndian.PutUint64(id[16:], rand.Uint64()|1) // neither id may be zero
	id[0] |= 1
	text := [traceparentLen]byte{0: '0', 1: '0', 2: '-', traceIDEnd: '-', parentIDEnd: '-', 53: '0', 54: '0'}
	hex.Encode(text[traceIDStart:], id[:16])
	hex.Encode(text[traceIDEnd+1:], id[16:])
	return string(text[:])
}
