package load

import (
	"bytes"
	"fmt"
	"strconv"
)

// parseHead parses a status line and the fields after it; every line of raw
// ends in CRLF.
func parseHead(raw []byte) (head, error) {
	line, rest, _ := bytes.Cut(raw, []byte("\r\n"))
	status, err := parseStatus(line)
	if err != nil {
		return head{}, err
	}
	h := head{length: -1}
	h.status = status
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || len(name) == 0 || name[0] == ' ' || name[0] == '\t' {
			return head{}, fmt.Errorf("%w: field %q", errMalformed, line)
		}
		if err := h.field(name, bytes.Trim(value, " \t")); err != nil {
			return head{}, err
		}
	}
	if h.chunked && h.length >= 0 {
		return head{}, fmt.Errorf("%w: Content-Length and chunks", errMalformed)
	}
	return h, nil
}

// parseStatus parses "HTTP/1.1 200 OK".
func parseStatus(line []byte) (int, error) {
	const prefix = "HTTP/1.1 "
	if len(line) < len(prefix)+3 || string(line[:len(prefix)]) != prefix {
		return 0, fmt.Errorf("%w: status line %q", errMalformed, line)
	}
	status, err := strconv.ParseUint(string(line[len(prefix):len(prefix)+3]), 10, 16)
	if tail := line[len(prefix)+3:]; err != nil || status < 100 || len(tail) > 0 && tail[0] != ' ' {
		return 0, fmt.Errorf("%w: status line %q", errMalformed, line)
	}
	return int(status), nil
}

// field takes what matters out of one field. The length of the name is looked
// at first: most fields do not matter, and this is asked for every answer.
func (h *head) field(name, value []byte) error {
	switch len(name) {
	case len("Connection"):
		if equal(name, "connection") {
			h.closes = h.closes || equal(value, "close")
		}
	case len("Content-Length"):
		if equal(name, "content-length") {
			return h.setLength(value)
		}
	case len("Transfer-Encoding"):
		if equal(name, "transfer-encoding") {
			return h.setEncoding(value)
		}
	case len("X-Amz-Function-Error"):
		if equal(name, "x-amz-function-error") {
			h.functionError = string(value)
		}
	}
	return nil
}

func (h *head) setLength(value []byte) error {
	n, err := strconv.ParseUint(string(value), 10, 31)
	if err != nil || n > maxBody || h.length >= 0 && h.length != int(n) {
		return fmt.Errorf("%w: Content-Length %q", errMalformed, value)
	}
	h.length = int(n)
	return nil
}

func (h *head) setEncoding(value []byte) error {
	if !equal(value, "chunked") {
		return fmt.Errorf("%w: Transfer-Encoding %q", errMalformed, value)
	}
	h.chunked = true
	return nil
}

// equal compares with a lower-case word, whatever the case of b.
func equal(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
