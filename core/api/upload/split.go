package upload

import (
	"errors"
	"io"
)

// Rest is a body without its large field.
type Rest struct {
	// JSON is the body with an empty string in place of the field's. Whether
	// it is valid is still to be asked.
	JSON    []byte
	Found   bool  // the field was there and was a string
	Problem error // what is wrong with the field's base64; nil if nothing is
}

// Split reads a JSON object to its end, decodes the string that its field
// holds from base64 into to, and returns the rest, which may have at most
// limit bytes. Where the field comes twice, the rest has it twice and says so
// to whoever reads it. Errors: those of in and of to, ErrRestTooLarge.
func Split(in io.Reader, field string, to io.Writer, limit int) (Rest, error) {
	s := splitter{field: field, code: decoder{to: to}, limit: limit}
	buf := make([]byte, 32<<10)
	for {
		n, err := in.Read(buf)
		if err := s.feed(buf[:n]); err != nil {
			return Rest{}, err
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Rest{}, err
		}
	}
	rest := Rest{JSON: s.rest, Found: s.found}
	if s.found {
		rest.Problem = s.code.finish()
	}
	return rest, s.code.failed
}

// splitter follows the structure of JSON just far enough to know when it is in
// the field's string. What is not JSON passes through, to be found out later.
type splitter struct {
	field string
	limit int
	code  decoder
	rest  []byte
	found bool

	depth    int
	inString bool
	escaped  bool
	inField  bool   // inside the string that is decoded
	key      []byte // the string being read at depth 1, or read last
	value    bool   // a colon came: what follows belongs to key
	hex      int    // digits still to come of a \u escape in the field
	rune     rune
}

func (s *splitter) feed(p []byte) error {
	for _, c := range p {
		if s.inField {
			s.fieldByte(c)
		} else {
			s.restByte(c)
		}
		if len(s.rest) > s.limit {
			return ErrRestTooLarge
		}
	}
	return s.code.failed
}

// restByte passes a byte on.
func (s *splitter) restByte(c byte) {
	s.rest = append(s.rest, c)
	if s.inString {
		s.stringByte(c)
		return
	}
	switch c {
	case '"':
		s.begin()
	case ':':
		s.value = s.value || s.depth == 1
	case ',':
		s.value = s.value && s.depth != 1
	case '{', '[':
		s.depth++
	case '}', ']':
		s.depth--
	}
}

// begin enters a string: the field's own, once, or any other.
func (s *splitter) begin() {
	if s.depth == 1 && s.value && string(s.key) == s.field && !s.found {
		s.inField, s.found = true, true
		return
	}
	s.inString = true
	if s.depth == 1 && !s.value {
		s.key = s.key[:0]
	}
}

func (s *splitter) stringByte(c byte) {
	switch {
	case s.escaped:
		s.escaped = false
	case c == '\\':
		s.escaped = true
	case c == '"':
		s.inString = false
		return
	}
	if s.depth == 1 && !s.value && len(s.key) <= len(s.field) {
		s.key = append(s.key, c)
	}
}

// fieldByte decodes a byte of the field's string. Base64 needs no escapes, but
// some encoders write its slash as "\/", and \u is always allowed.
func (s *splitter) fieldByte(c byte) {
	switch {
	case s.hex > 0:
		s.hexDigit(c)
	case s.escaped && c == 'u':
		s.escaped, s.hex, s.rune = false, 4, 0
	case s.escaped:
		s.escaped = false
		s.code.add(unescaped(c))
	case c == '\\':
		s.escaped = true
	case c == '"':
		s.inField = false
		s.rest = append(s.rest, '"')
	default:
		s.code.add(c)
	}
}

// unescaped is what an escape means; those that are none of base64's remain
// what they are, which is none of base64's either.
func unescaped(c byte) byte {
	switch c {
	case 'n', 'r':
		return '\n'
	case '/':
		return '/'
	}
	return '\\'
}

func (s *splitter) hexDigit(c byte) {
	s.hex--
	switch {
	case c >= '0' && c <= '9':
		s.rune = s.rune<<4 | rune(c-'0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		s.rune = s.rune<<4 | rune(c|0x20-'a'+10)
	default:
		s.rune = 1 << 20 // stays over 127
	}
	if s.hex > 0 {
		return
	}
	if s.rune > 127 {
		s.code.add('\\')
		return
	}
	s.code.add(byte(s.rune))
}
