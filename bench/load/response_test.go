package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

func TestAnswersOfEveryForm(t *testing.T) {
	big := strings.Repeat("x", 3*bufStart)
	tests := map[string]struct {
		raw  string
		want answer
	}{
		"length":            {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", answer{status: 200, body: []byte("hello")}},
		"no reason phrase":  {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", answer{status: 200}},
		"any case":          {"HTTP/1.1 503 X\r\ncONTENT-lENGTH:2\r\nConnection: Close\r\n\r\nno", answer{status: 503, body: []byte("no"), closes: true}},
		"longer than a buf": {fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(big), big), answer{status: 200, body: []byte(big)}},
		"chunks":            {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: 1\r\n\r\n", answer{status: 200, body: []byte("abcde")}},
		"interim first":     {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", answer{status: 200, body: []byte("a")}},
		"no content":        {"HTTP/1.1 204 No Content\r\n\r\n", answer{status: 204}},
		"function error":    {"HTTP/1.1 200 OK\r\nX-Amz-Function-Error: Unhandled\r\nContent-Length: 2\r\n\r\n{}", answer{status: 200, body: []byte("{}"), functionError: "Unhandled"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for _, src := range []io.Reader{strings.NewReader(tt.raw + tt.raw), iotest.OneByteReader(strings.NewReader(tt.raw + tt.raw))} {
				r := newAnswers(src)
				for range 2 {
					got, err := r.next()
					if err != nil || !same(got, tt.want) {
						t.Fatalf("got %+v, %v", got, err)
					}
				}
				if _, err := r.next(); !errors.Is(err, io.EOF) {
					t.Errorf("after the last: %v", err)
				}
			}
		})
	}
}

func same(a, b answer) bool {
	return a.status == b.status && bytes.Equal(a.body, b.body) && a.functionError == b.functionError && a.closes == b.closes
}

func TestMalformedAnswersAreRefused(t *testing.T) {
	tests := map[string]string{
		"not HTTP":             "SSH-2.0-x\r\n\r\n",
		"old HTTP":             "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
		"status of letters":    "HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n",
		"status too long":      "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
		"no length":            "HTTP/1.1 200 OK\r\n\r\n",
		"negative length":      "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"two lengths":          "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\naa",
		"length and chunks":    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"gzip":                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
		"huge length":          "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
		"field without colon":  "HTTP/1.1 200 OK\r\nContent-Length 1\r\n\r\na",
		"folded field":         "HTTP/1.1 200 OK\r\n : x\r\n\r\n",
		"chunk size":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"chunk longer than it": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
		"endless head":         "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", maxHead/6+2),
	}
	for name, raw := range tests {
		t.Run(name, func(t *testing.T) {
			if a, err := newAnswers(strings.NewReader(raw)).next(); !errors.Is(err, errMalformed) {
				t.Errorf("got %+v, %v", a, err)
			}
		})
	}
}

func TestAnAnswerCutShortIsNotTheEnd(t *testing.T) {
	whole := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
	for n := 1; n < len(whole); n++ {
		if _, err := newAnswers(strings.NewReader(whole[:n])).next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut after %d bytes: %v", n, err)
		}
	}
}

// FuzzAnswers holds the parser against net/http's: where both take the bytes
// they must see the same answer in them.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 x\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := newAnswers(bytes.NewReader(raw)).next()
		one, err1 := newAnswers(iotest.OneByteReader(bytes.NewReader(raw))).next()
		if (err == nil) != (err1 == nil) || err == nil && !same(got, one) {
			t.Fatalf("in one piece %+v, %v; byte by byte %+v, %v", got, err, one, err1)
		}
		if err != nil || bytes.HasPrefix(raw, []byte("HTTP/1.1 1")) {
			return
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), nil)
		if err != nil {
			return
		}
		body, err := io.ReadAll(resp.Body)
		if err == nil && (resp.StatusCode != got.status || !bytes.Equal(body, got.body)) {
			t.Fatalf("got %d %q, net/http %d %q", got.status, got.body, resp.StatusCode, body)
		}
	})
}

// FuzzChunks cuts a body into chunks and the stream into reads, both at will:
// what comes out must be what went in, and the next answer must be found.
func FuzzChunks(f *testing.F) {
	f.Add([]byte("hello, world"), uint8(3), uint8(1))
	f.Add([]byte{}, uint8(1), uint8(7))
	f.Add(bytes.Repeat([]byte("\r\n0\r\n\r\n"), 30), uint8(200), uint8(255))
	f.Fuzz(func(t *testing.T, body []byte, chunk, read uint8) {
		var wire bytes.Buffer
		wire.WriteString("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for rest := body; len(rest) > 0; {
			n := min(int(chunk)+1, len(rest))
			fmt.Fprintf(&wire, "%x\r\n%s\r\n", n, rest[:n])
			rest = rest[n:]
		}
		wire.WriteString("0\r\n\r\nHTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n")
		r := newAnswers(slow{&wire, int(read) + 1})
		if a, err := r.next(); err != nil || a.status != 200 || !bytes.Equal(a.body, body) {
			t.Fatalf("got %d %q, %v", a.status, a.body, err)
		}
		if a, err := r.next(); err != nil || a.status != 418 {
			t.Fatalf("next: %d, %v", a.status, err)
		}
	})
}

// slow reads at most so many bytes at once.
type slow struct {
	io.Reader
	most int
}

func (s slow) Read(p []byte) (int, error) { return s.Reader.Read(p[:min(len(p), s.most)]) }
