package store

import (
	"bytes"
	"encoding/binary"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

// The shapes of keys. They are on disk: a change needs a migration. Every key
// begins with the layout byte and the kind; "·" is one zero byte.
//
//	fn·NAME            function.Function
//	ver·NAME·NUMBER    function.Version, the number as 4 bytes big-endian
//	al·NAME·ALIAS      function.Alias
//	user·NAME          identity.User
//	tok·ID             identity.Token
//	audit·ID           audit.Entry
//	tot·NAME·NUMBER    invoke.Totals
//	meta·schema        number of the schema, see migrate.go
//	meta·step          how far an unfinished migration has come
//
// Zero sorts below every byte of a name, so that keys sort as their names do
// and all that belongs to "a" comes before what belongs to "a-b"; with "/"
// it would not. A name that holds a zero byte is no name: see join.
const (
	layout    = 0x01 // first byte of every key
	separator = 0x00

	kindFunction = "fn"
	kindVersion  = "ver"
	kindAlias    = "al"
	kindUser     = "user"
	kindToken    = "tok"
	kindAudit    = "audit"
	kindTotals   = "tot"
	kindMeta     = "meta"
)

// maxKeyPart bounds a name in a key, in bytes. It is far above every limit of
// the callers and far below what Badger takes (65,000 for a whole key).
const maxKeyPart = 1024

// everything is what all keys begin with.
var everything = []byte{layout}

var (
	schemaKey = metaKey("schema")
	stepKey   = metaKey("step")
)

func metaKey(name string) []byte { return append(prefixOf(kindMeta), name...) }

// prefixOf returns what the keys of a kind begin with; with parts, of those
// that belong to them. The parts must have passed checkParts.
func prefixOf(kind string, parts ...string) []byte {
	size := 2 + len(kind)
	for _, p := range parts {
		size += len(p) + 1
	}
	key := make([]byte, 0, size+4) // room for a number
	key = append(key, layout)
	key = append(append(key, kind...), separator)
	for _, p := range parts {
		key = append(append(key, p...), separator)
	}
	return key
}

// join returns the key of kind and parts. A part that cannot be a name is an
// Invalid fault: a record under it could not be told from another's.
func join(kind string, parts ...string) ([]byte, error) {
	if err := checkParts(kind, parts); err != nil {
		return nil, err
	}
	key := prefixOf(kind, parts...)
	return key[:len(key)-1], nil
}

// joinNumber returns the key of the record of a version.
func joinNumber(kind, name string, n function.Number) ([]byte, error) {
	if err := checkParts(kind, []string{name}); err != nil {
		return nil, err
	}
	return binary.BigEndian.AppendUint32(prefixOf(kind, name), uint32(n)), nil
}

// find is join for reading and deleting: nil for what cannot be a name, and so
// names nothing.
func find(kind string, parts ...string) []byte {
	key, _ := join(kind, parts...)
	return key
}

func findNumber(kind, name string, n function.Number) []byte {
	key, _ := joinNumber(kind, name, n)
	return key
}

// scope returns the prefix of all records of a kind, or of those of one name
// where name is not empty; nil for what cannot be a name.
func scope(kind, name string) []byte {
	if name == "" {
		return prefixOf(kind)
	}
	if checkParts(kind, []string{name}) != nil {
		return nil
	}
	return prefixOf(kind, name)
}

func checkParts(kind string, parts []string) error {
	for _, p := range parts {
		if p == "" || len(p) > maxKeyPart || bytes.IndexByte([]byte(p), separator) >= 0 {
			return fault.New(fault.Invalid, "bad_key", "access record %q: %.80q is no name", kind, p)
		}
	}
	return nil
}

// describe makes a key readable for messages.
func describe(key []byte) string {
	if len(key) > 0 && key[0] == layout {
		key = key[1:]
	}
	return string(bytes.ReplaceAll(key, []byte{separator}, []byte("/")))
}
